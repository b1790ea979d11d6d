"""`seedless operator show`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from seedless.cli.command import command
from seedless.cli.options import store_options
from seedless.cli.render import describe
from seedless.cli.render.shown import print_shown, show_options
from seedless.cli.workspace import CommandWorkspace
from seedless.errors import SeedlessError, StoreError
from seedless.store import open_store, operators

if TYPE_CHECKING:
    from seedless.jwt import Jwt


@command()
@show_options
@store_options
def show(workspace: CommandWorkspace, *, shown_as: dict[str, Any]) -> None:
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
    root = workspace.root
    found: list[tuple[str, Jwt[Any] | SeedlessError]] = []
    managed = []
    for name in operators(root):
        try:
            store = open_store(root, name)
            managed += [name] if store.managed else []
            found.append((name, store.get() or StoreError("has no operator jwt")))
        except SeedlessError as error:
            found.append((name, error))
    listing = describe.Listing.of(found)
    data = {
        "store": str(root),
        "operators": listing.jwts,
        "managed": managed,
        "damaged": listing.damaged,
    }
    workspace.emit(data, listing.table("OPERATOR"))
    return listing.exit_code
