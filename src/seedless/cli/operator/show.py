"""`seedless operator show`."""

from __future__ import annotations

from seedless.cli.command import command
from seedless.cli.options import store_options
from seedless.cli.render import describe
from seedless.cli.render.shown import print_shown, show_options
from seedless.cli.workspace import CommandWorkspace
from seedless.errors import StoreError


@command()
@show_options
@store_options
def show(workspace: CommandWorkspace, *, shown_as: dict[str, object]) -> None:
    """Show the operator of the store.

    \b
    Example:
      seedless operator show
      seedless operator show --raw -o ACME.jwt
    """
    print_shown(workspace.operator(), workspace.options, shown_as)


@command(name="list")
@store_options
def list_(workspace: CommandWorkspace) -> int:
    """List the operators; exit 3 when one is damaged.

    \b
    Example:
      seedless operator list
    """
    found = workspace.operators.list()
    listing = describe.Listing.of(
        [(operator.name, operator.jwt or StoreError(operator.error)) for operator in found]
    )
    data = {
        "store": str(workspace.root),
        "operators": listing.jwts,
        "managed": [operator.name for operator in found if operator.is_managed],
        "damaged": listing.damaged,
    }
    workspace.emit(data, listing.table("OPERATOR"))
    return listing.exit_code
