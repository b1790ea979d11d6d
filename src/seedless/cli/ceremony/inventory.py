"""`seedless ceremony inventory` and `ceremony keys`: keys of ceremonies beside inventory and tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from seedless import file_kind
from seedless.app.key_names import titled
from seedless.ceremony import documents
from seedless.cli import printing
from seedless.cli.ceremony import options
from seedless.cli.command import command
from seedless.cli.options import token_options, write_options
from seedless.cli.render.keygen import key_data, key_line
from seedless.errors import ExitCode
from seedless.text import shown

if TYPE_CHECKING:
    from pathlib import Path

    from seedless.cli.workspace import CommandWorkspace


@command()
@click.option("--offline", is_flag=True, help="Only what the transcripts contain; no token is opened.")
@token_options
def inventory(workspace: CommandWorkspace, *, offline: bool) -> int:
    """Compare the keys of the transcripts with the tokens.

    The transcripts are those of the ceremonies that this machine has held, of signatures and of new keys.
    Each key is looked for on its token, and what the driver reports of it now is compared with what it
    reported then; exit code 3 when one is missing or has changed.

    \b
    Example:
      seedless ceremony inventory --token pkcs11:token=ACME
    """
    states = workspace.ceremonies.inventory(offline=offline)
    rows = [printing.members(state, "public_key", "state", "changed", "token", "at") for state in states]
    text = [
        (titled(workspace, str(state.public_key)), state.state, shown(state.token), printing.moment(state.at))
        for state in states
    ]
    table = printing.table(text, ("KEY", "STATE", "TOKEN", "LAST USED"))
    workspace.emit({"keys": rows}, table)
    is_same = all(state.state in {"present", "not looked for"} for state in states)
    return ExitCode.OK if is_same else ExitCode.FINDINGS


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
    data = {"keys": [key_data(key) for key in made], "dry_run": is_dry}
    workspace.emit(data, "\n".join(map(key_line, made)))
