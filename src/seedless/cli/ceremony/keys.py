"""`seedless ceremony keys`: the keys that a ceremony made, taken into the inventory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from seedless import file_kind
from seedless.ceremony import documents
from seedless.cli.ceremony import options
from seedless.cli.command import command
from seedless.cli.options import write_options
from seedless.cli.render.keygen import key_data, key_line

if TYPE_CHECKING:
    from pathlib import Path

    from seedless.cli.workspace import CommandWorkspace


@command()
@click.argument("file", type=options.FILE)
@write_options
def keys(workspace: CommandWorkspace, *, file: Path) -> None:
    """Register the keys of a keygen in the inventory.

    Each statement is verified: it is signed by the key that it is about. The inventory then knows the keys by
    their names, so that commands take them up; where their token is, it cannot be reached from here.

    \b
    Example:
      seedless ceremony keys keys.json
    """
    is_dry = workspace.options.dry_run
    made = workspace.ceremonies.keys(
        documents.read(file, file_kind.KEYS, file_kind.KEY_RESULT), record=not is_dry
    )
    data = {"keys": [key_data(one) for one in made], "dry_run": is_dry}
    workspace.emit(data, "\n".join(map(key_line, made)))
