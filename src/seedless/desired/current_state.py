"""The current state: the part of a store, and of the inventory, that a desired-state file is about.

Whose key is which: of operator, accounts and signing keys, those that are there, and those yet to be made.

A signing key is named by its public key, or by its role, or by a name that the inventory has for it
(`ACCOUNT/NAME`). A key that was made for a name and is used nowhere yet is reused: a run that was killed has
left it.
"""

from __future__ import annotations

import difflib
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from seedless.claims import Account, Operator, Scope, User, signing_key
from seedless.errors import BadKey, SeedlessError, UsageError
from seedless.jwt import Jwt
from seedless.nkey import PublicKey, Role
from seedless.signing_pipeline import NewKey
from seedless.text import quoted

if TYPE_CHECKING:
    from seedless.desired.read import Desired
    from seedless.inventory import Inventory
    from seedless.store.files import Store


class CurrentState(msgspec.Struct, frozen=True):
    """The operator, all accounts, the users that count, by name; and the keys that are known.

    `known` are the public keys of which the inventory knows where they are, with their tokens, `called` those
    by role and name. `is_used` returns whether some jwt is about a key, or names it.
    """

    operator: Jwt[Operator] | None = None
    accounts: Mapping[str, Jwt[Account]] = msgspec.field(default_factory=dict)
    users: Mapping[tuple[str, str], Jwt[User]] = msgspec.field(default_factory=dict)
    known: Mapping[str, str] = msgspec.field(default_factory=dict)
    called: Mapping[tuple[Role, str], list[PublicKey]] = msgspec.field(default_factory=dict)
    is_used: Callable[[PublicKey], bool] = lambda _: False


def current_state(
    store: Store | None,
    inventory: Inventory,
    desired: Desired,
    *,
    prune: bool,
    elsewhere: Callable[[PublicKey], bool] = lambda _: False,
) -> CurrentState:
    """Read what *desired* is about; None is a store that does not exist yet.

    A damaged file is an error where it matters: of an account or a user that is named, and of any that
    pruning would have to look at. *elsewhere* returns whether another store of the same folder uses a key.
    """
    operator = store.get() if store else None
    accounts = _accounts(store, desired, prune=prune) if store else {}
    users = _users(store, desired, accounts, prune=prune) if store else {}
    called: dict[tuple[Role, str], list[PublicKey]] = defaultdict(list)
    for entry in inventory:
        called[entry.role, entry.name].append(entry.public_key)
    used = {key for jwt in (operator, *accounts.values()) if jwt for key in (jwt.claims.sub, *_keys(jwt))}
    return CurrentState(
        operator,
        accounts,
        users,
        inventory.tokens,
        dict(called),
        lambda key: str(key) in used or elsewhere(key),
    )


def _keys(jwt: Jwt[Any]) -> list[str]:
    return [signing_key(entry) for entry in jwt.claims.body.signing_keys]


def _accounts(store: Store, desired: Desired, *, prune: bool) -> dict[str, Jwt[Account]]:
    wanted = {"", *desired.accounts}
    for account in desired.accounts.values():
        wanted |= {item.get("from", "") for item in account.get("imports", ())}
    found: dict[str, Jwt[Account]] = {}
    for name in store.children():
        try:
            jwt = store.get(name)
        except SeedlessError:
            if name in wanted or (prune and desired.lists_accounts):
                raise
            continue
        if jwt is not None:
            found[name] = jwt
    return found


def _users(
    store: Store, desired: Desired, accounts: Mapping[str, Jwt[Account]], *, prune: bool
) -> dict[tuple[str, str], Jwt[User]]:
    found: dict[tuple[str, str], Jwt[User]] = {}
    for account in accounts:
        members = desired.accounts.get(account)
        is_pruned = members is None and prune and desired.lists_accounts
        loses_keys = members is not None and prune and "signing_keys" in members
        named = (members or {}).get("users", {})
        existing = (
            store.children(account)
            if is_pruned or loses_keys or (prune and "users" in (members or {}))
            else list(named)
        )
        for user in existing:
            jwt = store.get(account, user)
            if jwt is not None:
                found[account, user] = jwt
    return found


def require_same(what: str, name: str, members: object, existing: Jwt[object] | None, file: str) -> None:
    """Raise `UsageError` when the file names another key than the existing jwt has."""
    if members is not None and existing is not None and members != existing.claims.sub:
        raise UsageError(
            f"{what} {quoted(name)} is {existing.claims.sub} in the store, and {file} has {members}",
            "a key is for good: leave public_key out, or delete it first",
        )


KeyReference = tuple[str, ...]
"""`("",)` the operator, `("", NAME)` a signing key of it, `(ACCOUNT,)`, `(ACCOUNT, NAME)`."""


def key_references(desired: Desired, current: CurrentState) -> dict[KeyReference, PublicKey | NewKey]:
    """Return the key of every operator, account and signing key that *desired* names or that exists."""
    found: dict[KeyReference, PublicKey | NewKey] = {
        (name,): PublicKey.parse(jwt.claims.sub) for name, jwt in current.accounts.items()
    }
    operator = _operator_name(desired, current)
    require_same("operator", operator, desired.operator.get("public_key"), current.operator, desired.file)
    found["",] = (
        PublicKey.parse(current.operator.claims.sub)
        if current.operator
        else _identity(Role.OPERATOR, operator, desired.operator, current)
    )
    for name, members in desired.operator.get("signing_keys", {}).items():
        found["", name] = _signing_key(Role.OPERATOR, operator, name, members, current.operator, current)
    for account, table in desired.accounts.items():
        existing = current.accounts.get(account)
        require_same("account", account, table.get("public_key"), existing, desired.file)
        if existing is None:
            found[account,] = _identity(Role.ACCOUNT, account, table, current)
        for name, members in table.get("signing_keys", {}).items():
            found[account, name] = _signing_key(Role.ACCOUNT, account, name, members, existing, current)
    return found


def _operator_name(desired: Desired, current: CurrentState) -> str:
    name: str | None = desired.operator.get("name")
    if current.operator is not None:
        return current.operator.claims.name.strip()
    if name is None:
        raise UsageError(
            f"there is no operator yet, and {desired.file} names none", 'write [operator] name = "ACME"'
        )
    return name


def _identity(role: Role, name: str, members: Mapping[str, Any], current: CurrentState) -> PublicKey | NewKey:
    """Return the key of an operator or an account that is new."""
    if "public_key" in members:
        return PublicKey.parse(members["public_key"])
    return _made(role, name, current)


def _made(role: Role, name: str, current: CurrentState) -> PublicKey | NewKey:
    unused = (key for key in current.called.get((role, name), ()) if not current.is_used(key))
    return next(unused, None) or NewKey(role, name)


def _signing_key(
    role: Role,
    owner: str,
    name: str,
    members: Mapping[str, Any],
    existing: Any,  # noqa: ANN401 - a jwt, or None
    current: CurrentState,
) -> PublicKey | NewKey:
    key = members.get("key") or as_key(name, role)
    if key is not None:
        return PublicKey.parse(key)
    entries = existing.claims.body.signing_keys if existing is not None else ()
    wanted = members.get("role", name)
    scopes = [entry.key for entry in entries if isinstance(entry, Scope) and entry.role == wanted]
    if len(scopes) > 1:
        raise UsageError(
            f"account {quoted(owner)} has {len(scopes)} signing keys with the role {quoted(wanted)}",
            f"name one of them: key = {quoted(scopes[0])}",
        )
    if scopes:
        return PublicKey.parse(scopes[0])
    held = {signing_key(entry) for entry in entries}
    ours, of_commands = f"{owner}/{name}", f"{owner} {name}"
    named = (key for called in (ours, of_commands) for key in current.called.get((role, called), ()))
    mine = (key for key in named if str(key) in held)
    return next(mine, None) or _made(role, ours, current)


def as_key(name: str, role: Role) -> str | None:
    """Return *name* where it is the public key of *role*, else None."""
    try:
        return name if PublicKey.parse(name).role is role else None
    except BadKey:
        return None


def account_key(text: str) -> str | None:
    """Return *text* where it is the public key of an account, else None: it is a name."""
    return as_key(text, Role.ACCOUNT)


def account_named(names: Mapping[KeyReference, PublicKey], name: str, where: str) -> str:
    """Return the key, as text, of the account *name*; raise `UsageError` with the place that names it."""
    key = names.get((name,))
    if key is None:
        near = difflib.get_close_matches(name, [key[0] for key in names if len(key) == 1], 1)
        raise UsageError(
            f"{where}: there is no account {quoted(name)} in the file or in the store",
            f"did you mean {near[0]}?" if near else "accounts are named as their tables are",
        )
    return str(key)
