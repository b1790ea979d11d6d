"""What the commands for parts of an account share: exports, imports and mappings are edited one at a time."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, TypedDict

import click
import msgspec

from seedless.cli.options import OptionsDecorator, gathered

if TYPE_CHECKING:
    from collections.abc import Callable

    from seedless.app.exports_imports import Kind

subject_option = click.option("--subject", "-s", required=True, metavar="SUBJECT", help="Its subject.")


class ExchangeOptions(TypedDict):
    """The options of a command that edits an export: whose, which, and who signs."""

    account: str
    subject: str
    kind: Kind | None
    issuer: str | None


def kind_option(*names: str, help: str, **rest: Any) -> Callable[[Any], Any]:  # noqa: A002, ANN401 - click's
    """Return the option *names* whose value is the `Kind` that they ask for, None without it."""
    return click.option(*names, "kind", callback=_kind, help=help, **rest)


def _kind(_: click.Context, __: click.Parameter, is_service: bool | None) -> Kind | None:  # noqa: FBT001 - click's
    return None if is_service is None else "service" if is_service else "stream"


chosen_kind_option = kind_option(
    "--service/--stream", "-r", default=None, help="Which, where both have this subject."
)


def given(*options: Callable[[Any], Any]) -> OptionsDecorator:
    """Give a command *options*, and those that were given as one mapping, `given`: name → value."""
    return gathered(
        "given", *options, make=lambda values: {k: v for k, v in values.items() if v not in (None, ())}
    )


def members(part: object) -> dict[str, object]:
    """Return *part* of a jwt as its JSON has it."""
    found: dict[str, object] = json.loads(msgspec.json.encode(part))
    return found
