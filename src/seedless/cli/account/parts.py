"""What the commands for parts of an account share: exports, imports and mappings are edited one at a time."""

from __future__ import annotations

import functools
import json
from typing import TYPE_CHECKING, Any, TypeVar

import click
import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable

    from seedless.app.exports_imports import Kind

R = TypeVar("R")
account_option = click.option(
    "--account", "-a", "account", required=True, metavar="NAME", help="The account that is edited."
)
listed_account_option = click.option(
    "--account", "-a", "account", required=True, metavar="NAME", help="The account."
)
subject_option = click.option("--subject", "-s", required=True, metavar="SUBJECT", help="Its subject.")


def kind_option(*names: str, help: str, **rest: Any) -> Callable[[Any], Any]:  # noqa: A002, ANN401 - click's
    """Return the option *names* whose value is the `Kind` that they ask for, None without it."""
    return click.option(*names, "kind", callback=_kind, help=help, **rest)


def _kind(_: click.Context, __: click.Parameter, is_service: bool | None) -> Kind | None:  # noqa: FBT001 - click's
    return None if is_service is None else "service" if is_service else "stream"


chosen_kind_option = kind_option(
    "--service/--stream", "-r", default=None, help="Which, where both have this subject."
)


def given(*options: Callable[[Any], Any]) -> Callable[[Callable[..., R]], Callable[..., R]]:
    """Give a command *options*, and their values as one mapping, `given`: name → value."""

    def decorate(command: Callable[..., R]) -> Callable[..., R]:
        names: set[str] = set()

        @functools.wraps(command)
        def with_given(*args: Any, **values: Any) -> R:  # noqa: ANN401 - click's values
            mine = {name: values.pop(name) for name in names}
            values_given = {name: value for name, value in mine.items() if value not in (None, ())}
            return command(*args, given=values_given, **values)

        decorated: Any = with_given
        before = {param.name for param in getattr(decorated, "__click_params__", ())}
        for option in reversed(options):
            decorated = option(decorated)
        names |= {param.name for param in decorated.__click_params__} - before
        made: Callable[..., R] = decorated
        return made

    return decorate


def members(part: Any) -> dict[str, Any]:  # noqa: ANN401 - a struct
    """Return *part* of a jwt as its JSON has it."""
    found: dict[str, Any] = json.loads(msgspec.json.encode(part))
    return found
