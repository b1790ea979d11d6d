"""`seedless key export`: seeds that are in files, copied into a folder; keys on tokens stay there."""

from __future__ import annotations

from pathlib import Path

import click

from seedless.cli import consent, printing
from seedless.cli.command import command
from seedless.cli.options import confirmed_options
from seedless.cli.values import PATH
from seedless.cli.workspace import CommandWorkspace
from seedless.text import shown


@command()
@click.option("--dir", "-d", "folder", required=True, type=PATH, metavar="DIR", help="Where to.")
@click.option("--account", "-a", metavar="NAME", help="Of this account alone.")
@click.option("--user", metavar="NAME", help="Of this user alone; requires --account.")
@click.option("--users/--no-users", default=True, help="Keys of users, which is the default.")
@click.option("--curves/--no-curves", default=True, help="Curve keys of auth callout, which is the default.")
@click.option("--include-jwts", is_flag=True, help="Copy the jwts of the users too.")
@click.option("--force", "-F", is_flag=True, help="Replace files that hold something else.")
@confirmed_options
def export(
    workspace: CommandWorkspace,
    *,
    folder: Path,
    account: str | None,
    user: str | None,
    users: bool,
    curves: bool,
    include_jwts: bool,
    force: bool,
) -> None:
    """Copy the seeds of users and curve keys into a folder.

    One file (0600) for each.
    What is on a token stays there: the keys of operators and accounts have no seed that could be copied.

    \b
    Example:
      seedless key export --account ORDERS --dir /media/safe/users
    """
    exported = workspace.keys.export(
        folder,
        account=account,
        user=user,
        users=users,
        curves=curves,
        include_jwts=include_jwts,
        replaces=force,
    )
    cells = [(shown(key.name), str(key.public_key), str(key.path)) for key in exported.keys]
    table = printing.table(cells, ("NAME", "PUBLIC KEY", "FILE"))
    if not exported.is_empty and not workspace.options.dry_run:
        if not workspace.options.yes:
            printing.report(table)
        consent.require(workspace.options, "Write these seeds into files?", done="no file was written")
        exported.run()
    printing.report("each of these files is a secret; keys on a token have none")
    rows = [printing.members(key, "public_key", "name", "path") for key in exported.keys]
    data = {"dry_run": workspace.options.dry_run, "folder": str(folder), "keys": rows}
    workspace.emit(data, table)
