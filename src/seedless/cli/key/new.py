"""`seedless key new` and `key register`: keys of a token get entries in the inventory, with their roles."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from seedless.app.keys import IN_FILES, ON_TOKENS
from seedless.cli import consent, printing
from seedless.cli.command import command
from seedless.cli.key.show import entry_data
from seedless.cli.options import change_options
from seedless.cli.workspace import CommandWorkspace
from seedless.errors import UsageError
from seedless.pkcs11.keys import label_for
from seedless.text import shown

if TYPE_CHECKING:
    from seedless.app.keys import KeyRegistration, RegisteredKeys
    from seedless.inventory import KeyEntry


@command()
@click.option("--role", required=True, type=click.Choice([*ON_TOKENS, "curve"]), help="What the key is for.")
@click.option("--name", "-n", metavar="NAME", help="Whose key it is; a key on a token must have one.")
@click.option("--software", is_flag=True, help="A key in a file (0600), for a user or a curve key.")
@change_options
def new(workspace: CommandWorkspace, *, role: str, name: str | None, software: bool) -> None:
    """Create an Ed25519 key that cannot leave the token.

    Its place is recorded in the inventory. Users' and curve keys may be --software: the seed goes into the
    key store beside the store, and the public key is printed.

    \b
    Example:
      seedless key new --role account --name ORDERS --token pkcs11:token=ACME
      seedless key new --role curve --software
    """
    if software:
        _new_software(workspace, role)
        return
    if name is None or role not in ON_TOKENS:
        raise UsageError(
            f"a key of the role {role} on a token has a name",
            "give --name, or --software for users and curve keys",
        )
    label = label_for(ON_TOKENS[role], name)
    if workspace.options.dry_run:
        workspace.emit({"dry_run": True, "label": label}, f"would create {shown(label)}")
        return
    workspace.keys.require_ready(role, name)
    consent.require(
        workspace.options, f"Create the key {shown(label)} on the token?", done="no key was created"
    )

    def report(entry: KeyEntry) -> None:
        workspace.emit(entry_data(entry), f"{entry.public_key}\n{entry.uri}")

    workspace.keys.create(role, name, report=report)


def _new_software(workspace: CommandWorkspace, role: str) -> None:
    settings = workspace.options
    if role not in IN_FILES:
        raise UsageError(f"the key of an {role} is created on a token", "leave out --software")
    if not settings.dry_run:
        question = f"Create a key of the role {role}, with its seed in a file?"
        consent.require(settings, question, done="no key was created")
    key = workspace.keys.create_in_file(role, dry_run=settings.dry_run)
    data = {
        "dry_run": settings.dry_run,
        "public_key": str(key.public_key),
        "role": role,
        "path": str(key.path),
    }
    settings.emit(data, f"{key.public_key}\nseed: {key.path}")


@command()
@click.option("--role", type=click.Choice(list(ON_TOKENS)), help="What the key is for, from now on.")
@click.option("--name", "-n", metavar="NAME", help="Whose key it is.")
@click.option("--id", "key_id", metavar="HEX", help="Which key, by its CKA_ID [default: the only one].")
@click.option("--all", "-A", "is_all", is_flag=True, help="Every key whose label contains its role and name.")
@change_options
def register(
    workspace: CommandWorkspace, *, role: str | None, name: str | None, key_id: str | None, is_all: bool
) -> None:
    """Register keys that are on the token in the inventory.

    For a key that another program created, as on a YubiKey: it gets its role and name here, since its label
    may contain none. A test signature is verified.

    With --all an inventory that was lost is rebuilt: keys that seedless created or imported have role and
    name in their labels. Each signs a challenge. Without --token they are those of all tokens that are
    connected, each with its PIN. Of keys that the inventory has it is recorded that they are
    on this token too, or that they were checked here: run it on a spare token to check the spares.

    \b
    Example:
      seedless key register --role operator --name ACME --id 02 --token OPS
      seedless key register --all
    """
    if is_all:
        _register_all(workspace, is_alone=role is name is key_id is None)
        return
    if role is None or name is None:
        raise UsageError(
            "a key is registered with its role and its name",
            "add --role and --name, or --all for the keys whose labels contain them",
        )
    by_id = _bytes(key_id)
    registration = workspace.keys.register(role, name, key_id=by_id)
    which = "the key" if by_id is None else f"the key with the id {by_id.hex()}"
    question = f"Sign a challenge with {which}, and register it as {role} {shown(name)}?"
    registration.require_ready()
    registered = _run(workspace, registration, question)
    data = entry_data(registered.entries[0])
    del data["attested"]
    _emit(workspace, data, registered)


def _register_all(workspace: CommandWorkspace, *, is_alone: bool) -> None:
    if not is_alone:
        raise UsageError("the keys of --all have their roles and names in their labels", "add nothing else")
    registration = workspace.keys.register_all()
    on = ", ".join(info.where for info in registration.require_ready())
    question = f"Sign a challenge with every key on {on}, and register those with role and name?"
    registered = _run(workspace, registration, question)
    if registered.checked:
        names = ", ".join(shown(entry.name) for entry in registered.checked)
        printing.report(f"checked what the inventory has on this token already: {names}")
    elif not registered.entries:
        printing.report(f"there is no key with a role and a name on {on}")
    data = {
        "keys": [entry_data(entry) for entry in registered.entries],
        "checked": [str(entry.public_key) for entry in registered.checked],
    }
    _emit(workspace, data, registered)


def _run(workspace: CommandWorkspace, registration: KeyRegistration, question: str) -> RegisteredKeys:
    settings = workspace.options
    if not settings.dry_run:
        consent.require(settings, question, done="nothing was signed, and no key was registered")
    registered = registration.run(dry_run=settings.dry_run)
    for notice in registered.notices:
        printing.report(str(notice))
    return registered


def _emit(workspace: CommandWorkspace, data: dict[str, object], registered: RegisteredKeys) -> None:
    would = {"dry_run": True} if workspace.options.dry_run else {}
    text = "\n".join(f"{entry.public_key}\n{entry.uri}" for entry in registered.entries)
    workspace.emit(would | data, text)


def _bytes(key_id: str | None) -> bytes | None:
    try:
        return None if key_id is None else bytes.fromhex(key_id)
    except ValueError:
        raise UsageError(
            "the id of a key is written in hex", "as seedless key audit --json shows it"
        ) from None
