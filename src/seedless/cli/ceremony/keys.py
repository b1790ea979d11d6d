"""`seedless ceremony keys`: the keys that a ceremony made, taken into the inventory."""

from __future__ import annotations

from pathlib import Path

import click

from seedless import file_kind
from seedless.ceremony import documents
from seedless.cli import printing
from seedless.cli.command import command
from seedless.cli.options import Settings, write_options
from seedless.cli.render.ceremony import key_data, key_line
from seedless.cli.workspace import CommandWorkspace


@command()
@click.argument("file", type=click.Path(path_type=Path))
@write_options
def keys(settings: Settings, *, file: Path) -> None:
    """Register the keys of a keygen in the inventory.

    Each statement is verified: it is signed by the key that it is about. The inventory then knows the keys by
    their names, so that commands take them up; where their token is, it cannot be reached from here.

    \b
    Example:
      seedless ceremony keys keys.json
    """
    workspace = CommandWorkspace(settings)
    made = workspace.ceremonies.keys(
        documents.read(file, file_kind.KEYS, file_kind.KEY_RESULT), record=not settings.dry_run
    )
    data = {"keys": [key_data(one) for one in made], "dry_run": settings.dry_run}
    printing.emit(data, "\n".join(map(key_line, made)), as_json=settings.as_json)
