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

    Cli = Any  # the fixture in tests/conftest.py
    Server = Any  # a NatsServer of conftest.py
    StartServer = Callable[[str], Any]

KILLS = 8


def start(cli: Cli, *words: str) -> subprocess.Popen[bytes]:
    """Start a command as a process group of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "seedless", *cli.agreed(*words)],
        env=cli.env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def seconds_of(cli: Cli, *words: str) -> float:
    """How long a command takes that nobody kills, and that changes nothing."""
    began = time.monotonic()
    assert start(cli, *words, "--dry-run").wait(60) == 0
    return time.monotonic() - began


def kill_often(cli: Cli, *words: str) -> int:
    """Start a command and kill it, each time a little later; return how often it was killed in the end."""
    whole = 2 * seconds_of(cli, *words)
    killed = 0
    for number in range(1, KILLS + 1):
        with cli.whole_tokens():
            process = start(cli, *words)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(whole * number / KILLS)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            killed += process.wait(60) != 0
    return killed


@pytest.fixture
def server(cli: Cli, nats_server: StartServer) -> Server:
    """A server with the accounts of a store, whose operator and account sign with signing keys."""
    cli.ok("operator", "add", "ACME", "--sys", "--generate-signing-key")
    for name in ("ORDERS", "PAYROLL"):
        cli.ok("account", "add", name)
    cli.ok("account", "signing-key", "add", "-a", "ORDERS")
    (key,) = nats(cli, "ORDERS")["signing_keys"]
    for name in ("app", "pay", "ops"):
        cli.ok("user", "add", "-a", "ORDERS", name, "--issuer", key)
    started = nats_server(cli.ok("server", "config", "--nats-resolver").out)
    cli.ok("push", "--all", "--url", started.url)
    return started


def nats(cli: Cli, account: str) -> Any:  # noqa: ANN401 - what JSON holds
    return cli.ok("account", "show", account, "--json").data["claims"]["nats"]


def test_a_rotation_of_an_accounts_key_that_is_killed_is_finished_by_the_same_command(
    cli: Cli, server: Server
) -> None:
    rotate = ("rotate", "account-key", "ORDERS", "--url", server.url)
    keys = len(cli.ok("key", "list", "--json").data["keys"])
    assert kill_often(cli, *rotate) > 0
    new = cli.ok(*rotate, "--json").data["new"]
    kill_often(cli, *rotate, "--finish")
    done = cli.ok(*rotate, "--finish", "--json").data
    assert (done["stage"], nats(cli, "ORDERS")["signing_keys"]) == ("finished", [new])
    for name in ("app", "pay", "ops"):
        creds = parse_creds(cli.ok("user", "creds", "-a", "ORDERS", name).out)
        jwt = cli.ok("user", "show", "-a", "ORDERS", name, "--json").data["jwt"]
        assert (creds.jwt.text, str(creds.jwt.issuer)) == (jwt, new)
    assert len(cli.ok("key", "list", "--json").data["keys"]) == keys + 1
    assert cli.ok("verify", "--json").data["ok"]
    assert cli.ok("push", "--all", "--diff", "--url", server.url)


def test_a_rotation_of_the_operators_key_that_is_killed_is_finished_by_the_same_command(
    cli: Cli, server: Server
) -> None:
    rotate = ("rotate", "operator-key", "--without-servers")
    keys = len(cli.ok("key", "list", "--json").data["keys"])
    kill_often(cli, *rotate)
    for _ in range(3):
        done = cli.ok(*rotate, "--json").data
    assert done["stage"] == "remove"
    kill_often(cli, *rotate, "--finish")
    cli.ok(*rotate, "--finish")
    operator = cli.ok("operator", "show", "--json").data["claims"]["nats"]
    accounts = cli.ok("account", "list", "--json").data["accounts"]
    assert (operator["signing_keys"], {one["issuer"] for one in accounts}) == ([done["new"]], {done["new"]})
    assert len(cli.ok("key", "list", "--json").data["keys"]) == keys + 1
    assert cli.ok("verify", "--json").data["ok"]
