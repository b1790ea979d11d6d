"""What stands: the part of a store, and of the inventory of keys, that a desired-state file is about."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from seedless.claims import signing_key
from seedless.errors import SeedlessError, UsageError
from seedless.text import quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from seedless.claims import Account, Operator, User
    from seedless.desired.read import Desired
    from seedless.inventory import Inventory
    from seedless.jwt import Jwt
    from seedless.nkey import PublicKey, Role
    from seedless.store.files import Store


@dataclass(frozen=True, slots=True)
class Standing:
    """The operator, all accounts, the users that count, by name; and the keys that are known.

    `known` are the public keys of which the inventory knows where they are, `called` those by role and name.
    `is_used` tells whether some jwt is about a key, or names it.
    """

    operator: Jwt[Operator] | None = None
    accounts: Mapping[str, Jwt[Account]] = field(default_factory=dict)
    users: Mapping[tuple[str, str], Jwt[User]] = field(default_factory=dict)
    known: frozenset[str] = frozenset()
    called: Mapping[tuple[Role, str], list[PublicKey]] = field(default_factory=dict)
    is_used: Callable[[PublicKey], bool] = lambda _: False


def standing(
    store: Store | None,
    inventory: Inventory,
    desired: Desired,
    *,
    prune: bool,
    elsewhere: Callable[[PublicKey], bool] = lambda _: False,
) -> Standing:
    """Read what *desired* is about; None is a store that is yet to be made.

    A damaged file is an error where it matters: of an account or a user that is named, and of any that
    pruning would have to look at. *elsewhere* tells whether another store of the same folder uses a key.
    """
    operator = store.get() if store else None
    accounts = _accounts(store, desired, prune=prune) if store else {}
    users = _users(store, desired, accounts, prune=prune) if store else {}
    called: dict[tuple[Role, str], list[PublicKey]] = defaultdict(list)
    for entry in inventory:
        called[entry.role, entry.name].append(entry.public_key)
    used = {key for jwt in (operator, *accounts.values()) if jwt for key in (jwt.claims.sub, *_keys(jwt))}
    return Standing(
        operator,
        accounts,
        users,
        frozenset(str(entry.public_key) for entry in inventory),
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
        said = desired.accounts.get(account)
        is_pruned = said is None and prune and desired.lists_accounts
        loses_keys = said is not None and prune and "signing_keys" in said
        named = (said or {}).get("users", {})
        there = (
            store.children(account)
            if is_pruned or loses_keys or (prune and "users" in (said or {}))
            else list(named)
        )
        for user in there:
            jwt = store.get(account, user)
            if jwt is not None:
                found[account, user] = jwt
    return found


def require_same(what: str, name: str, said: object, there: Jwt[Any] | None, file: str) -> None:
    """Raise `UsageError` when the file names another key than the jwt that stands has."""
    if said is not None and there is not None and said != there.claims.sub:
        raise UsageError(
            f"{what} {quoted(name)} is {there.claims.sub} in the store, and {file} says {said}",
            "a key is for good: leave public_key out, or delete it first",
        )
