"""`seedless key new`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from seedless.app.keys import IN_FILES, ON_TOKENS
from seedless.cli import consent
from seedless.cli.command import command
from seedless.cli.key.show import entry_data
from seedless.cli.options import change_options
from seedless.cli.workspace import CommandWorkspace
from seedless.errors import UsageError
from seedless.pkcs11.keys import label_for
from seedless.text import shown

if TYPE_CHECKING:
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
        workspace.emit({"dry_run": True, "label": label}, f"would make {shown(label)}")
        return
    consent.require(
        workspace.options, f"Create the key {shown(label)} on the token?", done="no key was created"
    )

    def report(entry: KeyEntry) -> None:
        workspace.emit(entry_data(entry), f"{entry.public_key}\n{entry.uri}")

    workspace.keys.create(role, name, report=report)


def _new_software(workspace: CommandWorkspace, role: str) -> None:
    settings = workspace.options
    if role not in IN_FILES:
        raise UsageError(f"the key of an {role} is made on a token", "leave out --software")
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
