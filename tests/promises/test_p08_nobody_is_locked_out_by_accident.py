"""Promise 8: before a push, what would lock somebody out is refused, and nothing at all is sent.

tests/journeys/test_resolver_preflight.py and test_resolver_push.py do it at real servers.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    Desk = Any  # the fixture in tests/conftest.py


@pytest.fixture
def configuration(desk: Desk) -> Path:
    """A server's configuration with the accounts of the desk, one of which is newer in the store."""
    desk.found_system()
    path: Path = desk.home / "nats.conf"
    path.write_text(desk.ok("server", "config", "--mem-resolver").out)
    desk.ok("account", "add", "LATER")
    return path


def account(desk: Desk, name: str) -> Path:
    path: Path = desk.store / "stores/ACME/accounts" / name / f"{name}.jwt"
    return path


def require_refused(desk: Desk, configuration: Path, code: str) -> None:
    before = configuration.read_text()
    for words in (("--all",), ("--all", "--force"), ("ORDERS", "LATER")):
        done = desk.run("push", *words, "--config", str(configuration))
        assert (done.code, f"error: {code} account ORDERS" in done.err) == (3, True), done
    assert configuration.read_text() == before


def signing_key(desk: Desk) -> str:
    """Give the operator of the store a signing key, which the configuration does not know yet."""
    desk.ok("operator", "signing-key", "add")
    found: str = desk.ok("operator", "show", "--json").data["claims"]["nats"]["signing_keys"][0]
    return found


def test_an_account_by_a_key_that_the_server_does_not_trust(desk: Desk, configuration: Path) -> None:
    desk.ok("account", "edit", "ORDERS", "--issuer", signing_key(desk), "--conns", "5")
    require_refused(desk, configuration, "R001")


def test_an_account_by_the_identity_of_an_operator_that_the_server_has_as_strict(
    desk: Desk, configuration: Path
) -> None:
    key = signing_key(desk)
    operator = desk.store / "stores/ACME/ACME.jwt"
    relaxed = operator.read_text()
    desk.ok("operator", "edit", "--require-signing-keys", "--force")
    configuration.write_text(desk.ok("server", "config", "--mem-resolver").out)
    operator.write_text(relaxed)
    for name, issuer in (("LATER", key), ("ORDERS", desk.ok("operator", "show", "--json").data["subject"])):
        desk.ok("account", "edit", name, "--issuer", issuer, "--conns", "5")
    require_refused(desk, configuration, "R001")


def test_an_account_older_than_the_servers(desk: Desk, configuration: Path) -> None:
    old = account(desk, "ORDERS").read_text()
    desk.ok("account", "edit", "ORDERS", "--conns", "5")
    desk.ok("push", "ORDERS", "--config", str(configuration))
    account(desk, "ORDERS").write_text(old)
    require_refused(desk, configuration, "R002")


def test_an_account_that_has_expired_goes_only_when_forced(desk: Desk, configuration: Path) -> None:
    claims = desk.ok("account", "show", "ORDERS", "--json").data["claims"]
    soon = claims["iat"] + 2
    path = desk.home / "claims.json"
    path.write_text(json.dumps({name: claims[name] for name in ("sub", "name", "nats")} | {"exp": soon}))
    desk.ok("sign", str(path), "--record")
    while desk.run("push", "ORDERS", "--diff", "--config", str(configuration)).code == 5:
        pass
    done = desk.run("push", "ORDERS", "--config", str(configuration))
    assert (done.code, "C001 account ORDERS exp: has expired" in done.err) == (3, True)
    assert account(desk, "ORDERS").read_text() not in configuration.read_text()
    desk.ok("push", "ORDERS", "--force", "--config", str(configuration))
    assert account(desk, "ORDERS").read_text() in configuration.read_text()
