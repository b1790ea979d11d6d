"""List keys: the inventory, beside it what is on a token, and what the jwts of all stores name."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

import msgspec

from seedless.app.tokens import key_uri, open_tokens
from seedless.claims import Account, signing_key
from seedless.inventory import KeyEntry, KeyPlace
from seedless.jwt import Jwt
from seedless.key_store import stored_seed
from seedless.nkey import PublicKey, Role
from seedless.store import open_store, operators, readable

if TYPE_CHECKING:
    from seedless.app.workspace import Workspace
    from seedless.pkcs11.keys import Key
    from seedless.pkcs11.token import Token

__all__ = [
    "ListedKey", "inventory_keys", "keys_beside_token", "keys_in_jwts", "list_keys", "rebuilding",
    "registered_key", "token_key",
]  # fmt: skip


class ListedKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key and where it is: in the inventory (`entry`), on a token (`key_type`), or named by a jwt alone.

    `state` is `registered`, `present`, `missing`, `lost`, `not registered`, `in a file` or `elsewhere`.
    `public_key` and `role` are None where the label of a key on a token does not report them.
    """

    public_key: PublicKey | None
    role: Role | None
    name: str
    state: str = ""
    uri: str | None = None
    key_type: str = ""
    entry: KeyEntry | None = None


def list_keys(
    workspace: Workspace,
    *,
    on_token: bool = False,
    everything: bool = False,
    not_referenced: bool = False,
    roles: Collection[str] = (),
    text: str | None = None,
) -> list[ListedKey]:
    """Return the keys of the inventory, or with *on_token* those of the token beside them.

    With *everything* also those that only jwts name, with *not_referenced* those alone that none names.
    *roles* are role names in lower case; *text* is a part of the public key or of the name.
    """
    listed = keys_beside_token(workspace) if on_token else inventory_keys(workspace)
    named = keys_in_jwts(workspace) if everything or not_referenced else {}
    if everything:
        registered = {entry.public_key for entry in listed}
        listed += [entry for key, entry in named.items() if key not in registered]
    return [
        entry
        for entry in listed
        if not (not_referenced and entry.public_key in named)
        and (not roles or (entry.role is not None and entry.role.name.lower() in roles))
        and (text is None or text.lower() in f"{entry.public_key or ''} {entry.name}".lower())
    ]


def inventory_keys(workspace: Workspace) -> list[ListedKey]:
    """Return the keys of the inventory; no token is opened."""
    return [registered_key(entry) for entry in workspace.inventory().entries]


def registered_key(entry: KeyEntry) -> ListedKey:
    """Return the key of *entry* as the inventory has it."""
    return _registered(entry, "registered" if entry.places_left else "lost", entry.uri)


def rebuilding(workspace: Workspace) -> str:
    """Return the command that registers the keys of a token, where the inventory has none; empty else."""
    if workspace.inventory().entries:
        return ""
    named = workspace.settings.token
    return shlex.join(["seedless", "key", "register", "--all", *(("--token", named) if named else ())])


def _state_at(place: KeyPlace, *, is_present: bool) -> str:
    if place.lost_at:
        return "lost"
    return "present" if is_present else "missing"


def _registered(entry: KeyEntry, state: str, uri: str) -> ListedKey:
    return ListedKey(
        public_key=entry.public_key,
        role=entry.role,
        name=entry.name,
        uri=uri,
        state=state,
        entry=entry,
    )


def token_key(token: Token, key: Key, state: str = "") -> ListedKey:
    """Return *key*, on *token*, as its label describes it."""
    role = key.role
    return ListedKey(
        public_key=PublicKey(role, key.raw) if role and key.raw else None,
        role=role,
        name=key.label.partition(":")[2] if role else key.label,
        uri=str(key_uri(token, key.label, key.id)),
        state=state,
        key_type=key.key_type,
    )


def keys_beside_token(workspace: Workspace) -> list[ListedKey]:
    """Return the keys that the inventory has on the token, and those that only the token has."""
    with open_tokens(workspace) as tokens:
        token = tokens.chosen()
        keys: list[Key] = token.keys()
        inventory = workspace.inventory()
        on_token: list[tuple[PublicKey | None, ListedKey]] = []
        for key in keys:
            listed = token_key(token, key, "not registered")
            # A key whose label reports no role has the one that the inventory gives it.
            known = inventory.with_raw(key.raw) if key.raw else None
            on_token.append((listed.public_key or (known.public_key if known else None), listed))
    present = {public_key for public_key, _ in on_token}
    rows = [
        _registered(entry, _state_at(place, is_present=entry.public_key in present), place.uri)
        for entry in inventory.entries
        for place in entry.places
        if place.token == token.info.uri
    ]
    registered = {entry.public_key for entry in inventory.entries}
    return rows + [listed for public_key, listed in on_token if public_key not in registered]


def keys_in_jwts(workspace: Workspace) -> dict[PublicKey, ListedKey]:
    """Return each key that a jwt of any store names; `in a file` where its seed is."""
    found = {}
    for operator in operators(workspace.root):
        store = open_store(workspace.root, operator)
        for address, jwt in readable(store, Role.OPERATOR, Role.ACCOUNT, Role.USER):
            for text in _keys_in(jwt):
                key = PublicKey.parse(text)
                # A user's own key can be in its creds.
                has_creds = key.role is Role.USER and store.creds(*address) is not None
                state = "in a file" if has_creds or stored_seed(store, key) is not None else "elsewhere"
                found[key] = ListedKey(public_key=key, role=key.role, name=jwt.claims.name, state=state)
    return found


def _keys_in(jwt: Jwt[object]) -> Iterator[str]:
    body = jwt.claims.body
    yield jwt.claims.sub
    yield from map(signing_key, getattr(body, "signing_keys", ()))
    if isinstance(body, Account) and body.authorization.xkey:
        yield body.authorization.xkey
