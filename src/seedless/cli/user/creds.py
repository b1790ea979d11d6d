"""`seedless user creds` and `user context`: files with which a user logs in."""

from __future__ import annotations

from pathlib import Path

import click

from seedless.app.nats_context import nats_context
from seedless.cli import printing
from seedless.cli.command import command
from seedless.cli.key_options import found_account_option
from seedless.cli.options import store_options
from seedless.cli.render import describe
from seedless.cli.values import output_option
from seedless.cli.workspace import CommandWorkspace
from seedless.creds import decorate_jwt, format_creds
from seedless.store import atomic
from seedless.text import shown


@command()
@click.argument("name")
@found_account_option
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
        workspace.emit(data | {"creds": text}, text.removesuffix("\n"), is_file=True)


@command()
@click.argument("name")
@found_account_option
@click.option(
    "--name", "-n", "as_", metavar="NAME", help="Name of the context [default: OPERATOR-ACCOUNT-USER]."
)
@click.option("--url", metavar="URL", help="Servers, with commas [default: those in the operator's jwt].")
@click.option("--description", metavar="TEXT", help="What it is for.")
@click.option("--overwrite", is_flag=True, help="In the place of a context of this name.")
@output_option()
@click.option("--dry-run", is_flag=True, help="Show what would be written, and write nothing.")
@store_options
def context(
    workspace: CommandWorkspace,
    *,
    name: str,
    account: str,
    as_: str | None,
    url: str | None,
    description: str | None,
    overwrite: bool,
    output: Path | None,
) -> None:
    """Write a context for the `nats` command.

    It goes to ~/.config/nats/context, where nats looks for it, and names the creds file of the user.

    \b
    Example:
      seedless user context -a ORDERS app --url nats://localhost:4222
      nats --context ACME-ORDERS-app pub orders.new hello
    """
    made = nats_context(workspace, account, name, title=as_, url=url, description=description, path=output)
    if not workspace.options.dry_run:
        made.write(replaces=overwrite)
    data = {"context": made.title, "path": str(made.path), "dry_run": workspace.options.dry_run}
    text = f"context {shown(made.title)}: {shown(made.path)}"
    if workspace.options.dry_run:
        text = "\n".join(map(printing.printable, made.text.splitlines()))
    workspace.emit(data | made.members, text)
