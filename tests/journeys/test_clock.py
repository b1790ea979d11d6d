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

    Desk = Any  # the fixture in tests/conftest.py
    StartServer = Callable[[str], Any]
    StartCluster = Callable[[str], Any]
    Connect = Callable[..., Any]

DAY = 86400
REAL = time.time


@pytest.fixture
def configuration(desk: Desk) -> str:
    """The configuration of a full resolver for the desk's operator."""
    desk.found_system()
    made: str = desk.ok("server", "config", "--nats-resolver", "--interval", "1s").out
    return made


def refusal(desk: Desk, server: Any, connect: Connect, user: str = "app") -> str:  # noqa: ANN401 - a NatsServer
    """Log in with the creds of *user*, and return what the server has against it."""
    path: Path = next(desk.store.rglob(f"{user}.creds"))
    held = parse_creds(path.read_text())
    said: str = connect(server.url, held.key, held.jwt).refusal
    return said


def key(desk: Desk, *words: str) -> str:
    found: str = desk.ok(*words, "--json").data["subject"]
    return found


def held(server: Any, account: str) -> int:  # noqa: ANN401 - a NatsServer
    """Of when the jwt of *account* is that a server holds."""
    return read((server.folder / "jwt" / f"{account}.jwt").read_text()).issued_at


def test_everyone_is_locked_out_right_after_quick_edits_and_let_in_by_the_next_jwt(
    desk: Desk, configuration: str, nats_server: StartServer, session: Connect
) -> None:
    server = nats_server(configuration)
    desk.ok("push", "--all", "--url", server.url)
    for number in range(3):
        desk.ok("user", "edit", "-a", "ORDERS", "app", "--tag", f"n:{number}")
    assert refusal(desk, server, session) == ""
    desk.ok("account", "revoke", "-a", "ORDERS", "*")
    desk.ok("push", "ORDERS", "--url", server.url)
    assert refusal(desk, server, session) == "Authorization Violation"
    desk.ok("user", "edit", "-a", "ORDERS", "app", "--tag", "again")
    assert refusal(desk, server, session) == ""


def test_a_user_that_is_issued_in_the_second_of_its_revocation_is_let_in(
    desk: Desk, configuration: str, nats_server: StartServer, session: Connect
) -> None:
    server = nats_server(configuration)
    for words in (
        ("user", "edit", "-a", "ORDERS", "app", "--tag", "again"),
        ("user", "add", "-a", "ORDERS", "new"),
    ):
        desk.ok("account", "revoke", "-a", "ORDERS", "*")
        desk.ok(*words)
        desk.ok("push", "ORDERS", "--url", server.url)
        assert refusal(desk, server, session, "new" if words[1] == "add" else "app") == ""


def fast(desk: Desk, monkeypatch: pytest.MonkeyPatch, *words: str) -> None:
    """Run a command with a clock that is a day ahead."""
    with monkeypatch.context() as clock:
        clock.setattr("seedless.app.workspace.time.time", lambda: REAL() + DAY)
        desk.ok(*words)


def test_an_emergency_revocation_reaches_a_server_that_holds_a_jwt_from_the_future(
    desk: Desk,
    configuration: str,
    nats_server: StartServer,
    session: Connect,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server = nats_server(configuration)
    fast(desk, monkeypatch, "account", "edit", "ORDERS", "--conns", "5")
    account = key(desk, "account", "show", "ORDERS")
    desk.ok("push", "ORDERS", "--url", server.url)
    assert (refusal(desk, server, session), held(server, account) > REAL()) == ("", True)
    reset = ("--reset-time", account)
    assert desk.run("account", "revoke", "-a", "ORDERS", "*").code == 3
    desk.ok("account", "revoke", "-a", "ORDERS", "*", *reset)
    refused = desk.run("push", "ORDERS", "--url", server.url)
    assert (refused.code, "R002" in refused.err) == (3, True)
    done = desk.ok("push", "ORDERS", "--url", server.url, *reset)
    assert "waived: R002 account ORDERS iat: is of " in done.err
    assert held(server, account) <= REAL()
    assert refusal(desk, server, session) == "Authorization Violation"
    desk.ok("account", "edit", "ORDERS", "--conns", "6")
    desk.ok("push", "ORDERS", "--url", server.url)


def test_a_user_jwt_from_the_future_is_locked_out_by_its_own_revocation(
    desk: Desk,
    configuration: str,
    nats_server: StartServer,
    session: Connect,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server = nats_server(configuration)
    fast(desk, monkeypatch, "user", "edit", "-a", "ORDERS", "app", "--tag", "fast")
    desk.ok("push", "ORDERS", "--url", server.url)
    assert refusal(desk, server, session) == ""
    desk.ok("account", "revoke", "-a", "ORDERS", "*")
    desk.ok("user", "add", "-a", "ORDERS", "new")
    desk.ok("push", "ORDERS", "--url", server.url)
    assert refusal(desk, server, session) == "Authorization Violation"
    assert refusal(desk, server, session, "new") == ""


def test_a_server_of_a_cluster_that_was_down_brings_the_jwt_from_the_future_back(
    desk: Desk, configuration: str, nats_cluster: StartCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster = nats_cluster(configuration)
    fast(desk, monkeypatch, "account", "edit", "ORDERS", "--conns", "5")
    account = key(desk, "account", "show", "ORDERS")
    desk.ok("push", "ORDERS", "--url", cluster.url)
    desk.ok("account", "edit", "ORDERS", "--conns", "6", "--reset-time", account)
    cluster.servers[2].stop()
    push = ("push", "ORDERS", "--url", cluster.url, "--reset-time", account)
    desk.run(*push)
    assert [held(server, account) <= REAL() for server in cluster.servers] == [True, True, False]
    cluster.restart(2)
    end = time.monotonic() + 30
    while any(held(server, account) <= REAL() for server in cluster.servers) and time.monotonic() < end:
        time.sleep(0.1)
    assert [held(server, account) <= REAL() for server in cluster.servers] == [False, False, False]
    desk.ok(*push)  # with all of them there
    time.sleep(3)  # several intervals, in which they compare what they hold
    assert [held(server, account) <= REAL() for server in cluster.servers] == [True, True, True]
