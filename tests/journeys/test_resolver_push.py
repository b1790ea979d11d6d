"""Push, pull and prune from the command line, against real servers."""

from __future__ import annotations

import base64
import json
import re
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Desk = Any  # the fixture in tests/conftest.py
    StartServer = Callable[[str], Any]
    StartCluster = Callable[[str], Any]


@pytest.fixture
def configuration(desk: Desk) -> str:
    """The configuration of a full resolver for the desk's operator, which deletes."""
    desk.found_system()
    made: str = desk.ok("server", "config", "--nats-resolver", "--allow-delete", "--interval", "1s").out
    return made


def accounts(server: Any) -> dict[str, str]:  # noqa: ANN401 - a NatsServer
    """What a server has in its folder: the texts of the accounts by their keys."""
    folder: Path = server.folder / "jwt"
    return {path.name.removesuffix(".jwt"): path.read_text() for path in folder.glob("*.jwt")}


def text(desk: Desk, name: str) -> tuple[str, str]:
    """The key and the jwt of an account of the store."""
    shown = desk.ok("account", "show", name, "--json").data
    return shown["subject"], shown["jwt"]


def test_an_account_is_pushed_and_only_once(desk: Desk, configuration: str, nats_server: StartServer) -> None:
    server = nats_server(configuration)
    done = desk.ok("push", "ORDERS", "--url", server.url, "--json")
    key, jwt = text(desk, "ORDERS")
    assert accounts(server)[key] == jwt
    (account,) = done.data["accounts"]
    assert (account["state"], account["sent"], account["missing"]) == ("new", True, [])
    assert [(one["ok"], one["text"]) for one in account["answers"]] == [(True, "jwt updated")]
    (account,) = desk.ok("push", "ORDERS", "--url", server.url, "--json").data["accounts"]
    assert (account["state"], account["sent"]) == ("current", False)


def test_the_whole_store_is_pushed_and_what_differs_is_shown_before(
    desk: Desk, configuration: str, nats_server: StartServer
) -> None:
    server = nats_server(configuration)
    done = desk.run("push", "--all", "--diff", "--url", server.url)
    assert (done.code, done.out.splitlines()[0]) == (5, "ORDERS: new")
    assert "SYS: current" in done.out
    assert set(accounts(server)) == {text(desk, "SYS")[0]}
    assert desk.ok("push", "--all", "--dry-run", "--url", server.url).out.startswith("ORDERS: new")
    assert set(accounts(server)) == {text(desk, "SYS")[0]}
    desk.ok("push", "--all", "--url", server.url)
    assert accounts(server) == dict(text(desk, name) for name in ("ORDERS", "SYS"))
    assert desk.run("push", "--all", "--diff", "--url", server.url).code == 0


def test_a_user_of_two_minutes_logs_in_when_there_are_no_creds(
    desk: Desk, configuration: str, nats_server: StartServer
) -> None:
    server = nats_server(configuration)
    done = desk.ok("push", "ORDERS", "--url", server.url, "--temporary-user")
    assert "user seedless-push (new: to log in to the servers, for 2 minutes; it is kept nowhere)" in done.err
    assert set(accounts(server)) == {text(desk, "SYS")[0], text(desk, "ORDERS")[0]}
    assert desk.ok("user", "list", "-a", "SYS", "--json").data["users"][0]["name"] == "sys"


def names(server: Any, desk: Desk) -> list[str]:  # noqa: ANN401 - a NatsServer
    """The names of the accounts that a server has, as the store or a former store knew them."""
    return sorted(
        json.loads(desk.ok("show", str(path), "--json").out)["name"]
        for path in (server.folder / "jwt").glob("*.jwt")
    )


def forget(desk: Desk, name: str) -> None:
    """Take an account out of the store."""
    folder = desk.store / "stores/ACME/accounts" / name
    for path in sorted(folder.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    folder.rmdir()


def test_prune_deletes_what_the_store_does_not_have(
    desk: Desk, configuration: str, nats_server: StartServer
) -> None:
    server = nats_server(configuration)
    desk.ok("account", "add", "FORMER")
    desk.ok("push", "--all", "--url", server.url)
    forget(desk, "FORMER")
    before = accounts(server)
    done = desk.run("prune", "--url", server.url, asks=True)
    assert (done.code, "not confirmed: run it on a terminal, or add --yes" in done.err) == (2, True)
    assert desk.run("prune", "--url", server.url, "--expect-count", "2", asks=True).code == 3
    assert "FORMER" in desk.ok("prune", "--url", server.url, "--dry-run").err
    assert accounts(server) == before
    done = desk.ok("prune", "--url", server.url, "--expect-count", "1", "--json", asks=True)
    assert [one["account"] for one in done.data["victims"]] == ["FORMER"]
    assert "It never expires, and it works again after an account is made\nanew" in done.err
    assert names(server, desk) == ["ORDERS", "SYS"]
    assert desk.ok("prune", "--url", server.url).out == "nothing to prune\n"


def test_nothing_is_pruned_when_the_store_does_not_tell_what_is_wanted(
    desk: Desk, configuration: str, nats_server: StartServer
) -> None:
    server = nats_server(configuration)
    desk.ok("account", "add", "FORMER")
    desk.ok("push", "--all", "--url", server.url)
    before = accounts(server)
    words = ("prune", "--url", server.url, "--expect-count", "1")
    damaged = desk.store / "stores/ACME/accounts/FORMER/FORMER.jwt"
    damaged.write_text("eyJ")
    done = desk.run(*words)
    assert (done.code, "1 of the store's files cannot be read: FORMER" in done.err) == (3, True)
    assert desk.run("push", "--all", "--prune", "--url", server.url, "--expect-count", "1").code == 3
    damaged.unlink()
    assert "cannot be read: FORMER" in desk.run(*words).err
    for name in ("FORMER", "ORDERS", "SYS"):
        forget(desk, name)
    done = desk.run("prune", "--url", server.url, "--temporary-user")
    assert (done.code, "so everything would go" in done.err) == (3, True)
    assert accounts(server) == before
    assert "deleted" not in server.log()


def test_servers_of_another_operator_are_left_alone(
    desk: Desk, configuration: str, nats_server: StartServer
) -> None:
    server = nats_server(configuration)
    desk.ok("push", "--all", "--url", server.url)
    before = accounts(server)
    creds = desk.store / "keys/creds/ACME/SYS/sys.creds"
    desk.ok("operator", "add", "OTHER", "--sys", "--token", desk.token.uri)
    words = ("--operator", "OTHER", "--url", server.url, "--creds", str(creds))
    for command in (("prune", "--expect-count", "1"), ("push", "--all")):
        done = desk.run(*command, *words)
        assert done.code == 3
        assert "R004" in done.err
        assert "is trusted by" in done.err
    assert accounts(server) == before


def test_servers_that_delete_nothing_are_told_before_anything_is_signed(
    desk: Desk, configuration: str, nats_server: StartServer
) -> None:
    server = nats_server(configuration.replace("allow_delete: true", "allow_delete: false"))
    desk.ok("account", "add", "FORMER")
    desk.ok("push", "--all", "--url", server.url)
    forget(desk, "FORMER")
    done = desk.run("prune", "--url", server.url, "--expect-count", "1", TOKEN_PIN="wrong")
    assert (done.code, "accounts are not deleted by" in done.err) == (3, True)


def orders(folder: Path) -> list[str]:
    """The files below *folder* that hold a jwt which orders something to be deleted."""
    found = []
    for path in folder.rglob("*"):
        if path.is_file():
            words = re.findall(rb"eyJ[\w-]+\.(eyJ[\w-]+)\.[\w-]{86}", path.read_bytes())
            found += [str(path) for word in words if b'"accounts"' in base64.urlsafe_b64decode(word + b"==")]
    return found


def test_the_order_to_delete_is_nowhere_afterwards(
    desk: Desk, configuration: str, nats_server: StartServer
) -> None:
    server = nats_server(configuration + "debug: true\ntrace: false\n")
    desk.ok("account", "add", "FORMER")
    desk.ok("push", "--all", "--url", server.url)
    forget(desk, "FORMER")
    done = desk.child("prune", "--url", server.url, "--expect-count", "1", "--json", SEEDLESS_DEBUG="1")
    assert done.code == 0, done
    (desk.home / "said").write_text(done.out + done.err)
    assert orders(desk.home) == []
    (desk.home / "said").write_text(
        "eyJ0eXAiOiJKV1QifQ."
        + base64.urlsafe_b64encode(b'{"nats":{"accounts":[1]}}').decode().strip("=")
        + "."
        + "x" * 86
    )
    assert orders(desk.home) == [str(desk.home / "said")]


def test_a_push_that_is_killed_is_finished_by_the_same_command(
    desk: Desk, configuration: str, nats_server: StartServer
) -> None:
    server = nats_server(configuration)
    for number in range(6):
        desk.ok("account", "add", f"A{number}")
    store = desk.files()
    words = ("push", "--all", "--url", server.url)
    for number in range(8):
        child = subprocess.Popen(
            [sys.executable, "-m", "seedless", *desk.agreed(*words)], env=desk.env_with()
        )
        time.sleep(0.15 + number * 0.05)
        child.kill()
        child.wait()
        assert all(desk.ok("show", "-", stdin=jwt) for jwt in accounts(server).values())
    desk.ok(*words)
    wanted = dict(text(desk, name) for name in ("ORDERS", "SYS", *(f"A{number}" for number in range(6))))
    assert accounts(server) == wanted
    assert desk.files() == store


def test_a_server_that_says_nothing_is_named_and_nothing_counts_as_done(
    desk: Desk, configuration: str, nats_cluster: StartCluster
) -> None:
    cluster = nats_cluster(configuration)
    done = desk.ok("push", "ORDERS", "--url", cluster.url, "--json")
    assert [one["server"] for one in done.data["accounts"][0]["answers"]] == ["n0", "n1", "n2"]
    desk.ok("account", "add", "LATER")
    cluster.servers[2].process.send_signal(signal.SIGSTOP)
    try:
        done = desk.run("push", "LATER", "--url", cluster.url, "--timeout", "0.5")
    finally:
        cluster.servers[2].process.send_signal(signal.SIGCONT)
    assert (done.code, "2 of 3 servers answered (n0, n1): n2 did not" in done.err) == (1, True)
    assert len(accounts(cluster.servers[0])) == 2
    desk.ok("push", "LATER", "--url", cluster.url)
    assert len({frozenset(accounts(server)) for server in cluster.servers}) == 1


def test_a_server_that_was_down_brings_the_deleted_back_and_prune_names_it(
    desk: Desk, configuration: str, nats_cluster: StartCluster
) -> None:
    cluster = nats_cluster(configuration)
    desk.ok("account", "add", "FORMER")
    desk.ok("push", "--all", "--url", cluster.url)
    key, _ = text(desk, "FORMER")
    forget(desk, "FORMER")
    cluster.servers[2].stop()
    words = ("prune", "--url", cluster.url, "--expect-count", "1")
    done = desk.run(*words, "--servers", "3", "--timeout", "0.5")
    assert (done.code, "2 of 3 servers answered (n0, n1)" in done.err) == (1, True)
    assert key in accounts(cluster.servers[0])
    desk.ok(*words)
    assert key not in accounts(cluster.servers[0])
    cluster.restart(2)
    end = time.monotonic() + 20
    while not all(key in accounts(server) for server in cluster.servers) and time.monotonic() < end:
        time.sleep(0.05)
    done = desk.ok("push", "ORDERS", "--url", cluster.url)
    assert f"warning: FORMER ({key}) was deleted and is back" in done.err
    done = desk.ok("push", "--all", "--prune", "--url", cluster.url, "--expect-count", "1", "--json")
    (orphan,) = done.data["pruned"]["victims"]
    assert (orphan["account"], orphan["subject"], orphan["servers"]) == ("FORMER", key, ["n0", "n1", "n2"])
    assert orphan["returned"] > 0
    assert not any(key in accounts(server) for server in cluster.servers)


def test_an_account_is_deleted_on_the_servers_and_then_in_the_store(
    desk: Desk, configuration: str, nats_server: StartServer
) -> None:
    server = nats_server(configuration)
    desk.ok("push", "--all", "--url", server.url)
    key, _ = text(desk, "ORDERS")
    words = ("account", "delete", "ORDERS", "--remote", "--url", server.url)
    assert desk.ok(*words, "--dry-run").err.startswith("to be deleted from ")
    assert key in accounts(server)
    done = desk.ok(*words, "--json")
    assert (done.data["deleted"], len(done.data["servers"])) == ("ORDERS", 1)
    assert "it works again after an account is made\nanew" in done.err
    assert key not in accounts(server)
    assert "ORDERS" not in desk.ok("account", "list").out


def test_an_account_that_no_server_has_is_deleted_here(
    desk: Desk, configuration: str, nats_server: StartServer
) -> None:
    server = nats_server(configuration)
    done = desk.ok("account", "delete", "ORDERS", "--remote", "--url", server.url, "--json")
    assert (done.data["deleted"], done.data["servers"]) == ("ORDERS", [])


def test_an_order_goes_across_a_gap_in_a_file_that_somebody_named(
    desk: Desk, configuration: str, nats_server: StartServer
) -> None:
    server = nats_server(configuration)
    desk.ok("push", "--all", "--url", server.url)
    key, _ = text(desk, "ORDERS")
    path = desk.home / "order.jwt"
    done = desk.ok("prune", "ORDERS", "--write-order", str(path))
    assert "whoever gets this file can delete these accounts at any time" in done.err
    assert path.stat().st_mode & 0o777 == 0o600
    assert key in accounts(server)
    words = ("prune", "--send-order", str(path), "--url", server.url)
    assert desk.run(*words, "--expect-count", "2").code == 3
    assert key in accounts(server)
    assert desk.ok(*words, "--expect-count", "1", TOKEN_PIN="wrong").out == "deleted: ORDERS\n"
    assert key not in accounts(server)
    assert desk.ok(*words).out == "nothing to prune\n"
    desk.ok("push", "--all", "--url", server.url)
    desk.ok(*words, "--expect-count", "1")  # as the review said: it works again
    assert key not in accounts(server)
    path.write_text((desk.store / "stores/ACME/accounts/ORDERS/ORDERS.jwt").read_text())
    assert "is no delete request" in desk.run(*words).err
    assert desk.run("prune", "SYS", "--write-order", str(path)).code == 3
    assert desk.run("prune", "ORDERS").code == 2


@pytest.mark.parametrize("spoilt", ["revoked", "restricted"])
def test_creds_that_would_not_do_are_passed_over_and_a_user_is_signed(
    desk: Desk, configuration: str, nats_server: StartServer, spoilt: str
) -> None:
    server = nats_server(configuration)
    if spoilt == "revoked":
        desk.ok("account", "revoke", "-a", "SYS", "sys")
    else:
        desk.ok("user", "edit", "-a", "SYS", "sys", "--allow-pub", "orders")
    done = desk.ok("push", "--all", "--url", server.url)
    assert "user seedless-push (new: " in done.err
    assert accounts(server) == dict(text(desk, name) for name in ("ORDERS", "SYS"))


def test_a_prune_that_is_killed_is_finished_by_the_same_command(
    desk: Desk, configuration: str, nats_server: StartServer
) -> None:
    server = nats_server(configuration)
    desk.ok("account", "add", "FORMER")
    desk.ok("push", "--all", "--url", server.url)
    desk.ok("account", "delete", "FORMER")
    words = ("prune", "--url", server.url, "--expect-count", "1", "--temporary-user")
    for number in range(8):
        child = subprocess.Popen(
            [sys.executable, "-m", "seedless", *desk.agreed(*words)], env=desk.env_with()
        )
        time.sleep(0.2 + number * 0.08)
        child.kill()
        child.wait()
        assert "FORMER" not in desk.ok("account", "list").out
    desk.ok(*words)
    assert names(server, desk) == ["ORDERS", "SYS"]
    assert desk.ok("push", "--all", "--url", server.url).err == ""


def test_an_error_that_the_servers_hold_already_stops_neither_a_revocation_nor_its_push(
    desk: Desk, configuration: str, nats_server: StartServer
) -> None:
    server = nats_server(configuration)
    both = ("--set", "limits.tiered_limits.R1.disk_storage=1000", "--set", "limits.disk_storage=-1")
    assert desk.run("account", "edit", "ORDERS", *both).code == 3
    desk.ok("account", "edit", "ORDERS", *both, "--allow", "C051")  # as nsc leaves it
    assert desk.run("push", "ORDERS", "--url", server.url).code == 3
    desk.ok("push", "ORDERS", "--url", server.url, "--force")
    done = desk.ok("account", "revoke", "-a", "ORDERS", "app")
    assert "existing: C051 account ORDERS nats.limits.tiered_limits: " in done.err
    assert "existing: C051" in desk.ok("push", "ORDERS", "--url", server.url).err
    key, jwt = text(desk, "ORDERS")
    assert accounts(server)[key] == jwt
    more = ("--set", "limits.tiered_limits.R1.disk_storage=2000")
    refused = desk.run("account", "edit", "ORDERS", *more)
    assert (refused.code, "C051" in refused.err) == (3, True)


def test_a_strict_operator_of_one_command_is_served_and_pushed_to(
    desk: Desk, nats_server: StartServer
) -> None:
    desk.ok("operator", "add", "ACME", "--sys", "--generate-signing-key", "--require-signing-keys")
    desk.ok("account", "add", "ORDERS")
    server = nats_server(desk.ok("server", "config", "--nats-resolver").out)
    desk.ok("push", "ORDERS", "--url", server.url)
    desk.ok("account", "edit", "ORDERS", "--conns", "5")
    desk.ok("push", "ORDERS", "--url", server.url, "--temporary-user")
    key, jwt = text(desk, "ORDERS")
    assert accounts(server)[key] == jwt


def test_on_a_terminal_a_push_asks_before_who_logs_in_is_signed_and_before_it_sends(
    desk: Desk, configuration: str, nats_server: StartServer
) -> None:
    server = nats_server(configuration)
    before = accounts(server)
    for answers, code in ((["n"], 3), (["y", "n"], 3), (["y", "y"], 0)):
        assert accounts(server) == before
        terminal = desk.terminal_for("push", "ORDERS", "--url", server.url, "--temporary-user")
        for question, typed in zip(("Sign this jwt", "Send this account to "), answers, strict=False):
            terminal.wait_for(question)
            terminal.wait_for("? [y/N]: ")
            terminal.type(f"{typed}\n")
        assert terminal.end() == code
    assert accounts(server) != before
