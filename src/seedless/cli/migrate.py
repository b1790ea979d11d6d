"""`seedless migrate nsc`: the seeds of an nsc key store, put on a token; the store stays where it is."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from seedless import migrate as nsc_home
from seedless.app.tokens import open_tokens
from seedless.cli import consent, printing
from seedless.cli.command import group
from seedless.cli.key.import_ import WORTH, put_on_token
from seedless.cli.options import Settings, change_options
from seedless.cli.render import describe
from seedless.cli.workspace import CommandWorkspace
from seedless.errors import SeedlessError, StoreError, UsageError
from seedless.migrate import KeyFileContent
from seedless.pkcs11.keys import label_for
from seedless.store import atomic, operators
from seedless.text import quoted, shown

if TYPE_CHECKING:
    from seedless.jwt import Jwt
    from seedless.migrate import NscKey, NscPaths

_FOLDER = click.Path(path_type=Path)
_STATES = {
    "token": "on a token already",
    "seed": "to be put on the token",
    "public key": "a public key: its seed is somewhere else",
    "nothing": "no file: its seed is somewhere else",
}


@group()
def migrate() -> None:
    """Migrate from another tool."""


@migrate.command()
@click.option("--config-dir", type=_FOLDER, metavar="DIR", help="Where nsc.json is.")
@click.option("--data-dir", type=_FOLDER, metavar="DIR", help="Where the stores of nsc are.")
@click.option("--keystore-dir", type=_FOLDER, metavar="DIR", help="Where its keys are [env: NKEYS_PATH].")
@click.option("--backup", type=_FOLDER, metavar="DIR", help="Copy the seeds here before they are replaced.")
@click.option(
    "--replace-seeds", is_flag=True, help="Leave the public key in place of each seed; requires --backup."
)
@change_options
def nsc(
    settings: Settings,
    *,
    config_dir: Path | None,
    data_dir: Path | None,
    keystore_dir: Path | None,
    backup: Path | None,
    replace_seeds: bool,
) -> None:
    """Put the operator's and accounts' seeds of nsc on a token.

    The store of nsc is used as it is, by both tools. One key after the other is imported and tried; users
    and their creds are left alone. With --replace-seeds the files of nsc keep the public keys alone, which
    nsc understands; the seeds are then in the --backup and on the token.

    \b
    Example:
      seedless migrate nsc --dry-run
      seedless migrate nsc --token pkcs11:token=ACME --replace-seeds --backup /media/safe/nkeys
    """
    if replace_seeds and backup is None:
        raise UsageError("seeds are replaced only after a backup", "name a folder for it with --backup")
    places = nsc_home.nsc_paths(os.environ, config_dir, data_dir, keystore_dir)
    workspace = _workspace(settings, places)
    with workspace.lock():
        keys = list(nsc_home.keys_of(workspace.store, places.keys))
        if not settings.dry_run:
            _import(workspace, [key for key in keys if key.held is KeyFileContent.SEED])
            if replace_seeds and backup is not None:
                _replace(workspace, keys, backup, places)
        _tell(workspace, keys, places)


def _workspace(settings: Settings, places: NscPaths) -> CommandWorkspace:
    """Return the workspace on the store of nsc that is meant."""
    names = operators(places.root)
    if not names:
        raise StoreError(
            f"there is no store of nsc in {shown(places.root)}", "name its folder with --data-dir"
        )
    name = settings.operator or (places.operator if places.operator in names else None)
    return CommandWorkspace(msgspec.structs.replace(settings, store=str(places.root), operator=name))


def _import(workspace: CommandWorkspace, keys: list[NscKey]) -> None:
    """Put each of *keys* on the token, unless it is in the inventory or the person says no."""
    known = workspace.known_keys()
    left = [key for key in keys if str(key.public_key) not in known and _is_wanted(workspace, key)]
    if not left:
        return
    with open_tokens(workspace, writable=True) as tokens:
        for key in left:
            label = label_for(key.public_key.role, key.name)
            software = nsc_home.seed_in(key.path)
            if software is None:
                raise UsageError(f"{shown(key.path)} holds no seed any more", "run it again")
            put_on_token(workspace, tokens, software, key.name)
            printing.say(f"imported {key.public_key} as {shown(label)}, and a test signature was verified")


def _is_wanted(workspace: CommandWorkspace, key: NscKey) -> bool:
    """Ask whether *key* goes on the token; all are asked before a token is opened."""
    label = label_for(key.public_key.role, key.name)
    return consent.agreed(workspace.options, f"Put {key.public_key} on the token as {shown(label)}?")


def _replace(workspace: CommandWorkspace, keys: list[NscKey], backup: Path, places: NscPaths) -> None:
    """Copy the seeds of what is on a token into *backup*, and leave the public keys in their places."""
    if backup.resolve().is_relative_to(places.keys.resolve()):
        raise UsageError(f"the backup {shown(backup)} is inside the key store", "name another folder")
    known = workspace.known_keys()
    done = [key for key in keys if key.held is KeyFileContent.SEED and str(key.public_key) in known]
    if not done:
        return
    count = "one file" if len(done) == 1 else f"{len(done)} files"
    question = f"Leave the public key in place of the seed in {count}, after a backup in {shown(backup)}?"
    consent.require(workspace.options, question, done="no seed was replaced")
    copies = nsc_home.back_up(done, backup)
    atomic.write(copies)
    for path, text in copies.items():
        if (atomic.read(path) or b"").decode() != text:
            raise UsageError(f"the backup {shown(path)} does not hold what was written", "try another disk")
    atomic.write({key.path: str(key.public_key) for key in done})


def _tell(workspace: CommandWorkspace, keys: list[NscKey], places: NscPaths) -> None:
    known = workspace.known_keys()
    rows = [
        {
            "public_key": str(key.public_key),
            "name": key.name,
            "on_token": str(key.public_key) in known,
            "file": str(key.path),
            "holds": str(nsc_home.key_file_content(key.path, key.public_key)),
        }
        for key in keys
    ]
    jwts = _jwts(workspace)
    damaged = [(name, jwt.message) for name, jwt in jwts if isinstance(jwt, SeedlessError)]
    describe.say_unusual((name, jwt) for name, jwt in jwts if not isinstance(jwt, SeedlessError))
    text = printing.table([_row(key, known) for key in keys], ("KEY", "NAME", "STATE", "FILE HOLDS"))
    printing.say("nothing was written: --dry-run" if workspace.options.dry_run else WORTH)
    for name, error in damaged:
        printing.say(f"warning: {name}: {printing.printable(error)}")
    data = {
        "dry_run": workspace.options.dry_run,
        "store": str(places.root),
        "operator": workspace.store.operator,
        "keys": rows,
        "damaged": [{"name": name, "error": error} for name, error in damaged],
    }
    text += f"\n\nthe store: --store {quoted(str(places.root))}, or in the configuration: store = …"
    printing.emit(data, text, as_json=workspace.options.as_json)


def _row(key: NscKey, known: set[str]) -> tuple[str, ...]:
    held = str(nsc_home.key_file_content(key.path, key.public_key))
    state = _STATES["token" if str(key.public_key) in known else held]
    return f"{str(key.public_key)[:12]}…", shown(key.name), state, held


def _jwts(workspace: CommandWorkspace) -> list[tuple[str, Jwt[Any] | SeedlessError]]:
    """Return the jwts of the store with their names, or why they cannot be read."""
    operator = workspace.operator()
    found: list[tuple[str, Jwt[Any] | SeedlessError]] = [(f"operator {operator.claims.name}", operator)]
    found += [(f"account {name}", jwt) for name, jwt in workspace.each()]
    for account in workspace.store.children():
        found += [(f"user {account}/{name}", jwt) for name, jwt in workspace.each(account)]
    return found
