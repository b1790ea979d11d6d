"""Edits of users are killed before each file that they put in place or remove: the same command finishes."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from seedless.creds import parse_creds
from seedless.jwt import read
from seedless.trust import is_revoked

if TYPE_CHECKING:
    Cli = Any  # the fixture in tests/conftest.py

# Runs a command and kills it just before the n-th file that it renames or removes.
_KILLED = """
import os, signal, sys
from seedless.cli.main import main
number, *words = sys.argv[1:]
calls = []
def counting(original):
    def counted(*arguments, **options):
        calls.append(original)
        if len(calls) == int(number):
            os.kill(os.getpid(), signal.SIGKILL)
        return original(*arguments, **options)
    return counted
os.replace, os.unlink = counting(os.replace), counting(os.unlink)
sys.exit(main(words))
"""
MOST = 12  # files of a command


@pytest.fixture
def system(cli: Cli) -> Cli:
    """ORDERS with the users app and shop, for 5 days."""
    cli.ok("operator", "add", "ACME")
    cli.ok("account", "add", "ORDERS")
    for name in ("app", "shop"):
        cli.ok("user", "add", "-a", "ORDERS", name, "--expiry", "5d")
    return cli


def left(cli: Cli) -> dict[str, Any]:
    """What the store says of its users, and whether each one's creds have its jwt."""
    users = {
        one["name"]: read(one["jwt"])
        for one in cli.ok("user", "list", "-a", "ORDERS", "--json").data["users"]
    }
    account = read(cli.ok("account", "show", "ORDERS", "--raw").out.strip())
    folder = cli.store / "keys/creds/ACME/ORDERS"
    creds = {path.stem: parse_creds(path.read_text()).jwt for path in sorted(folder.glob("*.creds"))}
    assert cli.ok("verify", "--json").data["ok"] is True
    return {
        "users": sorted(users),
        "creds": sorted(creds),
        "agree": all(creds[name].text == jwt.text for name, jwt in users.items()),
        "days": {name: round((jwt.claims.exp - jwt.issued_at) / 86400) for name, jwt in users.items()},
        "revoked": len(account.claims.body.revocations),
        "users revoked": [name for name, jwt in users.items() if is_revoked(account, jwt)],
        "temporary": [str(path) for path in cli.store.rglob("*.tmp")],
    }


DONE = {"agree": True, "revoked": 0, "users revoked": [], "temporary": []}


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        pytest.param(
            ["user", "rename", "-a", "ORDERS", "app", "new"],
            {"users": ["new", "shop"], "creds": ["new", "shop"], "days": {"new": 5, "shop": 5}},
            id="rename",
        ),
        pytest.param(
            ["user", "delete", "-a", "ORDERS", "app", "--rm-creds"],
            {"users": ["shop"], "creds": ["shop"], "days": {"shop": 5}, "revoked": 1},
            id="delete",
        ),
        pytest.param(
            ["user", "renew", "--within", "30d", "--expiry", "60d"],
            {"users": ["app", "shop"], "creds": ["app", "shop"], "days": {"app": 60, "shop": 60}},
            id="renew",
        ),
    ],
)
def test_a_command_that_is_killed_anywhere_is_finished_by_the_same_command(
    system: Cli, words: list[str], wanted: dict[str, Any]
) -> None:
    kept = system.home / "kept"
    shutil.copytree(system.store, kept)
    for number in range(1, MOST):
        run = subprocess.run(
            [sys.executable, "-c", _KILLED, str(number), *system.agreed(*words)],
            env=system.env_with(),
            capture_output=True,
            check=False,
        )
        if run.returncode == 0:
            break
        assert run.returncode == -signal.SIGKILL, run.stderr
        system.ok(*words)
        assert left(system) == DONE | wanted, number
        shutil.rmtree(system.store)
        shutil.copytree(kept, system.store)
    assert 3 <= number < MOST
