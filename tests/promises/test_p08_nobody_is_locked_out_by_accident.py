"""Promise 8: before a push, what would lock somebody out is refused, and nothing at all is sent.

tests/journeys/test_resolver_preflight.py and test_resolver_push.py do it at real servers.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    Cli = Any  # the fixture in tests/conftest.py


@pytest.fixture
def configuration(cli: Cli) -> Path:
    """A server's configuration with the accounts of the store, one of which is newer in the store."""
    cli.found_system()
    path: Path = cli.home / "nats.conf"
    path.write_text(cli.ok("server", "config", "--mem-resolver").out)
    cli.ok("account", "add", "LATER")
    return path


def account(cli: Cli, name: str) -> Path:
    path: Path = cli.store / "stores/ACME/accounts" / name / f"{name}.jwt"
    return path


def require_refused(cli: Cli, configuration: Path, code: str) -> None:
    before = configuration.read_text()
    for words in (("--all",), ("--all", "--force"), ("ORDERS", "LATER")):
        done = cli.run("push", *words, "--config", str(configuration))
        assert (done.code, f"error: {code} account ORDERS" in done.err) == (3, True), done
    assert configuration.read_text() == before


def signing_key(cli: Cli) -> str:
    """Give the operator of the store a signing key, which the configuration does not know yet."""
    cli.ok("operator", "signing-key", "add")
    found: str = cli.ok("operator", "show", "--json").data["claims"]["nats"]["signing_keys"][0]
    return found


def test_an_account_by_a_key_that_the_server_does_not_trust(cli: Cli, configuration: Path) -> None:
    cli.ok("account", "edit", "ORDERS", "--issuer", signing_key(cli), "--conns", "5")
    require_refused(cli, configuration, "R001")


def test_an_account_by_the_identity_of_an_operator_that_the_server_has_as_strict(
    cli: Cli, configuration: Path
) -> None:
    key = signing_key(cli)
    operator = cli.store / "stores/ACME/ACME.jwt"
    relaxed = operator.read_text()
    cli.ok("operator", "edit", "--require-signing-keys", "--force")
    configuration.write_text(cli.ok("server", "config", "--mem-resolver").out)
    operator.write_text(relaxed)
    for name, issuer in (("LATER", key), ("ORDERS", cli.ok("operator", "show", "--json").data["subject"])):
        cli.ok("account", "edit", name, "--issuer", issuer, "--conns", "5")
    require_refused(cli, configuration, "R001")


def test_an_account_older_than_the_servers(cli: Cli, configuration: Path) -> None:
    old = account(cli, "ORDERS").read_text()
    cli.ok("account", "edit", "ORDERS", "--conns", "5")
    cli.ok("push", "ORDERS", "--config", str(configuration))
    account(cli, "ORDERS").write_text(old)
    require_refused(cli, configuration, "R002")


def test_an_account_that_has_expired_goes_only_when_forced(cli: Cli, configuration: Path) -> None:
    claims = cli.ok("account", "show", "ORDERS", "--json").data["claims"]
    soon = claims["iat"] + 2
    path = cli.home / "claims.json"
    path.write_text(json.dumps({name: claims[name] for name in ("sub", "name", "nats")} | {"exp": soon}))
    cli.ok("sign", str(path), "--record")
    while cli.run("push", "ORDERS", "--diff", "--config", str(configuration)).code == 5:
        pass
    done = cli.run("push", "ORDERS", "--config", str(configuration))
    assert (done.code, "C001 account ORDERS exp: has expired" in done.err) == (3, True)
    assert account(cli, "ORDERS").read_text() not in configuration.read_text()
    cli.ok("push", "ORDERS", "--force", "--config", str(configuration))
    assert account(cli, "ORDERS").read_text() in configuration.read_text()
