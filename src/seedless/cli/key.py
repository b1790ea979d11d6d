"""`seedless key`: keys on tokens, and the inventory of where they are."""

from __future__ import annotations

import click

from seedless.cli import _io, consent
from seedless.cli._key_attest import attest
from seedless.cli._key_audit import audit
from seedless.cli._key_delete import delete
from seedless.cli._key_export import export
from seedless.cli._key_folder import import_folder
from seedless.cli._key_import import ROLES, import_
from seedless.cli._key_list import entry_data, key_data, list_
from seedless.cli._key_take import take
from seedless.cli._keys import PublicKeyType
from seedless.cli._options import Settings, change_options, token_options
from seedless.cli._token import open_tokens
from seedless.cli._workspace import Workspace
from seedless.errors import UsageError
from seedless.issue import NewKey
from seedless.nkey import PublicKey, Role
from seedless.pkcs11.key import label_for
from seedless.seeds import SoftwareKey
from seedless.store import atomic, root_lock
from seedless.text import shown


@click.group()
def key() -> None:
    """Make, import, list, audit and delete keys on tokens."""


for command in (list_, import_, import_folder, export, take, audit, attest, delete):
    key.add_command(command)


@key.command()
@click.option("--role", required=True, type=click.Choice([*ROLES, "curve"]), help="What the key is for.")
@click.option("--name", "-n", metavar="NAME", help="Whose key it is; a key on a token must have one.")
@click.option("--software", is_flag=True, help="A key in a file (0600), for a user or a curve key.")
@change_options
def new(settings: Settings, *, role: str, name: str | None, software: bool) -> None:
    """Make an Ed25519 key that cannot leave the token.

    Where it is is noted in the inventory. Users' and curve keys may be --software: the seed goes into the key
    store beside the store, and the public key is printed.

    \b
    Example:
      seedless key new --role account --name ORDERS --token pkcs11:token=ACME
      seedless key new --role curve --software
    """
    workspace = Workspace(settings)
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
        _io.emit({"dry_run": True, "label": label}, f"would make {shown(label)}", as_json=settings.as_json)
        return
    consent.require(settings, f"Create the key {shown(label)} on the token?", done="no key was created")
    with root_lock(workspace.root).held(), open_tokens(workspace, writable=True) as tokens:
        entry = tokens.create_and_report([wanted])[wanted]
        _io.emit(entry_data(entry), f"{entry.public_key}\n{entry.uri}", as_json=settings.as_json)
        atomic.write(tokens.reported())


def _new_software(workspace: Workspace, role: str) -> None:
    if role not in {"user", "curve"}:
        raise UsageError(f"the key of an {role} is made on a token", "leave out --software")
    made = SoftwareKey.generate(Role[role.upper()])
    path = workspace.store.seed_path(made.public_key)
    if not workspace.settings.dry_run:
        question = f"Create a key of the role {role}, with its seed in a file?"
        consent.require(workspace.settings, question, done="no key was created")
        atomic.write({path: made.reveal()})
    data = {
        "dry_run": workspace.settings.dry_run,
        "public_key": str(made.public_key),
        "role": role,
        "path": str(path),
    }
    _io.emit(data, f"{made.public_key}\nseed: {path}", as_json=workspace.settings.as_json)


@key.command()
@click.argument("public_key", type=PublicKeyType(), metavar="PUBLIC_KEY")
@token_options
def show(settings: Settings, *, public_key: PublicKey) -> None:
    """Show one key: where it is, and what the driver says of it.

    \b
    Example:
      seedless key show OAK3…
    """
    workspace = Workspace(settings)
    with open_tokens(workspace) as tokens:
        holder = tokens.holding(public_key)
        found = holder.find(public_key.raw)
        data = key_data(holder, found) | {"public_key": str(public_key)}
    says = {name: getattr(found.attributes, name) for name in found.attributes.__struct_fields__}
    data |= {"the_driver_says": says}
    lines = [
        f"{name.replace('_', ' '):<20} {_word(value)}"
        for name, value in data.items()
        if not isinstance(value, dict)
    ]
    lines += [
        "the driver says:",
        *(f"  {name.replace('_', ' '):<20} {_word(value)}" for name, value in says.items()),
    ]
    _io.emit(data, "\n".join(lines), as_json=settings.as_json)


def _word(value: object) -> str:
    return {True: "yes", False: "no", None: "nothing"}.get(value, shown(str(value)))  # type: ignore[call-overload,no-any-return]  # any value may be asked for
