"""`seedless ceremony inventory`: the keys of the transcripts beside what the tokens show."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from seedless.cli import printing
from seedless.cli.command import command
from seedless.cli.options import token_options
from seedless.errors import ExitCode
from seedless.text import shown

if TYPE_CHECKING:
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
    rows = [printing.members(one, "public_key", "state", "changed", "token", "at") for one in states]
    text = [(str(one.public_key), one.state, shown(one.token), printing.moment(one.at)) for one in states]
    table = printing.table(text, ("PUBLIC KEY", "STATE", "TOKEN", "LAST USED"))
    workspace.emit({"keys": rows}, table)
    is_same = all(one.state in {"present", "not looked for"} for one in states)
    return ExitCode.OK if is_same else ExitCode.FINDINGS
