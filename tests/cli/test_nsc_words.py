"""Who types a command of nsc is shown the one that does the same here."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import pytest

from seedless.cli.main import seedless
from seedless.cli.nsc_words import COMMANDS, translated

if TYPE_CHECKING:
    Cli = Any  # the fixture in tests/conftest.py

DOCS = Path(__file__).parents[2] / "docs"
OF_NSC = (Path(__file__).parents[1] / "docs/nsc-2.13.txt").read_text(encoding="utf-8")
ALIKE = {"push", "pull", "expirations", "import account"}
LEFT_OUT = {"load", "migrate", "tool", "update"}
"""Left out on purpose, with the reasons in coming-from-nsc.md; `migrate` is a group here as well."""


def test_every_command_of_nsc_is_known() -> None:
    words = set(re.findall(r"^([a-z][^:]*):", OF_NSC, re.MULTILINE))
    assert {name for name in words if name.split()[0] not in LEFT_OUT} - ALIKE - set(COMMANDS) == set()


@pytest.mark.parametrize("there", COMMANDS)
def test_what_is_shown_is_a_command_here(there: str) -> None:
    command: click.Command = seedless
    for word in COMMANDS[there].split():
        if isinstance(command, click.Group):
            found = command.get_command(click.Context(command), word)
            assert found is not None
            command = found
    assert not isinstance(command, click.Group)


@pytest.mark.parametrize("there", COMMANDS)
def test_the_page_for_those_who_come_from_nsc_names_the_same_command(there: str) -> None:
    page = (DOCS / "reference/coming-from-nsc.md").read_text(encoding="utf-8")
    words = " ".join(word for word in COMMANDS[there].split() if not word.startswith("-") and word.islower())
    assert f"seedless {words.removesuffix(' mermaid')}" in page


def test_a_name_is_an_argument_here() -> None:
    assert translated(["add", "account", "--name", "ORDERS", "--conns", "5"]) == (
        "seedless account add ORDERS --conns 5"
    )


@pytest.mark.parametrize("given", ["--all", "-A"])
def test_an_option_that_the_command_here_has_already_is_shown_once(given: str) -> None:
    assert translated(["list", "keys", given, "--json"]) == "seedless key list --all --json"


def test_a_name_that_is_a_word_of_the_command_stays() -> None:
    assert translated(["add", "account", "-n", "account"]) == "seedless account add account"


def test_a_word_that_a_shell_would_read_is_quoted() -> None:
    shown = translated(["add", "user", "app", "--allow-pub", "a.>"])
    assert shown == "seedless user add app --allow-pub 'a.>'"
    assert shlex.split(shown)[-1] == "a.>"


def test_a_command_of_nsc_ends_with_the_one_here(cli: Cli) -> None:
    done = cli.run("describe", "account", "ORDERS")
    assert (done.code, done.out) == (2, "")
    assert done.err == 'error: "describe account" is a command of nsc\nhint: seedless account show ORDERS\n'


def test_a_word_that_neither_has_is_a_mistake(cli: Cli) -> None:
    done = cli.run("befriend", "account", "ORDERS")
    assert (done.code, done.err) == (
        2, 'error: there is no command "befriend"\nhint: seedless --help\n'
    )  # fmt: skip
