"""`seedless key delete`: a key and its entry, gone for good; or the keys of a token that is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from seedless.cli import consent, printing
from seedless.cli.command import command
from seedless.cli.key_options import public_key_type
from seedless.cli.options import change_options
from seedless.cli.workspace import CommandWorkspace
from seedless.errors import UsageError
from seedless.inventory import KeyPlace
from seedless.text import shown

if TYPE_CHECKING:
    from collections.abc import Iterable

    from seedless.app.key_deletion import KeyDeletion, LostPlace
    from seedless.nkey import PublicKey


@command()
@click.argument("public_key", required=False, type=public_key_type(), metavar="KEY")
@click.option("--name", "-n", metavar="NAME", help="The name of the key; nobody is asked for it then.")
@click.option("--lost", "is_lost", is_flag=True, help="Its token is gone: only the inventory changes.")
@change_options
def delete(
    workspace: CommandWorkspace, *, public_key: PublicKey | None, name: str | None, is_lost: bool
) -> None:
    """Delete a key from its token, for good.

    Type the name of the key to confirm, or give it with --name; --yes asks for nothing. Refused while the
    store has a jwt, not expired, that is about the key, was signed by it, or lets it sign: replace it first.

    With --lost no token is opened, and only the inventory changes: the entry of the key on the lost token is
    removed, or marked as lost where it is the last one and a jwt still names the key. Without KEY, that
    is done for all keys of --token, and the token's label is typed. Nothing signs with a lost key, and it
    does not count as a spare; key register undoes it.

    \b
    Example:
      seedless key delete AB2X… --dry-run
      seedless key delete --lost --token pkcs11:token=MAIN
    """
    if is_lost:
        _lose(workspace, public_key, name)
        return
    if public_key is None:
        raise UsageError("no key is named", "name its public key; seedless key list shows them")
    deletion = workspace.keys.delete(public_key)
    if not (workspace.options.dry_run or workspace.options.yes) and name is None:
        printing.report(f"{_warning(deletion)}; nothing brings it back")
        name = consent.answer("Type its name to delete it: ")
    deleted = deletion.run(name=name, dry_run=workspace.options.dry_run)
    key = f"{public_key} ({shown(deleted.name)})"
    data: dict[str, object] = {"public_key": str(public_key), "name": deleted.name, "token": deleted.token}
    data |= {"left": [place.uri for place in deleted.left]}
    stays = f"; it stays at {_places(deleted.left)}" if deleted.left else ""
    if workspace.options.dry_run:
        workspace.emit({"dry_run": True} | data, f"would delete {key} from {deleted.where}{stays}")
        return
    workspace.emit({"deleted": True} | data, f"deleted {key}{stays}")


def _lose(workspace: CommandWorkspace, public_key: PublicKey | None, name: str | None) -> None:
    """Report the token of *public_key*, or the named one, as lost."""
    loss, is_dry = workspace.keys.lost(public_key), workspace.options.dry_run
    if not (is_dry or workspace.options.yes) and name is None:
        printing.report("\n".join(_lost_line(key) for key in loss.keys))
        called = "name of the key" if public_key else "label of the token"
        name = consent.answer(f"Type the {called} to report it as lost: ")
    keys = loss.run(name=name, dry_run=is_dry)
    lines = [*map(_lost_line, keys), *["nothing was written: --dry-run"] * is_dry]
    workspace.emit({"dry_run": is_dry, "lost": [key.data() for key in keys]}, "\n".join(lines))


def _lost_line(key: LostPlace) -> str:
    done = "marked as lost, since jwts name it" if key.is_needed else "out of the inventory"
    stays = f", which has it at {_places(key.left)}" if key.left else ""
    return f"{key.public_key} ({shown(key.name)}) on {KeyPlace(uri=key.uri).where}: {done}{stays}"


def _warning(deletion: KeyDeletion) -> str:
    """Return what is lost, for whoever is about to type the name."""
    if deletion.spares:
        return f"{deletion.public_key} would be deleted there, and stay at {_places(deletion.spares)}"
    return f"{deletion.public_key} would be lost for good"


def _places(places: Iterable[KeyPlace]) -> str:
    return ", ".join(shown(place.uri) for place in places)
