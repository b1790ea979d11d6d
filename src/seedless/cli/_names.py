"""Names for keys in a review: of the operator, the accounts and the users that the store knows."""

from __future__ import annotations

import contextlib
import re
from typing import TYPE_CHECKING

from seedless.diff import diff
from seedless.errors import SeedlessError
from seedless.nkey import PublicKey

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from seedless.change import Change
    from seedless.cli._workspace import Workspace

_KEY = re.compile(r"\b[AOU][A-Z2-7]{55}\b")


def known_names(workspace: Workspace, change: Change) -> dict[str, str]:
    """Return the names of the keys that the lines of *change* name."""
    old = change.replaces.claims if change.replaces else None
    lines = [difference.line for difference in diff(old, change.draft.claims)]
    issuers = {str(one.issuer) for one in (change.draft, change.replaces) if one}
    return names_of(workspace, (issuers | keys_in(lines)) - {change.draft.claims.sub})


def keys_in(lines: Iterable[str]) -> set[str]:
    """Return the public keys that *lines* name."""
    return {key for line in lines for key in _KEY.findall(line)}


def names_of(workspace: Workspace, keys: Collection[str]) -> dict[str, str]:
    """Return the names of those of *keys* that the inventory or the store knows.

    A store that is not there, or cannot be read, knows none.
    """
    wanted = set(keys)
    names: dict[str, str] = {}
    for key in wanted:
        with contextlib.suppress(SeedlessError):
            entry = workspace.keyring().get(PublicKey.parse(key))
            if entry is not None and entry.name:
                names[key] = entry.name
    with contextlib.suppress(SeedlessError):
        for key, name in _stored(workspace, {key[0] for key in wanted - names.keys()}):
            if key in wanted:
                names.setdefault(key, name)
            if wanted <= names.keys():
                break
    return names


def _stored(workspace: Workspace, roles: Collection[str]) -> Iterator[tuple[str, str]]:
    """Yield key and name of what the store has of *roles* (first letters of keys), one jwt at a time."""
    store = workspace.store
    accounts = [(name,) for name in store.children()] if {"A", "U"} & set(roles) else []
    users = ((*one, name) for one in accounts for name in store.children(*one)) if "U" in roles else ()
    for address in ((), *accounts, *users):
        with contextlib.suppress(SeedlessError):
            found = store.get(*address)
            if found is not None:
                yield found.claims.sub, address[-1] if address else store.operator
