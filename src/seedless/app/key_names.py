"""Names for keys in a review: of the operator, the accounts and the users that the store knows."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from seedless.errors import SeedlessError
from seedless.inventory import Inventory
from seedless.nkey import Role
from seedless.store import addresses

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from seedless.app.workspace import Workspace
    from seedless.change import Change

__all__ = ["keys_in", "known_names", "names_of"]

_KEY = re.compile(r"\b[AOU][A-Z2-7]{55}\b")


def known_names(workspace: Workspace, change: Change) -> Mapping[str, str]:
    """Return the names of keys for the lines of *change*, each looked up when it is asked for."""
    return _KnownNames(_known_to(workspace), change.draft.claims.sub)


class _KnownNames(Mapping[str, str]):
    """The names of keys that are known, as a mapping that cannot be listed; the key *without* has none."""

    def __init__(self, known: _Known, without: str) -> None:
        self._known = known
        self._without = without

    def __getitem__(self, key: str) -> str:
        name = None if key == self._without or not _KEY.fullmatch(key) else self._known.name(key)
        if name is None:
            raise KeyError(key)
        return name

    def __iter__(self) -> Iterator[str]:
        raise TypeError

    def __len__(self) -> int:
        raise TypeError


def keys_in(lines: Iterable[str]) -> set[str]:
    """Return the public keys that *lines* name."""
    return {key for line in lines for key in _KEY.findall(line)}


def names_of(workspace: Workspace, keys: Collection[str]) -> dict[str, str]:
    """Return the names of those of *keys* that the inventory or the store knows.

    A store that is not there, or cannot be read, knows none.
    """
    known = _known_to(workspace)
    return {key: name for key in sorted(keys) if (name := known.name(key))}


def _known_to(workspace: Workspace) -> _Known:
    """Return what the inventory and the store name; the same until the inventory is another."""
    known = _known.get(workspace)
    inventory = Inventory()
    with contextlib.suppress(SeedlessError):
        inventory = workspace.inventory()
    if known is None or (known.inventory is not inventory and (known.inventory or inventory)):
        known = _known[workspace] = _Known(workspace, inventory)
    return known


class _Known:
    """The names of keys that one workspace has come across: each file is read once, and only when wanted."""

    def __init__(self, workspace: Workspace, inventory: Inventory) -> None:
        """Take the names of the *inventory*."""
        self.inventory = inventory
        self._workspace = workspace
        self._names = {str(entry.public_key): entry.name for entry in inventory if entry.name}
        self._stored: dict[str, Iterator[tuple[str, str]]] = {}

    def name(self, key: str) -> str | None:
        """Return the name of *key*, None where it is not known."""
        stored = self._stored.setdefault(key[:1], self._of_role(key[:1]))
        while key not in self._names:
            found = None
            with contextlib.suppress(SeedlessError):
                found = next(stored, None)
            if found is None:
                return None
            self._names.setdefault(*found)
        return self._names[key]

    def _of_role(self, role: str) -> Iterator[tuple[str, str]]:
        """Yield key and name of what the store has of a *role* (first letter of a key), one at a time."""
        store = self._workspace.store
        for address in addresses(store, *(one for one in Role if one.value == role)):
            with contextlib.suppress(SeedlessError):
                found = store.get(*address)
                if found is not None:
                    yield found.claims.sub, address[-1] if address else store.operator


_known: WeakKeyDictionary[Workspace, _Known] = WeakKeyDictionary()
