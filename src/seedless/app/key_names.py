"""What keys are called where a person reads them: `account ORDERS (A…)`, by the store and the inventory."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from seedless.diff import Wording
from seedless.errors import SeedlessError, UsageError
from seedless.inventory import Inventory
from seedless.nkey import PublicKey, Role
from seedless.store import readable
from seedless.text import cut, quoted, shown

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from seedless.app.workspace import Workspace

__all__ = [
    "key_named", "keys_named", "known_titles", "named_key", "names_for", "names_of", "title", "titled",
    "with_titles",
]  # fmt: skip

_KEY = re.compile(r"[AOU][A-Z2-7]{55}")
# Not within brackets, where its name is before it; not within a path, a URI or an assignment.
_BARE_KEY = re.compile(r"(?:\b(operator|account|user) )?(?<![(\"'\w/:=.-])([AOU][A-Z2-7]{55})(?![\w/=-]|:\S)")
_ROLES = {role.value: role.name.lower() for role in Role}


def title(key: str, name: str) -> str:
    """Return what the public *key* with this *name* is called: `account ORDERS`."""
    return f"{_ROLES[key[0]]} {name}"


def keys_named(workspace: Workspace, name: str, role: Role | None = None) -> tuple[PublicKey, ...]:
    """Return the keys that are called *name*, or by their title, `operator ACME`; only those of a *role*.

    Names are those of the inventory, and of the operator and the accounts of the store.
    """
    entries = [(entry.public_key, entry.name) for entry in workspace.inventory()]
    with contextlib.suppress(SeedlessError):
        entries += _stored_keys(workspace, name)
    found = (key for key, known in entries if known and name in {known, title(str(key), known)})
    keys = {key for key in found if role in {None, key.role}}
    return tuple(sorted(keys, key=lambda key: (list(Role).index(key.role), str(key))))


def _stored_keys(workspace: Workspace, name: str) -> Iterator[tuple[PublicKey, str]]:
    """Yield the keys of the operator and of the accounts that the store has by this *name*."""
    store = workspace.store
    accounts = store.children()
    # As it is, and without the role before it; an account may be called "account X" itself.
    for known in sorted({name, name.removeprefix("operator "), name.removeprefix("account ")}):
        places: list[tuple[str, ...]] = [(known,)] if known in accounts else []
        for address in [*([()] if known == store.operator else []), *places]:
            jwt = store.get(*address)
            if jwt is not None:
                yield PublicKey.parse(jwt.claims.sub), known


def key_named(workspace: Workspace, name: str, role: Role | None = None) -> PublicKey:
    """Return the one key that is called *name*, see `keys_named`; raise `UsageError` for none or several."""
    found = keys_named(workspace, name, role)
    if len(found) == 1:
        return found[0]
    if not found:
        kind = "key" if role is None else f"key of an {role.name.lower()}"
        raise UsageError(f"there is no {kind} called {quoted(name)}", "seedless key list shows the names")
    listed = ", ".join(f"{key.role.name.lower()} ({key})" for key in found)
    hint = "give the key itself"
    if len({key.role for key in found}) == len(found):
        hint = f'name its role too, as in "{title(str(found[0]), name)}"'
    raise UsageError(f"{quoted(name)} is the name of {len(found)} keys: {listed}", hint)


def known_titles(workspace: Workspace, without: str = "") -> Mapping[str, str]:
    """Return the titles of keys, each looked up when it is asked for; the key *without* has none.

    That one is the key that all lines are about, whose title is above them.
    """
    return _KnownTitles(_known_to(workspace), without)


class _KnownTitles(Mapping[str, str]):
    """The titles of keys that are known, as a mapping that cannot be listed."""

    def __init__(self, known: _Known, without: str) -> None:
        self._known = known
        self._without = without

    def __getitem__(self, key: str) -> str:
        name = None if key == self._without or not _KEY.fullmatch(key) else self._known.name(key)
        if name is None:
            raise KeyError(key)
        return title(key, name)

    def __iter__(self) -> Iterator[str]:
        raise TypeError

    def __len__(self) -> int:
        raise TypeError


def named_key(workspace: Workspace, key: str) -> tuple[str, str]:
    """Return name and key as cells of a table, the key cut where the inventory or the store has its name."""
    name = names_of(workspace, [key]).get(key)
    return (shown(name), cut(key)) if name else ("-", key)


def with_titles(text: str, titles: Mapping[str, str]) -> str:
    """Return the sentence *text* with the title before each key that has one, and has none there already.

    A sentence that has the name elsewhere needs no second one. Of commands, paths and URIs keys are left as
    they are, since they are copied.
    """
    wording = Wording(titles)

    def titled(found: re.Match[str]) -> str:
        role, key = found.groups()
        name = titles.get(key, "").partition(" ")[2]
        if not name or re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text):
            return found[0]
        # "account A…" becomes "account ORDERS (A…)"; "operator A…" keeps its own word.
        return wording.key(key) if role in {None, _ROLES[key[0]]} else f"{role} {wording.key(key)}"

    return _BARE_KEY.sub(titled, text)


def titled(workspace: Workspace, text: str) -> str:
    """Return *text* with the title before each key that the inventory or the store of *workspace* names."""
    return with_titles(text, known_titles(workspace))


def names_of(workspace: Workspace, keys: Collection[str]) -> dict[str, str]:
    """Return the names of those of *keys* that the inventory or the store knows.

    A store that is not there, or cannot be read, knows none.
    """
    known = _known_to(workspace)
    return {key: name for key in sorted(keys) if (name := known.name(key))}


def names_for(workspace: Workspace, given: Mapping[str, Any], *, account: str | None) -> dict[str, Any]:
    """Return *given*, texts and tuples of texts, with names for the keys of accounts and users in them.

    A key of a user counts where the user is of *account*, where that is given, and the first of *given* may
    be the account. What the store does not have stays as it is.
    """

    def name(text: str, account: str | None) -> str:
        # A name that is not a key, or a store that is not there, is left to whoever takes it.
        with contextlib.suppress(SeedlessError):
            address = workspace.store.find(PublicKey.parse(text))
            if address and (len(address) == 1 or account in {None, address[0]}):
                return address[-1]
        return text

    found: dict[str, Any] = {}
    for parameter, value in given.items():
        within = found.get("account", account)
        many = (value,) if isinstance(value, str) else value
        named = tuple(name(text, within) for text in many)
        found[parameter] = named[0] if isinstance(value, str) else named
    return found


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
        for address, found in readable(store, *(item for item in Role if item.value == role)):
            yield found.claims.sub, address[-1] if address else store.operator


_known: WeakKeyDictionary[Workspace, _Known] = WeakKeyDictionary()
