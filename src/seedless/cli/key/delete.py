"""`seedless key delete`: a key and its entry, gone for good; or the entry of a key whose token is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from seedless.cli import consent, printing
from seedless.cli.command import command
from seedless.cli.key_options import PublicKeyType
from seedless.cli.options import change_options
from seedless.cli.workspace import CommandWorkspace
from seedless.text import shown

if TYPE_CHECKING:
    from collections.abc import Iterable

    from seedless.app.key_deletion import KeyDeletion
    from seedless.inventory import KeyPlace
    from seedless.nkey import PublicKey


@command()
@click.argument("public_key", type=PublicKeyType(), metavar="PUBLIC_KEY")
@click.option("--name", "-n", metavar="NAME", help="The name of the key; nobody is asked for it then.")
@click.option("--lost", "is_lost", is_flag=True, help="Its token is gone: only take it out of the inventory.")
@change_options
def delete(workspace: CommandWorkspace, *, public_key: PublicKey, name: str | None, is_lost: bool) -> None:
    """Delete a key from its token, for good.

    Its name has to be typed, or is given with --name; --yes leaves it out. Refused while a jwt of a store
    that has not expired is about the key, was signed by it, or lets it sign: first put others in their place.

    A key whose token is gone is taken out of the inventory with --lost; no token is opened then.

    \b
    Example:
      seedless key delete AB2X… --dry-run
      seedless key delete AB2X… --lost --name ORDERS
    """
    deletion = workspace.keys.delete(public_key, is_lost=is_lost)
    if not (workspace.options.dry_run or workspace.options.yes) and name is None:
        printing.report(f"{_warning(deletion)}; nothing brings it back")
        name = consent.answer("Type its name to delete it: ")
    deleted = deletion.run(name=name, dry_run=workspace.options.dry_run)
    key, where = f"{public_key} ({shown(deleted.name)})", shown(deleted.uri)
    data: dict[str, object] = {"public_key": str(public_key), "name": deleted.name}
    data |= {"uri": deleted.uri} if is_lost else {"token": deleted.token}
    data |= {"left": [place.uri for place in deleted.left]}
    stays = f"; it stays at {_places(deleted.left)}" if deleted.left else ""
    state, text = {
        (False, True): ({"dry_run": True}, f"would delete {key} from {deleted.where}"),
        (False, False): ({"deleted": True}, f"deleted {key}"),
        (True, True): (
            {"dry_run": True, "deleted": False},
            f"would take {key} out of the inventory alone",
        ),
        (True, False): (
            {"deleted": False, "forgotten": True},
            f"took {key} out of the inventory; no token was touched: it was at {where}",
        ),
    }[is_lost, workspace.options.dry_run]
    workspace.emit(state | data, text + stays)


def _warning(deletion: KeyDeletion) -> str:
    """Return what is lost, for whoever is about to type the name."""
    if deletion.is_lost and deletion.entry:
        where = shown(deletion.entry.uri)
        return f"{deletion.public_key} would be forgotten, and not deleted: if {where} turns up, it is on it"
    if deletion.spares:
        return f"{deletion.public_key} would be deleted there, and stay at {_places(deletion.spares)}"
    return f"{deletion.public_key} would be lost for good"


def _places(places: Iterable[KeyPlace]) -> str:
    return ", ".join(shown(place.uri) for place in places)
