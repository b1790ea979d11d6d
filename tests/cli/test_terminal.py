"""Terminals of several widths: they show what a file gets, in lines that they need not break."""

from __future__ import annotations

import dataclasses
import re
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any

    Cli = Any  # the fixture in tests/conftest.py

NAME = "試験の注文を受ける部門 Commandes passées l'été dans nos boutiques et 商店"
REVIEW = ("account", "add", NAME, "--dry-run", "--verbose", "--conns", "5", "--description",
          "what the shops order by day, and what their suppliers send to them by night")  # fmt: skip
LOST = (
    "account",
    "add",
    "ORDERS",
    "--issuer",
    "no key of this name, which is too long for a line",
    "--dry-run",
)
TIME = re.compile(r"\d\d:\d\d:\d\d")


def lines_of(said: str) -> list[str]:
    return re.sub(r"\x1b\[[0-9;]*m", "", said).replace("\r", "").split("\n")


def wide(line: str) -> int:
    return sum(2 if unicodedata.east_asian_width(mark) in "WF" else 1 for mark in line)


def broken(said: str, columns: int) -> list[str]:
    """The lines that a terminal of *columns* breaks, but for a key, path or command wider than it."""
    copied = [(line, re.search(r"(seedless .*|\S+)$", line)) for line in lines_of(said)]
    return [line for line, end in copied if wide(line) > columns and end and wide(end[0]) <= columns]


def words(text: str) -> list[str]:
    """The words of *text*; the time goes on between two commands."""
    return TIME.sub("", text).split()


def test_a_terminal_shows_every_word_of_a_review_an_error_and_a_drill_and_breaks_no_line(cli: Cli) -> None:
    cli.ok("operator", "add", "ACME", "--sys")
    key = cli.ok("operator", "show", "--json").data["subject"]
    drill = ("recovery", "drill", cli.token.label)
    for command, code, widths in ((REVIEW, 0, (40, 60, 80, 200)), (LOST, 2, (40, 80)), (drill, 3, (60, 80))):
        piped = cli.child(*command)
        assert piped.code == code, piped
        assert max(map(wide, (piped.err + piped.out).split("\n"))) > 80
        for columns in widths:
            terminal = cli.terminal_for(*command, columns=columns)
            assert terminal.end() == code
            assert words(terminal.text) == words(piped.err + piped.out), columns
            assert broken(terminal.said, columns) == [], columns
            assert terminal.text.count(key) == (piped.err + piped.out).count(key)


def test_a_terminal_without_colours_has_the_same_lines(cli: Cli) -> None:
    cli.ok("operator", "add", "ACME")
    plain = dataclasses.replace(cli, env=cli.env | {"NO_COLOR": "1"})
    shown = []
    for each in (cli, plain):
        terminal = each.terminal_for(*REVIEW, columns=60)
        assert terminal.end() == 0
        shown.append(terminal.said)
    coloured, without = shown
    assert ("\x1b[" in coloured, "\x1b[" in without) == (True, False)
    assert [TIME.sub("", line) for line in lines_of(coloured)] == [
        TIME.sub("", line) for line in lines_of(without)
    ]


def test_questions_and_prompts_are_wrapped_and_answered_behind_their_last_word(cli: Cli) -> None:
    terminal = cli.terminal_for("operator", "add", "ACME", "--pin-source", "prompt", columns=40)
    terminal.wait_for("Sign this jwt? [y/N]: ")
    terminal.type("y\n")
    terminal.wait_for(f"(serial {cli.token.serial}): ")
    terminal.type(f"{cli.token.pin}\n")
    assert terminal.end() == 0
    assert f'PIN for token "{cli.token.label}" (serial\r\n  {cli.token.serial}): ' in terminal.said
    assert broken(terminal.said, 40) == []
    terminal = cli.terminal_for("token", "doctor", columns=40)
    terminal.wait_for("[y/N]: ")
    assert (
        "Sign a challenge with a throw-away key,\r\n  created and deleted, or with one that\r\n"
        in terminal.said
    )
    terminal.type("n\n")
    assert terminal.end() == 3


def test_a_file_on_a_terminal_is_as_it_is(cli: Cli) -> None:
    cli.found_system()
    for command in (
        ("server", "config", "--mem-resolver"),
        ("user", "creds", "-a", "ORDERS", "app"),
        ("account", "show", "ORDERS", "--field", "nats"),
    ):
        terminal = cli.terminal_for(*command, columns=40)
        assert terminal.end() == 0
        assert terminal.said.replace("\r\n", "\n") == cli.child(*command).out
