"""`seedless key list`: the inventory beside a token, and beside what the jwts of the store name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
import msgspec
from click.core import ParameterSource

from seedless.app.tokens import key_uri, open_tokens
from seedless.claims import Account, signing_key
from seedless.cli import printing
from seedless.cli.command import command
from seedless.cli.options import Settings, token_options
from seedless.cli.workspace import CommandWorkspace
from seedless.errors import SeedlessError
from seedless.key_store import stored_seed
from seedless.nkey import PublicKey, Role
from seedless.pkcs11.uri import KeyUri
from seedless.store import open_store, operators
from seedless.text import shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seedless.inventory import KeyEntry
    from seedless.jwt import Jwt
    from seedless.pkcs11.keys import Key
    from seedless.pkcs11.token import Token
    from seedless.store import Store
    from seedless.store.files import Address

_NAME, _KEY, _TOKEN = 20, 16, 20  # columns; with the role, the state and the gaps, 80
_ROLES = {role.name.lower(): role for role in (Role.OPERATOR, Role.ACCOUNT, Role.USER, Role.CURVE)}


@command(name="list")
@click.option("--all", "-A", "everything", is_flag=True, help="Also the keys that only jwts name.")
@click.option("--role", multiple=True, type=click.Choice(list(_ROLES)), help="Keys of this role alone.")
@click.option("--filter", "-f", "part", metavar="TEXT", help="Keys alone whose text or name has this in it.")
@click.option("--not-referenced", is_flag=True, help="Keys alone that no jwt names.")
@click.option("--long", "-l", "is_long", is_flag=True, help="Whole public keys, and the URIs of keys.")
@token_options
def list_(
    settings: Settings,
    *,
    everything: bool,
    role: tuple[str, ...],
    part: str | None,
    not_referenced: bool,
    is_long: bool,
) -> None:
    """List the inventory of keys.

    With --token also what is on that token, which asks for its PIN. With --all also the keys that jwts of the
    store name: of users, whose seeds are in creds, and those whose place is not registered.

    \b
    Example:
      seedless key list
      seedless key list --token pkcs11:token=ACME
      seedless key list --role account --not-referenced --long
    """
    workspace = CommandWorkspace(settings)
    rows = [entry_data(entry) | {"state": "noted"} for entry in workspace.inventory().entries]
    if _is_token_typed():
        with open_tokens(workspace) as tokens:
            rows = _beside(rows, tokens.chosen())
    named = dict(_named(workspace)) if everything or not_referenced else {}
    if everything:
        noted = {row["public_key"] for row in rows}
        rows += [row for key, row in named.items() if key not in noted]
    rows = [row for row in rows if _is_wanted(row, role, part)]
    if not_referenced:
        rows = [row for row in rows if row["public_key"] not in named]
    header = (
        ("ROLE", "NAME", "PUBLIC KEY", "STATE", "URI")
        if is_long
        else ("ROLE", "NAME", "KEY", "STATE", "TOKEN")
    )
    table = printing.table([_line(row, is_long=is_long) for row in rows], header)
    printing.emit({"keys": rows}, table, as_json=settings.as_json)


def _line(row: dict[str, Any], *, is_long: bool) -> tuple[str, ...]:
    """Return the cells of *row*; the short ones fit 80 columns, and a key is found by its beginning."""
    role, name, key = row["role"] or "-", shown(row["name"] or ""), row["public_key"] or "-"
    if is_long:
        return role, name, key, row["state"], row["uri"] or "-"
    token = KeyUri.parse(row["uri"]).token if row["uri"] else None
    return role, _cut(name, _NAME), _cut(key, _KEY), row["state"], _cut(shown(token or "-"), _TOKEN)


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"


def entry_data(entry: KeyEntry) -> dict[str, Any]:
    """Return an entry of the inventory as --json prints it."""
    return {
        "public_key": str(entry.public_key),
        "role": entry.role.name.lower(),
        "name": entry.name,
        "uri": entry.uri,
        "made": entry.made,
        "at": entry.at,
        "attested": msgspec.to_builtins(entry.attested),
    }


def key_data(token: Token, found: Key) -> dict[str, Any]:
    """Return a key on *token* as --json prints it."""
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


def _is_token_typed() -> bool:
    """Tell whether --token was typed: one that the environment names for all commands asks for no list."""
    return click.get_current_context().get_parameter_source("token") is ParameterSource.COMMANDLINE


def _is_wanted(row: dict[str, Any], roles: tuple[str, ...], part: str | None) -> bool:
    text = f"{row['public_key'] or ''} {row['name'] or ''}".lower()
    return (not roles or row["role"] in roles) and (part is None or part.lower() in text)


def _beside(noted: list[dict[str, Any]], token: Token) -> list[dict[str, Any]]:
    """Lay the inventory beside what is on *token*: present, missing, not noted."""
    known = {PublicKey.parse(row["public_key"]).raw: row["public_key"] for row in noted}
    there, found = [], token.keys()
    for key in found:
        row = key_data(token, key)
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


def _named(workspace: CommandWorkspace) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each key that a jwt of any store names, with its row."""
    for operator in operators(workspace.root):
        store = open_store(workspace.root, operator)
        for address, jwt in _jwts(store):
            for key in _keys_in(jwt):
                yield key, _row(store, address, key, jwt.claims.name)


def _jwts(store: Store) -> Iterator[tuple[Address, Jwt[Any]]]:
    accounts = [(name,) for name in store.children()]
    users = [(*account, name) for account in accounts for name in store.children(*account)]
    for address in ((), *accounts, *users):
        try:
            jwt = store.get(*address)
        except SeedlessError:
            continue  # verify and lint tell of it
        if jwt is not None:
            yield address, jwt


def _keys_in(jwt: Jwt[Any]) -> Iterator[str]:
    body = jwt.claims.body
    yield jwt.claims.sub
    yield from map(signing_key, getattr(body, "signing_keys", ()))
    if isinstance(body, Account) and body.authorization.xkey:
        yield body.authorization.xkey


def _row(store: Store, address: Address, key: str, name: str) -> dict[str, Any]:
    """Return the row of a *key* that the jwt at *address* names: a user's own key can be in its creds."""
    public_key = PublicKey.parse(key)
    has_creds = public_key.role is Role.USER and store.creds(*address) is not None
    in_file = has_creds or stored_seed(store, public_key) is not None
    return {
        "public_key": key,
        "role": public_key.role.name.lower(),
        "name": name,
        "uri": None,
        "state": "in a file" if in_file else "elsewhere",
    }
