from __future__ import annotations

import inspect
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import pytest

import seedless.cli.main as main_module
from seedless.cli.command import SHARED, show_everything
from seedless.cli.lazy import LazyGroup
from seedless.cli.main import seedless

if TYPE_CHECKING:
    from collections.abc import Iterator

    Cli = Any  # the fixture in tests/conftest.py

CLI = Path(main_module.__file__).parent
HOMES = {"import user": ("user",)}
"""Commands that are another command by a second name: they are in the folder of the first."""


def every_command(
    group: click.Group = seedless, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from every_command(command, (*path, name))
        else:
            yield (*path, name), command


def every_group(group: click.Group = seedless, path: str = "") -> Iterator[tuple[str, click.Command]]:
    yield path, group
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from every_group(command, f"{path} {name}".strip())


COMMANDS = {" ".join(path): command for path, command in every_command()}


def test_the_commands_of_the_first_walk_are_there() -> None:
    assert set(COMMANDS) >= {
        "account add",
        "account list",
        "account show",
        "completion",
        "key list",
        "key new",
        "key show",
        "lint",
        "operator add",
        "operator show",
        "server config",
        "server lint",
        "show",
        "sign",
        "token init",
        "token list",
        "token show",
        "tree",
        "user add",
        "user creds",
        "user list",
        "user show",
        "verify",
    }


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_every_command_has_an_example_of_itself(name: str) -> None:
    _, heading, examples = (COMMANDS[name].help or "").partition("Example:\n")
    assert heading
    assert examples.strip().startswith(f"seedless {name}")


def test_no_line_of_any_help_is_wider_than_80_columns() -> None:
    wide = []
    for name, command in {**COMMANDS, **dict(every_group())}.items():
        for everything in (False, True):
            # The names as in the program: click makes the option --help once for each command, and keeps it.
            context = click.Context(
                command, info_name=f"seedless {name}", terminal_width=78, help_option_names=["-h", "--help"]
            )
            if everything:
                show_everything(context)
            wide += [(name, line) for line in command.get_help(context).splitlines() if len(line) > 80]
    assert wide == []


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_takes_json(name: str) -> None:
    assert "--json" in {flag for param in COMMANDS[name].params for flag in param.opts}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_has_a_help_text(name: str) -> None:
    options = [param for param in COMMANDS[name].params if isinstance(param, click.Option)]
    assert [option.name for option in options if not option.help] == []


READING = {
    "account export list",
    "account export revocations",
    "account import list",
    "account list",
    "account mapping list",
    "account revocations",
    "account show",
    "account signing-key list",
    "ceremony check",
    "ceremony inventory",
    "ceremony rehearse",  # on a throw-away token
    "ceremony report",
    "delegate list",
    "key challenges",
    "ceremony review",
    "completion",
    "context add",  # settings alone, and the next command takes it back
    "context list",
    "context remove",
    "context select",
    "context show",
    "diff",
    "docs",
    "expirations",
    "export-desired",
    "help",
    "key audit",
    "key list",
    "key public",
    "key show",
    "lint",
    "operator list",
    "operator show",
    "operator signing-key list",
    "policy check",
    "policy explain",
    "recovery check",
    "recovery drill",  # signs on a copy, which is thrown away
    "recovery form",
    "serve callout",  # signs for servers, as long as it runs
    "serve demo",  # likewise, on a server of its own
    "serve doctor",
    "serve password",
    "server config",
    "server lint",
    "show",
    "token doctor",  # writes a key unless --no-key
    "token list",
    "token show",
    "tree",
    "user creds",
    "user list",
    "user show",
    "verify",
}
"""What signs, records and sends nothing; some print what they found into a file (-o)."""

NO_PLAN = {
    "ceremony abandon",
    "ceremony accept",
    "ceremony keygen",
    "ceremony keys",
    "ceremony prepare",  # of a plan
    "ceremony sign",
    "ceremony witness",
    "delegate add",  # a seed, and until when, go with the jwt
    "delegate end",
    "delegate renew",
    "key attest",
    "key delete",
    "key export",
    "key import",
    "key new",
    "recovery check",
    "recovery create",
    "recovery derive",
    "recovery form",
    "recovery restore",
    "key register",
    "migrate nsc",
    "prune",
    "pull",
    "push",
    "token init",
    "user context",
}
"""What changes something without signing claims, or signs what a plan cannot hold."""

SERVICES = {"serve issuer"}
"""What signs for others, by a configuration that states who may ask for what: nobody can be asked."""


def flags_of(name: str) -> set[str]:
    return {flag for param in COMMANDS[name].params for flag in param.opts}


@pytest.mark.parametrize("name", sorted(set(COMMANDS) - SERVICES))
def test_every_command_that_changes_anything_can_be_tried_dry(name: str) -> None:
    assert ("--dry-run" in flags_of(name)) is (name not in READING)


@pytest.mark.parametrize("name", sorted(set(COMMANDS) - READING - SERVICES))
def test_every_command_that_signs_claims_can_write_a_plan_instead(name: str) -> None:
    assert ("--plan" in flags_of(name)) is (name not in NO_PLAN)


def test_no_option_takes_a_pin() -> None:
    flags = {
        flag
        for command in COMMANDS.values()
        for param in command.params
        for flag in param.opts
        if "pin" in flag
    }
    assert flags == {"--pin-source", "--so-pin-source"}


def lazy_groups(group: LazyGroup = seedless) -> Iterator[LazyGroup]:
    yield group
    for name in group.table:
        inner = group.get_command(click.Context(group), name)
        if isinstance(inner, LazyGroup):
            yield from lazy_groups(inner)


@pytest.mark.parametrize("group", list(lazy_groups()), ids=lambda group: group.name)
def test_the_texts_of_a_lazy_table_are_those_of_the_commands(group: LazyGroup) -> None:
    own = {}
    for name in group.table:
        command = group.get_command(click.Context(group), name)
        assert command is not None
        own[name] = command.get_short_help_str(limit=200)
    assert {name: text for name, (_, text) in group.table.items()} == own


@pytest.mark.parametrize("path", [path for path, _ in every_command()], ids=" ".join)
def test_a_command_is_found_in_the_file_or_folder_of_its_first_word(path: tuple[str, ...]) -> None:
    command = COMMANDS[" ".join(path)]
    assert command.callback is not None
    file = Path(inspect.unwrap(command.callback).__code__.co_filename).with_suffix("")
    first = path[0].replace("-", "_")
    assert file.relative_to(CLI).parts[0].removesuffix("_") in {first, *HOMES.get(" ".join(path), ())}


def test_a_command_loads_the_modules_of_its_own_group_that_it_needs() -> None:
    code = (
        "import sys; from seedless.cli.main import main; main(['account', 'list', '--help']); "
        "print(*(name for name in sys.modules if name.startswith('seedless.cli.')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = done.stdout.splitlines()[-1].split()
    assert "seedless.cli.account.show" in loaded
    assert "seedless.cli.account.edit" not in loaded
    assert len(loaded) < 20


def test_the_help_of_a_rotation_loads_neither_servers_nor_what_renders_them() -> None:
    code = (
        "import sys; from seedless.cli.main import main; main(['rotate', 'account-key', '--help']); "
        "print(*(name for name in sys.modules if name.startswith('seedless.')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = done.stdout.splitlines()[-1].split()
    assert "seedless.cli.rotate.keys" in loaded
    needless = ("seedless.resolver", "seedless.app.rotations", "seedless.cli.render", "seedless.pkcs11")
    assert [name for name in loaded if name.startswith(needless)] == []


@pytest.mark.parametrize("name", COMMANDS)
def test_the_line_of_a_command_in_a_list_is_not_cut_off(name: str) -> None:
    assert not COMMANDS[name].get_short_help_str(limit=60).endswith("...")


def help_of(*words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "seedless", *words], capture_output=True, text=True, check=True,
        env={**os.environ, "COLUMNS": "80"},
    )  # fmt: skip
    return done.stdout


def test_the_help_of_account_add_fits_a_screen() -> None:
    text = help_of("account", "add", "--help")
    assert len(text.splitlines()) <= 45
    assert re.findall(r"^(\w.*):$", text, re.MULTILINE) == ["Options", "Limits", "JetStream"]


@pytest.mark.parametrize("path", [path for path, _ in every_command()], ids=" ".join)
def test_no_help_is_longer_than_a_large_screen(path: tuple[str, ...]) -> None:
    assert len(in_process_help(" ".join(path), everything=False).splitlines()) <= 50


GROUPS = {
    "account add": ["Options", "Limits", "JetStream", "Permissions", "Store", "Token", "Review and signing",
                    "Output"],
    "user list": ["Options", "Store", "Output"],
    "push": ["Options", "Connection to servers", "Store", "Token", "Review and signing", "Output"],
    "token list": ["Store", "Token", "Output"],
}  # fmt: skip


@pytest.mark.parametrize("name", GROUPS)
def test_the_whole_help_has_its_options_in_groups(name: str) -> None:
    headings = re.findall(r"^(\w.*):$", help_of(*name.split(), "--help", "--all"), re.MULTILINE)
    assert headings == GROUPS[name]


@pytest.mark.parametrize("name", COMMANDS)
def test_the_whole_help_describes_every_option_once(name: str) -> None:
    options = [param for param in COMMANDS[name].params if isinstance(param, click.Option)]
    wanted = [next(flag for flag in option.opts if flag[:2] == "--")[2:] for option in options]
    assert sorted(described(in_process_help(name))) == sorted([*wanted, "help"])


@pytest.mark.parametrize("name", COMMANDS)
def test_shared_options_are_one_line_of_the_short_help(name: str) -> None:
    text = in_process_help(name, everything=False)
    assert re.search(r"\n\nShared: (--\w.*, )?…\s+\(all:\s+--help\s+--all\)$", text), text
    shared = {param.opts[0] for param in COMMANDS[name].params if param.name in SHARED}
    assert {f"--{flag}" for flag in described(text)} & shared == set()


def described(text: str) -> list[str]:
    """Return the options that the lists of the help *text* describe."""
    lists = re.split(r"^\w[\w ]*:$", text, flags=re.MULTILINE)[1:]
    return re.findall(r"^  (?:-\w, )?--(?:\[no-\])?([\w-]+)", "".join(lists), re.MULTILINE)


def in_process_help(name: str, *, everything: bool = True) -> str:
    context = click.Context(
        COMMANDS[name], info_name=f"seedless {name}", terminal_width=78, help_option_names=["-h", "--help"]
    )
    if everything:
        show_everything(context)
    return COMMANDS[name].get_help(context)


def test_help_of_a_command_is_its_help_by_its_words() -> None:
    assert help_of("help", "account", "add") == help_of("account", "add", "--help")
    assert help_of("help", "account", "add", "--all") == help_of("account", "add", "--help", "--all")
    assert help_of("help") == help_of("--help")


def test_help_of_a_command_that_does_not_exist_is_a_mistake(cli: Cli) -> None:
    done = cli.run("help", "account", "befriend")
    assert (done.code, done.err) == (
        2, 'error: seedless account has no command "befriend"\nhint: seedless account --help\n'
    )  # fmt: skip


def test_commands_are_grouped_by_task_and_each_is_in_one_group() -> None:
    headings = re.findall(r"^(\w.*):$", help_of("--help").partition("pages with")[2], re.MULTILINE)
    assert headings == ["Options", *seedless.sections]
    names = [name for section in seedless.sections.values() for name in section]
    assert sorted(names) == sorted(seedless.table)
    assert list(seedless.sections)[:2] == ["Keys on tokens", "Operators, accounts and users"]
