"""`seedless user context`: the file that the `nats` command logs in with."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    Cli = Any  # the fixture in tests/conftest.py


@pytest.fixture
def system(cli: Cli) -> Cli:
    """The user app, under an operator that names its servers."""
    cli.ok("operator", "add", "ACME", "--service-url", "nats://a:4222", "--service-url", "nats://b:4222")
    cli.ok("account", "add", "ORDERS")
    cli.ok("user", "add", "-a", "ORDERS", "app")
    return cli


def context(cli: Cli, *words: str, **env: str | None) -> Any:  # noqa: ANN401 - what a command returns
    return cli.ok("user", "context", "-a", "ORDERS", "app", *words, **env)


def test_a_context_names_the_servers_and_the_creds_where_nats_looks_for_it(system: Cli) -> None:
    done = context(system)
    path = system.home / ".config/nats/context/ACME-ORDERS-app.json"
    assert done.out == f"context ACME-ORDERS-app: {path}\n"
    assert json.loads(path.read_text()) == {
        "description": "user app of account ORDERS, operator ACME",
        "url": "nats://a:4222,nats://b:4222",
        "creds": str(system.store / "keys/creds/ACME/ORDERS/app.creds"),
    }
    assert path.stat().st_mode & 0o777 == 0o600


def test_the_options_report_name_servers_and_place(system: Cli) -> None:
    context(system, "--name", "shop", "--url", "tls://c", XDG_CONFIG_HOME=str(system.home / "xdg"))
    assert json.loads((system.home / "xdg/nats/context/shop.json").read_text())["url"] == "tls://c"
    context(system, "-o", str(system.home / "here.json"), "--description", "Orders")
    assert json.loads((system.home / "here.json").read_text())["description"] == "Orders"


def test_a_context_that_is_there_stays_unless_it_is_to_be_replaced(system: Cli) -> None:
    context(system)
    done = system.run("user", "context", "-a", "ORDERS", "app", "--url", "tls://c")
    assert done.code == 2
    assert done.err.endswith("ACME-ORDERS-app.json already\nhint: --overwrite replaces it\n")
    context(system, "--url", "tls://c", "--overwrite")


def test_a_dry_run_prints_the_context_and_writes_nothing(system: Cli) -> None:
    assert json.loads(context(system, "--dry-run").out)["url"] == "nats://a:4222,nats://b:4222"
    assert not (system.home / ".config/nats").exists()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        pytest.param(["own"], 'user "own" has no creds file, and a context needs one', id="no creds"),
        pytest.param(["app", "--name", "a/b"], 'the name "a/b" holds a /', id="no name of a file"),
        pytest.param(["nobody"], 'there is no user "nobody" in account "ORDERS"', id="unknown"),
    ],
)
def test_what_cannot_be_is_a_sentence(system: Cli, words: list[str], sentence: str) -> None:
    system.ok("user", "add", "-a", "ORDERS", "own", "--on-token")
    done = system.run("user", "context", "-a", "ORDERS", *words)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(f"error: {sentence}")


def test_an_operator_without_servers_requires_an_url(cli: Cli) -> None:
    cli.found_system()
    done = cli.run("user", "context", "-a", "ORDERS", "app")
    assert done.code == 2
    assert done.err == (
        'error: operator "ACME" names no servers for clients\n'
        "hint: name them here with --url, or there: seedless operator edit --service-url\n"
    )
