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

    Cli = Any  # the fixture in tests/conftest.py
    StartServer = Callable[[str], Any]
    StartCluster = Callable[[str], Any]


@pytest.fixture
def configuration(cli: Cli) -> str:
    """The configuration of a full resolver for the operator, which deletes."""
    cli.found_system()
    made: str = cli.ok("server", "config", "--nats-resolver", "--allow-delete", "--interval", "1s").out
    return made


def accounts(server: Any) -> dict[str, str]:  # noqa: ANN401 - a NatsServer
    """What a server has in its folder: the texts of the accounts by their keys."""
    folder: Path = server.folder / "jwt"
    return {path.name.removesuffix(".jwt"): path.read_text() for path in folder.glob("*.jwt")}


def text(cli: Cli, name: str) -> tuple[str, str]:
    """The key and the jwt of an account of the store."""
    shown = cli.ok("account", "show", name, "--json").data
    return shown["subject"], shown["jwt"]


def test_an_account_is_pushed_and_only_once(cli: Cli, configuration: str, nats_server: StartServer) -> None:
    server = nats_server(configuration)
    done = cli.ok("push", "ORDERS", "--url", server.url, "--json")
    key, jwt = text(cli, "ORDERS")
    assert accounts(server)[key] == jwt
    (account,) = done.data["accounts"]
    assert (account["state"], account["sent"], account["missing"]) == ("new", True, [])
    assert [(one["ok"], one["text"]) for one in account["answers"]] == [(True, "jwt updated")]
    (account,) = cli.ok("push", "ORDERS", "--url", server.url, "--json").data["accounts"]
    assert (account["state"], account["sent"]) == ("current", False)


def test_the_whole_store_is_pushed_and_what_differs_is_shown_before(
    cli: Cli, configuration: str, nats_server: StartServer
) -> None:
    server = nats_server(configuration)
    done = cli.run("push", "--all", "--diff", "--url", server.url)
    assert (done.code, done.out.splitlines()[0]) == (5, "ORDERS: new")
    assert "SYS: current" in done.out
    assert set(accounts(server)) == {text(cli, "SYS")[0]}
    assert cli.ok("push", "--all", "--dry-run", "--url", server.url).out.startswith("ORDERS: new")
    assert set(accounts(server)) == {text(cli, "SYS")[0]}
    cli.ok("push", "--all", "--url", server.url)
    assert accounts(server) == dict(text(cli, name) for name in ("ORDERS", "SYS"))
    assert cli.run("push", "--all", "--diff", "--url", server.url).code == 0


def test_a_user_of_two_minutes_logs_in_when_there_are_no_creds(
    cli: Cli, configuration: str, nats_server: StartServer
) -> None:
    server = nats_server(configuration)
    done = cli.ok("push", "ORDERS", "--url", server.url, "--temporary-user")
    assert "user seedless-push (new: to log in to the servers, for 2 minutes; it is kept nowhere)" in done.err
    assert set(accounts(server)) == {text(cli, "SYS")[0], text(cli, "ORDERS")[0]}
    assert cli.ok("user", "list", "-a", "SYS", "--json").data["users"][0]["name"] == "sys"


def names(server: Any, cli: Cli) -> list[str]:  # noqa: ANN401 - a NatsServer
    """The names of the accounts that a server has, as the store or a former store knew them."""
    return sorted(
        json.loads(cli.ok("show", str(path), "--json").out)["name"]
        for path in (server.folder / "jwt").glob("*.jwt")
    )


def forget(cli: Cli, name: str) -> None:
    """Take an account out of the store."""
    folder = cli.store / "stores/ACME/accounts" / name
    for path in sorted(folder.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    folder.rmdir()


def test_prune_deletes_what_the_store_does_not_have(
    cli: Cli, configuration: str, nats_server: StartServer
) -> None:
    server = nats_server(configuration)
    cli.ok("account", "add", "FORMER")
    cli.ok("push", "--all", "--url", server.url)
    forget(cli, "FORMER")
    before = accounts(server)
    done = cli.run("prune", "--url", server.url, asks=True)
    assert (done.code, "not confirmed: run it on a terminal, or add --yes" in done.err) == (2, True)
    assert cli.run("prune", "--url", server.url, "--expect-count", "2", asks=True).code == 3
    assert "FORMER" in cli.ok("prune", "--url", server.url, "--dry-run").err
    assert accounts(server) == before
    # As a process of its own: it loads a driver after a login, whose thread must have ended by then.
    done = cli.child("prune", "--url", server.url, "--expect-count", "1", "--json", asks=True)
    assert done.code == 0, done
    assert [one["account"] for one in done.data["victims"]] == ["FORMER"]
    assert "It never expires, and it works again after an account is created again" in done.err
    assert names(server, cli) == ["ORDERS", "SYS"]
    assert cli.ok("prune", "--url", server.url).out == "nothing to prune\n"


def test_nothing_is_pruned_when_the_store_does_not_report_what_is_required(
    cli: Cli, configuration: str, nats_server: StartServer
) -> None:
    server = nats_server(configuration)
    cli.ok("account", "add", "FORMER")
    cli.ok("push", "--all", "--url", server.url)
    before = accounts(server)
    words = ("prune", "--url", server.url, "--expect-count", "1")
    damaged = cli.store / "stores/ACME/accounts/FORMER/FORMER.jwt"
    damaged.write_text("eyJ")
    done = cli.run(*words)
    assert (done.code, "1 of the store's files cannot be read: FORMER" in done.err) == (3, True)
    assert cli.run("push", "--all", "--prune", "--url", server.url, "--expect-count", "1").code == 3
    damaged.unlink()
    assert "cannot be read: FORMER" in cli.run(*words).err
    for name in ("FORMER", "ORDERS", "SYS"):
        forget(cli, name)
    done = cli.run("prune", "--url", server.url, "--temporary-user")
    assert (done.code, "so everything would go" in done.err) == (3, True)
    assert accounts(server) == before
    assert "deleted" not in server.log()


def test_servers_of_another_operator_are_left_alone(
    cli: Cli, configuration: str, nats_server: StartServer
) -> None:
    server = nats_server(configuration)
    cli.ok("push", "--all", "--url", server.url)
    before = accounts(server)
    creds = cli.store / "keys/creds/ACME/SYS/sys.creds"
    cli.ok("operator", "add", "OTHER", "--sys", "--token", cli.token.uri)
    words = ("--operator", "OTHER", "--url", server.url, "--creds", str(creds))
    for command in (("prune", "--expect-count", "1"), ("push", "--all")):
        done = cli.run(*command, *words)
        assert done.code == 3
        assert "R004" in done.err
        assert "is trusted by" in done.err
    assert accounts(server) == before


def test_servers_that_delete_nothing_are_reported_before_anything_is_signed(
    cli: Cli, configuration: str, nats_server: StartServer
) -> None:
    server = nats_server(configuration.replace("allow_delete: true", "allow_delete: false"))
    cli.ok("account", "add", "FORMER")
    cli.ok("push", "--all", "--url", server.url)
    forget(cli, "FORMER")
    done = cli.run("prune", "--url", server.url, "--expect-count", "1", TOKEN_PIN="wrong")
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
    cli: Cli, configuration: str, nats_server: StartServer
) -> None:
    server = nats_server(configuration + "debug: true\ntrace: false\n")
    cli.ok("account", "add", "FORMER")
    cli.ok("push", "--all", "--url", server.url)
    forget(cli, "FORMER")
    done = cli.child("prune", "--url", server.url, "--expect-count", "1", "--json", SEEDLESS_DEBUG="1")
    assert done.code == 0, done
    (cli.home / "said").write_text(done.out + done.err)
    assert orders(cli.home) == []
    (cli.home / "said").write_text(
        "eyJ0eXAiOiJKV1QifQ."
        + base64.urlsafe_b64encode(b'{"nats":{"accounts":[1]}}').decode().strip("=")
        + "."
        + "x" * 86
    )
    assert orders(cli.home) == [str(cli.home / "said")]


def test_a_push_that_is_killed_is_finished_by_the_same_command(
    cli: Cli, configuration: str, nats_server: StartServer
) -> None:
    server = nats_server(configuration)
    for number in range(6):
        cli.ok("account", "add", f"A{number}")
    store = cli.files()
    words = ("push", "--all", "--url", server.url)
    for number in range(8):
        child = subprocess.Popen([sys.executable, "-m", "seedless", *cli.agreed(*words)], env=cli.env_with())
        time.sleep(0.15 + number * 0.05)
        child.kill()
        child.wait()
        assert all(cli.ok("show", "-", stdin=jwt) for jwt in accounts(server).values())
    cli.ok(*words)
    wanted = dict(text(cli, name) for name in ("ORDERS", "SYS", *(f"A{number}" for number in range(6))))
    assert accounts(server) == wanted
    assert cli.files() == store


def test_a_server_that_reports_nothing_is_named_and_nothing_counts_as_done(
    cli: Cli, configuration: str, nats_cluster: StartCluster
) -> None:
    cluster = nats_cluster(configuration)
    done = cli.ok("push", "ORDERS", "--url", cluster.url, "--json")
    assert [one["server"] for one in done.data["accounts"][0]["answers"]] == ["n0", "n1", "n2"]
    cli.ok("account", "add", "LATER")
    cluster.servers[2].process.send_signal(signal.SIGSTOP)
    try:
        done = cli.run("push", "LATER", "--url", cluster.url, "--timeout", "3")
    finally:
        cluster.servers[2].process.send_signal(signal.SIGCONT)
    assert (done.code, "2 of 3 servers answered (n0, n1): n2 did not" in done.err) == (1, True)
    assert len(accounts(cluster.servers[0])) == 2
    cli.ok("push", "LATER", "--url", cluster.url)
    assert len({frozenset(accounts(server)) for server in cluster.servers}) == 1


def test_a_server_that_was_down_brings_the_deleted_back_and_prune_names_it(
    cli: Cli, configuration: str, nats_cluster: StartCluster
) -> None:
    cluster = nats_cluster(configuration)
    cli.ok("account", "add", "FORMER")
    cli.ok("push", "--all", "--url", cluster.url)
    key, _ = text(cli, "FORMER")
    forget(cli, "FORMER")
    cluster.servers[2].stop()
    words = ("prune", "--url", cluster.url, "--expect-count", "1")
    done = cli.run(*words, "--servers", "3", "--timeout", "0.5")
    assert (done.code, "2 of 3 servers answered (n0, n1)" in done.err) == (1, True)
    assert key in accounts(cluster.servers[0])
    cli.ok(*words)
    assert key not in accounts(cluster.servers[0])
    cluster.restart(2)
    end = time.monotonic() + 20
    while not all(key in accounts(server) for server in cluster.servers) and time.monotonic() < end:
        time.sleep(0.05)
    done = cli.ok("push", "ORDERS", "--url", cluster.url)
    assert f"warning: FORMER ({key}) was deleted and is back" in done.err
    done = cli.ok("push", "--all", "--prune", "--url", cluster.url, "--expect-count", "1", "--json")
    (orphan,) = done.data["pruned"]["victims"]
    assert (orphan["account"], orphan["subject"], orphan["servers"]) == ("FORMER", key, ["n0", "n1", "n2"])
    assert orphan["returned"] > 0
    assert not any(key in accounts(server) for server in cluster.servers)


def test_an_account_is_deleted_on_the_servers_and_then_in_the_store(
    cli: Cli, configuration: str, nats_server: StartServer
) -> None:
    server = nats_server(configuration)
    cli.ok("push", "--all", "--url", server.url)
    key, _ = text(cli, "ORDERS")
    words = ("account", "delete", "ORDERS", "--remote", "--url", server.url)
    assert cli.ok(*words, "--dry-run").err.startswith("to be deleted from ")
    assert key in accounts(server)
    done = cli.ok(*words, "--json")
    assert (done.data["deleted"], len(done.data["servers"])) == ("ORDERS", 1)
    assert "it works again after an account is created again" in done.err
    assert key not in accounts(server)
    assert "ORDERS" not in cli.ok("account", "list").out


def test_an_account_that_no_server_has_is_deleted_here(
    cli: Cli, configuration: str, nats_server: StartServer
) -> None:
    server = nats_server(configuration)
    done = cli.ok("account", "delete", "ORDERS", "--remote", "--url", server.url, "--json")
    assert (done.data["deleted"], done.data["servers"]) == ("ORDERS", [])


def test_an_order_goes_across_a_gap_in_a_file_that_somebody_named(
    cli: Cli, configuration: str, nats_server: StartServer
) -> None:
    server = nats_server(configuration)
    cli.ok("push", "--all", "--url", server.url)
    key, _ = text(cli, "ORDERS")
    path = cli.home / "order.jwt"
    done = cli.ok("prune", "ORDERS", "--write-order", str(path))
    assert "whoever has this file can delete these accounts at any time" in done.err
    assert path.stat().st_mode & 0o777 == 0o600
    assert key in accounts(server)
    words = ("prune", "--send-order", str(path), "--url", server.url)
    assert cli.run(*words, "--expect-count", "2").code == 3
    assert key in accounts(server)
    assert cli.ok(*words, "--expect-count", "1", TOKEN_PIN="wrong").out == "deleted: ORDERS\n"
    assert key not in accounts(server)
    assert cli.ok(*words).out == "nothing to prune\n"
    cli.ok("push", "--all", "--url", server.url)
    cli.ok(*words, "--expect-count", "1")  # as the review said: it works again
    assert key not in accounts(server)
    path.write_text((cli.store / "stores/ACME/accounts/ORDERS/ORDERS.jwt").read_text())
    assert "is not a delete request" in cli.run(*words).err
    assert cli.run("prune", "SYS", "--write-order", str(path)).code == 3
    assert cli.run("prune", "ORDERS").code == 2


@pytest.mark.parametrize("spoilt", ["revoked", "restricted"])
def test_creds_that_would_not_do_are_passed_over_and_a_user_is_signed(
    cli: Cli, configuration: str, nats_server: StartServer, spoilt: str
) -> None:
    server = nats_server(configuration)
    if spoilt == "revoked":
        cli.ok("account", "revoke", "-a", "SYS", "sys")
    else:
        cli.ok("user", "edit", "-a", "SYS", "sys", "--allow-pub", "orders")
    done = cli.ok("push", "--all", "--url", server.url)
    assert "user seedless-push (new: " in done.err
    assert accounts(server) == dict(text(cli, name) for name in ("ORDERS", "SYS"))


def test_a_prune_that_is_killed_is_finished_by_the_same_command(
    cli: Cli, configuration: str, nats_server: StartServer
) -> None:
    server = nats_server(configuration)
    cli.ok("account", "add", "FORMER")
    cli.ok("push", "--all", "--url", server.url)
    cli.ok("account", "delete", "FORMER")
    words = ("prune", "--url", server.url, "--expect-count", "1", "--temporary-user")
    for number in range(8):
        child = subprocess.Popen([sys.executable, "-m", "seedless", *cli.agreed(*words)], env=cli.env_with())
        time.sleep(0.2 + number * 0.08)
        child.kill()
        child.wait()
        assert "FORMER" not in cli.ok("account", "list").out
    cli.ok(*words)
    assert names(server, cli) == ["ORDERS", "SYS"]
    assert cli.ok("push", "--all", "--url", server.url).err == ""


def test_an_error_that_the_servers_hold_already_stops_neither_a_revocation_nor_its_push(
    cli: Cli, configuration: str, nats_server: StartServer
) -> None:
    server = nats_server(configuration)
    both = ("--set", "limits.tiered_limits.R1.disk_storage=1000", "--set", "limits.disk_storage=-1")
    assert cli.run("account", "edit", "ORDERS", *both).code == 3
    cli.ok("account", "edit", "ORDERS", *both, "--allow", "C051")  # as nsc leaves it
    assert cli.run("push", "ORDERS", "--url", server.url).code == 3
    cli.ok("push", "ORDERS", "--url", server.url, "--force")
    done = cli.ok("account", "revoke", "-a", "ORDERS", "app")
    assert "existing: C051 account ORDERS nats.limits.tiered_limits: " in done.err
    assert "existing: C051" in cli.ok("push", "ORDERS", "--url", server.url).err
    key, jwt = text(cli, "ORDERS")
    assert accounts(server)[key] == jwt
    more = ("--set", "limits.tiered_limits.R1.disk_storage=2000")
    refused = cli.run("account", "edit", "ORDERS", *more)
    assert (refused.code, "C051" in refused.err) == (3, True)


def test_a_strict_operator_of_one_command_is_served_and_pushed_to(cli: Cli, nats_server: StartServer) -> None:
    cli.ok("operator", "add", "ACME", "--sys", "--generate-signing-key", "--require-signing-keys")
    cli.ok("account", "add", "ORDERS")
    server = nats_server(cli.ok("server", "config", "--nats-resolver").out)
    cli.ok("push", "ORDERS", "--url", server.url)
    cli.ok("account", "edit", "ORDERS", "--conns", "5")
    cli.ok("push", "ORDERS", "--url", server.url, "--temporary-user")
    key, jwt = text(cli, "ORDERS")
    assert accounts(server)[key] == jwt


def test_on_a_terminal_a_push_asks_before_who_logs_in_is_signed_and_before_it_sends(
    cli: Cli, configuration: str, nats_server: StartServer
) -> None:
    server = nats_server(configuration)
    before = accounts(server)
    for answers, code in ((["n"], 3), (["y", "n"], 3), (["y", "y"], 0)):
        assert accounts(server) == before
        terminal = cli.terminal_for("push", "ORDERS", "--url", server.url, "--temporary-user")
        for question, typed in zip(("Sign this jwt", "Send this account to "), answers, strict=False):
            terminal.wait_for(question)
            terminal.wait_for("? [y/N]: ")
            terminal.type(f"{typed}\n")
        assert terminal.end() == code
    assert accounts(server) != before
