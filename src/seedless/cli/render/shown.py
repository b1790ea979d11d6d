"""What of a jwt is printed, and where: all of it, one field, or the jwt itself; to stdout or into a file."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from seedless.cli import printing
from seedless.cli.options import gathered
from seedless.cli.render import describe
from seedless.cli.values import output_option
from seedless.errors import UsageError
from seedless.jwt import plain_payload
from seedless.store import atomic
from seedless.text import quoted

if TYPE_CHECKING:
    from seedless.cli.options import Settings
    from seedless.jwt import Jwt

show_options = gathered(
    "shown_as",
    click.option("--raw", "-R", is_flag=True, help="The jwt itself."),
    click.option("--field", "-F", metavar="PATH", help="One member of the payload, as in nats.limits.conn."),
    output_option("Write it here (0600); a file that exists is not replaced."),
)


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
        settings.emit(data, text, is_file=shown_as["raw"] or path is not None)


def _rendered(
    jwt: Jwt[object], settings: Settings, path: str | None, *, raw: bool
) -> tuple[dict[str, object], str]:
    if path is not None:
        value = _member(json.loads(plain_payload(jwt)), path)
        text = printing.printable(value) if isinstance(value, str) else json.dumps(value, indent=2)
        return {"field": path, "value": value}, text
    if raw:
        return {"jwt": jwt.text}, jwt.text
    text = "" if settings.as_json else describe.text(jwt, describe.titles_beside(jwt, settings))
    return describe.data(jwt), text


def _member(payload: object, path: str) -> object:
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


def _names(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(value)
    return f"{len(value)} items" if isinstance(value, list) else "no members"
