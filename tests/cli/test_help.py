from __future__ import annotations

from typing import TYPE_CHECKING

import click
import pytest

from seedless.cli._lazy import LazyGroup
from seedless.cli.main import seedless

if TYPE_CHECKING:
    from collections.abc import Iterator


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


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_takes_json(name: str) -> None:
    assert "--json" in {flag for param in COMMANDS[name].params for flag in param.opts}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_says_what_it_does(name: str) -> None:
    options = [param for param in COMMANDS[name].params if isinstance(param, click.Option)]
    assert [option.name for option in options if not option.help] == []


SIGNING = ["operator add", "account add", "user add", "sign", "key new", "token init"]


@pytest.mark.parametrize("name", SIGNING)
def test_every_command_that_signs_or_writes_keys_can_be_tried_dry(name: str) -> None:
    assert "--dry-run" in {flag for param in COMMANDS[name].params for flag in param.opts}


def test_no_option_takes_a_pin() -> None:
    flags = {
        flag
        for command in COMMANDS.values()
        for param in command.params
        for flag in param.opts
        if "pin" in flag
    }
    assert flags == {"--pin-source", "--so-pin-source"}


def test_the_texts_of_the_lazy_table_are_those_of_the_commands() -> None:
    assert isinstance(seedless, LazyGroup)
    context = click.Context(seedless)
    own = {}
    for name in seedless.table:
        command = seedless.get_command(context, name)
        assert command is not None
        own[name] = command.get_short_help_str(limit=200)
    assert {name: text for name, (_, text) in seedless.table.items()} == own


@pytest.mark.parametrize("name", COMMANDS)
def test_the_line_of_a_command_in_a_list_is_not_cut_off(name: str) -> None:
    assert not COMMANDS[name].get_short_help_str(limit=60).endswith("...")
