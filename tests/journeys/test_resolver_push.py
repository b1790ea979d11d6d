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
