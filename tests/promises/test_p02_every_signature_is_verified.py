"""Promise 2: every signature is verified in software, under the expected key, before anything is written."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from pytest_softhsm import _tokens
from pytest_softhsm._ed25519 import templates
from seedless.claims import Operator
from seedless.clock import Clock
from seedless.errors import BadSignature
from seedless.jwt import Claims
from seedless.nkey import Role
from seedless.plan import PlanSubject, new_operator
from seedless.seeds import SoftwareKey
from seedless.signing_pipeline import issue

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import Any

    from seedless.jwt import Draft, Jwt
    from seedless.nkey import PublicKey
    from seedless.signing_pipeline import NewKey

    Cli = Any  # the fixture in tests/conftest.py

KEY = SoftwareKey(Role.OPERATOR, bytes(range(32)))
OTHER = SoftwareKey(Role.OPERATOR, bytes(range(1, 33)))


@dataclass
class Lying:
    """Keys that answer with something else than the signature."""

    wrong: Callable[[bytes], bytes]

    def create(self, keys: Sequence[NewKey]) -> dict[NewKey, PublicKey]:
        raise NotImplementedError

    def sign(self, drafts: Iterable[Draft[Any]]) -> Iterator[Jwt[Any]]:
        for draft in drafts:
            yield draft.complete(self.wrong(draft.signing_input))


def flipped(message: bytes) -> bytes:
    signature = bytearray(KEY.sign(message))
    signature[40] ^= 1
    return bytes(signature)


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param(flipped, id="one flipped bit"),
        pytest.param(OTHER.sign, id="another key"),
        pytest.param(lambda message: KEY.sign(message[:32]), id="the first 32 bytes only"),
        pytest.param(lambda message: KEY.sign(message + b"\0"), id="a longer message"),
        pytest.param(lambda _: bytes(64), id="zeros"),
        pytest.param(lambda message: KEY.sign(message)[:63], id="too short"),
        pytest.param(lambda message: KEY.sign(message) + b"\0", id="too long"),
        pytest.param(lambda _: b"", id="nothing"),
    ],
)
def test_a_wrong_signature_of_a_signer_ends_the_pipeline_with_nothing_recorded(
    wrong: Callable[[bytes], bytes],
) -> None:
    subject = PlanSubject(role=Role.OPERATOR, name="ACME", public_key=KEY.public_key)
    recorded: list[object] = []
    with pytest.raises(BadSignature):
        issue(
            new_operator(subject, Claims(sub="", name="ACME", body=Operator.new()), now=1_800_000_000),
            review=lambda _plan, _report: True,
            keys=lambda _: nullcontext(Lying(wrong)),
            record=lambda signed, _: recorded.append(signed),
            clock=Clock(time=lambda: 1_800_000_000),
        )
    assert recorded == []


def test_a_token_whose_public_key_belongs_to_another_private_key_signs_nothing(cli: Cli) -> None:
    private, _ = templates(OTHER.reveal_raw(), label="operator:ACME", id=b"\x01")
    _, public = templates(KEY.reveal_raw(), label="operator:ACME", id=b"\x01")
    token = cli.token
    _tokens._run(token, "create_objects", serial=token.serial, pin=token.pin, templates=[private, public])
    done = cli.run("operator", "add", "ACME", "-k", str(KEY.public_key))
    assert (done.code, done.out) == (4, "")
    assert (
        f"gave a wrong signature: it does not verify under {KEY.public_key}\nhint: do not sign " in done.err
    )
    assert cli.files() == {}
