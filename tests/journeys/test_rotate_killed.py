"""Rotations that are killed again and again: the same command finishes the work, nothing is made twice."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from seedless.creds import parse_creds

if TYPE_CHECKING:
    from collections.abc import Callable

    Desk = Any  # the fixture in tests/conftest.py
    Server = Any  # a NatsServer of conftest.py
    StartServer = Callable[[str], Any]

KILLS = 8


def start(desk: Desk, *words: str) -> subprocess.Popen[bytes]:
    """Start a command as a process group of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "seedless", *desk.agreed(*words)],
        env=desk.env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def seconds_of(desk: Desk, *words: str) -> float:
    """How long a command takes that nobody kills, and that changes nothing."""
    began = time.monotonic()
    assert start(desk, *words, "--dry-run").wait(60) == 0
    return time.monotonic() - began


def kill_often(desk: Desk, *words: str) -> int:
    """Start a command and kill it, each time a little later; return how often it was killed in the end."""
    whole = 2 * seconds_of(desk, *words)
    killed = 0
    for number in range(1, KILLS + 1):
        process = start(desk, *words)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(whole * number / KILLS)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        killed += process.wait(60) != 0
    return killed


@pytest.fixture
def server(desk: Desk, nats_server: StartServer) -> Server:
    """A server with the accounts of a store, whose operator and account sign with signing keys."""
    desk.ok("operator", "add", "ACME", "--sys", "--generate-signing-key")
    for name in ("ORDERS", "PAYROLL"):
        desk.ok("account", "add", name)
    desk.ok("account", "signing-key", "add", "-a", "ORDERS")
    (key,) = nats(desk, "ORDERS")["signing_keys"]
    for name in ("app", "pay", "ops"):
        desk.ok("user", "add", "-a", "ORDERS", name, "--issuer", key)
    started = nats_server(desk.ok("server", "config", "--nats-resolver").out)
    desk.ok("push", "--all", "--url", started.url)
    return started


def nats(desk: Desk, account: str) -> Any:  # noqa: ANN401 - what JSON holds
    return desk.ok("account", "show", account, "--json").data["claims"]["nats"]


def test_a_rotation_of_an_accounts_key_that_is_killed_is_finished_by_the_same_command(
    desk: Desk, server: Server
) -> None:
    rotate = ("rotate", "account-key", "ORDERS", "--url", server.url)
    keys = len(desk.ok("key", "list", "--json").data["keys"])
    assert kill_often(desk, *rotate) > 0
    new = desk.ok(*rotate, "--json").data["new"]
    kill_often(desk, *rotate, "--finish")
    done = desk.ok(*rotate, "--finish", "--json").data
    assert (done["stage"], nats(desk, "ORDERS")["signing_keys"]) == ("finished", [new])
    for name in ("app", "pay", "ops"):
        creds = parse_creds(desk.ok("user", "creds", "-a", "ORDERS", name).out)
        jwt = desk.ok("user", "show", "-a", "ORDERS", name, "--json").data["jwt"]
        assert (creds.jwt.text, str(creds.jwt.issuer)) == (jwt, new)
    assert len(desk.ok("key", "list", "--json").data["keys"]) == keys + 1
    assert desk.ok("verify", "--json").data["ok"]
    assert desk.ok("push", "--all", "--diff", "--url", server.url)


def test_a_rotation_of_the_operators_key_that_is_killed_is_finished_by_the_same_command(
    desk: Desk, server: Server
) -> None:
    rotate = ("rotate", "operator-key", "--without-servers")
    keys = len(desk.ok("key", "list", "--json").data["keys"])
    kill_often(desk, *rotate)
    for _ in range(3):
        done = desk.ok(*rotate, "--json").data
    assert done["stage"] == "remove"
    kill_often(desk, *rotate, "--finish")
    desk.ok(*rotate, "--finish")
    operator = desk.ok("operator", "show", "--json").data["claims"]["nats"]
    accounts = desk.ok("account", "list", "--json").data["accounts"]
    assert (operator["signing_keys"], {one["issuer"] for one in accounts}) == ([done["new"]], {done["new"]})
    assert len(desk.ok("key", "list", "--json").data["keys"]) == keys + 1
    assert desk.ok("verify", "--json").data["ok"]
