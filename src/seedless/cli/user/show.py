"""`seedless user show`."""

from __future__ import annotations

from typing import Any

import click

from seedless.cli import printing
from seedless.cli._workspace import Workspace
from seedless.cli.command import command
from seedless.cli.options import Settings, store_options
from seedless.cli.render import describe
from seedless.cli.render.shown import print_shown, show_options
from seedless.cli.user.reissue import account_option


@command()
@click.argument("name")
@account_option
@show_options
@store_options
def show(settings: Settings, *, name: str, account: str, shown_as: dict[str, Any]) -> None:
    """Show the user NAME of an account.

    \b
    Example:
      seedless user show -a ORDERS app
      seedless user show -a ORDERS app --field nats.pub.allow
    """
    print_shown(Workspace(settings).user(account, name), settings, shown_as)


@command(name="list")
@account_option
@store_options
def list_(settings: Settings, *, account: str) -> int:
    """List the users of an account; exit 3 when one is damaged.

    \b
    Example:
      seedless user list -a ORDERS
    """
    workspace = Workspace(settings)
    workspace.account(account)
    listing = describe.Listing.of(workspace.each(account))
    data = {"account": account, "users": listing.jwts, "damaged": listing.damaged}
    printing.emit(data, listing.table("USER"), as_json=settings.as_json)
    return listing.exit_code
