"""Promise 9: a key signs what this tool drafted, and nothing else.

That a server's nonce is signed by user keys only, and only if it is short and cannot be the head of a jwt, is
tested where logins are: tests/unit/test_client.py and tests/journeys/test_login_trouble.py; that nothing is
signed for a server without TLS, where TLS was asked for, in tests/journeys/test_login_plain_text.py.
"""

from __future__ import annotations

import base64
import json
import re
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seedless.errors import SeedlessError
from seedless.jwt import read
from seedless.nkey import Role
from seedless.pkcs11.signing import challenge
from seedless.seeds import SoftwareKey

if TYPE_CHECKING:
    from typing import Any

    Cli = Any  # the fixture in tests/conftest.py

KEY = SoftwareKey(Role.OPERATOR, bytes(range(32)))
SIGNING_INPUT = re.compile(rb"[A-Za-z0-9_=-]*(\.[A-Za-z0-9_=-]*)?")
PURPOSES = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E))


@given(purpose=PURPOSES, random=st.binary(max_size=64))
def test_a_challenge_can_never_be_what_a_jwt_is_signed_over(purpose: str, random: bytes) -> None:
    message = challenge(purpose, random)
    assert message.startswith(b"seedless challenge v1 ")
    assert message.endswith(b"\n\0")
    assert SIGNING_INPUT.fullmatch(message) is None


@given(purpose=PURPOSES, random=st.binary(max_size=64))
def test_a_signed_challenge_is_read_as_no_jwt(purpose: str, random: bytes) -> None:
    message = challenge(purpose, random)
    signature = base64.urlsafe_b64encode(KEY.sign(message)).rstrip(b"=").decode()
    with pytest.raises(SeedlessError):
        read(f"{message.decode('ascii')}.{signature}")


@pytest.mark.parametrize("purpose", ["a\nb", "a\0b", "\N{SNOWMAN}", "a\x7f"])
def test_the_purpose_of_a_challenge_cannot_break_its_form(purpose: str) -> None:
    with pytest.raises(SeedlessError, match="plain ASCII"):
        challenge(purpose, b"")


ORDERS = {
    "accounts": {"accounts": ["ANY"]},
    "accounts that are none": {"accounts": None},
    "accounts among others": {"x": 1, "accounts": []},
}


@pytest.mark.parametrize("order", ORDERS)
def test_a_delete_request_to_a_resolver_is_not_signed_as_generic_claims(cli: Cli, order: str) -> None:
    operator = cli.ok("operator", "add", "ACME", "--json").data["subject"]
    claims = {"sub": str(SoftwareKey(Role.ACCOUNT, bytes(32)).public_key), "nats": ORDERS[order]}
    done = cli.run("sign", "-", "--kind", "generic", "-K", operator, stdin=json.dumps(claims))
    assert (done.code, done.out) == (3, "")
    assert "error: G004 " in done.err


def test_claims_of_a_typed_kind_are_not_signed_as_generic_ones(cli: Cli) -> None:
    operator = cli.ok("operator", "add", "ACME", "--json").data["subject"]
    claims = {"sub": operator, "nats": {"type": "account", "limits": {}}}
    done = cli.run("sign", "-", "--kind", "generic", "-K", operator, stdin=json.dumps(claims))
    assert done.code != 0
    assert done.out == ""


def test_one_raw_key_has_one_role(cli: Cli) -> None:
    cli.ok("operator", "add", "ACME")
    cli.token.import_ed25519(bytes(range(32)), label="user:app", id=b"\x09")
    as_account = SoftwareKey(Role.ACCOUNT, bytes(range(32))).public_key
    claims = {"sub": str(SoftwareKey(Role.USER, bytes(32)).public_key), "nats": {"x": 1}}
    done = cli.run("sign", "-", "--kind", "generic", "-K", str(as_account), stdin=json.dumps(claims))
    assert (done.code, done.out) == (4, "")
    assert "user" in done.err


@pytest.mark.parametrize(
    "text",
    ["eyJ0eXAiOiJKV1QiLCJhbGciOiJlZDI1NTE5LW5rZXkifQ.e30", "hello", "{}", '"text"', "seedless challenge v1"],
)
def test_what_is_no_claims_is_not_signed(cli: Cli, text: str) -> None:
    operator = cli.ok("operator", "add", "ACME", "--json").data["subject"]
    done = cli.run("sign", "-", "--kind", "generic", "-K", operator, stdin=text)
    assert (done.code, done.out) == (2, "")
