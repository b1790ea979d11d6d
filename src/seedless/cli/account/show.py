"""`seedless account show`."""

from __future__ import annotations

from typing import Any

import click

from seedless.cli import printing
from seedless.cli.command import command
from seedless.cli.options import Settings, store_options
from seedless.cli.render import describe
from seedless.cli.render.shown import print_shown, show_options
from seedless.cli.workspace import CommandWorkspace


@command()
@click.argument("name")
@show_options
@store_options
def show(settings: Settings, *, name: str, shown_as: dict[str, Any]) -> None:
    """Show the account NAME.

    \b
    Example:
      seedless account show ORDERS
      seedless account show ORDERS --field nats.limits
    """
    print_shown(CommandWorkspace(settings).account(name), settings, shown_as)


@command(name="list")
@store_options
def list_(settings: Settings) -> int:
    """List the accounts; exit 3 when one is damaged.

    \b
    Example:
      seedless account list
    """
    workspace = CommandWorkspace(settings)
    listing = describe.Listing.of(workspace.each())
    data = {"operator": workspace.store.operator, "accounts": listing.jwts, "damaged": listing.damaged}
    printing.emit(data, listing.table("ACCOUNT"), as_json=settings.as_json)
    return listing.exit_code
