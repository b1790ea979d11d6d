"""Clocks, revocations and the way back from a clock that was fast, on real servers."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from seedless.creds import parse_creds
from seedless.jwt import read

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Cli = Any  # the fixture in tests/conftest.py
    StartServer = Callable[[str], Any]
    StartCluster = Callable[[str], Any]
    Connect = Callable[..., Any]

DAY = 86400
REAL = time.time


@pytest.fixture
def configuration(cli: Cli) -> str:
    """The configuration of a full resolver for the operator."""
    cli.found_system()
    made: str = cli.ok("server", "config", "--nats-resolver", "--interval", "1s").out
    return made


def refusal(cli: Cli, server: Any, connect: Connect, user: str = "app") -> str:  # noqa: ANN401 - a NatsServer
    """Log in with the creds of *user*, and return what the server has against it."""
    path: Path = next(cli.store.rglob(f"{user}.creds"))
    held = parse_creds(path.read_text())
    said: str = connect(server.url, held.key, held.jwt).refusal
    return said


def key(cli: Cli, *words: str) -> str:
    found: str = cli.ok(*words, "--json").data["subject"]
    return found


def held(server: Any, account: str) -> int:  # noqa: ANN401 - a NatsServer
    """Of when the jwt of *account* is that a server holds."""
    return read((server.folder / "jwt" / f"{account}.jwt").read_text()).issued_at


def test_everyone_is_locked_out_right_after_quick_edits_and_let_in_by_the_next_jwt(
    cli: Cli, configuration: str, nats_server: StartServer, session: Connect
) -> None:
    server = nats_server(configuration)
    cli.ok("push", "--all", "--url", server.url)
    for number in range(3):
        cli.ok("user", "edit", "-a", "ORDERS", "app", "--tag", f"n:{number}")
    assert refusal(cli, server, session) == ""
    cli.ok("account", "revoke", "-a", "ORDERS", "*")
    cli.ok("push", "ORDERS", "--url", server.url)
    assert refusal(cli, server, session) == "Authorization Violation"
    cli.ok("user", "edit", "-a", "ORDERS", "app", "--tag", "again")
    assert refusal(cli, server, session) == ""


def test_a_user_that_is_issued_in_the_second_of_its_revocation_is_let_in(
    cli: Cli, configuration: str, nats_server: StartServer, session: Connect
) -> None:
    server = nats_server(configuration)
    for words in (
        ("user", "edit", "-a", "ORDERS", "app", "--tag", "again"),
        ("user", "add", "-a", "ORDERS", "new"),
    ):
        cli.ok("account", "revoke", "-a", "ORDERS", "*")
        cli.ok(*words)
        cli.ok("push", "ORDERS", "--url", server.url)
        assert refusal(cli, server, session, "new" if words[1] == "add" else "app") == ""


def fast(cli: Cli, monkeypatch: pytest.MonkeyPatch, *words: str) -> None:
    """Run a command with a clock that is a day ahead."""
    with monkeypatch.context() as clock:
        clock.setattr("seedless.app.workspace.time.time", lambda: REAL() + DAY)
        cli.ok(*words)


def test_an_emergency_revocation_reaches_a_server_that_holds_a_jwt_from_the_future(
    cli: Cli,
    configuration: str,
    nats_server: StartServer,
    session: Connect,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server = nats_server(configuration)
    fast(cli, monkeypatch, "account", "edit", "ORDERS", "--conns", "5")
    account = key(cli, "account", "show", "ORDERS")
    cli.ok("push", "ORDERS", "--url", server.url)
    assert (refusal(cli, server, session), held(server, account) > REAL()) == ("", True)
    reset = ("--reset-time", account)
    assert cli.run("account", "revoke", "-a", "ORDERS", "*").code == 3
    cli.ok("account", "revoke", "-a", "ORDERS", "*", *reset)
    refused = cli.run("push", "ORDERS", "--url", server.url)
    assert (refused.code, "R002" in refused.err) == (3, True)
    done = cli.ok("push", "ORDERS", "--url", server.url, *reset)
    assert "waived: R002 account ORDERS iat: is of " in done.err
    assert held(server, account) <= REAL()
    assert refusal(cli, server, session) == "Authorization Violation"
    cli.ok("account", "edit", "ORDERS", "--conns", "6")
    cli.ok("push", "ORDERS", "--url", server.url)


def test_a_user_jwt_from_the_future_is_locked_out_by_its_own_revocation(
    cli: Cli,
    configuration: str,
    nats_server: StartServer,
    session: Connect,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server = nats_server(configuration)
    fast(cli, monkeypatch, "user", "edit", "-a", "ORDERS", "app", "--tag", "fast")
    cli.ok("push", "ORDERS", "--url", server.url)
    assert refusal(cli, server, session) == ""
    cli.ok("account", "revoke", "-a", "ORDERS", "*")
    cli.ok("user", "add", "-a", "ORDERS", "new")
    cli.ok("push", "ORDERS", "--url", server.url)
    assert refusal(cli, server, session) == "Authorization Violation"
    assert refusal(cli, server, session, "new") == ""


def test_a_server_of_a_cluster_that_was_down_brings_the_jwt_from_the_future_back(
    cli: Cli, configuration: str, nats_cluster: StartCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster = nats_cluster(configuration)
    fast(cli, monkeypatch, "account", "edit", "ORDERS", "--conns", "5")
    account = key(cli, "account", "show", "ORDERS")
    cli.ok("push", "ORDERS", "--url", cluster.url)
    cli.ok("account", "edit", "ORDERS", "--conns", "6", "--reset-time", account)
    cluster.servers[2].stop()
    push = ("push", "ORDERS", "--url", cluster.url, "--reset-time", account)
    cli.run(*push)
    assert [held(server, account) <= REAL() for server in cluster.servers] == [True, True, False]
    cluster.restart(2)
    end = time.monotonic() + 30
    while any(held(server, account) <= REAL() for server in cluster.servers) and time.monotonic() < end:
        time.sleep(0.1)
    assert [held(server, account) <= REAL() for server in cluster.servers] == [False, False, False]
    cli.ok(*push)  # with all of them there
    time.sleep(3)  # several intervals, in which they compare what they hold
    assert [held(server, account) <= REAL() for server in cluster.servers] == [True, True, True]
