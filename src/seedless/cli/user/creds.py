"""`seedless user creds`."""

from __future__ import annotations

from pathlib import Path

import click

from seedless.cli import printing
from seedless.cli.command import command
from seedless.cli.key_options import account_option
from seedless.cli.options import store_options
from seedless.cli.render import describe
from seedless.cli.values import output_option
from seedless.cli.workspace import CommandWorkspace
from seedless.creds import decorate_jwt, format_creds
from seedless.store import atomic


@command()
@click.argument("name")
@account_option
@output_option("Write here (0600), not to stdout; a file that exists is not replaced.")
@store_options
def creds(workspace: CommandWorkspace, *, name: str, account: str, output: Path | None) -> None:
    """Print the creds of a user.

    They are made of the jwt in the store and, where its key was made in software, of its seed: from the key
    store, else from the creds file. A user whose key is its own or on a token gets the jwt alone.

    \b
    Example:
      seedless user creds -a ORDERS app -o app.creds
    """
    jwt = workspace.user(account, name)
    describe.report_unusual([(f"user {account}/{name}", jwt)])
    key = workspace.user_key(account, name, jwt.claims.sub)
    text = decorate_jwt(jwt) if key is None else format_creds(jwt, key)
    data = {"account": account, "user": name, "has_seed": key is not None}
    if key is None:
        printing.report("the seed of this user is not here: this is its jwt alone")
    if output:
        atomic.write_new({output: text})
        workspace.emit(data | {"path": str(output)}, f"creds: {output}")
    else:
        workspace.emit(data | {"creds": text}, text.removesuffix("\n"))
