"""`seedless delegate list`."""

from __future__ import annotations

import click
import msgspec

from seedless.cli import printing
from seedless.cli.command import command
from seedless.cli.options import store_options
from seedless.cli.workspace import CommandWorkspace
from seedless.text import shown


@command(name="list")
@click.argument("account", required=False)
@store_options
def list_(workspace: CommandWorkspace, *, account: str | None) -> None:
    """List the delegated keys.

    Those of the account ACCOUNT, or of all. A key is active, ended (it signs no more, and is listed for what
    it has signed), over (nothing that it has signed is valid), lost (the process that had it was killed)
    or unknown (listed by the account, and not recorded here). The next key that is delegated removes
    those that are over or lost.

    \b
    Example:
      seedless delegate list ORDERS
    """
    found = workspace.delegations.entries(account)
    rows = [
        (str(entry.public_key), shown(entry.account), shown(entry.role), entry.state,
         printing.moment(entry.until) if entry.until else "-", shown(entry.file) if entry.file else "-")
        for entry in found
    ]  # fmt: skip
    header = ("DELEGATED KEY", "ACCOUNT", "ROLE", "STATE", "UNTIL", "FILE")
    text = printing.table(rows, header) if rows else "no key is delegated"
    data = {
        "delegations": [msgspec.to_builtins(entry) | {"public_key": str(entry.public_key)} for entry in found]
    }
    workspace.emit(data, text)
