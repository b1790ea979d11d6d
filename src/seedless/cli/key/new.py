"""`seedless key new`."""

from __future__ import annotations

import click

from seedless.app.tokens import open_tokens
from seedless.cli import consent, printing
from seedless.cli.command import command
from seedless.cli.key.import_ import ROLES
from seedless.cli.key.list import entry_data
from seedless.cli.options import Settings, change_options
from seedless.cli.workspace import CommandWorkspace
from seedless.errors import UsageError
from seedless.nkey import Role
from seedless.pkcs11.keys import label_for
from seedless.seeds import SoftwareKey
from seedless.signing_pipeline import NewKey
from seedless.store import atomic, root_lock
from seedless.text import shown


@command()
@click.option("--role", required=True, type=click.Choice([*ROLES, "curve"]), help="What the key is for.")
@click.option("--name", "-n", metavar="NAME", help="Whose key it is; a key on a token must have one.")
@click.option("--software", is_flag=True, help="A key in a file (0600), for a user or a curve key.")
@change_options
def new(settings: Settings, *, role: str, name: str | None, software: bool) -> None:
    """Create an Ed25519 key that cannot leave the token.

    Its place is recorded in the inventory. Users' and curve keys may be --software: the seed goes into the
    key store beside the store, and the public key is printed.

    \b
    Example:
      seedless key new --role account --name ORDERS --token pkcs11:token=ACME
      seedless key new --role curve --software
    """
    workspace = CommandWorkspace(settings)
    if software:
        _new_software(workspace, role)
        return
    if name is None or role not in ROLES:
        raise UsageError(
            f"a key of the role {role} on a token has a name",
            "give --name, or --software for users and curve keys",
        )
    wanted = NewKey(ROLES[role], name)
    label = label_for(wanted.role, name)
    if settings.dry_run:
        printing.emit(
            {"dry_run": True, "label": label}, f"would make {shown(label)}", as_json=settings.as_json
        )
        return
    consent.require(settings, f"Create the key {shown(label)} on the token?", done="no key was created")
    with root_lock(workspace.root).held(), open_tokens(workspace, writable=True) as tokens:
        entry = tokens.create_and_report([wanted])[wanted]
        printing.emit(entry_data(entry), f"{entry.public_key}\n{entry.uri}", as_json=settings.as_json)
        atomic.write(tokens.reported())


def _new_software(workspace: CommandWorkspace, role: str) -> None:
    if role not in {"user", "curve"}:
        raise UsageError(f"the key of an {role} is made on a token", "leave out --software")
    made = SoftwareKey.generate(Role[role.upper()])
    path = workspace.store.seed_path(made.public_key)
    if not workspace.options.dry_run:
        question = f"Create a key of the role {role}, with its seed in a file?"
        consent.require(workspace.options, question, done="no key was created")
        atomic.write({path: made.reveal()})
    data = {
        "dry_run": workspace.options.dry_run,
        "public_key": str(made.public_key),
        "role": role,
        "path": str(path),
    }
    printing.emit(data, f"{made.public_key}\nseed: {path}", as_json=workspace.options.as_json)
