"""Push, pull and prune from the command line, against real servers."""

from __future__ import annotations

import json
import signal
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


def accounts(server: Any) -> dict[str, str]:
    """What a server has in its folder: the texts of the accounts by their keys."""
    folder: Path = server.folder / "jwt"
    return {path.name.removesuffix(".jwt"): path.read_text() for path in folder.glob("*.jwt")}


def text(desk: Desk, name: str) -> tuple[str, str]:
    """The key and the jwt of an account of the store."""
    shown = desk.ok("account", "show", name, "--json").data
    return shown["subject"], shown["jwt"]


def test_an_account_is_pushed_and_only_once(
    desk: Desk, configuration: str, nats_server: StartServer
) -> None:
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


def names(server: Any, desk: Desk) -> list[str]:
    """The names of the accounts that a server has, as the store or a former store knew them."""
    return sorted(json.loads(desk.ok("show", str(path), "--json").out)["name"] for path in (server.folder / "jwt").glob("*.jwt"))


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
    done = desk.run("prune", "--url", server.url)
    assert (done.code, "--expect-count 1" in done.err) == (2, True)
    assert desk.run("prune", "--url", server.url, "--expect-count", "2").code == 3
    assert "FORMER" in desk.ok("prune", "--url", server.url, "--dry-run").err
    assert accounts(server) == before
    done = desk.ok("prune", "--url", server.url, "--expect-count", "1", "--json")
    assert [one["account"] for one in done.data["victims"]] == ["FORMER"]
    assert "It never expires, and it works again after an account is made\nanew" in done.err
    assert names(server, desk) == ["ORDERS", "SYS"]
    assert desk.ok("prune", "--url", server.url).out == "nothing to prune\n"
