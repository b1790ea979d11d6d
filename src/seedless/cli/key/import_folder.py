"""`seedless key import-folder`: a folder of key files, each to where its kind belongs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from seedless.cli import consent, printing
from seedless.cli._token import open_tokens
from seedless.cli._workspace import Workspace
from seedless.cli.command import command
from seedless.cli.key.import_ import WORTH, put_on_token
from seedless.cli.options import Settings, change_options
from seedless.errors import BadKey, UsageError
from seedless.migrate import keys_of
from seedless.nkey import Role
from seedless.seeds import SoftwareKey
from seedless.store import atomic, keys_beside
from seedless.text import shown

if TYPE_CHECKING:
    from collections.abc import Iterator

_HARDWARE = {Role.OPERATOR, Role.ACCOUNT}


@dataclass(frozen=True, slots=True)
class _Found:
    path: Path
    key: SoftwareKey
    name: str | None


@command(name="import-folder")
@click.argument("folder", type=click.Path(path_type=Path), metavar="DIR")
@click.option("--recurse", "-R", is_flag=True, help="Its folders too.")
@change_options
def import_folder(settings: Settings, *, folder: Path, recurse: bool) -> None:
    """Import the key files (.nk) of a folder.

    Keys of the operator and of accounts that a jwt of the store names go onto the token; those of users and
    curve keys into the key store beside the store. What nobody names is left alone, and told.

    \b
    Example:
      seedless key import-folder backup/keys --recurse --token pkcs11:token=ACME
    """
    workspace = Workspace(settings)
    with workspace.lock():
        names = {
            str(key.public_key): key.name for key in keys_of(workspace.store, keys_beside(workspace.root))
        }
        found = list(_files(folder, names, recurse=recurse))
        rows = [
            {"public_key": str(one.key.public_key), "path": str(one.path), "to": _to(one)} for one in found
        ]
        table = printing.table(
            [(row["public_key"], row["to"], shown(row["path"])) for row in rows],
            ("PUBLIC KEY", "TO", "FILE"),
        )
        if not settings.dry_run:
            _do(workspace, found, table)
    data = {"dry_run": settings.dry_run, "keys": rows}
    printing.emit(data, table, as_json=settings.as_json)


def _do(workspace: Workspace, found: list[_Found], table: str) -> None:
    """Import what is not where it belongs yet, once the *table* of it is agreed to."""
    files = {
        path: one.key.reveal()
        for one in found
        if _to(one) == "file" and not (path := workspace.store.seed_path(one.key.public_key)).exists()
    }
    known = workspace.known_keys()
    left = [one for one in found if _to(one) == "token" and str(one.key.public_key) not in known]
    if not files and not left:
        return
    if not workspace.settings.yes:
        printing.say(table)
    consent.require(workspace.settings, "Import these keys?", done="no key was imported")
    atomic.write(files)
    if left:
        with open_tokens(workspace, writable=True) as tokens:
            for one in left:
                put_on_token(workspace, tokens, one.key, one.name or "")
        printing.say(WORTH)


def _to(one: _Found) -> str:
    if one.key.public_key.role not in _HARDWARE:
        return "file"
    return "token" if one.name is not None else "nowhere: no jwt names it"


def _files(folder: Path, names: dict[str, str], *, recurse: bool) -> Iterator[_Found]:
    """Yield the keys in the files of *folder*; those that hold public keys are passed over."""
    if not folder.is_dir():
        raise UsageError(f"there is no folder {shown(folder)}", "name the one that the .nk files are in")
    for path in sorted(folder.rglob("*.nk") if recurse else folder.glob("*.nk")):
        text = (atomic.read(path) or b"").decode("ascii", errors="replace").strip()
        if not text.startswith("S"):
            continue
        try:
            key = SoftwareKey.parse(text)
        except BadKey as error:
            raise UsageError(
                f"{shown(path)}: {error.message}", "take it out of the folder, or restore it"
            ) from error
        yield _Found(path, key, names.get(str(key.public_key)))
