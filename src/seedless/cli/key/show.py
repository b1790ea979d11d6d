"""`seedless key show`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from seedless.app.key_list import token_key
from seedless.app.tokens import open_tokens
from seedless.cli import printing
from seedless.cli.command import command
from seedless.cli.key.list import key_data
from seedless.cli.key_options import PublicKeyType
from seedless.cli.options import Settings, token_options
from seedless.cli.workspace import CommandWorkspace
from seedless.text import shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from seedless.nkey import PublicKey


_LABELS = 20  # characters


@command()
@click.argument("public_key", type=PublicKeyType(), metavar="PUBLIC_KEY")
@token_options
def show(settings: Settings, *, public_key: PublicKey) -> None:
    """Show one key: its place, and its attributes.

    \b
    Example:
      seedless key show OAK3…
    """
    workspace = CommandWorkspace(settings)
    with open_tokens(workspace) as tokens:
        holder = tokens.holding(public_key)
        found = holder.find(public_key.raw)
        data = key_data(token_key(holder, found)) | {"public_key": str(public_key)}
    driver_report = {name: getattr(found.attributes, name) for name in found.attributes.__struct_fields__}
    data |= {"the_driver_says": driver_report}
    own = ((name, value) for name, value in data.items() if not isinstance(value, dict))
    lines = [
        *printing.labelled(_rows(own), _LABELS),
        "the driver says:",
        *printing.labelled(_rows(driver_report.items()), _LABELS, "  "),
    ]
    printing.emit(data, "\n".join(lines), as_json=settings.as_json)


def _rows(members: Iterable[tuple[str, object]]) -> Iterator[tuple[str, str]]:
    return ((name.replace("_", " "), _word(value)) for name, value in members)


def _word(value: object) -> str:
    return {True: "yes", False: "no", None: "nothing"}.get(value, shown(str(value)))  # type: ignore[call-overload,no-any-return]  # any value may be asked for
