"""`seedless key import`: a key whose seed exists already, put on a token."""

from __future__ import annotations

import secrets
import stat
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from seedless.cli import consent, printing
from seedless.cli._token import key_uri, open_tokens
from seedless.cli._workspace import Workspace
from seedless.cli.command import command
from seedless.cli.options import Settings, change_options
from seedless.cli.show import read_input
from seedless.creds import parse_key
from seedless.errors import BadKey, NoKey, UsageError
from seedless.inventory import KeyEntry
from seedless.nkey import PublicKey, Role
from seedless.pkcs11.keys import label_for
from seedless.pkcs11.signing import challenge
from seedless.store import root_lock
from seedless.text import shown

if TYPE_CHECKING:
    from seedless.cli._token import OpenTokens
    from seedless.pkcs11.keys import Key
    from seedless.pkcs11.token import Token
    from seedless.seeds import SoftwareKey

ROLES = {role.name.lower(): role for role in (Role.OPERATOR, Role.ACCOUNT, Role.USER)}
WORTH = (
    "the seed of this key was outside a token before: whoever has a copy can sign with it. "
    "The token says of it that it was not made there (LOCAL), for as long as it is there"
)


@command(name="import")
@click.option("--role", required=True, type=click.Choice(list(ROLES)), help="What the key is for.")
@click.option("--name", "-n", required=True, metavar="NAME", help="Whose key it is.")
@click.argument("file", default="-", metavar="[FILE]")
@change_options
def import_(settings: Settings, *, role: str, name: str, file: str) -> None:
    """Put a key whose seed exists already on the token.

    FILE is a key file (.nk) or a creds file; without one, or with -, the seed is read from stdin. It is never
    an argument. A test signature is verified. The file is left where it is: destroy it, and every other copy.
    A key that is made on the token (key new) is worth more.

    \b
    Example:
      seedless key import --role account --name ORDERS ORDERS.nk --token pkcs11:token=ACME
    """
    label = label_for(ROLES[role], name)
    software = _read(file)
    public_key = software.public_key
    if public_key.role is not ROLES[role]:
        raise UsageError(
            f"the seed is of the role {public_key.role.name.lower()}, and not of the role {role}",
            "a key has one role, which its seed tells: give that, or another seed",
        )
    workspace = Workspace(settings)
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


def put_on_token(workspace: Workspace, tokens: OpenTokens, software: SoftwareKey, name: str) -> KeyEntry:
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


def _noted(workspace: Workspace, token: Token, public_key: PublicKey, name: str, made: Key) -> KeyEntry:
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


def _require_one_role(workspace: Workspace, public_key: PublicKey) -> None:
    """Raise `UsageError` where the inventory has the raw key under another role, before a token is opened."""
    workspace.inventory().with_entry(KeyEntry(public_key=public_key, uri="pkcs11:", role=public_key.role))


def _read(file: str) -> SoftwareKey:
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
