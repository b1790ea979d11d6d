"""Keys that are created on a token, so that none is ever forgotten, whenever the process is killed.

Before the first of them is created, all are written down in `ROOT/pending-keys.json`: role, name, and the URI
with the label and the CKA_ID that the key is going to have.

    {"version": 1, "keys": [{"role": "account", "name": "orders",
                             "uri": "pkcs11:token=…;id=…", "until": "registered"}]}

An entry is removed when the key is in the inventory (`registered`), or when the command that asked for the
key has reported it (`reported`). Whoever creates keys next on that token looks for those that are pending: a
whole pair is read back, tried, registered and used; half a pair is removed. The CKA_ID is random, so what has
it, and the label, is what the interrupted run began, and nobody has used it.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final, Literal

import msgspec

from seedless import strict_json, wire
from seedless.errors import SeedlessError, StoreError
from seedless.inventory import KeyEntry
from seedless.nkey import PublicKey, Role
from seedless.pkcs11.keys import label_for
from seedless.pkcs11.token_info import matches
from seedless.pkcs11.uri import KeyUri
from seedless.signing_pipeline import NewKey
from seedless.store import atomic
from seedless.text import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from seedless.inventory import Inventory
    from seedless.pkcs11.token import Token

PENDING_NAME: Final = "pending-keys.json"
_VERSION: Final = 1

Until = Literal["registered", "reported"]


class PendingKey(msgspec.Struct, frozen=True):
    """A key that is about to be created: `uri` names its token, its label and its CKA_ID."""

    role: Literal["operator", "account", "user"]
    name: str
    uri: str
    until: Until

    @property
    def new_key(self) -> NewKey:
        """What the key is for."""
        return NewKey(Role[self.role.upper()], self.name)


class _File(msgspec.Struct, frozen=True):
    version: Literal[1]
    keys: tuple[PendingKey, ...]


def load(root: Path) -> list[PendingKey]:
    """Read the pending keys below *root*; a missing file has none. Raise `StoreError`."""
    path = root / PENDING_NAME
    data = atomic.read(path)
    if data is None:
        return []
    try:
        keys = list(strict_json.read(wire.parse(data), _File).keys)
        for key in keys:
            KeyUri.parse(key.uri)
    except SeedlessError as error:
        raise StoreError(
            f"{shown(path)} is damaged: {error.message}",
            "restore it from a backup; or move it away, and look at seedless key list --token …",
        ) from error
    return keys


def _text(keys: Sequence[PendingKey]) -> str | None:
    """Return the file of *keys*, None for no file."""
    return msgspec.json.encode(_File(_VERSION, tuple(keys))).decode() + "\n" if keys else None


class KeyCreation:
    """Creates keys on one token; call everything with the lock of the root held.

    *inventory* reads the inventory, which lies at *inventory_path*; *is_used* states whether a jwt is about a
    key; *now* is Unix seconds. The token is open for writing, with the user logged in.
    """

    def __init__(
        self,
        token: Token,
        *,
        root: Path,
        inventory_path: Path,
        inventory: Callable[[], Inventory],
        is_used: Callable[[PublicKey], bool],
        now: int,
        random: Callable[[int], bytes] = os.urandom,
    ) -> None:
        """Read and create nothing yet."""
        self.token: Final = token
        self._root: Final = root
        self._inventory_path: Final = inventory_path
        self._inventory: Final = inventory
        self._is_used: Final = is_used
        self._now: Final = now
        self._random: Final = random

    def create(self, wanted: Iterable[NewKey], *, until: Until = "registered") -> dict[NewKey, KeyEntry]:
        """Return the key of each of *wanted*, in the inventory: from an interrupted run, or created now.

        With *until* "reported" the keys stay pending, and the next call returns the same ones, until
        `reported` is called. Raise `TokenError` and `StoreError`; what was created until then is registered,
        or pending.
        """
        keys = list(dict.fromkeys(wanted))
        pending, found, finished = self._resolved(until)
        intended = self._intended([key for key in keys if key not in found], until)
        pending += intended
        if intended:
            # One write for all: a sync for each key would take longer than the key.
            self._write({self._root / PENDING_NAME: _text(pending)})
        entries = list(finished)
        try:
            for intention in intended:
                entries.append(self._created(intention))  # noqa: PERF401 - what was made before an error counts
        finally:
            self._register(entries, pending)
        found |= {NewKey(entry.role, entry.name): entry for entry in entries}
        return {key: found[key] for key in keys}

    def reported(self) -> dict[Path, str | None]:
        """Return the file for `atomic.write` by which the keys of this token are no longer pending."""
        left = [entry for entry in load(self._root) if not self._is_here(entry)]
        return {self._root / PENDING_NAME: _text(left)}

    def _resolved(self, until: Until) -> tuple[list[PendingKey], dict[NewKey, KeyEntry], list[KeyEntry]]:
        """Return what is pending, the keys that may be used, and those of them to be registered."""
        registered = {place.uri: entry for entry in self._inventory() for place in entry.places}
        pending: list[PendingKey] = []
        unknown: list[PendingKey] = []
        found: dict[NewKey, KeyEntry] = {}
        for intent in load(self._root):
            entry = registered.get(intent.uri)
            if not self._is_here(intent):
                pending.append(intent)
            elif entry is None:
                unknown.append(intent)
            elif intent.until == "reported":
                pending.append(intent)
                if until == "reported" and not self._is_used(entry.public_key):
                    found[intent.new_key] = entry
        finished = self._finished(unknown)
        pending += [intent for intent in unknown if intent in finished]
        found |= {pending_key.new_key: entry for pending_key, entry in finished.items()}
        return pending, found, list(finished.values())

    def _finished(self, pending: Sequence[PendingKey]) -> dict[PendingKey, KeyEntry]:
        """Return those *pending* keys that are whole on the token, with their entries; remove half ones."""
        ids = {entry: KeyUri.parse(entry.uri).id or b"" for entry in pending}
        if not ids:
            return {}
        self.token.remove_unfinished([label_for(entry.new_key.role, entry.name) for entry in pending])
        objects = self.token.objects(ids.values())
        entries = {}
        for pending_key, key_id in ids.items():
            label = label_for(pending_key.new_key.role, pending_key.name)
            key = self.token.finish_or_remove(label, objects[key_id], self._random(32))
            if key is not None:
                entries[pending_key] = self._entry(pending_key, key.raw or b"")
        return entries

    def _intended(self, keys: Sequence[NewKey], until: Until) -> list[PendingKey]:
        ids = self.token.free_ids(len(keys), self._random) if keys else []
        return [
            PendingKey(key.role.name.lower(), key.name, self._uri(key, key_id), until)  # type: ignore[arg-type]  # `label_for` knows three roles
            for key, key_id in zip(keys, ids, strict=True)
        ]

    def _uri(self, key: NewKey, key_id: bytes) -> str:
        label = label_for(key.role, key.name)
        return str(msgspec.structs.replace(self.token.info.uri, object=label, id=key_id, type="private"))

    def _created(self, intention: PendingKey) -> KeyEntry:
        new_key, key_id = intention.new_key, KeyUri.parse(intention.uri).id or b""
        key = self.token.create(label_for(new_key.role, new_key.name), key_id, self._random(32))
        return self._entry(intention, key.raw or b"")

    def _entry(self, intention: PendingKey, public: bytes) -> KeyEntry:
        key = intention.new_key
        return KeyEntry(
            public_key=PublicKey(key.role, public),
            uri=intention.uri,
            role=key.role,
            name=key.name,
            made="token",
            at=self._now,
        )

    def _register(self, entries: Sequence[KeyEntry], pending: Sequence[PendingKey]) -> None:
        """Write *entries* into the inventory; those that were to be registered are not pending then."""
        known = {entry.uri for entry in entries}
        left = [entry for entry in pending if entry.until == "reported" or entry.uri not in known]
        files: dict[Path, str | None] = {}
        if entries:
            files[self._inventory_path] = self._inventory().with_entries(*entries).text()
        self._write(files | {self._root / PENDING_NAME: _text(left)})

    def _write(self, files: dict[Path, str | None]) -> None:
        atomic.sweep(self._root)
        atomic.write(files)

    def _is_here(self, pending: PendingKey) -> bool:
        """Report whether the key is to be on this token."""
        return matches(self.token.info, KeyUri.parse(pending.uri))
