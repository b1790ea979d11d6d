"""The current state: the part of a store, and of the inventory, that a desired-state file is about."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from seedless.claims import Account, Operator, User, signing_key
from seedless.errors import SeedlessError, UsageError
from seedless.jwt import Jwt
from seedless.nkey import PublicKey, Role
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
