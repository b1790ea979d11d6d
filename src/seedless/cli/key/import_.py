"""`seedless key import` and `key public`: keys whose seeds exist already, from a file, a folder or stdin."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from seedless.app.key_import import WORTH
from seedless.app.keys import ON_TOKENS
from seedless.cli import consent, printing
from seedless.cli.command import command
from seedless.cli.input_files import parsed_key, read_input
from seedless.cli.options import Settings, change_options, json_options
from seedless.cli.workspace import CommandWorkspace
from seedless.errors import UsageError
from seedless.key_store import is_open_to_others
from seedless.text import shown

if TYPE_CHECKING:
    from seedless.app.key_import import FolderImport, KeyInFile
    from seedless.nkey import Role
    from seedless.seeds import SoftwareKey


@command(name="import")
@click.option("--role", type=click.Choice(list(ON_TOKENS)), help="What the key of a file is for.")
@click.option("--name", "-n", metavar="NAME", help="Whose key it is; needed for the key of a file.")
@click.option("--recurse", "-R", is_flag=True, help="Of a folder, its folders too.")
@click.argument("source", default="-", metavar="[FILE|DIR|-]")
@change_options
def import_(settings: Settings, *, role: str | None, name: str | None, recurse: bool, source: str) -> None:
    """Put keys whose seeds exist already on the token.

    FILE is a key file (.nk) or a creds file; without one, or with -, the seed is read from stdin. It is never
    an argument. A test signature is verified. The file is left where it is: destroy it, and every other copy.
    A key that is generated on the token (key new) is worth more.

    Of a folder, the keys of the operator and of accounts that a jwt of the store names go onto the token;
    those of users and curve keys into the key store beside the store. Others are reported and left alone.
    A key that this token has already is skipped, and reported so; another token gets the same keys by a
    second run with its --token.

    \b
    Example:
      seedless key import ORDERS.nk --role account --name ORDERS --token ACME
      seedless key import backup/keys --recurse --token pkcs11:token=ACME
    """
    if source != "-" and Path(source).is_dir():
        if role is not None or name is not None:
            raise UsageError(
                f"{shown(source)} is a folder, whose keys have the roles and names of their jwts",
                "leave --role and --name out, or name one file",
            )
        _import_folder(settings, Path(source), recurse=recurse)
        return
    if name is None:
        raise UsageError("a key on a token has the name of its owner", "add --name")
    _import_file(settings, source, name, None if role is None else ON_TOKENS[role])


def _import_file(settings: Settings, file: str, name: str, role: Role | None) -> None:
    key = read_key(file)
    importing = CommandWorkspace(settings).keys.import_key(key, name, role=role)
    public_key, label = importing.public_key, shown(importing.label)
    data = {"public_key": str(public_key), "label": importing.label, "worth": WORTH}
    if settings.dry_run:
        text = f"would import {public_key} as {label}"
        settings.emit({"dry_run": True} | data, text)
        return
    if file == "-":  # a file was named in the command; nothing names what stdin is
        question = f"Put {public_key} on the token as {label}?"
        consent.require(settings, question, done="no key was imported")
    entry, previous = importing.run(), importing.previous
    if previous is not None and entry.uri not in {place.uri for place in previous.places}:
        printing.report(f"the inventory has this key at {shown(previous.uri)} too: the new place is a spare")
    printing.report(f"imported, and a test signature was verified; {WORTH}")
    if file != "-":
        printing.report(f"{shown(file)} was not deleted: destroy it, and every other copy of the seed")
    settings.emit(data | {"uri": entry.uri, "made": "import"}, f"{public_key}\n{entry.uri}")


def _import_folder(settings: Settings, folder: Path, *, recurse: bool) -> None:
    workspace = CommandWorkspace(settings)
    with workspace.lock():
        importing = workspace.keys.import_folder(folder, recurse=recurse)
        rows = [
            printing.members(key, "public_key", "path")
            | {"to": key.destination, "skipped": importing.skipped.get(key)}
            for key in importing.keys
        ]
        table = printing.table(
            [(str(key.public_key), _to(importing, key), shown(str(key.path))) for key in importing.keys],
            ("PUBLIC KEY", "TO", "FILE"),
        )
        if not settings.dry_run and not importing.is_empty:
            if not settings.yes:
                printing.report(table)
            consent.require(settings, "Import these keys?", done="no key was imported")
            if importing.run():
                printing.report(WORTH)
    data = {"dry_run": settings.dry_run, "keys": rows}
    settings.emit(data, table)


def _to(importing: FolderImport, key: KeyInFile) -> str:
    why = importing.skipped.get(key)
    return f"skipped: {shown(why)}" if why else key.destination


def read_key(file: str) -> SoftwareKey:
    """Return the key in *file*; no error, and no line on the terminal, shows any of it."""
    if file == "-" and sys.stdin.isatty():
        return parsed_key(click.prompt("Seed", hide_input=True, err=True), file)
    if file != "-":
        warn_of_open_file(Path(file))
    return parsed_key(read_input(file), file)


def warn_of_open_file(path: Path) -> None:
    """Report it where others on this machine can read the file of a seed."""
    if is_open_to_others(path):
        printing.report(f"warning: others on this machine can read {shown(path)}, and may have done so")


@command()
@click.argument("file", default="-", metavar="[FILE]")
@click.option("--fingerprint", is_flag=True, help="Also print a short fingerprint, to compare keys aloud.")
@json_options
def public(settings: Settings, *, file: str, fingerprint: bool) -> None:
    """Print the public key of a seed.

    FILE is a key file (.nk) or a creds file; without one, or with -, the seed is read from stdin. It is never
    an argument, and nothing of it is printed.

    \b
    Example:
      seedless key public ORDERS.nk
      seedless key public --fingerprint < ORDERS.nk
    """
    key = read_key(file).public_key
    data = {"public_key": str(key), "role": key.role.name.lower(), "fingerprint": key.fingerprint}
    text = f"{key}  {key.fingerprint}" if fingerprint else str(key)
    settings.emit(data, text)
