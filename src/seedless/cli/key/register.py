"""`seedless key register`: keys that are on a token get entries in the inventory, with their roles."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from seedless.app.keys import ON_TOKENS
from seedless.cli import consent, printing
from seedless.cli.command import command
from seedless.cli.key.show import entry_data
from seedless.cli.options import change_options
from seedless.cli.workspace import CommandWorkspace
from seedless.errors import UsageError
from seedless.text import shown

if TYPE_CHECKING:
    from seedless.app.keys import KeyRegistration, RegisteredKeys


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
    name in their labels. Each signs a challenge. Of keys that the inventory has it is recorded that they are
    on this token too, or that they were checked here: run it on a spare token to check the spares.

    \b
    Example:
      seedless key register --role operator --name ACME --id 02 --token pkcs11:token=YubiKey%20PIV
      seedless key register --all --token pkcs11:token=ACME
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
    registered = _run(workspace, registration, question)
    data = entry_data(registered.entries[0])
    del data["attested"]
    _emit(workspace, data, registered)


def _register_all(workspace: CommandWorkspace, *, is_alone: bool) -> None:
    if not is_alone:
        raise UsageError("the keys of --all have their roles and names in their labels", "add nothing else")
    question = "Sign a challenge with every key of the token, and register those with role and name?"
    registered = _run(workspace, workspace.keys.register_all(), question)
    if registered.checked:
        names = ", ".join(shown(entry.name) for entry in registered.checked)
        printing.report(f"checked what the inventory has on this token already: {names}")
    elif not registered.entries:
        printing.report("the token has no key with a role and a name")
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
    settings = workspace.options
    would = {"dry_run": True} if settings.dry_run else {}
    text = "\n".join(f"{entry.public_key}\n{entry.uri}" for entry in registered.entries)
    settings.emit(would | data, text)


def _bytes(key_id: str | None) -> bytes | None:
    try:
        return None if key_id is None else bytes.fromhex(key_id)
    except ValueError:
        raise UsageError(
            "the id of a key is written in hex", "as seedless key audit --json shows it"
        ) from None
