"""Where a program begins: a store of jwts, the tokens with its keys, and what judges both.

Everything is read when it is first needed: configuration, store, inventory, policy.
"""

from __future__ import annotations

import contextlib
import copy
import functools
import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import msgspec

from seedless import config as configuration
from seedless import inventory
from seedless.app import arguments
from seedless.app.observer import SILENT, Observer
from seedless.app.settings import WorkspaceSettings
from seedless.claims import Account, Activation, Operator, User
from seedless.errors import SeedlessError, StoreError, UsageError
from seedless.inventory import Inventory, KeyEntry
from seedless.jwt import Claims, Jwt
from seedless.key_store import creds_text, user_key
from seedless.nkey import PublicKey, Role
from seedless.pin import PinSource
from seedless.pkcs11.uri import KeyUri
from seedless.seeds import SoftwareKey
from seedless.store import Store, atomic, default_root, expanded, open_store, operators
from seedless.text import quoted, shown

if TYPE_CHECKING:
    from seedless.app.accounts import Accounts, Mappings
    from seedless.app.auth_callout import AuthCallouts
    from seedless.app.ceremonies import Ceremonies
    from seedless.app.claims_signing import ClaimsSigning
    from seedless.app.delegation import Delegations
    from seedless.app.desired import DesiredState
    from seedless.app.exports_imports import Exports, Imports
    from seedless.app.inspection import Comparison
    from seedless.app.keys import KeyManagement
    from seedless.app.lint import LintReport
    from seedless.app.operators import Operators
    from seedless.app.plans import Plans
    from seedless.app.resolver.operations import Resolver
    from seedless.app.rotations.run import Rotations
    from seedless.app.signing_keys import SigningKeys
    from seedless.app.token_management import TokenManagement
    from seedless.app.tokens import Sessions
    from seedless.app.users import Users
    from seedless.challenges import ChallengeJournal
    from seedless.config import Config
    from seedless.policy import Policy
    from seedless.store_tree import TreeNode
    from seedless.verification import VerifiedJwt

__all__ = ["Workspace", "system_time"]


def system_time() -> float:
    """Return the time of this machine's clock, in Unix seconds."""
    return time.time()


class Workspace:
    """A store of jwts, the tokens with its keys, and what judges them. It belongs to one thread.

    Nothing is read before it is used. `now` is the time (Unix seconds) of the operation that is running.
    """

    def __init__(
        self,
        store: str | PathLike[str] | None = None,
        *,
        operator: str | None = None,
        module: str | PathLike[str] | None = None,
        token: str | KeyUri | None = None,
        pin_source: str | PinSource | None = None,
        policy: str | PathLike[str] | None = None,
        context: str | None = None,
        allow: Iterable[str] = (),
        allow_extractable: Iterable[str | PublicKey] = (),
        reset_time: Iterable[str | PublicKey] = (),
        jobs: int | None = None,
        last_try: bool = False,
        clock: Callable[[], float] = system_time,
        observer: Observer = SILENT,
    ) -> None:
        """Take what a command takes as options; the defaults are those of the configuration.

        *store* is the folder of jwts, *operator* the one that is meant where it has several. *module* is the
        PKCS#11 library, *token* an RFC 7512 URI, *pin_source* where the PIN comes from (`env:NAME`,
        `file:PATH`, `cmd:PROGRAM`, or an object with a method `pin`). *policy* is the file of the pinned
        policy, *context* one of the configuration. *allow* are codes of findings that are waived,
        *allow_extractable* keys that may sign although they can leave their token, *reset_time* subjects
        whose jwts are from a clock that was fast. *jobs* processes sign. *last_try* uses the last try of a
        PIN. *clock* gives the time in Unix seconds, *observer* receives drivers and progress. Raise
        `UsageError` for a value of another type.
        """
        self._begin(
            WorkspaceSettings(
                store=arguments.text("store", store, PathLike),
                operator=arguments.text("operator", operator),
                module=arguments.text("module", module, PathLike),
                token=arguments.text("token", token, KeyUri),
                pin_source=pin_source if isinstance(pin_source, str) else None,
                policy=arguments.text("policy", policy, PathLike),
                context=arguments.text("context", context),
                allow=arguments.texts("allow", allow),
                allow_extractable=arguments.keys("allow_extractable", allow_extractable),
                reset_time=arguments.keys("reset_time", reset_time),
                jobs=arguments.count("jobs", jobs),
                last_try=last_try,
            ),
            clock,
            observer,
            arguments.pins(pin_source),
        )

    def _begin(
        self,
        settings: WorkspaceSettings,
        clock: Callable[[], float],
        observer: Observer,
        pins: PinSource | None = None,
    ) -> None:
        """Take *settings* as they are; nothing is read yet."""
        self._options = settings
        self._inventory: tuple[tuple[int, int, int], Inventory] | None = None
        self.clock = clock
        self.observer = observer
        self.pins = pins
        self.sessions: Sessions | None = None
        self.lock_mark: object | None = None
        self.now = int(clock())
        self.command = ""
        self._original_root: Path | None = None  # of which this is a copy, which is removed

    def __enter__(self) -> Self:
        """Keep tokens open from the first signature on."""
        from seedless.app.tokens import Sessions  # only where something is signed

        self.sessions = Sessions()
        return self

    def __exit__(self, *_: object) -> None:
        """Close the tokens, and forget their PINs."""
        sessions, self.sessions = self.sessions, None
        if sessions is not None:
            sessions.close()

    def __repr__(self) -> str:
        store = self._options.store
        return f"Workspace({store!r})" if store else "Workspace()"

    @property
    def challenge_journal(self) -> ChallengeJournal:
        """The journal of the challenges that keys sign."""
        from seedless.challenges import JOURNAL_NAME, ChallengeJournal  # only where a token is opened

        copied = self._original_root
        path = (copied or self.root) / JOURNAL_NAME
        return ChallengeJournal(path=path, command=self.command, has_jwts=copied is not None, time=self.clock)

    @property
    def operators(self) -> Operators:
        """The operator: create one with its store, edit it."""
        from seedless.app.operators import Operators  # what signs is loaded when it is used

        return Operators(self)

    @property
    def accounts(self) -> Accounts:
        """Its accounts: create, edit, and revoke their users."""
        from seedless.app.accounts import Accounts

        return Accounts(self)

    @property
    def users(self) -> Users:
        """Their users: create with creds, and edit."""
        from seedless.app.users import Users

        return Users(self)

    @property
    def exports(self) -> Exports:
        """What its accounts let others import: add, edit, remove."""
        from seedless.app.exports_imports import Exports

        return Exports(self)

    @property
    def imports(self) -> Imports:
        """What its accounts import from others: add, edit, remove."""
        from seedless.app.exports_imports import Imports

        return Imports(self)

    @property
    def auth_callouts(self) -> AuthCallouts:
        """Services that decide on logins to its accounts: edit."""
        from seedless.app.auth_callout import AuthCallouts

        return AuthCallouts(self)

    @property
    def mappings(self) -> Mappings:
        """Where messages of a subject go in an account: add, edit, remove."""
        from seedless.app.accounts import Mappings

        return Mappings(self)

    @property
    def resolver(self) -> Resolver:
        """The servers that hold accounts: push, pull, prune, delete."""
        from seedless.app.resolver.operations import Resolver

        return Resolver(self)

    @property
    def rotations(self) -> Rotations:
        """The rotations of signing keys: begin, go on, finish."""
        from seedless.app.rotations.run import Rotations

        return Rotations(self)

    @property
    def signing_keys(self) -> SigningKeys:
        """The keys that sign for the operator and its accounts: add, remove."""
        from seedless.app.signing_keys import SigningKeys

        return SigningKeys(self)

    @property
    def delegations(self) -> Delegations:
        """Delegated keys of its accounts, in software: add, hold, renew, end."""
        from seedless.app.delegation import Delegations

        return Delegations(self)

    @property
    def ceremonies(self) -> Ceremonies:
        """Ceremonies: review a request, take the keys that were made, compare them with tokens."""
        from seedless.app.ceremonies import Ceremonies

        return Ceremonies(self)

    @property
    def keys(self) -> KeyManagement:
        """Keys on tokens and the inventory of them: create, register, audit, export, delete."""
        from seedless.app.keys import KeyManagement

        return KeyManagement(self)

    @property
    def tokens(self) -> TokenManagement:
        """Tokens: list, show, initialise, examine."""
        from seedless.app.token_management import TokenManagement

        return TokenManagement(self)

    @property
    def desired(self) -> DesiredState:
        """The store as a file describes it: apply, export."""
        from seedless.app.desired import DesiredState

        return DesiredState(self)

    @property
    def claims(self) -> ClaimsSigning:
        """Claims of any kind, signed as they are given."""
        from seedless.app.claims_signing import ClaimsSigning

        return ClaimsSigning(self)

    @property
    def plans(self) -> Plans:
        """Plans in files, to be signed as they are."""
        from seedless.app.plans import Plans

        return Plans(self)

    def lint(self, *paths: str | PathLike[str], requires_delete: bool = False) -> LintReport:
        """Look for security issues in *paths*: jwts, creds, stores, configurations; else in the store.

        With *requires_delete* accounts must be deletable by the configurations. Raise `UsageError` for codes
        of `allow` that cannot be waived, and for a path that is not there.
        """
        from seedless.app.lint import lint

        return lint(self, map(Path, paths), requires_delete=requires_delete)

    def lint_configurations(self, *paths: str | PathLike[str], requires_delete: bool = False) -> LintReport:
        """Look for security issues in configurations of nats-server, whatever their names are; as `lint`."""
        from seedless.app.lint import lint_configurations

        return lint_configurations(self, map(Path, paths), requires_delete=requires_delete)

    def verify(
        self, jwts: Iterable[tuple[str, Jwt[object] | SeedlessError]] | None = None, *, jobs: int = 1
    ) -> Iterator[VerifiedJwt]:
        """Yield the verdict on each of *jwts*: a name for people, and the jwt or why it cannot be read.

        Without them all of the store is verified, by *jobs* processes where it is large. On Linux they are
        forked: a program with threads lets one process do it.
        """
        from seedless.app import inspection

        return inspection.verify_store(self, jobs=jobs) if jwts is None else inspection.verify(self, jwts)

    def tree(self, *, users: bool = True, backups: bool = False) -> TreeNode:
        """Return the operator, its accounts and their users as a tree; *backups*: which keys have spares."""
        from seedless.app.inspection import tree

        return tree(self, users=users, backups=backups)

    def diff(
        self, new: Jwt[object] | Claims[object], old: Jwt[object] | Claims[object] | None = None
    ) -> Comparison:
        """Compare *new* with *old*, else with the jwt that the store has for the same subject.

        When they were issued does not count; who issued them does, where both are jwts.
        """
        from seedless.app.inspection import diff

        return diff(self, new, old)

    @functools.cached_property
    def settings(self) -> WorkspaceSettings:
        """What was given, and for what was not given the context that is named."""
        options = self._options
        name = options.context or self.config.selected
        if name is None:
            return options
        chosen = msgspec.structs.asdict(self.config.context(name)) | {"context": name}
        left: dict[str, object] = {
            name: str(value) for name, value in chosen.items() if value and getattr(options, name) is None
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
        """The pinned policy, where there is one; raise `WrongFile` for one that is not right."""
        if self.policy_path is None:
            return None
        from seedless import file_kind  # only where a policy is pinned
        from seedless.policy import read

        # Read once for a workspace: a policy that somebody changes while a command runs does not judge
        # half of it.
        data = atomic.read(self.policy_path)
        if data is None:
            raise UsageError(f"there is no policy {shown(self.policy_path)}", "--policy names it")
        file_kind.require(data, self.policy_path, file_kind.POLICY)
        return read(data, shown(self.policy_path))

    @functools.cached_property
    def store(self) -> Store:
        """The store of the operator that is meant."""
        try:
            return open_store(self.root, self.settings.operator)
        except UsageError as error:
            if not operators(self.root):
                error.hint = self._where_the_store_is()
            raise

    def _where_the_store_is(self) -> str:
        """Return who named the folder in which no store is; not how to create one, if it was forgotten."""
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
            "this is the default store, since --store and SEEDLESS_STORE are not set: set one to the "
            "folder of your store; seedless --help shows how a first one is created"
        )

    def copied_to(self, root: Path) -> Self:
        """Return a workspace with the same options that means the folder *root*; nothing is read yet."""
        from seedless.app.token_choice import pin_source

        pins = pin_source(self)
        child = copy.copy(self)
        child.root, child.inventory_path = root, root / inventory.INVENTORY_NAME
        child.store = open_store(root, self.store.operator)
        child._original_root = self._original_root or self.root  # noqa: SLF001 - of the same class
        child.pins, child.sessions, child.lock_mark = pins, None, None
        child._inventory = None  # noqa: SLF001 - of the same class
        return child

    @property
    def has_store(self) -> bool:
        """Whether there is a store to ask, or one was asked for by name."""
        return self.settings.operator is not None or bool(operators(self.root))

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
        # The inode too: files are replaced by rename, so each write has another, even within one tick of
        # the clock.
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
        found = self.store.get(name) or self.account_with_key(name)
        if found is None:
            from seedless.app.offered_names import candidates  # only for a slip of the pen

            hint = candidates(name, "accounts", self.store.children())
            raise UsageError(f"there is no account {quoted(name)} in operator {self.store.operator}", hint)
        return found

    def account_with_key(self, text: str) -> Jwt[Account] | None:
        """Return the account whose public key *text* is; None where it is not a key, or none can be read."""
        return next((account for account in self.readable_accounts() if account.claims.sub == text), None)

    def user(self, account: str, name: str) -> Jwt[User]:
        """Return the user *name* of an account; raise `UsageError` with the names that there are."""
        found = self.store.get(account, name)
        if found is None:
            self.account(account)  # else the hint would be that an account which is not there has no users
            from seedless.app.offered_names import candidates  # as above

            hint = candidates(name, "users", self.store.children(account))
            raise UsageError(f"there is no user {quoted(name)} in account {quoted(account)}", hint)
        return found

    def around(self, *claims: Claims[object], keys: Iterable[str] = ()) -> tuple[Jwt[object], ...]:
        """Return the jwts around *claims*: the operator, their accounts, and those that they import from.

        The system account is around its operator. The accounts of *keys* (key text) belong to it too.

        A store that is not there has none; accounts that are not in the store are left out.
        """
        if not self.has_store or self.store.get() is None:
            return ()
        wanted = set(keys)
        for about in claims:
            body = about.body
            if isinstance(body, Account):
                wanted |= {item.account for item in body.imports}
            elif isinstance(body, User | Activation):
                wanted.add(body.issuer_account)
            elif isinstance(body, Operator):
                wanted.add(body.system_account)
        wanted -= {"", *(account.sub for account in claims)}
        accounts = [jwt for jwt in (self.readable_accounts() if wanted else ()) if jwt.claims.sub in wanted]
        return (self.operator(), *accounts)

    def creds(self, account: str, user: str) -> str | None:
        """Return the text of a user's creds file, None if there is none; raise `StoreError`."""
        return creds_text(self.store, account, user)

    def user_key(self, account: str, user: str, subject: str) -> SoftwareKey | None:
        """Return the key of the user *subject*, where its seed is in the key store or in its creds file."""
        return user_key(self.store, subject, (account, user))

    def all_accounts(self) -> list[Jwt[Account]]:
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
                found.append((name, jwt or StoreError("was removed meanwhile")))
            except SeedlessError as error:
                found.append((name, error))
        return found

    def refuse_existing(self, *address: str, hint: str = "choose another name") -> None:
        """Raise `UsageError`, with *hint*, when there is a jwt at *address* already, or can be none."""
        arguments.check_new_name(address[-1])
        if self.store.get(*address) is not None:
            kind = "account" if len(address) == 1 else "user"
            raise UsageError(f"{kind} {quoted(address[-1])} is in the store already", hint)

    def unused_key(self, role: Role, name: str) -> PublicKey | None:
        """Return the key that was made for *role* and *name*, and that no jwt is about yet."""
        made = [
            entry.public_key for entry in self.inventory().entries if (entry.role, entry.name) == (role, name)
        ]
        return next((key for key in made if not self.is_used(key)), None)

    def is_used(self, key: PublicKey) -> bool:
        """Return whether a jwt of any store is about *key*."""
        return any(open_store(self.root, operator).find(key) for operator in operators(self.root))

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Exclude every other writer of the folder; may be taken again. `now` is when it is had.

        Somebody else may have held it for minutes, and what they signed is later than when this began. A
        preview that is made and signed inside is one transaction: nothing can have changed in between.
        """
        with self._excluding_others():
            self.refresh()
            is_outermost = self.lock_mark is None
            self.lock_mark = self.lock_mark or object()
            try:
                yield
            finally:
                if is_outermost:
                    self.lock_mark = None

    def _excluding_others(self) -> AbstractContextManager[None]:
        return self.store.lock(self.observer.waits)

    def refresh(self) -> int:
        """Look at the clock again, since people and servers take their time; return what `now` is then."""
        self.now = max(self.now, int(self.clock()))
        return self.now

    def known_keys(self) -> dict[str, str]:
        """Return the public keys, as text, of which the inventory knows where they are, and their tokens."""
        return self.inventory().tokens


def _nsc_root() -> Path | None:
    """Return where nsc has its stores, if it has any."""
    from seedless.migrate import nsc_paths  # only where there is no store of ours

    with contextlib.suppress(SeedlessError):
        root = nsc_paths(os.environ).root
        return root if operators(root) else None
    return None
