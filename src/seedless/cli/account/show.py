"""`seedless account show`."""

from __future__ import annotations

import click

from seedless.cli.command import command
from seedless.cli.options import store_options
from seedless.cli.render import describe
from seedless.cli.render.shown import print_shown, show_options
from seedless.cli.workspace import CommandWorkspace


@command()
@click.argument("name")
@show_options
@store_options
def show(workspace: CommandWorkspace, *, name: str, shown_as: dict[str, object]) -> None:
    """Show the account NAME.

    \b
    Example:
      seedless account show ORDERS
      seedless account show ORDERS --field nats.limits
    """
    print_shown(workspace.account(name), workspace.options, shown_as)


@command(name="list")
@store_options
def list_(workspace: CommandWorkspace) -> int:
    """List the accounts; exit 3 when one is damaged.

    \b
    Example:
      seedless account list
    """
    listing = describe.Listing.of(workspace.each())
    data = {"operator": workspace.store.operator, "accounts": listing.jwts, "damaged": listing.damaged}
    workspace.emit(data, listing.table("ACCOUNT"))
    return listing.exit_code
