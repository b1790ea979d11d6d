"""Terminals, pipes and signals: what goes to whom, and what happens when somebody leaves."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from seedless.nkey import PublicKey

if TYPE_CHECKING:
    from typing import Any

    Cli = Any  # the fixture in tests/conftest.py


def test_a_pin_is_asked_on_the_terminal_and_not_shown(cli: Cli) -> None:
    terminal = cli.terminal_for("operator", "add", "ACME", "--pin-source", "prompt")
    terminal.wait_for("Sign this jwt? [y/N]:")
    terminal.type("y\n")
    terminal.wait_for(f'PIN for token "{cli.token.label}" (serial {cli.token.serial}): ')
    terminal.type(f"{cli.token.pin}\n")
    assert terminal.end() == 0
    assert cli.token.pin not in terminal.said
    assert "operator ACME: O" in terminal.said


def test_a_review_that_is_not_agreed_to_signs_nothing(cli: Cli) -> None:
    terminal = cli.terminal_for("operator", "add", "ACME")
    terminal.wait_for("Sign this jwt? [y/N]:")
    terminal.type("\n")
    assert terminal.end() == 3
    assert "error: not confirmed: nothing was signed" in terminal.said.replace("\x1b[31m", "").replace(
        "\x1b[0m", ""
    )
    assert cli.files() == {}


def test_an_interrupt_at_the_prompt_for_the_pin_ends_with_130(cli: Cli) -> None:
    terminal = cli.terminal_for("operator", "add", "ACME", "--yes", "--pin-source", "prompt")
    terminal.wait_for("PIN for token")
    terminal.interrupt(lambda: terminal.type("\x03"))
    assert terminal.end() == 130
    assert "interrupted: nothing more was done" in terminal.said
    assert "Traceback" not in terminal.said
    assert cli.files() == {}


def test_an_interrupt_at_the_review_ends_with_130(cli: Cli) -> None:
    terminal = cli.terminal_for("operator", "add", "ACME")
    terminal.wait_for("Sign this jwt? [y/N]:")
    terminal.interrupt(lambda: terminal.process.send_signal(signal.SIGINT))
    assert terminal.end() == 130
    assert "Traceback" not in terminal.said
    assert cli.files() == {}


def test_with_yes_nobody_is_asked_and_the_review_is_on_stderr(cli: Cli) -> None:
    done = cli.child("operator", "add", "ACME", "--yes")
    assert done.code == 0
    assert done.out.startswith("operator ACME: O")
    assert done.out.count("\n") == 1
    assert done.err.startswith("operator ACME (new: new operator)\n  subject: ")


def test_a_pin_comes_through_a_descriptor(cli: Cli) -> None:
    reading, writing = os.pipe()
    os.write(writing, f"{cli.token.pin}\n".encode())
    os.close(writing)
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "seedless",
            "operator",
            "add",
            "ACME",
            "--yes",
            "--pin-source",
            f"fd:{reading}",
        ],
        env=cli.env_with(TOKEN_PIN=None),
        pass_fds=[reading],
        capture_output=True,
        check=False,
    )
    os.close(reading)
    assert (done.returncode, done.stdout[:15]) == (0, b"operator ACME: ")


@pytest.mark.parametrize("words", [["--help"], ["completion", "bash"]], ids=["help", "output"])
def test_a_reader_that_goes_away_is_no_traceback(cli: Cli, words: list[str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "seedless", *words],
        env=cli.env_with(),
        stdout=writing,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (1, b"")


def test_an_output_that_is_full_is_an_error_and_no_traceback(cli: Cli) -> None:
    with open("/dev/full", "wb") as full:  # noqa: PTH123 - a device
        done = subprocess.run(
            [sys.executable, "-m", "seedless", "completion", "bash"],
            env=cli.env_with(),
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr == b"error: stdout cannot be written: no space left on device\n"


def test_an_output_that_is_full_does_not_conceal_what_was_done(cli: Cli) -> None:
    full = "error: stdout cannot be written: no space left on device"
    done = (
        f"{full}; the command had done its work before\nhint: look at what is there before you run it again\n"
    )
    jwt = cli.store / "stores/ACME/ACME.jwt"
    for words, last, made in (
        (["operator", "add", "ACME", "--dry-run"], f"{full}\n", None),
        (["operator", "add", "ACME", "--yes"], done, jwt),
        (["operator", "show"], f"{full}\n", None),
        (["export-desired", "-o", str(cli.home / "state.toml")], done, cli.home / "state.toml"),
        (["key", "new", "--role", "account", "--name", "X", "--yes"], done, None),
        (["context", "add", "c", "--operator", "ACME"], done, cli.home / ".config/seedless/config.toml"),
    ):
        assert made is None or not made.exists()
        with open("/dev/full", "wb") as stdout:  # noqa: PTH123 - a device
            ended = subprocess.run(
                [sys.executable, "-m", "seedless", *words],
                env=cli.env_with(), stdout=stdout, stderr=subprocess.PIPE, text=True, check=False,
            )  # fmt: skip
        assert (ended.returncode, ended.stderr.endswith(last)) == (1, True), (words, ended.stderr)
        assert made is None or made.exists()
    assert [key["name"] for key in cli.ok("key", "list", "--json").data["keys"]] == ["X", "ACME"]


def test_a_stream_that_cannot_write_a_line_of_the_tree_gets_escapes(cli: Cli) -> None:
    cli.ok("operator", "add", "ACME")
    cli.ok("account", "add", "ORDERS")
    done = cli.child("tree", PYTHONIOENCODING="latin-1")
    assert done.code == 0
    assert "\\u2514\\u2500\\u2500 account ORDERS" in done.out


def test_colours_are_for_terminals(cli: Cli) -> None:
    assert "\x1b" not in cli.child("account", "list").err
    terminal = cli.terminal_for("account", "list")
    assert terminal.end() == 2
    assert "\x1b[31merror:\x1b[0m " in terminal.said


@pytest.mark.parametrize("env", [{"NO_COLOR": "1"}, {"TERM": "dumb"}], ids=["NO_COLOR", "dumb"])
def test_a_terminal_gets_no_colours_where_they_are_not_required(cli: Cli, env: dict[str, str]) -> None:
    quiet = dataclasses.replace(cli, env=cli.env | env)
    quiet.ok("operator", "add", "ACME")
    for words, code in ((("account", "show", "X"), 2), (("operator", "edit", "--tag", "a", "--dry-run"), 0)):
        terminal = quiet.terminal_for(*words)
        assert terminal.end() == code
        assert "\x1b" not in terminal.said
        assert terminal.said


def test_colours_can_be_forced_and_refused(cli: Cli) -> None:
    forced = cli.child("account", "show", "X", CLICOLOR_FORCE="1").err
    assert forced.startswith("\x1b[31merror:\x1b[0m ")
    assert "\x1b" not in cli.child("account", "show", "X", CLICOLOR_FORCE="0").err
    assert "\x1b" not in cli.child("account", "show", "X", CLICOLOR_FORCE="1", NO_COLOR="1").err
    assert "\x1b" in cli.child("account", "show", "X", CLICOLOR_FORCE="1", TERM="dumb").err


def test_quiet_leaves_errors_and_data_alone(cli: Cli) -> None:
    cli.ok("operator", "add", "ACME")
    noisy = cli.run("account", "add", "ORDERS", "--yes")
    quiet = cli.run("account", "add", "PAYROLL", "--yes", "--quiet")
    assert "ORDERS" in noisy.err
    assert (quiet.code, quiet.err) == (0, "")
    assert "PAYROLL" in quiet.out
    assert cli.run("account", "show", "X", "-q").err.startswith("error: ")


def test_quiet_shows_what_a_person_is_asked_about(cli: Cli) -> None:
    cli.ok("operator", "add", "ACME")
    terminal = cli.terminal_for("account", "add", "ORDERS", "--quiet")
    terminal.wait_for("?")
    assert "ORDERS" in terminal.said
    terminal.type("n\n")
    assert terminal.end() != 0


def test_a_version_is_reported(cli: Cli) -> None:
    assert cli.ok("--version").out.startswith("seedless 0.")


@pytest.mark.parametrize("words", [[], ["token"], ["account"]], ids=["nothing", "a noun", "another noun"])
def test_a_command_that_is_not_whole_gets_the_help(cli: Cli, words: list[str]) -> None:
    done = cli.run(*words)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(f"Usage: seedless {''.join(word + ' ' for word in words)}[OPTIONS] COMMAND")


MISTAKES = {
    "a misspelt noun": (
        ["acount", "add", "X", "--description", "all of it"],
        'there is no command "acount": did you mean account?',
        "seedless account add X --description 'all of it'\n",
    ),
    "a misspelt verb": (
        ["account", "lst", "--json"], 'there is no command "lst": did you mean list?',
        "seedless account list --json\n",
    ),
    "a misspelt verb of a group in a group": (
        ["account", "mapping", "lits", "-a", "X"], 'there is no command "lits": did you mean list?',
        "seedless account mapping list -a X\n",
    ),
    "a verb of another noun": (
        ["user", "revoke", "app"], 'there is no command "revoke": did you mean seedless account revoke?',
        "seedless account revoke app\n",
    ),
    "a verb of several nouns": (
        ["add", "X"], 'there is no command "add": did you mean seedless operator add or seedless account add',
        "seedless --help\n",
    ),
    "a verb of other programs": (
        ["key", "create", "--role", "account", "--name", "X"],
        'there is no command "create": did you mean new?', "seedless key new --role account --name X\n",
    ),
    "a verb of other programs, of a group in a group": (
        ["account", "mapping", "delete", "-a", "X"], 'there is no command "delete": did you mean remove?',
        "seedless account mapping remove -a X\n",
    ),
    "a command that has another name now": (
        ["key", "take", "--all"], 'there is no command "take": did you mean seedless key register?',
        "seedless key register --all\n",
    ),
    "no command at all": (["befriend"], 'there is no command "befriend"\n', "seedless --help\n"),
    "a misspelt option": (
        ["account", "add", "X", "--cons=5", "--expiry", "1y"],
        "there is no option --cons: did you mean --conns?",
        "seedless account add X --conns=5 --expiry 1y",
    ),
    "an option like no other": (  # click finds --quiet for it: it compares the dashes as well
        ["import", "user", "--file", "X"], "there is no option --file\n", "seedless import user --help\n"
    ),
    "no name": (["account", "add"], "missing argument 'NAME'", "seedless account add --help"),
    "a wrong size": (["account", "add", "X", "--js-disk-storage", "3X"],
                     ("invalid value for '--js-disk-storage': '3X' is not a number: "
                      "write 512, 10K, 4MiB, 1.5G"),
                     "seedless account add --help"),
    "a wrong time": (["account", "add", "X", "--expiry", "soon"],
                     "invalid value for '--expiry': \"soon\" is not a time",
                     "seedless account add --help"),
    "no key and no name": (["account", "add", "X", "-k", "xyz"], 'there is no key of an account called "xyz"',
                           "seedless key list shows the names"),
    "a wrong key": (["account", "add", "X", "-k", "AB" * 28], "invalid value for '--public-key' / '-k': ",
                    "seedless account add --help"),
    "a setting without a value": (["account", "add", "X", "--set", "limits"],
                                  '--set "limits" is not path=value', "as in --set limits.conn=10"),
    "a setting of nothing": (["account", "add", "X", "--set", "limit.conn=1"],
                             "--set limit: there is no such member", "look at seedless show --json"),
    "a setting of a wrong type": (["account", "add", "X", "--set", "limits.conn=abc"],
                                  '--set limits.conn: expected a whole number, found "abc"', ""),
}  # fmt: skip


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_in_the_command_is_reported_with_what_to_do(cli: Cli, case: str) -> None:
    words, message, hint = MISTAKES[case]
    cli.ok("operator", "add", "ACME")
    before = cli.files()
    done = cli.run(*words, SEEDLESS_MODULE="/nowhere.so")
    assert done.code == 2
    assert done.err.startswith(f"error: {message}")
    assert f"hint: {hint}" in done.err or not hint
    if "--json" not in words:
        assert done.out == ""
    assert cli.files() == before


def test_json_holds_no_character_that_a_terminal_obeys(cli: Cli) -> None:
    cli.ok("operator", "add", "ACME")
    evil = "a\u202eb\x1b[31m\N{SNOWMAN}\U000e0001"
    done = cli.ok("account", "add", "ORDERS", "--description", evil, "--json")
    assert done.data["claims"]["nats"]["description"] == evil
    assert done.out.replace("\n", "").isprintable()
    assert "\N{SNOWMAN}" in done.out


def test_a_table_that_is_wider_than_the_terminal_has_each_cell_on_a_line(cli: Cli) -> None:
    cli.ok("operator", "add", "ACME")
    key = cli.ok("operator", "show", "--json").data["subject"]
    assert cli.ok("key", "list", "--long").out.startswith("ROLE      NAME  PUBLIC KEY")
    terminal = cli.terminal_for("key", "list", "--long")
    assert terminal.end() == 0
    lines = terminal.said.splitlines()
    assert lines[:5] == [
        "ROLE         operator",
        "NAME         ACME",
        f"PUBLIC KEY   {key}",
        f"FINGERPRINT  {PublicKey.parse(key).fingerprint}",
        "STATE        registered",
    ]
    assert lines[5].startswith("URI          pkcs11:token=")
