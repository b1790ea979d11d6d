"""`seedless user show`."""

from __future__ import annotations

import click

from seedless.cli.command import command
from seedless.cli.key_options import found_account_option
from seedless.cli.options import store_options
from seedless.cli.render import describe
from seedless.cli.render.shown import print_shown, show_options
from seedless.cli.workspace import CommandWorkspace


@command()
@click.argument("name")
@found_account_option
@show_options
@store_options
def show(workspace: CommandWorkspace, *, name: str, account: str, shown_as: dict[str, object]) -> None:
    """Show the user NAME of an account.

    \b
    Example:
      seedless user show app
      seedless user show -a ORDERS app
      seedless user show -a ORDERS app --field nats.pub.allow
    """
    print_shown(workspace.user(account, name), workspace.options, shown_as)


@command(name="list")
@click.option("--account", "-a", metavar="NAME", help="Users of this account [default: of all].")
@store_options
def list_(workspace: CommandWorkspace, *, account: str | None) -> int:
    """List users; exit 3 when one is damaged.

    \b
    Example:
      seedless user list
      seedless user list -a ORDERS
    """
    if account is not None:
        workspace.account(account)
        found, about = workspace.each(account), {"account": account}
    else:
        names = workspace.store.children()
        found, about = [(f"{name}/{user}", jwt) for name in names for user, jwt in workspace.each(name)], {}
    listing = describe.Listing.of(found)
    data = about | {"users": listing.jwts, "damaged": listing.damaged}
    workspace.emit(data, listing.table("USER" if about else "ACCOUNT/USER"))
    return listing.exit_code
