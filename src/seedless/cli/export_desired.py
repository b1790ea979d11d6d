"""`seedless export-desired`: the store as a desired-state file."""

from __future__ import annotations

from pathlib import Path

import click

from seedless.cli.command import command
from seedless.cli.options import store_options
from seedless.cli.values import output_option
from seedless.cli.workspace import CommandWorkspace
from seedless.desired.read import schema_text
from seedless.store import atomic


@command(name="export-desired")
@output_option("Write here, not to stdout; a file that exists is not replaced.")
@click.option("--format", "kind", type=click.Choice(["toml", "json"]), help="By default as FILE ends.")
@click.option("--schema", is_flag=True, help="Write the JSON Schema of such files instead, for editors.")
@store_options
def export_desired(
    workspace: CommandWorkspace, *, output: Path | None, kind: str | None, schema: bool
) -> None:
    """Write the store as a desired-state file.

    Applying it to the same store changes nothing.

    \b
    Example:
      seedless export-desired -o tenants.toml
    """
    kind = "json" if schema else kind or ("json" if output and output.suffix == ".json" else "toml")
    text = schema_text() if schema else workspace.desired.text(kind)
    if output:
        atomic.write_new({output: text})
        line = f"{'schema' if schema else 'desired state'}: {output}"
        workspace.emit({"format": kind, "path": str(output)}, line)
    else:
        workspace.emit({"format": kind, "text": text}, text.rstrip("\n"), is_file=True)
