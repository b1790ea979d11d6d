"""What a command works with: configuration, store, keyring and the time, each read when first needed."""

from __future__ import annotations

import contextlib
import functools
import os
import time
from typing import TYPE_CHECKING, Any

import msgspec

from seedless import config as configuration
from seedless import inventory
from seedless.claims import Account, Activation, Operator, User
from seedless.errors import SeedlessError, StoreError, UsageError
from seedless.key_store import creds_text, user_key
from seedless.store import atomic, create_store, default_root, expanded, open_store, operators
from seedless.store.names import check_name
from seedless.text import quoted, shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from seedless.cli.options import Settings
    from seedless.config import Config
    from seedless.inventory import Inventory, KeyEntry
    from seedless.jwt import Claims, Jwt
    from seedless.nkey import PublicKey, Role
    from seedless.policy import Policy
    from seedless.seeds import SoftwareKey
    from seedless.store import Store


class Workspace:
    """The surroundings of one command."""

    def __init__(self, settings: Settings) -> None:
        """Take what the options say; nothing is read yet."""
        self._options = settings
        self._inventory: tuple[tuple[int, int, int], Inventory] | None = None
        self.now = int(time.time())

    @functools.cached_property
    def settings(self) -> Settings:
        """What the options say, and for those that were not given the context that they name."""
        options = self._options
        name = options.context or self.config.selected
        if name is None:
            return options
        said = msgspec.structs.asdict(self.config.context(name)) | {"context": name}
        left: dict[str, Any] = {
            name: str(value) for name, value in said.items() if value and getattr(options, name) is None
        }
        return msgspec.structs.replace(options, **left)

    @functools.cached_property
    def config(self) -> Config:
        """The owner's configuration."""
        return configuration.load(os.environ)

    @functools.cached_property
    def root(self) -> Path:
        """The folder of everything: from --store, the configuration, or the default."""
        named = self.settings.store or self.config.store
        return expanded(named) if named else default_root(os.environ)

    @property
    def policy_path(self) -> Path | None:
        """Where the pinned policy lies: from --policy, or the configuration."""
        named = self.settings.policy
        return expanded(named) if named else self.config.policy

    @functools.cached_property
    def policy(self) -> Policy | None:
        """The pinned policy, where there is one; raise `StoreError` when it cannot be read."""
        if self.policy_path is None:
            return None
        from seedless import file_kind  # noqa: PLC0415 - only where a policy is pinned
        from seedless.policy import read  # noqa: PLC0415 - likewise

        data = atomic.read(self.policy_path)
        if data is None:
            raise StoreError(f"there is no policy {shown(self.policy_path)}", "--policy names it")
        file_kind.require(data, self.policy_path, file_kind.POLICY)
        return read(data, shown(self.policy_path))

    @functools.cached_property
    def store(self) -> Store:
        """The store of the operator that is meant."""
        try:
            return open_store(self.root, self.settings.operator)
        except StoreError as error:
            if not operators(self.root):
                error.hint = self._where_the_store_is()
            raise

    def _where_the_store_is(self) -> str:
        """Say who named the folder in which no store is; not how to create one, in case it was forgotten."""
        beside = _nsc_root()
        if beside is not None:
            return f"there is one of nsc: --store {shown(beside)}; see seedless migrate nsc --help"
        if self._options.store or self.config.store or self.settings.store:
            by = "the configuration names"
            if self._options.store:
                by = (
                    "SEEDLESS_STORE names"
                    if os.environ.get("SEEDLESS_STORE") == self._options.store
                    else "--store names"
                )
            elif self.settings.store:
                by = "the context names"
            return f"{by} this folder: is it the right one, and is it mounted?"
        return (
            "this is the default place, since neither --store nor SEEDLESS_STORE is set: set one to the "
            "folder of your store; seedless --help shows how a first one is created"
        )

    @property
    def has_store(self) -> bool:
        """Whether there is a store to ask, or one was asked for by name."""
        return self.settings.operator is not None or bool(operators(self.root))

    def new_store(self, operator: str) -> Store:
        """Make and return the store of a new *operator*."""
        check_new_name(operator)
        self.store = create_store(self.root, operator)
        return self.store

    @functools.cached_property
    def inventory_path(self) -> Path:
        """Where the inventory of keys lies."""
        return self.root / "keyring.json"

    def inventory(self) -> Inventory:
        """Read the inventory of keys: anew when its file is another than the last time."""
        try:
            status = self.inventory_path.stat()
        except OSError:
            return inventory.load(self.inventory_path)
        mark = (status.st_ino, status.st_mtime_ns, status.st_size)
        if self._inventory is None or self._inventory[0] != mark:
            self._inventory = (mark, inventory.load(self.inventory_path))
        return self._inventory[1]

    def note_key(self, *entries: KeyEntry) -> None:
        """Write *entries* into the inventory; call it with the lock held."""
        atomic.sweep(self.root)
        self.inventory().with_entries(*entries).save(self.inventory_path)

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
        found = self.store.get(name) or self._by_key(name)
        if found is None:
            names = ", ".join(self.store.children()) or "none yet"
            raise UsageError(
                f"there is no account {quoted(name)} in operator {self.store.operator}", f"there are: {names}"
            )
        return found

    def _by_key(self, text: str) -> Jwt[Account] | None:
        """Return the account whose public key *text* is; None where it is no key, or there is none."""
        return next((one for one in self.readable_accounts() if one.claims.sub == text), None)

    def user(self, account: str, name: str) -> Jwt[User]:
        """Return the user *name* of an account; raise `UsageError` with the names that there are."""
        found = self.store.get(account, name)
        if found is None:
            names = ", ".join(self.store.children(account)) or "none yet"
            raise UsageError(
                f"there is no user {quoted(name)} in account {quoted(account)}", f"there are: {names}"
            )
        return found

    def around(self, *claims: Claims[Any], keys: Iterable[str] = ()) -> tuple[Jwt[Any], ...]:
        """Return the jwts around *claims*: the operator, their accounts, and those that they import from.

        The system account is around its operator. The accounts of *keys* (key text) belong to it too.

        A store that is not there has none; accounts that are not in the store are left out.
        """
        if not self.has_store or self.store.get() is None:
            return ()
        wanted = set(keys)
        for one in claims:
            body = one.body
            if isinstance(body, Account):
                wanted |= {item.account for item in body.imports}
            elif isinstance(body, User | Activation):
                wanted.add(body.issuer_account)
            elif isinstance(body, Operator):
                wanted.add(body.system_account)
        wanted -= {"", *(one.sub for one in claims)}
        accounts = [jwt for jwt in (self.readable_accounts() if wanted else ()) if jwt.claims.sub in wanted]
        return (self.operator(), *accounts)

    def creds(self, account: str, user: str) -> str | None:
        """Return the text of a user's creds file, None if there is none; raise `StoreError`."""
        return creds_text(self.store, account, user)

    def user_key(self, account: str, user: str, subject: str) -> SoftwareKey | None:
        """Return the key of the user *subject*, where its seed is in the key store or in its creds file."""
        return user_key(self.store, subject, (account, user))

    def accounts(self) -> list[Jwt[Account]]:
        """Return all accounts of the store, by name; raise `StoreError` when one is damaged."""
        return [self.account(name) for name in self.store.children()]

    def readable_accounts(self) -> list[Jwt[Account]]:
        """Return the accounts of the store, by name, without those whose files are damaged."""
        return [jwt for _, jwt in self.each() if not isinstance(jwt, SeedlessError)]

    def each(self, *address: str) -> list[tuple[str, Jwt[Any] | SeedlessError]]:
        """Return each account, or each user of an account, by name: its jwt, or why it cannot be read."""
        found: list[tuple[str, Jwt[Any] | SeedlessError]] = []
        for name in self.store.children(*address):
            try:
                jwt = self.store.get(*address, name)
                found.append((name, jwt or StoreError("has just gone")))
            except SeedlessError as error:
                found.append((name, error))
        return found

    def refuse_existing(self, *address: str) -> None:
        """Raise `UsageError` when there is a jwt at *address* already, or can be none."""
        check_new_name(address[-1])
        if self.store.get(*address) is not None:
            kind = "account" if len(address) == 1 else "user"
            raise UsageError(f"{kind} {quoted(address[-1])} is in the store already", "choose another name")

    def unused_key(self, role: Role, name: str) -> PublicKey | None:
        """Return the key that was made for *role* and *name*, and that no jwt is about yet."""
        made = [
            entry.public_key for entry in self.inventory().entries if (entry.role, entry.name) == (role, name)
        ]
        return next((key for key in made if not self.is_used(key)), None)

    def is_used(self, key: PublicKey) -> bool:
        """Say whether a jwt of any store is about *key*."""
        return any(open_store(self.root, operator).find(key) for operator in operators(self.root))

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Keep every other writer out of the folder until the walk is over; `now` is when it is had.

        Somebody else may have held it for minutes, and what they signed is later than when the command began.
        """
        with contextlib.nullcontext() if self.settings.dry_run else self.store.lock():
            self.refresh()
            yield

    def refresh(self) -> None:
        """Look at the clock again: people and servers take their time."""
        self.now = max(self.now, int(time.time()))

    def known_keys(self) -> set[str]:
        """Return the public keys, as text, of which the inventory knows where they are."""
        return {str(entry.public_key) for entry in self.inventory().entries}


def _nsc_root() -> Path | None:
    """Return where nsc has its stores, if it has any."""
    from seedless.migrate import nsc_paths  # noqa: PLC0415 - only where there is no store of ours

    with contextlib.suppress(SeedlessError):
        root = nsc_paths(os.environ).root
        return root if operators(root) else None
    return None


def check_new_name(name: str) -> None:
    """Raise `UsageError` unless *name* can be one of a file and all of it can be seen."""
    check_name(name)
    if not name.isprintable():
        raise UsageError(
            f"the name {quoted(name)} holds a character that cannot be seen",
            "choose another, such as orders or node-7",
        )
