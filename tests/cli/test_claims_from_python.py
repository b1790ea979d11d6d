"""A program signs claims of any kind as they are given, with its streams closed."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from seedless import Workspace
from seedless.app.claims_signing import read_claims
from seedless.claims import Account
from seedless.errors import BadClaims, UsageError
from seedless.jwt import Claims
from seedless.nkey import Role
from seedless.seeds import SoftwareKey

if TYPE_CHECKING:
    from collections.abc import Iterator

    Cli = Any  # the fixture in tests/conftest.py


@pytest.fixture
def workspace(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workspace]:
    """A workspace on the store and the token of a command line, while stdin and stdout are closed."""
    monkeypatch.setenv("TOKEN_PIN", cli.token.pin)
    monkeypatch.setenv("SEEDLESS_CONFIG", "")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(cli.home))
    for name in ("stdin", "stdout"):
        closed = io.StringIO()
        closed.close()
        monkeypatch.setattr(sys, name, closed)
    with Workspace(
        cli.store, module=cli.token.module, token=cli.token.label, pin_source="env:TOKEN_PIN"
    ) as found:
        yield found


def test_claims_are_signed_by_the_operator_and_recorded_only_if_asked(workspace: Workspace, cli: Cli) -> None:
    workspace.operators.add("ACME").sign()
    key = SoftwareKey.generate(Role.ACCOUNT).public_key
    claims = Claims(sub=str(key), name="ORDERS", body=Account.new())
    output = cli.home / "ORDERS.jwt"
    signed = workspace.claims.preview(claims, output=output).sign().jwt
    assert (signed.claims.sub, str(signed.issuer)) == (str(key), workspace.operator().claims.sub)
    assert output.read_text() == signed.text
    assert workspace.store.children() == []
    recorded = workspace.claims.preview(signed, record=True).sign().jwt
    assert recorded.issued_at > signed.issued_at
    assert workspace.account("ORDERS").text == recorded.text
    again = read_claims(recorded.text)
    assert workspace.claims.preview(again).sign().jwt.claims == recorded.claims
    assert workspace.claims.preview(claims, record=True).is_empty
    renamed = msgspec.structs.replace(claims, name="OTHER")
    with pytest.raises(UsageError, match=r'the store has A.* as "ORDERS", not as "OTHER"'):
        workspace.claims.preview(renamed, record=True)


def test_generic_claims_need_no_store(workspace: Workspace) -> None:
    entry = workspace.keys.create("account", "SPARE")
    user = SoftwareKey.generate(Role.USER).public_key
    claims = read_claims(f'{{"sub": "{user}", "nats": {{"data": 1}}}}', "generic")
    with pytest.raises(UsageError, match="it is not known who signs this"):
        workspace.claims.preview(claims)
    assert workspace.claims.preview(claims, issuer=entry.public_key).sign().jwt.issuer == entry.public_key


def test_an_error_about_claims_begins_with_their_source() -> None:
    with pytest.raises(BadClaims) as caught:
        read_claims('{"sub": 5}', source="orders.json")
    assert caught.value.message.startswith("orders.json: ")
