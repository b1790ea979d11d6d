"""A ceremony needs no network and nothing but the core dependencies; its words are typed on a terminal."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from seedless.ceremony import words

if TYPE_CHECKING:
    from pathlib import Path

    Hall = Any  # of conftest.py
    Desk = Any  # the fixture in tests/conftest.py

# Sockets raise, and what only the extras bring cannot be imported; then the command runs.
_ALONE = """
import importlib.abc, socket, sys

class Nothing(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"nats", "segno", "nkeys", "aiohttp", "ssl", "asyncio"}:
            raise ModuleNotFoundError(f"{name} is hidden")

def refuse(*given, **named):
    raise AssertionError("a socket was asked for")

sys.meta_path.insert(0, Nothing())
socket.socket = socket.create_connection = socket.getaddrinfo = refuse
from seedless.cli.main import main
sys.exit(main(sys.argv[1:]))
"""
_PATIENCE = 30.0


def alone(desk: Desk, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", _ALONE, *command],
        env=desk.env, cwd=desk.home, capture_output=True, text=True, timeout=60, check=False,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip


@pytest.fixture
def request_file(desk: Desk) -> Path:
    """Keys, a policy, and a request for their operator, all on one desk."""
    desk.env["SEEDLESS_POLICY"] = str(desk.home / "policy.toml")
    desk.ok(
        "ceremony", "keygen", "ACME", "--holder", "Ada", "-o", str(desk.home / "keys.json"),
        "--policy-out", str(desk.home / "policy.toml"),
    )  # fmt: skip
    plan, request = desk.home / "first.plan", desk.home / "first.json"
    desk.ok("operator", "add", "ACME", "--generate-signing-key", "--plan", str(plan))
    desk.ok("ceremony", "prepare", str(plan), "--reason", "a test", "--by", "Grace", "-o", str(request))
    return request


def test_the_guard_of_this_test_would_see_a_socket_and_an_extra(desk: Desk) -> None:
    for line, seen in (("socket.socket()", "a socket was asked for"), ("import nats", "nats is hidden")):
        done = subprocess.run(
            [sys.executable, "-c", _ALONE.replace("from seedless.cli.main import main", line)],
            env=desk.env, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 1
        assert seen in done.stderr


def test_review_sign_and_check_run_without_a_network_and_without_the_extras(
    desk: Desk, request_file: Path
) -> None:
    request, result = str(request_file), str(desk.home / "result.json")
    reviewed = alone(desk, "ceremony", "review", request, "--checklist", "page.txt")
    assert (reviewed.returncode, reviewed.stdout[:7]) == (0, "sha256 ")
    digest = reviewed.stdout.split()[1]
    signed = alone(desk, "ceremony", "sign", request, "--expect", digest, "--clock-checked", "-o", result)
    assert (signed.returncode, signed.stdout[:7]) == (0, "result:"), signed
    operator = desk.ok("key", "list", "--json").data["keys"]
    (pinned,) = {one["public_key"] for one in operator if one["name"] == "ACME"}
    checked = alone(desk, "ceremony", "check", request, result, "--operator-key", pinned)
    assert (checked.returncode, checked.stdout.splitlines()[0]) == (0, "complete: 1 jwt, 1 receipt")


def test_the_words_are_typed_and_a_wrong_one_is_told_and_asked_again(desk: Desk, request_file: Path) -> None:
    shown = desk.ok("ceremony", "review", str(request_file), "--json").data
    rows = words.rows(bytes.fromhex(shown["request"]))
    result = desk.home / "result.json"
    terminal = desk.terminal_for("ceremony", "sign", str(request_file), "-o", str(result))
    terminal.wait_for("now, by another clock?")
    assert "asks" in terminal.said
    assert rows[0] not in terminal.said, "the words come from the paper"
    terminal.type("y\n")
    terminal.wait_for("words 1 to 8")
    first = rows[0].split()
    terminal.type(f"{' '.join([first[1], first[0], *first[2:]])}\n")
    terminal.wait_for("does not belong at this place")
    terminal.wait_for("words 1 to 8")
    for number, row in enumerate(rows):
        terminal.type(f"{row.upper()}\n")
        if number < 3:
            terminal.wait_for(f"words {8 * number + 9} to {8 * number + 16}")
    terminal.wait_for("result:")
    assert terminal.end() == 0
    assert result.exists()


def test_a_clock_that_is_not_right_ends_it_before_any_pin(desk: Desk, request_file: Path) -> None:
    desk.env["TOKEN_PIN"] = "0000"
    terminal = desk.terminal_for("ceremony", "sign", str(request_file), "-o", str(desk.home / "result.json"))
    terminal.wait_for("now, by another clock?")
    terminal.type("n\n")
    terminal.wait_for("the clock of this machine is wrong")
    assert terminal.end() == 2
    assert not (desk.home / "result.json").exists()
