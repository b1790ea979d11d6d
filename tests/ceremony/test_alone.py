"""A ceremony needs no network and nothing but the core dependencies; its words are typed on a terminal."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from seedless.ceremony import words

if TYPE_CHECKING:
    from pathlib import Path

    Hall = Any  # of conftest.py
    Cli = Any  # the fixture in tests/conftest.py
    Mounts = Any

# Sockets raise, and what only the extras bring cannot be imported; then the command runs.
_ALONE = """
import importlib.abc, socket, sys

class Nothing(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"cryptography", "nats", "segno", "nkeys", "aiohttp", "ssl", "asyncio"}:
            raise ModuleNotFoundError(f"{name} is hidden")

def refuse(*given, **named):
    raise AssertionError("a socket was asked for")

sys.meta_path.insert(0, Nothing())
socket.socket = socket.create_connection = socket.getaddrinfo = refuse
from seedless.cli.main import main
sys.exit(main(sys.argv[1:]))
"""
_PATIENCE = 30.0


def alone(cli: Cli, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", _ALONE, *command],
        env=cli.env, cwd=cli.home, capture_output=True, text=True, timeout=60, check=False,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip


@pytest.fixture
def request_file(cli: Cli) -> Path:
    """Keys, a policy, and a request for their operator, all in one home."""
    cli.env["SEEDLESS_POLICY"] = str(cli.home / "policy.toml")
    cli.ok(
        "ceremony", "keygen", "ACME", "--holder", "Ada", "-o", str(cli.home / "keys.json"),
        "--policy-out", str(cli.home / "policy.toml"),
    )  # fmt: skip
    plan, request = cli.home / "first.plan", cli.home / "first.json"
    cli.ok("operator", "add", "ACME", "--generate-signing-key", "--plan", str(plan))
    cli.ok("ceremony", "prepare", str(plan), "--reason", "a test", "--by", "Grace", "-o", str(request))
    return request


def test_the_guard_of_this_test_would_see_a_socket_and_an_extra(cli: Cli) -> None:
    for line, seen in (("socket.socket()", "a socket was asked for"), ("import nats", "nats is hidden")):
        done = subprocess.run(
            [sys.executable, "-c", _ALONE.replace("from seedless.cli.main import main", line)],
            env=cli.env, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 1
        assert seen in done.stderr


def test_review_sign_and_check_run_without_a_network_and_without_the_extras(
    cli: Cli, request_file: Path
) -> None:
    request, result = str(request_file), str(cli.home / "result.json")
    reviewed = alone(cli, "ceremony", "review", request, "--checklist", "page.txt")
    assert (reviewed.returncode, reviewed.stdout[:7]) == (0, "sha256 ")
    digest = reviewed.stdout.split()[1]
    signed = alone(cli, "ceremony", "sign", request, "--expect", digest, "--clock-checked", "-o", result)
    assert (signed.returncode, signed.stdout[:7]) == (0, "result:"), signed
    operator = cli.ok("key", "list", "--json").data["keys"]
    (pinned,) = {one["public_key"] for one in operator if one["name"] == "ACME"}
    checked = alone(cli, "ceremony", "check", request, result, "--operator-key", pinned)
    assert (checked.returncode, checked.stdout.splitlines()[0]) == (0, "complete: 1 jwt, 1 receipt")


@pytest.mark.parametrize(("columns", "count"), [("80", 4), ("120", 8)])
def test_the_words_are_in_rows_that_the_terminal_can_show(
    cli: Cli, request_file: Path, columns: str, count: int
) -> None:
    shown = cli.ok("ceremony", "review", str(request_file), "--json").data
    cli.env["COLUMNS"] = columns
    terminal = cli.terminal_for("ceremony", "review", str(request_file))
    assert terminal.end() == 0
    for row in words.rows(bytes.fromhex(shown["request"]), count):
        assert f"           {row}\r\n" in terminal.said


def test_the_words_are_typed_and_a_wrong_one_is_reported_and_asked_again(
    cli: Cli, request_file: Path
) -> None:
    shown = cli.ok("ceremony", "review", str(request_file), "--json").data
    rows = words.rows(bytes.fromhex(shown["request"]))
    result = cli.home / "result.json"
    terminal = cli.terminal_for("ceremony", "sign", str(request_file), "-o", str(result))
    terminal.wait_for("now, by another clock?")
    assert "asks" in terminal.said
    assert rows[0] not in terminal.said, "the words come from the paper"
    terminal.type("y\n")
    terminal.wait_for("words from 1 to 32: ")
    first = rows[0].split()
    terminal.type(f"{' '.join([first[1], first[0], *first[2:]])}\n")
    terminal.wait_for("does not belong at this place")
    terminal.wait_for("words from 1 to 32: ")
    # A row on paper has four words or eight, by what printed it.
    terminal.type(f"{' '.join(first[:4])}\n")
    terminal.wait_for("words from 5 to 32: ")
    terminal.type(f"{' '.join(first[4:])}\n")
    for number, row in enumerate(rows[1:], 1):
        terminal.wait_for(f"words from {8 * number + 1} to 32: ")
        terminal.type(f"{row.upper()}\n")
    terminal.wait_for("result:")
    assert terminal.end() == 0
    assert result.exists()


def test_a_medium_without_room_loses_no_signature_and_one_that_is_read_only_is_reported_before_any(
    cli: Cli, request_file: Path, mounts: Mounts
) -> None:
    digest = cli.ok("ceremony", "review", str(request_file), "--json").data["request"]
    medium = cli.home / "medium"
    medium.mkdir()
    sign = ["ceremony", "sign", str(request_file), "--expect", digest, "--clock-checked", "-o"]
    command = [sys.executable, "-m", "seedless", *sign, str(medium / "result.json")]
    done = mounts.run_read_only(medium, *command, env=cli.env)
    assert done.returncode == 1
    assert f"{medium}/result.json cannot be written: the file system is read-only\n" in done.stderr
    assert list(cli.store.rglob("transcript.jsonl")) == []
    done = mounts.run_full(medium, *command, env=cli.env)
    assert done.returncode == 1
    assert done.stderr.endswith(
        f"error: {medium}/result.json cannot be written: the disk is full\n"
        "hint: everything was signed: run it again with room there, or with another --output\n"
    )
    cli.ok(*sign, str(cli.home / "result.json"))
    done = cli.run(*sign, str(cli.home / "again.json"))
    assert done.code == 3
    kept = cli.store / "ceremonies" / digest
    assert f"what it led to is in ceremonies/{digest} of the store" in done.err
    assert (kept / "result.json").read_bytes() == (cli.home / "result.json").read_bytes()


def test_a_clock_that_is_not_right_ends_it_before_any_pin(cli: Cli, request_file: Path) -> None:
    cli.env["TOKEN_PIN"] = "0000"
    terminal = cli.terminal_for("ceremony", "sign", str(request_file), "-o", str(cli.home / "result.json"))
    terminal.wait_for("now, by another clock?")
    terminal.type("n\n")
    terminal.wait_for("not confirmed that the clock of this machine is right")
    assert terminal.end() == 2
    assert not (cli.home / "result.json").exists()


def test_a_wrong_pin_after_the_words_is_asked_again_and_the_ceremony_goes_on(
    cli: Cli, request_file: Path
) -> None:
    digest = cli.ok("ceremony", "review", str(request_file), "--json").data["request"]
    cli.env["SEEDLESS_PIN_SOURCE"] = "prompt"
    pin, result = cli.env.pop("TOKEN_PIN"), cli.home / "result.json"
    terminal = cli.terminal_for(
        "ceremony", "sign", str(request_file), "--expect", digest, "--clock-checked", "-o", str(result)
    )
    terminal.wait_for("PIN for token")
    terminal.type("0000\n")
    terminal.wait_for("the PIN is wrong, and few tries are left")
    terminal.wait_for("(few tries left): ")
    terminal.type("0000\n")
    terminal.wait_for("has refused this PIN already, and it was not sent again")
    terminal.wait_for("(few tries left): ")
    terminal.type(f"{pin}\n")
    terminal.wait_for("result:")
    assert terminal.end() == 0
    assert pin not in terminal.said
    entries = [
        json.loads(line) for line in next(cli.store.rglob("transcript.jsonl")).read_text().splitlines()
    ]
    assert [entry["kind"] for entry in entries] == [
        "opened", "reviewed", "readiness", "key", "intent", "signed", "ended",
    ]  # fmt: skip


def test_a_short_pin_and_two_different_entries_of_a_new_one_are_asked_for_again(cli: Cli) -> None:
    cli.env["SEEDLESS_PIN_SOURCE"] = "prompt"
    cli.env.pop("SEEDLESS_TOKEN")
    terminal = cli.terminal_for("token", "init", "--label", "NEW", "--yes")
    terminal.wait_for('New SO PIN for token "NEW": ')
    terminal.type("12345678\n")
    terminal.wait_for("once more: ")
    terminal.type("12345678\n")
    terminal.wait_for('New PIN for token "NEW": ')
    terminal.type("123\n")
    # Before it is typed a second time: a prompt follows that is not "once more".
    terminal.wait_for('the PIN has 3 bytes, and the token takes 4 to 255\r\nNew PIN for token "NEW": ')
    terminal.type("1111\n")
    terminal.wait_for("once more: ")
    terminal.type("1112\n")
    terminal.wait_for("the two entries of the PIN differ")
    terminal.wait_for('New PIN for token "NEW": ')
    terminal.type("2222\n")
    terminal.wait_for("once more: ")
    terminal.type("2222\n")
    terminal.wait_for("initialised token")
    assert terminal.end() == 0


def test_a_witness_whose_token_is_not_there_is_reported_before_any_word_is_typed(
    cli: Cli, request_file: Path
) -> None:
    ada = cli.ok("key", "new", "--role", "user", "--name", "ada", "--json").data["public_key"]
    policy = cli.home / "policy.toml"
    policy.write_text(f'{policy.read_text()}[witnesses]\nkeys = ["{ada}"]\nthreshold = 1\n')
    (cli.store / "keyring.json").unlink()
    cli.env["SEEDLESS_TOKEN"] = "pkcs11:token=nowhere"
    words = ("witness", str(request_file), "--key", ada, "-o", str(cli.home / "ada.witness"))
    terminal = cli.terminal_for("ceremony", *words)
    terminal.wait_for("no token matches")
    assert terminal.end() == 4
    assert "by another clock?" not in terminal.said
    assert "words from 1" not in terminal.said
