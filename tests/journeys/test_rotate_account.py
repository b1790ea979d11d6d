"""`rotate account-key` with real servers, and clients that are connected meanwhile."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any

import pytest

from seedless.creds import parse_creds

if TYPE_CHECKING:
    from collections.abc import Callable

    Cli = Any  # the fixture in tests/conftest.py
    Server = Any  # a NatsServer of conftest.py
    StartServer = Callable[[str], Any]
    OpenSession = Callable[..., Any]

ROTATE = ("rotate", "account-key")


@pytest.fixture
def old(cli: Cli) -> str:
    """The signing key of ORDERS by which its users pay and ops are."""
    cli.found_system()
    cli.ok("account", "signing-key", "add", "-a", "ORDERS")
    (key,) = listed(cli)
    for name in ("pay", "ops"):
        cli.ok("user", "add", "-a", "ORDERS", name, "--issuer", key)
    return key


@pytest.fixture
def server(cli: Cli, old: str, nats_server: StartServer) -> Server:
    """A server that holds the accounts of the store."""
    started = nats_server(cli.ok("server", "config", "--nats-resolver").out)
    cli.ok("push", "--all", "--url", started.url)
    return started


def listed(cli: Cli, account: str = "ORDERS") -> list[str]:
    """The signing keys of an account in the store."""
    found: list[str] = cli.ok("account", "show", account, "--json").data["claims"]["nats"]["signing_keys"]
    return found


def held(cli: Cli, server: Server, account: str = "ORDERS") -> list[str]:
    """The signing keys of an account on a server."""
    key = cli.ok("account", "show", account, "--json").data["subject"]
    text = (server.folder / "jwt" / f"{key}.jwt").read_text()
    found: list[str] = cli.ok("show", "-", "--json", stdin=text).data["claims"]["nats"]["signing_keys"]
    return found


def login(cli: Cli, user: str, account: str = "ORDERS") -> tuple[Any, Any]:
    """Key and jwt of a user, as its creds say now."""
    creds = parse_creds(cli.ok("user", "creds", "-a", account, user).out)
    return creds.key, creds.jwt


def test_nobody_is_locked_out_and_the_old_key_goes_when_nobody_is_connected_by_it(
    cli: Cli, old: str, server: Server, session: OpenSession
) -> None:
    stale = login(cli, "pay")
    before = session(server.url, *stale)
    done = cli.ok(*ROTATE, "ORDERS", "--url", server.url, "--json").data
    assert (done["pushed"], sorted(held(cli, server))) == (1, sorted([old, done["new"]]))
    (client,) = done["connections"]
    assert (client["user"], client["name"]) == ("pay", "test")
    before.flush()
    assert before.refusal == ""

    files = cli.files()
    refused = cli.run(*ROTATE, "ORDERS", "--finish", "--url", server.url)
    assert (refused.code, cli.files()) == (3, files)
    assert "1 connections still use the old key: pay at" in refused.err

    after = session(server.url, *login(cli, "pay"))
    before.close()
    assert cli.ok(*ROTATE, "ORDERS", "--url", server.url, "--json").data["connections"] == []
    done = cli.ok(*ROTATE, "ORDERS", "--finish", "--url", server.url, "--json").data
    assert (done["stage"], done["pushed"], held(cli, server)) == ("finished", 1, [done["new"]])
    after.flush()
    assert after.refusal == ""
    assert session(server.url, *stale).refusal == "Authorization Violation"


def test_a_second_phase_that_was_killed_before_its_push_is_finished_by_the_same_command(
    cli: Cli, old: str, server: Server
) -> None:
    cli.ok(*ROTATE, "ORDERS", "--url", server.url)
    cli.ok(*ROTATE, "ORDERS", "--finish", "--without-servers")
    assert old in held(cli, server)
    done = cli.ok(*ROTATE, "ORDERS", "--finish", "--url", server.url, "--json").data
    assert (done["signed"], done["pushed"], held(cli, server)) == ([], 1, listed(cli))
    assert cli.ok(*ROTATE, "ORDERS", "--finish", "--url", server.url, "--json").data["pushed"] == 0


def test_a_first_phase_that_was_killed_before_its_push_is_finished_by_the_same_command(
    cli: Cli, old: str, server: Server
) -> None:
    cli.ok(*ROTATE, "ORDERS", "--without-servers")
    assert held(cli, server) == [old]
    done = cli.ok(*ROTATE, "ORDERS", "--url", server.url, "--json").data
    assert (done["signed"], done["pushed"], sorted(held(cli, server))) == ([], 1, sorted(listed(cli)))


def test_an_emergency_disconnects_users_of_the_old_key_and_names_them_before(
    cli: Cli, old: str, server: Server, session: OpenSession
) -> None:
    stale = login(cli, "pay")
    before = session(server.url, *stale)
    done = cli.ok(*ROTATE, "ORDERS", "--emergency", "--key", old, "--url", server.url, "--json")
    assert "this locks out, until they have their new creds: ops, pay" in done.err
    assert "connected now: pay at" in done.err
    assert held(cli, server) == [done.data["new"]]
    before.flush()
    assert before.refusal != ""
    assert session(server.url, *stale).refusal == "Authorization Violation"
    assert session(server.url, *login(cli, "pay")).refusal == ""


def test_the_key_of_the_system_account_gives_way_while_we_log_in_by_it(
    cli: Cli, old: str, server: Server
) -> None:
    cli.ok("account", "signing-key", "add", "-a", "SYS")
    (key,) = listed(cli, "SYS")
    cli.ok("push", "SYS", "--url", server.url)
    cli.ok("user", "edit", "-a", "SYS", "sys", "--issuer", key)
    done = cli.ok(*ROTATE, "SYS", "--url", server.url, "--json").data
    assert [one["user"] for one in done["connections"]] == ["sys"]
    done = cli.ok(*ROTATE, "SYS", "--finish", "--url", server.url, "--json").data
    assert held(cli, server, "SYS") == [done["new"]]
    cli.ok("push", "--all", "--url", server.url)


def test_an_emergency_of_the_system_account_ends_with_the_login_that_is_cut_off(
    cli: Cli, old: str, server: Server
) -> None:
    cli.ok("account", "signing-key", "add", "-a", "SYS")
    (key,) = listed(cli, "SYS")
    cli.ok("push", "SYS", "--url", server.url)
    cli.ok("user", "edit", "-a", "SYS", "sys", "--issuer", key)
    words = (*ROTATE, "SYS", "--emergency", "--key", key, "--url", server.url, "--json")
    cut = cli.run(*words)
    assert cut.code == 0 or "run it again: it goes on from there" in cut.err
    done = cli.ok(*words).data
    assert (done["stage"], held(cli, server, "SYS"), key in listed(cli, "SYS")) == (
        "finished", listed(cli, "SYS"), False,
    )  # fmt: skip


def test_a_dry_run_sends_nothing(cli: Cli, old: str, server: Server) -> None:
    cli.ok(*ROTATE, "ORDERS", "--without-servers")
    done = cli.ok(*ROTATE, "ORDERS", "--url", server.url, "--dry-run", "--json").data
    assert (done["dry_run"], done["pushed"], held(cli, server)) == (True, 0, [old])
    cli.ok(*ROTATE, "ORDERS", "--url", server.url, "--finish", "--dry-run")
    assert held(cli, server) == [old]


def test_a_user_of_two_minutes_asks_where_there_are_no_creds(cli: Cli, old: str, server: Server) -> None:
    words = (*ROTATE, "ORDERS", "--url", server.url, "--temporary-user")
    done = cli.ok(*words)
    assert done.err.count("user seedless-push (new: to log in") == 1
    done = cli.ok(*words, "--finish")
    assert done.err.count("user seedless-push (new: to log in") == 1
    assert held(cli, server) == listed(cli)


def test_a_leaf_node_whose_key_is_not_reported_keeps_the_old_key(
    cli: Cli, old: str, nats_server: StartServer
) -> None:
    configuration = cli.ok("server", "config", "--nats-resolver").out
    hub = nats_server(configuration + 'leafnodes { listen: "127.0.0.1:-1" }')
    cli.ok("push", "--all", "--url", hub.url)
    cli.ok(*ROTATE, "ORDERS", "--url", hub.url)
    address = re.findall(r"Listening for leafnode connections on (\S+)", hub.log())[0]
    creds = cli.store / "keys/creds/ACME/ORDERS/pay.creds"
    nats_server(f'leafnodes {{ remotes: [ {{ url: "nats-leaf://{address}", credentials: "{creds}" }} ] }}')
    end = time.monotonic() + 10
    done = cli.run(*ROTATE, "ORDERS", "--finish", "--url", hub.url, "--dry-run")
    while done.code == 0 and time.monotonic() < end:
        done = cli.run(*ROTATE, "ORDERS", "--finish", "--url", hub.url, "--dry-run")
    assert (done.code, old in listed(cli)) == (3, True)
    assert "1 leaf nodes are connected, and servers do not report by which key" in done.err


def test_a_server_that_is_not_there_is_reported_and_what_is_signed_stays(cli: Cli, old: str) -> None:
    done = cli.run(*ROTATE, "ORDERS", "--url", "nats://127.0.0.1:9", "--timeout", "1")
    assert (done.code, len(listed(cli))) == (1, 2)
    files = cli.files()
    done = cli.run(*ROTATE, "ORDERS", "--finish", "--url", "nats://127.0.0.1:9", "--timeout", "1")
    assert (done.code, cli.files()) == (1, files)
