"""What a bulk run asks of a token, counted in the driver: only the signatures grow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from seedless.nkey import Role
from seedless.pkcs11.isolation.pool import open_pool
from seedless.pkcs11.uri import KeyUri
from seedless.seeds import SoftwareKey

if TYPE_CHECKING:
    from collections.abc import Callable

    Misbehaving = Any
    Given = Callable[[str], Any]

SOFTWARE = SoftwareKey(Role.ACCOUNT, bytes(range(32)))
KEY = SOFTWARE.public_key
_ASKING = (
    "C_GetAttributeValue",
    "C_FindObjectsInit",
    "C_FindObjects",
    "C_Login",
    "C_OpenSession",
    "C_Initialize",
)


def _bulk(crooked: Misbehaving, given: Given, signatures: int) -> tuple[dict[str, int], int]:
    """Sign so many messages with a pool of one worker; return how often it asked, and how often it signed."""
    crooked.forget()
    pins = given(crooked.made.pin)
    with open_pool(KeyUri.parse(crooked.made.uri), pins, module=crooked.made.module, workers=1) as pool:
        made = list(pool.sign_all((KEY, b"%d" % number) for number in range(signatures)))
    assert len(made) == signatures
    assert crooked.calls("C_Sign") == crooked.calls("C_SignInit")
    return {name: crooked.calls(name) for name in _ASKING}, crooked.calls("C_Sign")


@pytest.mark.usefixtures("softhsm")
def test_forty_signatures_ask_a_token_for_no_more_than_four_do(
    misbehaving: Misbehaving, given: Given
) -> None:
    misbehaving.straight.import_ed25519(bytes(range(32)), label="account:A", id=b"\x01")
    few, few_signed = _bulk(misbehaving, given, 4)
    many, many_signed = _bulk(misbehaving, given, 40)
    assert many == few
    assert many_signed - few_signed == 36
    assert few["C_Login"] <= 2
