"""Accounts and users by their public keys, wherever a command takes a name."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from seedless.cli.options import Settings
    from seedless.store import Store

_KEY = re.compile(r"[AU][A-Z2-7]{55}")
_NAMES = ("account", "name", "names", "more", "old", "user")
"""The parameters of commands that name an account or a user of the store."""


def with_names(settings: Settings, values: dict[str, Any]) -> dict[str, Any]:
    """Return the *values* of a command, with the name of each account and user whose public key was given.

    What the store does not have stays as it is, for the command to judge.
    """
    if not any(_keys_in(values.get(name)) for name in _NAMES):
        return values
    from seedless.cli.workspace import CommandWorkspace  # few commands are given a key
    from seedless.errors import SeedlessError

    try:
        store = CommandWorkspace(settings).store
    except SeedlessError:
        return values
    found = dict(values)
    for name in _NAMES:
        value: Any = found.get(name)
        if _keys_in(value):
            many = (value,) if isinstance(value, str) else value
            named = tuple(_name(store, text, found.get("account")) for text in many)
            found[name] = named[0] if isinstance(value, str) else named
    return found


def _keys_in(value: object) -> bool:
    texts = value if isinstance(value, tuple) else (value,)
    return any(isinstance(text, str) and _KEY.fullmatch(text) for text in texts)


def _name(store: Store, text: str, account: str | None) -> str:
    """Return the name of the account, or of the user of *account*, whose key *text* is; else *text*."""
    from seedless.errors import SeedlessError  # few commands are given a key
    from seedless.nkey import PublicKey

    try:
        address = store.find(PublicKey.parse(text)) if _KEY.fullmatch(text) else None
    except SeedlessError:
        return text
    if address is None or (len(address) > 1 and account not in {None, address[0]}):
        return text
    return address[-1]
