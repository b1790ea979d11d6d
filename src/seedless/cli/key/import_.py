"""`seedless key import`: keys whose seeds exist already, from a file, a folder or stdin, put on a token."""

from __future__ import annotations

import secrets
import stat
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from seedless.app.tokens import key_uri, open_tokens
from seedless.cli import consent, printing
from seedless.cli.command import command
from seedless.cli.options import Settings, change_options
from seedless.cli.show import read_input
from seedless.cli.workspace import CommandWorkspace
from seedless.creds import parse_key
from seedless.errors import BadKey, NoKey, UsageError
from seedless.inventory import KeyEntry
from seedless.migrate import keys_of
from seedless.nkey import PublicKey, Role
from seedless.pkcs11.keys import label_for
from seedless.pkcs11.signing import challenge
from seedless.seeds import SoftwareKey
from seedless.store import atomic, keys_beside, root_lock
from seedless.text import shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seedless.app.tokens import OpenTokens
    from seedless.pkcs11.keys import Key
    from seedless.pkcs11.token import Token

_ON_TOKENS = {Role.OPERATOR, Role.ACCOUNT}
ROLES = {role.name.lower(): role for role in (Role.OPERATOR, Role.ACCOUNT, Role.USER)}
WORTH = (
    "the seed of this key was outside a token before: whoever has a copy can sign with it. "
    "The token says of it that it was not made there (LOCAL), for as long as it is there"
)


@dataclass(frozen=True, slots=True)
class _KeyFile:
    path: Path
    key: SoftwareKey
    name: str | None


@command(name="import")
@click.option("--role", type=click.Choice(list(ROLES)), help="What the key of a file is for.")
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

    \b
    Example:
      seedless key import ORDERS.nk --role account --name ORDERS --token pkcs11:token=ACME
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
    _import_file(settings, source, name, None if role is None else ROLES[role])


def _import_file(settings: Settings, file: str, name: str, role: Role | None) -> None:
    software = read_key(file)
    public_key = software.public_key
    if role not in {None, public_key.role} or public_key.role not in ROLES.values():
        wanted = "one of operator, account and user" if role is None else f"the role {role.name.lower()}"
        raise UsageError(
            f"the seed is of the role {public_key.role.name.lower()}, and not of {wanted}",
            "a key has one role, which its seed tells: give that, or another seed",
        )
    label = label_for(public_key.role, name)
    workspace = CommandWorkspace(settings)
    before = workspace.inventory().get(public_key)
    _require_one_role(workspace, public_key)
    data = {"public_key": str(public_key), "label": label, "worth": WORTH}
    if settings.dry_run:
        text = f"would import {public_key} as {shown(label)}"
        printing.emit({"dry_run": True} | data, text, as_json=settings.as_json)
        return
    if file == "-":  # a file was named in the command; nothing names what stdin is
        question = f"Put {public_key} on the token as {shown(label)}?"
        consent.require(settings, question, done="no key was imported")
    with root_lock(workspace.root).held(), open_tokens(workspace, writable=True) as tokens:
        token = tokens.chosen()
        entry = _noted(workspace, token, public_key, name, token.import_key(software, label))
    if before is not None and before.uri != entry.uri:
        printing.say(f"the inventory had this key at {shown(before.uri)}; now it has the new place")
    printing.say(f"imported, and a test signature was verified; {WORTH}")
    if file != "-":
        printing.say(f"{shown(file)} was not deleted: destroy it, and every other copy of the seed")
    printing.emit(
        data | {"uri": entry.uri, "made": "import"}, f"{public_key}\n{entry.uri}", as_json=settings.as_json
    )


def _import_folder(settings: Settings, folder: Path, *, recurse: bool) -> None:
    workspace = CommandWorkspace(settings)
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


def _do(workspace: CommandWorkspace, found: list[_KeyFile], table: str) -> None:
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
    if not workspace.options.yes:
        printing.say(table)
    consent.require(workspace.options, "Import these keys?", done="no key was imported")
    atomic.write(files)
    if left:
        with open_tokens(workspace, writable=True) as tokens:
            for one in left:
                put_on_token(workspace, tokens, one.key, one.name or "")
        printing.say(WORTH)


def _to(one: _KeyFile) -> str:
    if one.key.public_key.role not in _ON_TOKENS:
        return "file"
    return "token" if one.name is not None else "nowhere: no jwt names it"


def _files(folder: Path, names: dict[str, str], *, recurse: bool) -> Iterator[_KeyFile]:
    """Yield the keys in the files of *folder*; those that contain public keys are skipped."""
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
        yield _KeyFile(path, key, names.get(str(key.public_key)))


def put_on_token(
    workspace: CommandWorkspace, tokens: OpenTokens, software: SoftwareKey, name: str
) -> KeyEntry:
    """Put *software* on the token that is meant, under its role and *name*, and note where it is.

    One that is there already, from a run that ended before it was noted, is taken up. Either way a test
    signature was verified.
    """
    token = tokens.chosen()
    try:
        made = token.find(software.public_key.raw)
    except NoKey:
        made = token.import_key(software, label_for(software.public_key.role, name))
    else:
        signer = token.signer(software.public_key, allow_extractable=True)
        signer.sign(challenge("import a key", secrets.token_bytes(32)))
    return _noted(workspace, token, software.public_key, name, made)


def _noted(
    workspace: CommandWorkspace, token: Token, public_key: PublicKey, name: str, made: Key
) -> KeyEntry:
    """Note in the inventory that *made*, on *token*, is the imported key of *name*."""
    entry = KeyEntry(
        public_key=public_key,
        uri=str(key_uri(token, label_for(public_key.role, name), made.id)),
        role=public_key.role,
        name=name,
        made="import",
        at=workspace.now,
    )
    workspace.note_key(entry)
    return entry


def _require_one_role(workspace: CommandWorkspace, public_key: PublicKey) -> None:
    """Raise `UsageError` where the inventory has the raw key under another role, before a token is opened."""
    workspace.inventory().with_entry(KeyEntry(public_key=public_key, uri="pkcs11:", role=public_key.role))


def read_key(file: str) -> SoftwareKey:
    """Return the key in *file*; no error, and no line on the terminal, shows any of it."""
    if file == "-" and sys.stdin.isatty():
        return _parsed(click.prompt("Seed", hide_input=True, err=True), file)
    if file != "-":
        tell_open_file(Path(file))
    return _parsed(read_input(file), file)


def _parsed(text: str, file: str) -> SoftwareKey:
    try:
        return parse_key(text.strip())
    except BadKey as error:
        error.message = f"{'stdin' if file == '-' else shown(file)}: {error.message}"
        raise


def tell_open_file(path: Path) -> None:
    """Say it where others on this machine can read the file of a seed."""
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return
    if stat.S_ISREG(mode) and mode & (stat.S_IRGRP | stat.S_IROTH):
        printing.say(f"warning: others on this machine can read {shown(path)}, and may have done so")
