"""What a command works with: configuration, store, keyring and the time, each read when first needed."""

from __future__ import annotations

import contextlib
import functools
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

from seedless import config as configuration
from seedless import keyring as inventory
from seedless.errors import SeedlessError, StoreError, UsageError
from seedless.store import create_store, default_root, open_store, operators

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from seedless.claims import Account, Operator
    from seedless.cli._options import Settings
    from seedless.config import Config
    from seedless.jwt import Jwt
    from seedless.keyring import KeyEntry, Keyring
    from seedless.nkey import PublicKey, Role
    from seedless.store import Store


class Workspace:
    """The surroundings of one command."""

    def __init__(self, settings: Settings) -> None:
        """Take what the options say; nothing is read yet."""
        self.settings = settings
        self.now = int(time.time())

    @functools.cached_property
    def config(self) -> Config:
        """The owner's configuration."""
        return configuration.load(os.environ)

    @functools.cached_property
    def root(self) -> Path:
        """The folder of everything: from --store, the configuration, or the default."""
        named = self.settings.store or self.config.store
        return Path(named).expanduser() if named else default_root(os.environ)

    @functools.cached_property
    def store(self) -> Store:
        """The store of the operator that is meant."""
        return open_store(self.root, self.settings.operator)

    def new_store(self, operator: str) -> Store:
        """Make and return the store of a new *operator*."""
        self.store = create_store(self.root, operator)
        return self.store

    @property
    def keyring_path(self) -> Path:
        """Where the inventory of keys lies."""
        return self.root / "keyring.json"

    def keyring(self) -> Keyring:
        """Read the inventory of keys."""
        return inventory.load(self.keyring_path)

    def note_key(self, entry: KeyEntry) -> None:
        """Write *entry* into the inventory; call it with the lock held."""
        self.keyring().with_entry(entry).save(self.keyring_path)

    def operator(self) -> Jwt[Operator]:
        """Return the operator of the store; raise `StoreError` when there is none yet."""
        found = self.store.get()
        if found is None:
            raise StoreError(
                f"the store of {self.store.operator} has no operator jwt",
                f"seedless operator add {self.store.operator}",
            )
        return found

    def account(self, name: str) -> Jwt[Account]:
        """Return the account *name* of the store; raise `UsageError` with the names that there are."""
        found = self.store.get(name)
        if found is None:
            names = ", ".join(self.store.children()) or "none yet"
            raise UsageError(
                f"there is no account {name!a} in operator {self.store.operator}", f"there are: {names}"
            )
        return found

    def accounts(self) -> list[Jwt[Account]]:
        """Return all accounts of the store, by name."""
        return [self.account(name) for name in self.store.children()]

    def readable_accounts(self) -> list[Jwt[Account]]:
        """Return the accounts of the store, by name, without those whose files are damaged."""
        found = []
        for name in self.store.children():
            with contextlib.suppress(SeedlessError):
                found.append(self.account(name))
        return found

    def refuse_existing(self, *address: str) -> None:
        """Raise `UsageError` when there is a jwt at *address* already."""
        if self.store.get(*address) is not None:
            kind = "account" if len(address) == 1 else "user"
            raise UsageError(f"{kind} {address[-1]!a} is in the store already", "choose another name")

    def unused_key(self, role: Role, name: str) -> PublicKey | None:
        """Return the key that was made for *role* and *name*, and that no jwt is about yet."""
        made = [
            entry.public_key for entry in self.keyring().entries if (entry.role, entry.name) == (role, name)
        ]
        stores = [open_store(self.root, operator) for operator in operators(self.root)]
        return next((key for key in made if not any(store.find(key) for store in stores)), None)

    def lock(self) -> AbstractContextManager[None]:
        """Keep every other writer out of the folder until the walk is over."""
        return self.store.lock()

    def known_keys(self) -> set[str]:
        """Return the public keys, as text, of which the inventory knows where they are."""
        return {str(entry.public_key) for entry in self.keyring().entries}
