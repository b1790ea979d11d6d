"""Terminals of several widths: they show what a file gets, in lines that they need not break."""

from __future__ import annotations

import ast
import dataclasses
import re
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING

import click

import seedless
from seedless.cli import main
from seedless.terminal import wrapped

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


def sentences() -> set[str]:
    """The texts of the product that name its commands, with X for what is filled in; no docstrings."""
    found = set()
    for path in Path(seedless.__file__).parent.rglob("*.py"):
        source = path.read_text(encoding="utf-8")
        for node in ast.walk(ast.parse(source)) if "seedless " in source else ():
            if isinstance(node, ast.JoinedStr):
                parts = [part.value if isinstance(part, ast.Constant) else "X" for part in node.values]
                found.add("".join(map(str, parts)))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str) and "\n" not in node.value:
                found.add(node.value)
    return {text for text in found if "seedless " in text}


def test_what_is_kept_whole_as_a_command_is_one_and_has_no_word_of_the_sentence_around_it() -> None:
    root, kept, odd = click.Context(main.seedless), 0, []
    for text in sentences():
        # As narrow as can be, a command is a line, and so is each word of the sentence.
        for line in wrapped(f"see {text}", 1).split("\n"):
            _, is_command, rest = line.strip(" (`;,:.)").partition("seedless ")
            if not is_command or line.strip() == text.strip():  # alone, it may be the name of a format
                continue
            command: click.Command | None = main.seedless
            words = rest.split()
            while (
                words and isinstance(command, click.Group) and (below := command.get_command(root, words[0]))
            ):
                command, words = below, words[1:]
            kept += command is not main.seedless
            odd += [(text, word) for word in words if re.fullmatch("[a-z]+", word)]
    assert odd == [], "a word that follows a command belongs to _PROSE of terminal.py"
    assert kept > 80
