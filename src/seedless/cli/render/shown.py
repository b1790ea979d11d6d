"""What of a jwt is printed, and where: all of it, one field, or the jwt itself; to stdout or into a file."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from seedless.cli import printing
from seedless.cli.render import describe
from seedless.cli.values import output_option
from seedless.errors import UsageError
from seedless.jwt import plain_payload
from seedless.store import atomic
from seedless.text import quoted

if TYPE_CHECKING:
    from collections.abc import Callable

    from seedless.cli.options import Settings
    from seedless.jwt import Jwt

R = TypeVar("R")

_OPTIONS = (
    click.option("--raw", "-R", is_flag=True, help="The jwt itself."),
    click.option("--field", "-F", metavar="PATH", help="One member of the payload, as in nats.limits.conn."),
    output_option("Write it here (0600); a file that exists is not replaced."),
)


def show_options(command: Callable[..., R]) -> Callable[..., R]:
    """Give *command* the options --raw, --field and --output as one mapping, `shown_as`."""

    @functools.wraps(command)
    def with_shown(*args: Any, raw: bool, field: str | None, output: Path | None, **values: Any) -> R:  # noqa: ANN401 - click's values
        return command(*args, shown_as={"raw": raw, "field": field, "output": output}, **values)

    decorated: Any = with_shown
    for option in reversed(_OPTIONS):
        decorated = option(decorated)
    made: Callable[..., R] = decorated
    return made


def print_shown(jwt: Jwt[Any], settings: Settings, shown_as: dict[str, Any]) -> None:
    """Print *jwt* as the options require; raise `UsageError` for a field that it does not have."""
    path, output = shown_as["field"], shown_as["output"]
    if shown_as["raw"] and path is not None:
        raise UsageError("the jwt itself has no fields", "leave out --raw or --field")
    data, text = _rendered(jwt, settings, path, raw=shown_as["raw"])
    if output:
        atomic.write_new({output: json.dumps(data, indent=2) + "\n" if settings.as_json else f"{text}\n"})
        printing.report(f"written: {output}")
    else:
        settings.emit(data, text)


def _rendered(
    jwt: Jwt[Any], settings: Settings, path: str | None, *, raw: bool
) -> tuple[dict[str, Any], str]:
    if path is not None:
        value = _member(json.loads(plain_payload(jwt)), path)
        text = printing.printable(value) if isinstance(value, str) else json.dumps(value, indent=2)
        return {"field": path, "value": value}, text
    if raw:
        return {"jwt": jwt.text}, jwt.text
    return describe.data(jwt), "" if settings.as_json else describe.text(jwt)


def _member(payload: Any, path: str) -> Any:  # noqa: ANN401 - what JSON holds
    """Return the member at *path*: `sub`, `nats.pub.allow`, `nats.exports.0.subject`."""
    value = payload
    for name in path.replace("[", ".").replace("]", "").split("."):
        if isinstance(value, dict) and name in value:
            value = value[name]
        elif isinstance(value, list) and name.isdecimal() and int(name) < len(value):
            value = value[int(name)]
        else:
            raise UsageError(
                f"the jwt has no {quoted(path)}", f"in place of {quoted(name)} there are: {_names(value)}"
            )
    return value


def _names(value: Any) -> str:  # noqa: ANN401 - what JSON holds
    if isinstance(value, dict):
        return ", ".join(value)
    return f"{len(value)} items" if isinstance(value, list) else "no members"
