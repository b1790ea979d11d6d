"""`seedless key`: keys on tokens, and the inventory of where they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from seedless.cli import _io
from seedless.cli._key_audit import audit
from seedless.cli._key_delete import delete
from seedless.cli._key_import import ROLES, import_
from seedless.cli._key_take import take
from seedless.cli._keys import PublicKeyType
from seedless.cli._options import Settings, change_options, token_options
from seedless.cli._token import key_uri, open_tokens
from seedless.cli._workspace import Workspace
from seedless.errors import NoKey
from seedless.issue import NewKey
from seedless.nkey import PublicKey
from seedless.pkcs11.key import label_for
from seedless.store import root_lock
from seedless.text import shown

if TYPE_CHECKING:
    from seedless.keyring import KeyEntry
    from seedless.pkcs11.key import Key
    from seedless.pkcs11.token import Token


@click.group()
def key() -> None:
    """Make, import, list, audit and delete keys on tokens."""


for command in (import_, take, audit, delete):
    key.add_command(command)


@key.command()
@click.option("--role", required=True, type=click.Choice(list(ROLES)), help="What the key is for.")
@click.option("--name", "-n", required=True, metavar="NAME", help="Whose key it is.")
@change_options
def new(settings: Settings, *, role: str, name: str) -> None:
    """Make an Ed25519 key that cannot leave the token.

    Where it is is noted in the inventory.

    \b
    Example:
      seedless key new --role account --name ORDERS --token pkcs11:token=ACME
    """
    wanted = NewKey(ROLES[role], name)
    label = label_for(wanted.role, name)
    workspace = Workspace(settings)
    if settings.dry_run:
        _io.emit({"dry_run": True, "label": label}, f"would make {shown(label)}", as_json=settings.as_json)
        return
    with root_lock(workspace.root).held(), open_tokens(workspace, writable=True) as tokens:
        public_key = tokens.make(wanted)
    entry = workspace.keyring().get(public_key)
    if entry is None:
        raise NoKey(f"the key {public_key} is not in the inventory, {workspace.keyring_path}")
    _io.emit(_entry_data(entry), f"{public_key}\n{entry.uri}", as_json=settings.as_json)


@key.command(name="list")
@token_options
def list_(settings: Settings) -> None:
    """List the inventory of keys.

    With --token also what is on that token, which asks for its PIN.

    \b
    Example:
      seedless key list
      seedless key list --token pkcs11:token=ACME
    """
    workspace = Workspace(settings)
    rows = [_entry_data(entry) | {"state": "noted"} for entry in workspace.keyring().entries]
    if _is_token_typed():
        with open_tokens(workspace) as tokens:
            chosen = tokens.chosen()
            rows = _beside(rows, chosen)
    shown_rows = [
        (row["role"] or "-", shown(row["name"] or ""), row["public_key"] or "-", row["state"], row["uri"])
        for row in rows
    ]
    _io.emit(
        {"keys": rows},
        _io.table(shown_rows, ("ROLE", "NAME", "PUBLIC KEY", "STATE", "URI")),
        as_json=settings.as_json,
    )


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
        data = _key_data(holder, found) | {"public_key": str(public_key)}
    says = {name: getattr(found.attributes, name) for name in found.attributes.__slots__}
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


def _is_token_typed() -> bool:
    """Tell whether --token was typed: one that the environment names for all commands asks for no list."""
    return click.get_current_context().get_parameter_source("token") is ParameterSource.COMMANDLINE


def _word(value: object) -> str:
    return {True: "yes", False: "no", None: "nothing"}.get(value, shown(str(value)))  # type: ignore[call-overload,no-any-return]  # any value may be asked for


def _entry_data(entry: KeyEntry) -> dict[str, Any]:
    return {
        "public_key": str(entry.public_key),
        "role": entry.role.name.lower(),
        "name": entry.name,
        "uri": entry.uri,
        "made": entry.made,
        "at": entry.at,
    }


def _key_data(token: Token, found: Key) -> dict[str, Any]:
    role = found.role
    public_key = str(PublicKey(role, found.raw)) if role and found.raw else None
    name = found.label.partition(":")[2] if role else found.label
    return {
        "public_key": public_key,
        "role": role.name.lower() if role else None,
        "name": name,
        "type": found.key_type,
        "uri": str(key_uri(token, found.label, found.id)),
    }


def _beside(noted: list[dict[str, Any]], token: Token) -> list[dict[str, Any]]:
    """Lay the inventory beside what is on *token*: present, missing, not noted."""
    found = token.keys()
    known = {PublicKey.parse(row["public_key"]).raw: row["public_key"] for row in noted}
    there = []
    for key in found:
        row = _key_data(token, key)
        # A key whose label tells no role has the one that the inventory gives it.
        there.append(row | {"public_key": row["public_key"] or known.get(key.raw or b"")})
    keys_there = {row["public_key"] for row in there}
    keys_noted = {row["public_key"] for row in noted}
    where = str(key_uri(token, "", b"")).partition(";object=")[0]
    rows = [
        row | {"state": "present" if row["public_key"] in keys_there else "missing"}
        for row in noted
        if row["uri"].startswith(where)
    ]
    return rows + [row | {"state": "not noted"} for row in there if row["public_key"] not in keys_noted]
