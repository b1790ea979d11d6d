"""What a person leaves to the store: names in the place of keys, and no account beside the name of a user.

It imports nothing of the package, since every command loads it, `--help` too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Mapping

    from seedless.app.workspace import Workspace
    from seedless.nkey import Role

__all__ = ["AccountOfUsers", "GivenKeyName", "has_names", "keys_for"]

_USERS = ("name", "names", "old")
"""The parameters of commands that name users, beside an account that may be left out."""


class GivenKeyName(str):
    """What a key is called, in the place of the key: it is looked up when the store is known.

    Only keys of the `role` are meant, where there is one. What `may_be_role` can be the role of a scope.
    """

    __slots__ = ("may_be_role", "role")
    role: Role | None
    may_be_role: bool

    def __new__(cls, text: str, role: Role | None = None, *, may_be_role: bool = False) -> Self:
        """Take the *text* that a person gave."""
        made = super().__new__(cls, text)
        made.role, made.may_be_role = role, may_be_role
        return made


class AccountOfUsers(str):
    """The account with the users that a command names, in the place of one that nobody gave."""

    __slots__ = ()


def has_names(values: Mapping[str, object]) -> bool:
    """Report whether one of *values*, or of the values in a tuple, is to be looked up: see `keys_for`."""
    kinds = (GivenKeyName, AccountOfUsers)
    return any(isinstance(item, kinds) for value in values.values() for item in _items(value))


def keys_for(workspace: Workspace, values: Mapping[str, object]) -> dict[str, object]:
    """Return those of *values* with names of keys, with the keys; raise `UsageError` for a name of several.

    Of the account that `account` or `name` is the roles go before names. An `account` that was left out is
    the one with the users that are named, None where none is.
    """
    found: dict[str, object] = {}
    account = values.get("account")
    if isinstance(account, AccountOfUsers):
        users = [str(user) for name in _USERS for user in _items(values.get(name)) if user]
        found["account"] = account = workspace.users.account_of(*users) if users else None
    account = account or values.get("name")
    for name, value in values.items():
        if name not in found and has_names({name: value}):
            keys = tuple(_key(workspace, item, account) for item in _items(value))
            found[name] = keys if isinstance(value, tuple) else keys[0]
    return found


def _items(value: object) -> tuple[object, ...]:
    return value if isinstance(value, tuple) else (value,)


def _key(workspace: Workspace, name: object, account: object) -> object:
    from seedless.app import key_names, offered_names  # only where a name was given

    if not isinstance(name, GivenKeyName):
        return name
    text, is_in = str(name), account if isinstance(account, str) else None
    if not name.may_be_role:
        return key_names.key_named(workspace, text, name.role)
    from seedless.app.signing_keys import GENERATE  # only for the name of a key
    from seedless.nkey import Role

    # A user is often called as a role is, and no user key signs.
    found = [key for key in key_names.keys_named(workspace, text) if key.role is not Role.USER]
    if not found:
        return text

    # An account may be called as the word for a new key, and must not get the place of that.
    if text == GENERATE or text in offered_names.roles(workspace, is_in):
        return text
    return str(found[0] if len(found) == 1 else key_names.key_named(workspace, text))
