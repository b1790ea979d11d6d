"""Promise 7: files appear whole or not at all, and a killed run is taken up with nothing lost."""

from __future__ import annotations

import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from seedless.jwt import read

if TYPE_CHECKING:
    from typing import Any

    Cli = Any  # the fixture in tests/conftest.py

# Runs a command and kills it, or lets the disk be full, just before its n-th call of one function of os.
_STOPPED = """
import errno, os, signal, sys
from seedless.cli.main import main
how, name, number, *words = sys.argv[1:]
original, calls = getattr(os, name), []
def counted(*arguments, **options):
    calls.append(name)
    if len(calls) == int(number):
        if how == "full":
            raise OSError(errno.ENOSPC, "No space left on device")
        os.kill(os.getpid(), signal.SIGKILL)
    return original(*arguments, **options)
setattr(os, name, counted)
sys.exit(main(words))
"""

# account add writes the inventory when the key is made, and the jwt at the end: each is written beside its
# place, synced, renamed, and its folder synced.
POINTS = {
    "what is about to be created is not yet synced": ("fsync", 1),
    "what is about to be created is not yet in its place": ("replace", 1),
    "the folder of what is about to be created is not yet synced": ("fsync", 2),
    "the new inventory is not yet synced": ("fsync", 3),
    "the new inventory is not yet in its place": ("replace", 2),
    "the folder of the inventory is not yet synced": ("fsync", 4),
    "the jwt is not yet synced": ("fsync", 5),
    "the jwt is not yet in its place": ("replace", 3),
    "the folder of the jwt is not yet synced": ("fsync", 6),
}


@pytest.mark.parametrize("point", POINTS)
def test_a_run_that_is_killed_leaves_whole_files_and_is_continued(cli: Cli, point: str) -> None:
    cli.ok("operator", "add", "ACME")
    before = cli.files()
    name, number = POINTS[point]
    killed = subprocess.run(
        [sys.executable, "-c", _STOPPED, "kill", name, str(number), "account", "add", "ORDERS", "--yes"],
        env=cli.env_with(),
        capture_output=True,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    after = cli.files()
    whole = {path: digest for path, digest in after.items() if not path.endswith(".tmp")}
    assert {path for path in before if path not in whole} == set()
    known = cli.ok("key", "list", "--json").data["keys"]
    account = cli.store / "stores" / "ACME" / "accounts" / "ORDERS" / "ORDERS.jwt"
    if account.exists():
        assert read(account.read_text()).claims.name == "ORDERS"
        assert cli.run("account", "add", "ORDERS").code == 2
    else:
        made = [key["public_key"] for key in known if key["role"] == "account"]
        again = cli.ok("account", "add", "ORDERS", "--json").data["subject"]
        assert made in ([], [again])
    assert cli.ok("verify", "--json").data["ok"] is True
    assert [path for path in cli.files() if path.endswith(".tmp")] == []


def test_a_disk_that_fills_up_after_the_key_was_made_costs_no_key(cli: Cli) -> None:
    cli.ok("operator", "add", "ACME")
    before = cli.files()
    words = ("full", "fsync", "5", "account", "add", "ORDERS", "--yes")
    command = [sys.executable, "-c", _STOPPED, *words]
    failed = subprocess.run(command, env=cli.env_with(), capture_output=True, text=True, check=False)
    assert (failed.returncode, failed.stdout) == (1, "")
    assert "cannot be written: the disk is full\nhint: free some space and run it again" in failed.stderr
    assert {path for path, digest in cli.files().items() if before.get(path) != digest} == {
        "store/challenges.jsonl",
        "store/keyring.json",
    }
    (made,) = [
        key["public_key"] for key in cli.ok("key", "list", "--json").data["keys"] if key["role"] == "account"
    ]
    assert cli.ok("account", "add", "ORDERS", "--json").data["subject"] == made
    on_token = cli.ok("key", "list", "--token", cli.token.uri, "--json").data["keys"]
    assert [key["state"] for key in on_token] == ["present", "present"]


def test_files_are_for_their_owner_alone(cli: Cli) -> None:
    cli.found_system()
    files = [path for path in cli.store.rglob("*") if path.is_file()]
    folders = [cli.store, *(path for path in cli.store.rglob("*") if path.is_dir())]
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}
    assert {path.stat().st_mode & 0o777 for path in folders} == {0o700}


def test_two_runs_at_once_wait_for_one_another(cli: Cli) -> None:
    cli.ok("operator", "add", "ACME")
    runs = [
        subprocess.Popen(
            [sys.executable, "-m", "seedless", "account", "add", f"A{number}", "--yes"],
            env=cli.env_with(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        for number in range(3)
    ]
    told = [run.communicate(timeout=60)[1] for run in runs]
    assert [run.returncode for run in runs] == [0, 0, 0], told
    names = [account["name"] for account in cli.ok("account", "list", "--json").data["accounts"]]
    assert names == ["A0", "A1", "A2"]
    assert len(cli.ok("key", "list", "--json").data["keys"]) == 4
