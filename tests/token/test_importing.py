from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from seedless.errors import NoKey, TokenError
from seedless.nkey import PublicKey, Role
from seedless.seeds import SoftwareKey

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    import pytest_softhsm
    from seedless.pkcs11.token import Token

    Open = Callable[..., AbstractContextManager[Token]]
    Misbehaving = Any

SEED = bytes(range(32))
SOFTWARE = SoftwareKey(Role.ACCOUNT, SEED)
KEY = SOFTWARE.public_key
LABEL = "account:ORDERS"


def where(made: pytest_softhsm.Token) -> str:
    return f'token "{made.label}" (serial {made.serial})'


def objects(opened: Open, made: pytest_softhsm.Token) -> list[str]:
    """The labels of all key objects of both kinds, with their class."""
    from pkcs11.constants import ObjectClass

    from seedless.pkcs11.keys import key_objects

    with opened(made) as token, token.session.use("look") as raw:
        return sorted(
            f"{kind.name} {one.label}"
            for kind in (ObjectClass.PRIVATE_KEY, ObjectClass.PUBLIC_KEY)
            for one in key_objects(raw, kind)
        )


def test_an_imported_key_signs_as_its_seed_does_and_cannot_leave_again(
    softhsm_token: pytest_softhsm.Token, opened: Open
) -> None:
    with opened(softhsm_token, writable=True) as token:
        key = token.import_key(SOFTWARE, LABEL)
        assert (key.label, key.raw, len(key.id), key.key_type) == (LABEL, KEY.raw, 8, "ed25519")
    with opened(softhsm_token) as token:
        (found,) = token.keys()
        driver_report = found.attributes
        assert (
            driver_report.sensitive,
            driver_report.extractable,
            driver_report.modifiable,
            driver_report.sign,
        ) == (True, False, False, True)
        assert (driver_report.local, driver_report.always_sensitive, driver_report.never_extractable) == (
            False,
            False,
            False,
        )
        assert token.signer(KEY).sign(b"claims") == SOFTWARE.sign(b"claims")
    assert objects(opened, softhsm_token) == [f"PRIVATE_KEY {LABEL}", f"PUBLIC_KEY {LABEL}"]


@pytest.mark.parametrize(
    "role", [pytest.param(Role.ACCOUNT, id="in-the-same-role"), pytest.param(Role.USER, id="in-another-role")]
)
def test_a_key_that_is_there_already_is_refused(
    softhsm_token: pytest_softhsm.Token, opened: Open, role: Role
) -> None:
    again = SoftwareKey(role, SEED)
    with opened(softhsm_token, writable=True) as token:
        made = token.import_key(SOFTWARE, LABEL)
        with pytest.raises(TokenError) as refused:
            token.import_key(again, f"{role.name.lower()}:again")
    assert refused.value.message == (
        f"{where(softhsm_token)} has the key {again.public_key} already, as {made.named}"
    )
    assert refused.value.hint == "one raw key is on a token once and has one role"
    assert objects(opened, softhsm_token) == [f"PRIVATE_KEY {LABEL}", f"PUBLIC_KEY {LABEL}"]


def test_an_id_that_is_taken_is_refused_also_by_a_public_half_alone(
    softhsm_token: pytest_softhsm.Token, opened: Open
) -> None:
    other = SoftwareKey(Role.USER, bytes(range(1, 33)))
    softhsm_token.import_ed25519(bytes(range(2, 34)), label="user:app", id=b"\x07")
    with opened(softhsm_token, writable=True) as token, pytest.raises(TokenError) as refused:
        token.import_key(other, "user:other", id=b"\x07")
    assert refused.value.message == f"{where(softhsm_token)} has a key with the id 07 already"
    assert refused.value.hint == "choose another id"
    ids = iter([b"\x07" * 8, b"\x08" * 8])
    with opened(softhsm_token, writable=True) as token:
        token.import_key(SOFTWARE, LABEL, id=b"\x07" * 8)
        assert (
            token.import_key(other, "user:other", random=lambda n: next(ids) if n == 8 else bytes(n)).id
            == b"\x08" * 8
        )


@pytest.mark.parametrize(
    ("wants", "said"),
    [
        pytest.param(
            ["fault C_CreateObject 2 DEVICE_MEMORY"], "the token is full", id="the-second-half-fails"
        ),
        pytest.param(["fault C_Sign 1 WRONG"], "gave a wrong signature", id="wrong-signature"),
        pytest.param(["fault C_Sign 1 TRUNCATED"], "returned 63 bytes", id="truncated-signature"),
        pytest.param(["fault C_SignInit 1 GENERAL_ERROR"], "a general error", id="it-cannot-sign-with-it"),
    ],
)
def test_what_fails_leaves_no_half_of_a_key(
    misbehaving: Misbehaving, opened: Open, wants: list[str], said: str
) -> None:
    with opened(misbehaving.made, writable=True) as token:
        misbehaving.wants(*wants)
        with pytest.raises(TokenError, match=said) as refused:
            token.import_key(SOFTWARE, LABEL)
        assert SOFTWARE.reveal() not in f"{refused.value.message} {refused.value.hint}"
        assert refused.value.exit_code == 4
    misbehaving.wants()
    assert objects(opened, misbehaving.straight) == []


def test_a_half_that_cannot_be_destroyed_is_reported(misbehaving: Misbehaving, opened: Open) -> None:
    with opened(misbehaving.made, writable=True) as token:
        misbehaving.wants("fault C_Sign 1 WRONG", "fault C_DestroyObject 1 DEVICE_REMOVED")
        with pytest.raises(TokenError, match="gave a wrong signature") as refused:
            token.import_key(SOFTWARE, LABEL)
    assert refused.value.hint == "half of the new key is still on the token: delete it by its label"


def test_a_token_that_takes_no_labels_gets_the_key_without_one(
    misbehaving: Misbehaving, opened: Open
) -> None:
    misbehaving.wants("set no_labels")
    with opened(misbehaving.made, writable=True) as token:
        assert token.import_key(SOFTWARE, LABEL).label == ""
        assert token.signer(KEY).sign(b"claims") == SOFTWARE.sign(b"claims")


def test_a_yubikey_takes_no_key_from_its_user_and_nothing_is_sent(
    misbehaving: Misbehaving, opened: Open
) -> None:
    misbehaving.wants(
        "set manufacturer Yubico",
        "set model YubiKey YK5",
        "set firmware 5 74",
        f"set pad {misbehaving.made.pin}",
    )
    with opened(misbehaving.made, writable=True) as token, pytest.raises(TokenError) as refused:
        token.import_key(SOFTWARE, LABEL)
    assert "(YubiKey PIV) takes no keys from its user through PKCS#11" in refused.value.message
    assert refused.value.hint.startswith(
        "instead of an import: slot 9c shows no key, and ykman piv info confirms it: create a key with ykman"
    )
    assert misbehaving.calls("C_CreateObject") == 0


def test_an_imported_key_in_another_role_is_refused_by_its_label(
    softhsm_token: pytest_softhsm.Token, opened: Open
) -> None:
    with opened(softhsm_token, writable=True) as token:
        token.import_key(SOFTWARE, LABEL)
        with pytest.raises(NoKey, match="its label has another role"):
            token.signer(PublicKey(Role.USER, KEY.raw))
