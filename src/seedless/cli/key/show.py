"""`seedless key show`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from seedless.cli import printing
from seedless.cli.command import command
from seedless.cli.key.list import key_data
from seedless.cli.key_options import PublicKeyType
from seedless.cli.options import token_options
from seedless.cli.workspace import CommandWorkspace
from seedless.text import shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from seedless.nkey import PublicKey


_LABELS = 20  # characters


@command()
@click.argument("public_key", type=PublicKeyType(), metavar="PUBLIC_KEY")
@token_options
def show(workspace: CommandWorkspace, *, public_key: PublicKey) -> None:
    """Show one key: its place, and its attributes.

    \b
    Example:
      seedless key show OAK3…
    """
    shown_key = workspace.keys.show(public_key)
    data = key_data(shown_key.place) | {"public_key": str(public_key), "fingerprint": public_key.fingerprint}
    attributes = shown_key.attributes
    driver_report = {name: getattr(attributes, name) for name in attributes.__struct_fields__}
    data |= {"the_driver_says": driver_report}
    own = ((name, value) for name, value in data.items() if not isinstance(value, dict))
    lines = [
        *printing.labelled(_rows(own), _LABELS),
        "the driver reports:",
        *printing.labelled(_rows(driver_report.items()), _LABELS, "  "),
    ]
    workspace.emit(data, "\n".join(lines))


def _rows(members: Iterable[tuple[str, object]]) -> Iterator[tuple[str, str]]:
    return ((name.replace("_", " "), _word(value)) for name, value in members)


def _word(value: object) -> str:
    return {True: "yes", False: "no", None: "nothing"}.get(value, shown(str(value)))  # type: ignore[call-overload,no-any-return]  # any value may be asked for
