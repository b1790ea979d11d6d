"""`rotate account-key` with real servers, and clients that are connected meanwhile."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any

import pytest

from seedless.creds import parse_creds

if TYPE_CHECKING:
    from collections.abc import Callable

    Desk = Any  # the fixture in tests/conftest.py
    Server = Any  # a NatsServer of conftest.py
    StartServer = Callable[[str], Any]
    OpenSession = Callable[..., Any]

ROTATE = ("rotate", "account-key")


@pytest.fixture
def old(desk: Desk) -> str:
    """The signing key of ORDERS by which its users pay and ops are."""
    desk.found_system()
    desk.ok("account", "signing-key", "add", "-a", "ORDERS")
    (key,) = listed(desk)
    for name in ("pay", "ops"):
        desk.ok("user", "add", "-a", "ORDERS", name, "--issuer", key)
    return key


@pytest.fixture
def server(desk: Desk, old: str, nats_server: StartServer) -> Server:
    """A server that holds the accounts of the store."""
    started = nats_server(desk.ok("server", "config", "--nats-resolver").out)
    desk.ok("push", "--all", "--url", started.url)
    return started


def listed(desk: Desk, account: str = "ORDERS") -> list[str]:
    """The signing keys of an account in the store."""
    found: list[str] = desk.ok("account", "show", account, "--json").data["claims"]["nats"]["signing_keys"]
    return found


def held(desk: Desk, server: Server, account: str = "ORDERS") -> list[str]:
    """The signing keys of an account on a server."""
    key = desk.ok("account", "show", account, "--json").data["subject"]
    text = (server.folder / "jwt" / f"{key}.jwt").read_text()
    found: list[str] = desk.ok("show", "-", "--json", stdin=text).data["claims"]["nats"]["signing_keys"]
    return found


def login(desk: Desk, user: str, account: str = "ORDERS") -> tuple[Any, Any]:
    """Key and jwt of a user, as its creds say now."""
    creds = parse_creds(desk.ok("user", "creds", "-a", account, user).out)
    return creds.key, creds.jwt


def test_nobody_is_locked_out_and_the_old_key_goes_when_nobody_is_connected_by_it(
    desk: Desk, old: str, server: Server, session: OpenSession
) -> None:
    stale = login(desk, "pay")
    before = session(server.url, *stale)
    done = desk.ok(*ROTATE, "ORDERS", "--url", server.url, "--json").data
    assert (done["pushed"], sorted(held(desk, server))) == (1, sorted([old, done["new"]]))
    (client,) = done["connections"]
    assert (client["user"], client["name"]) == ("pay", "test")
    before.flush()
    assert before.refusal == ""

    files = desk.files()
    refused = desk.run(*ROTATE, "ORDERS", "--finish", "--url", server.url)
    assert (refused.code, desk.files()) == (3, files)
    assert "1 connections still use the old key: pay at" in refused.err

    after = session(server.url, *login(desk, "pay"))
    before.close()
    assert desk.ok(*ROTATE, "ORDERS", "--url", server.url, "--json").data["connections"] == []
    done = desk.ok(*ROTATE, "ORDERS", "--finish", "--url", server.url, "--json").data
    assert (done["stage"], done["pushed"], held(desk, server)) == ("finished", 1, [done["new"]])
    after.flush()
    assert after.refusal == ""
    assert session(server.url, *stale).refusal == "Authorization Violation"


def test_a_second_phase_that_was_killed_before_its_push_is_finished_by_the_same_command(
    desk: Desk, old: str, server: Server
) -> None:
    desk.ok(*ROTATE, "ORDERS", "--url", server.url)
    desk.ok(*ROTATE, "ORDERS", "--finish", "--without-servers")
    assert old in held(desk, server)
    done = desk.ok(*ROTATE, "ORDERS", "--finish", "--url", server.url, "--json").data
    assert (done["signed"], done["pushed"], held(desk, server)) == ([], 1, listed(desk))
    assert desk.ok(*ROTATE, "ORDERS", "--finish", "--url", server.url, "--json").data["pushed"] == 0


def test_a_first_phase_that_was_killed_before_its_push_is_finished_by_the_same_command(
    desk: Desk, old: str, server: Server
) -> None:
    desk.ok(*ROTATE, "ORDERS", "--without-servers")
    assert held(desk, server) == [old]
    done = desk.ok(*ROTATE, "ORDERS", "--url", server.url, "--json").data
    assert (done["signed"], done["pushed"], sorted(held(desk, server))) == ([], 1, sorted(listed(desk)))


def test_an_emergency_cuts_off_who_is_connected_by_the_old_key_and_has_said_so(
    desk: Desk, old: str, server: Server, session: OpenSession
) -> None:
    stale = login(desk, "pay")
    before = session(server.url, *stale)
    done = desk.ok(*ROTATE, "ORDERS", "--emergency", "--key", old, "--url", server.url, "--json")
    assert "this locks out, until they have their new creds: ops, pay" in done.err
    assert "connected now: pay at" in done.err
    assert held(desk, server) == [done.data["new"]]
    before.flush()
    assert before.refusal != ""
    assert session(server.url, *stale).refusal == "Authorization Violation"
    assert session(server.url, *login(desk, "pay")).refusal == ""


def test_the_key_of_the_system_account_gives_way_while_we_log_in_by_it(
    desk: Desk, old: str, server: Server
) -> None:
    desk.ok("account", "signing-key", "add", "-a", "SYS")
    (key,) = listed(desk, "SYS")
    desk.ok("push", "SYS", "--url", server.url)
    desk.ok("user", "edit", "-a", "SYS", "sys", "--issuer", key)
    done = desk.ok(*ROTATE, "SYS", "--url", server.url, "--json").data
    assert [one["user"] for one in done["connections"]] == ["sys"]
    done = desk.ok(*ROTATE, "SYS", "--finish", "--url", server.url, "--json").data
    assert held(desk, server, "SYS") == [done["new"]]
    desk.ok("push", "--all", "--url", server.url)


def test_an_emergency_of_the_system_account_ends_with_the_login_that_is_cut_off(
    desk: Desk, old: str, server: Server
) -> None:
    desk.ok("account", "signing-key", "add", "-a", "SYS")
    (key,) = listed(desk, "SYS")
    desk.ok("push", "SYS", "--url", server.url)
    desk.ok("user", "edit", "-a", "SYS", "sys", "--issuer", key)
    words = (*ROTATE, "SYS", "--emergency", "--key", key, "--url", server.url, "--json")
    cut = desk.run(*words)
    assert cut.code == 0 or "run it again: it goes on from there" in cut.err
    done = desk.ok(*words).data
    assert (done["stage"], held(desk, server, "SYS"), key in listed(desk, "SYS")) == (
        "finished", listed(desk, "SYS"), False,
    )  # fmt: skip


def test_a_dry_run_sends_nothing(desk: Desk, old: str, server: Server) -> None:
    desk.ok(*ROTATE, "ORDERS", "--without-servers")
    done = desk.ok(*ROTATE, "ORDERS", "--url", server.url, "--dry-run", "--json").data
    assert (done["dry_run"], done["pushed"], held(desk, server)) == (True, 0, [old])
    desk.ok(*ROTATE, "ORDERS", "--url", server.url, "--finish", "--dry-run")
    assert held(desk, server) == [old]


def test_a_user_of_two_minutes_asks_where_there_are_no_creds(desk: Desk, old: str, server: Server) -> None:
    words = (*ROTATE, "ORDERS", "--url", server.url, "--temporary-user")
    done = desk.ok(*words)
    assert done.err.count("user seedless-push (new: to log in") == 1
    done = desk.ok(*words, "--finish")
    assert done.err.count("user seedless-push (new: to log in") == 1
    assert held(desk, server) == listed(desk)


def test_a_leaf_node_whose_key_nobody_tells_keeps_the_old_key(
    desk: Desk, old: str, nats_server: StartServer
) -> None:
    configuration = desk.ok("server", "config", "--nats-resolver").out
    hub = nats_server(configuration + 'leafnodes { listen: "127.0.0.1:-1" }')
    desk.ok("push", "--all", "--url", hub.url)
    desk.ok(*ROTATE, "ORDERS", "--url", hub.url)
    address = re.findall(r"Listening for leafnode connections on (\S+)", hub.log())[0]
    creds = desk.store / "keys/creds/ACME/ORDERS/pay.creds"
    nats_server(f'leafnodes {{ remotes: [ {{ url: "nats-leaf://{address}", credentials: "{creds}" }} ] }}')
    end = time.monotonic() + 10
    done = desk.run(*ROTATE, "ORDERS", "--finish", "--url", hub.url, "--dry-run")
    while done.code == 0 and time.monotonic() < end:
        done = desk.run(*ROTATE, "ORDERS", "--finish", "--url", hub.url, "--dry-run")
    assert (done.code, old in listed(desk)) == (3, True)
    assert "1 leaf nodes are connected, and servers do not report by which key" in done.err


def test_a_server_that_is_not_there_is_told_and_what_is_signed_stays(desk: Desk, old: str) -> None:
    done = desk.run(*ROTATE, "ORDERS", "--url", "nats://127.0.0.1:9", "--timeout", "1")
    assert (done.code, len(listed(desk))) == (1, 2)
    files = desk.files()
    done = desk.run(*ROTATE, "ORDERS", "--finish", "--url", "nats://127.0.0.1:9", "--timeout", "1")
    assert (done.code, desk.files()) == (1, files)
