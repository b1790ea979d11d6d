"""Who types a command of nsc is shown the one that does the same here."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import pytest

from seedless.cli.main import seedless
from seedless.nsc_commands import COMMANDS

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


SHOWN = {
    "a name is an argument here": (
        "add account --name ORDERS --conns 5", "seedless account add ORDERS --conns 5"
    ),
    "a name with its option in one word": ("add account --name=ORDERS", "seedless account add ORDERS"),
    "an option that is here already": ("list keys --all --json", "seedless key list --all --json"),
    "the same in short": ("list keys -A", "seedless key list --all"),
    "a name that is a word of the command": ("add account -n account", "seedless account add account"),
    "a word that a shell would read": (
        "add user app -a X --allow-pub a.>", "seedless user add app -a X --allow-pub 'a.>'"
    ),
    "no name where one is required": ("generate creds", "seedless user creds --help"),
    "the file that is written": (
        "generate creds -a ORDERS -n app --output-file app.creds",
        "seedless user creds -a ORDERS app --output app.creds",
    ),
    "a file that is an argument here": ("describe jwt --file app.jwt", "seedless show app.jwt"),
    "a folder that is an argument here": ("import keys --dir keys", "seedless key import keys"),
    "a folder that is an option here as well": ("export keys --dir keys", "seedless key export --dir keys"),
    "a first operator": ("init -n ACME", "seedless operator add --sys --generate-signing-key ACME"),
    "an option that is not here": ("generate nkey --operator", "seedless key new --help"),
    "who asks for help": ("describe user --help", "seedless user show --help"),
}  # fmt: skip


@pytest.mark.parametrize("case", SHOWN)
def test_the_command_here_is_shown_with_what_was_given(cli: Cli, case: str) -> None:
    theirs, here = SHOWN[case]
    done = cli.run(*theirs.split())
    assert (done.code, done.err.splitlines()[-1]) == (2, f"hint: {here}")


NO_COMMAND = re.compile(
    "missing (argument|option)|no such option|there is no option|unexpected extra|there is no command"
)


def test_what_is_shown_for_each_command_of_nsc_is_accepted_when_it_is_pasted(cli: Cli) -> None:
    rows = re.findall(r"^([a-z][^:]*):(.*)$", OF_NSC, re.MULTILINE)
    whole = 0
    for theirs, flags in rows:
        if theirs not in COMMANDS:
            continue
        given = [
            word for flag in ("--account", "--name") if f" {flag} " in f"{flags} " for word in (flag, "X")
        ]
        for words in ([], given, [*given, "--output-file", "x"] if "--output-file" in flags else given):
            done = cli.run(*theirs.split(), *words)
            hint = shlex.split(done.err.splitlines()[-1].removeprefix("hint: "))
            assert hint[0] == "seedless", done.err
            pasted = cli.run(*hint[1:], SEEDLESS_MODULE="/nowhere.so")
            assert not NO_COMMAND.search(pasted.err), (theirs, words, hint, pasted.err)
            if hint[-1] == "--help":
                assert pasted.code == 0
            whole += hint[-1] != "--help"
    assert whole >= 79


def test_a_command_of_nsc_ends_with_the_one_here(cli: Cli) -> None:
    done = cli.run("describe", "account", "ORDERS")
    assert (done.code, done.out) == (2, "")
    assert done.err == 'error: "describe account" is a command of nsc\nhint: seedless account show ORDERS\n'


def test_a_word_that_neither_has_is_a_mistake(cli: Cli) -> None:
    done = cli.run("befriend", "account", "ORDERS")
    assert (done.code, done.err) == (
        2, 'error: there is no command "befriend"\nhint: seedless --help\n'
    )  # fmt: skip
