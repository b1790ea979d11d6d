"""Delegated keys: the token adds a software key to an account, which signs users in a role for a while.

    with workspace.delegations.hold("ORDERS", role="service", expiry="12h", remote=servers) as key:
        user = key.sign_user(claims)

A token signs a few jwts a second, software some ten thousand. A service has such a key in memory, a pipeline
in a file; the token is required to add it and to remove it. Its scope has the template of a role and never
changes while it is listed, since any change disconnects all users of it. Removing it disconnects them too,
so it stays listed until what it has signed has expired.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec
from msgspec.structs import replace

from seedless import base64url, delegation, signing
from seedless.app import arguments, edits
from seedless.app.arguments import Time
from seedless.app.edits import Edited
from seedless.app.judgement import judged
from seedless.app.pipeline import Notice, Preview, preview
from seedless.app.resolver.remote import Remote
from seedless.app.signing_keys import entry_of, issued_by, locking_out, with_keys
from seedless.change import DelegatedRole
from seedless.claims import Account, Scope, User, signing_key
from seedless.creds import decorate_seed, parse_key
from seedless.delegation import KeyLock, RecordedDelegation, delegated_role, is_delegated, is_held
from seedless.errors import Refused, SeedlessError, StoreError, UsageError
from seedless.jwt import Claims, Jwt
from seedless.nkey import PublicKey, Role
from seedless.seeds import SoftwareKey
from seedless.signing_pipeline import Plan
from seedless.store import atomic
from seedless.text import quoted, shown
from seedless.units import moment

if TYPE_CHECKING:
    from seedless.app.workspace import Workspace

__all__ = ["DelegatedKey", "Delegations", "ListedDelegation", "read_key"]

State = Literal["active", "ended", "over", "lost", "unknown"]
"""`active`: it may sign. `ended`: it signs no more, and is listed for what it has signed. `over`: nothing
that it has signed is valid. `lost`: the process that had its seed has gone. `unknown`: a key that is listed
under the role of a delegated one, and that nobody here has recorded."""


class ListedDelegation(msgspec.Struct, frozen=True, kw_only=True):
    """A delegated key, the name of its account (empty: not in the store), and how it is.

    `is_listed`: the account of the store has it; `file` is where its seed is, empty for memory. `until`
    (Unix seconds) is 0 where it is not known.
    """

    public_key: PublicKey
    account: str
    role: str
    until: int
    state: State
    is_listed: bool
    file: str = ""


class _ClaimsKind(msgspec.Struct):
    type: str = ""


class _SignedClaims(msgspec.Struct):
    exp: int = 0
    nats: _ClaimsKind = msgspec.field(default_factory=_ClaimsKind)


_SIGNED = msgspec.json.Decoder(_SignedClaims)
_ANSWER = "authorization_response"


class DelegatedKey:
    """A delegated key in memory; a `Signer` of users, until its end. Its repr shows the public key only.

    It signs users that expire before its end, and answers of an auth callout, which expire at once; nothing
    else. `last_expiry` (Unix seconds) is when the last of the users that it has signed expires.
    """

    __slots__ = ("_clock", "_key", "_lock", "delegation", "last_expiry")

    def __init__(
        self,
        key: SoftwareKey,
        recorded: RecordedDelegation,
        clock: Callable[[], float],
        lock: KeyLock | None = None,
    ) -> None:
        """Take what `Delegations.add` or `read_key` has."""
        self._key: SoftwareKey | None = key
        self._clock = clock
        self._lock = lock
        self.delegation = recorded
        self.last_expiry = 0

    @property
    def public_key(self) -> PublicKey:
        """The key that the signatures verify under."""
        return self.delegation.public_key

    @property
    def account(self) -> str:
        """The account (key text) whose users it signs."""
        return self.delegation.account

    @property
    def role(self) -> str:
        """The role whose template its users have."""
        return self.delegation.role

    @property
    def until(self) -> int:
        """When it ends, in Unix seconds."""
        return self.delegation.until

    def sign(self, message: bytes, /) -> bytes:
        """Return the signature of *message*, the signing input of a user that expires before the end.

        Raise `Refused` for anything else, and when the delegation has ended.
        """
        # Read back from the bytes that are to be signed, and not taken from a parameter: the limit has to
        # hold for the message whoever calls this.
        claims = _signed(message)
        key, now = self._key, self._clock()
        if key is None or now >= self.until:
            raise Refused(
                f"the delegation of {self.public_key} has ended", "seedless delegate add creates another"
            )
        if claims.nats.type == "user":
            # `exp` 0 means forever. A user that outlives the delegation would be cut off when the key is
            # removed, or keep the key listed.
            if not 0 < claims.exp <= self.until:
                raise Refused(
                    f"a user that {self.public_key} signs expires at {moment(self.until)} at the latest",
                    "give an earlier expiry",
                )
            # Until then the key stays in the account: see `stop`.
            self.last_expiry = max(self.last_expiry, claims.exp)
        elif claims.nats.type != _ANSWER:
            raise Refused(f"{self.public_key} is a delegated key, which signs users only")
        return key.sign(message)

    def sign_user(self, claims: Claims[User], *, now: int | None = None) -> Jwt[User]:
        """Return the jwt of *claims*, a user of this account who has what the role gives; see `sign`.

        Claims without an expiry get that of the delegation. *now* is Unix seconds.
        """
        body = User.scoped(self.account)
        scoped = replace(claims, body=replace(body, tags=claims.body.tags), exp=claims.exp or self.until)
        return signing.sign(scoped, self, now=int(self._clock()) if now is None else now)

    def close(self) -> None:
        """Forget the seed: it signs no more."""
        self._key = None
        lock, self._lock = self._lock, None
        if lock is not None:
            lock.release()

    def __repr__(self) -> str:
        return f"DelegatedKey({self.public_key})"

    def __reduce__(self) -> str:
        raise TypeError("a delegated key belongs to its process")


def _signed(message: bytes) -> _SignedClaims:
    _, dot, payload = message.partition(b".")
    try:
        if dot:
            return _SIGNED.decode(base64url.decode(payload.decode("ascii"), "the claims"))
    except (msgspec.MsgspecError, SeedlessError, UnicodeDecodeError):
        pass
    raise Refused("a delegated key signs users only, and this is not a jwt")


class Delegations:
    """The delegated keys of the accounts."""

    def __init__(self, workspace: Workspace) -> None:
        """Take whose they are."""
        self._workspace = workspace

    # The key is software: a token signs some nine users a second (YubiHSM 2), software some ten thousand.
    # What is over is removed in the same jwt, since each jwt of the account is one more signature of the
    # token and one more push. The role is the key's own: with the role of the template twice in the account
    # a delegated key could not be distinguished from the plain scope, and it never changes while it is
    # listed, since any change of a scope, its description too, closes the connections of all its users
    # (measured, nats-server 2.15.1). The file is looked for first: to learn after the PIN that it exists
    # would leave a delegated key in the account of which nobody has the seed. The lock of a process that
    # was killed is free: by that another command sees that the seed in its memory is gone.
    def add(
        self,
        account: str,
        *,
        role: str,
        expiry: Time,
        file: str | Path | None = None,
        issuer: str | PublicKey | None = None,
    ) -> Preview[DelegatedKey]:
        """Preview a new software signing key of *account*, with the template of *role*, until *expiry*.

        Its seed is in the result alone, or in the new *file* (0600) too. Delegated keys of the account that
        are over, and those whose process has gone, are removed together with it. Raise `UsageError` for a
        role that the account does not have, and for no expiry.
        """
        workspace = self._workspace
        workspace.refresh()
        before = edits.stored(workspace, (account,)).claims
        scope = _scope(before, role)
        path = None if file is None else Path(file).absolute()
        if path is not None:
            atomic.require_new(path)
        key = SoftwareKey.generate(Role.ACCOUNT)
        recorded = self._new(key.public_key, before, scope.role, expiry, path)
        gone = self._gone(before)
        entry = replace(scope, key=str(key.public_key), role=delegated_role(scope.role, key.public_key))
        seeds = {} if path is None else {path: _file_text(key, recorded, before.name)}
        delegations = {str(key.public_key): DelegatedRole(scope.role, recorded.until)}
        made = edits.edit(
            workspace,
            (account,),
            lambda claims, _: with_keys(claims, [entry], _listed(claims, gone)),
            reason=f"delegates the role {shown(scope.role)} until {moment(recorded.until)}",
            issuer=issuer,
            notices=self._notices(gone),
            files=lambda _: {**seeds, **self._files([recorded], gone)},
            judge=functools.partial(judged, delegations=delegations),
        )

        def finish(_: Edited[object]) -> DelegatedKey:
            lock = KeyLock(workspace.root, key.public_key) if path is None else None
            self._remove_locks(gone)
            return DelegatedKey(key, recorded, workspace.clock, lock)

        return made.then(finish)

    def _new(
        self, key: PublicKey, account: Claims[Account], role: str, expiry: Time, path: Path | None
    ) -> RecordedDelegation:
        now = self._workspace.now
        until = arguments.seconds("expiry", expiry, now)
        # No delegation without an end: servers know none, so only this process, and the users' `exp`, ever
        # end it.
        if until <= now:
            raise UsageError("a delegation ends, and later than now", "give a span, as in 12h")
        return RecordedDelegation(
            public_key=key, account=account.sub, role=role, at=now, until=until,
            file="" if path is None else str(path),
        )  # fmt: skip

    def renew(
        self,
        key: DelegatedKey | PublicKey | str,
        *,
        expiry: Time,
        file: str | Path | None = None,
        issuer: str | PublicKey | None = None,
    ) -> Preview[DelegatedKey]:
        """Preview another delegated key beside *key*, of the same account and role, until *expiry*.

        *key* stays listed; whoever has it hands it to `stop` as soon as servers have the new one.
        """
        old = self._recorded(str(key.public_key) if isinstance(key, DelegatedKey) else str(key))
        return self.add(
            self.account_name(old.account), role=old.role, expiry=expiry, file=file, issuer=issuer
        )

    def stop(self, key: DelegatedKey) -> None:
        """Forget the seed of *key*; record that it is listed only until the last user that it signed expires.

        Nothing is signed: `end`, or the next `add`, removes it then.
        """
        # Before the record: a crash in between leaves a key that cannot sign any more and is listed until
        # its time is over, the harmless one of the two.
        key.close()
        workspace = self._workspace
        with workspace.lock():
            known = delegation.load(workspace.root)
            recorded = known.get(str(key.public_key))
            if recorded is not None:
                until = min(recorded.until, max(key.last_expiry, workspace.now))
                known[str(key.public_key)] = replace(recorded, until=until, ended=True)
                atomic.write({self._path: delegation.text(known)})

    def end(
        self, account: str, *keys: PublicKey | str, now: bool = False, issuer: str | PublicKey | None = None
    ) -> Preview[Edited[Account]]:
        """Preview *account* without the delegated *keys*; without any, without all that are over.

        What they have signed ends with them. Raise `UsageError` while that may be valid, unless *now* is
        given, and for a key that is none of them. Its file is removed with it.
        """
        workspace = self._workspace
        time = workspace.refresh()
        before = edits.stored(workspace, (account,))
        recorded = self._of(before.claims.sub)
        gone = [_named(recorded, before.claims, str(key)) for key in keys]
        gone = gone or [entry for entry in recorded.values() if entry.until <= time]
        valid = [key for key in gone if key.until > time]
        if valid and not now:
            raise UsageError(
                f"what {valid[0].public_key} has signed may be valid until {moment(valid[0].until)}",
                "end it then; --now ends it at once, with all that it has signed",
            )
        listed = _listed(before.claims, gone)
        cure = "issue them again with another key first"
        users = locking_out(issued_by(workspace, (account,), listed), "a key goes", cure, force=now)
        if not listed:  # removed by somebody else, or never recorded in the account
            return self._forget(before, gone)
        made = edits.edit(
            workspace,
            (account,),
            lambda claims, _: with_keys(claims, (), listed),
            reason="delegation ended",
            issuer=issuer,
            notices=(*users, *self._notices(gone)),
            files=lambda _: self._files((), gone),
        )

        def finish(edited: Edited[Account]) -> Edited[Account]:
            self._remove_locks(gone)
            return edited

        return made.then(finish)

    def entries(self, account: str | None = None) -> tuple[ListedDelegation, ...]:
        """Return the delegated keys, of *account* or of all, by account and end; unknown ones too."""
        workspace = self._workspace
        workspace.refresh()
        recorded = delegation.load(workspace.root)
        found: list[ListedDelegation] = []
        if account is not None:
            found += self._states(account, workspace.account(account).claims, recorded)
        else:
            for name, jwt in workspace.each():
                if not isinstance(jwt, SeedlessError):
                    found += self._states(name, jwt.claims, recorded)
        return tuple(sorted(found, key=lambda entry: (entry.account, entry.until, str(entry.public_key))))

    @contextlib.contextmanager
    def hold(
        self,
        account: str,
        *,
        role: str,
        expiry: Time,
        remote: Remote | str | None = None,
        is_pushed: bool = True,
        issuer: str | PublicKey | None = None,
    ) -> Iterator[DelegatedKey]:
        """Give a delegated key that all servers have, as `add` does; remove it at the end.

        It goes at once where nothing that it has signed is valid; else it stays listed, see `stop`. With
        *is_pushed* false nothing is sent. Raise as `add`, and `ServerError` unless every server takes it.
        """
        key = self.add(account, role=role, expiry=expiry, issuer=issuer).sign()
        try:
            if is_pushed:
                self.push(account, remote)
            yield key
        finally:
            # Also after an error: the seed must not stay in a process that goes on.
            self.stop(key)
            workspace = self._workspace
            # It has signed nothing that is valid now. Otherwise to remove it would disconnect everybody
            # whom it has let in.
            if key.last_expiry <= workspace.refresh():
                self.end(account, key.public_key, issuer=issuer).sign()
                if is_pushed:
                    self.push(account, remote)

    def push(self, account: str, remote: Remote | str | None = None) -> None:
        """Send *account* to the servers, and return when all that are known have taken it.

        Before, a login with a new key is a race, also on the server that received it first.
        """
        # Measured on three servers: without waiting 4 to 10 of 12 logins with the new key succeeded, after
        # the replies of all servers 12 of 12.
        self._workspace.resolver.push(account, remote=remote).send().require_done()

    @property
    def _path(self) -> Path:
        return self._workspace.root / delegation.FILE_NAME

    def _of(self, account: str) -> dict[str, RecordedDelegation]:
        """Return what is recorded of *account* (key text)."""
        recorded = delegation.load(self._workspace.root)
        return {key: entry for key, entry in recorded.items() if entry.account == account}

    def _recorded(self, key: str) -> RecordedDelegation:
        found = delegation.load(self._workspace.root).get(key)
        if found is None:
            raise UsageError(f"{quoted(key)} is not a delegated key", "seedless delegate list shows them")
        return found

    def account_name(self, account: str) -> str:
        """Return the name of the account of the store with this key."""
        found = self._workspace.account_with_key(account)
        if found is None:
            raise UsageError(f"the account {account} is not in the store", "pull it")
        return found.claims.name.strip()

    def _is_lost(self, recorded: RecordedDelegation) -> bool:
        """Report whether the process that had the seed of *recorded* has gone without `stop`."""
        return (
            not recorded.file
            and not recorded.ended
            and not is_held(self._workspace.root, recorded.public_key)
        )

    def _gone(self, account: Claims[Account]) -> list[RecordedDelegation]:
        """Return the delegated keys of *account* that are over, lost, or not listed any more."""
        now, listed = self._workspace.now, set(map(signing_key, account.body.signing_keys))
        return [
            delegated
            for key, delegated in self._of(account.sub).items()
            if delegated.until <= now or key not in listed or self._is_lost(delegated)
        ]

    def _remove_locks(self, gone: Sequence[RecordedDelegation]) -> None:
        for key in gone:
            delegation.remove_lock(self._workspace.root, key.public_key)

    def _notices(self, gone: Sequence[RecordedDelegation]) -> tuple[Notice, ...]:
        now = self._workspace.now
        return tuple(
            Notice(
                f"{key.public_key} (role {shown(key.role)}) is removed, and what it has signed ends with it",
                is_warning=True,
            )
            if key.until > now
            else Notice(f"{key.public_key} (role {shown(key.role)}) is removed: it is over")
            for key in gone
        )

    def _files(
        self,
        added: Sequence[RecordedDelegation],
        gone: Sequence[RecordedDelegation],
    ) -> dict[Path, str | None]:
        """Return the files with *added* and without *gone*: the list, seeds, and entries of the key store."""
        known = delegation.load(self._workspace.root)
        known = {key: delegated for key, delegated in known.items() if delegated not in gone}
        known |= {str(key.public_key): key for key in added}
        store = self._workspace.store
        seeds = {Path(key.file): None for key in gone if key.file and _holds(Path(key.file), key)}
        # The key store has a file with the public key of each signing key, which nothing would remove later.
        public = {path: None for path in (store.seed_path(key.public_key) for key in gone) if path.is_file()}
        return {self._path: delegation.text(known), **seeds, **public}

    def _forget(self, before: Jwt[Account], gone: Sequence[RecordedDelegation]) -> Preview[Edited[Account]]:
        """Preview that *gone*, which the account does not list, are recorded no more; nothing is signed."""
        workspace, empty = self._workspace, Plan((), self._workspace.now)

        def finish(_: tuple[Jwt[object], ...]) -> Edited[Account]:
            with workspace.lock():
                if gone:
                    atomic.write(self._files((), gone))
                self._remove_locks(gone)
            return Edited(before, changed=False)

        return preview(workspace, empty, finish)

    def _states(
        self, name: str, account: Claims[Account], recorded: Mapping[str, RecordedDelegation]
    ) -> Iterator[ListedDelegation]:
        now = self._workspace.now
        entries = {signing_key(entry): entry for entry in account.body.signing_keys}
        for key, delegated in recorded.items():
            if delegated.account == account.sub:
                state: State = "over" if delegated.until <= now else "ended" if delegated.ended else "active"
                yield ListedDelegation(
                    public_key=delegated.public_key, account=name, role=delegated.role, until=delegated.until,
                    state="lost" if state == "active" and self._is_lost(delegated) else state,
                    is_listed=key in entries, file=delegated.file,
                )  # fmt: skip
        for key, entry in entries.items():
            if key not in recorded and isinstance(entry, Scope) and is_delegated(entry):
                yield ListedDelegation(
                    public_key=PublicKey.parse(key), account=name, role=entry.role, until=0, state="unknown",
                    is_listed=True,
                )  # fmt: skip


def read_key(workspace: Workspace, path: str | Path) -> DelegatedKey:
    """Return the delegated key in the file *path*, as `Delegations.add` writes it.

    Raise `UsageError` where there is no file, `StoreError` for another one, and for one that others than its
    owner can read.
    """
    path = Path(path)
    text = atomic.read_secret(path)
    if text is None:
        raise UsageError(f"there is no file {shown(path)}", "seedless delegate add --out FILE writes one")
    try:
        head = next(line for line in text.splitlines() if line.startswith("{"))
        recorded = msgspec.json.decode(head, type=_FileHead)
        key = parse_key(text)
    except (SeedlessError, msgspec.MsgspecError, RecursionError, StopIteration):
        raise StoreError(f"{shown(path)} is not a file with a delegated key") from None
    known = RecordedDelegation(
        public_key=key.public_key, account=recorded.account, role=recorded.role, at=0, until=recorded.until,
        file=str(path),
    )  # fmt: skip
    return DelegatedKey(key, known, workspace.clock)


class _FileHead(msgspec.Struct, frozen=True):
    account: str
    role: str
    until: int


def _file_text(key: SoftwareKey, recorded: RecordedDelegation, name: str) -> str:
    """Return the file of a delegated *key*: what it is, and the seed as nsc and nk read it."""
    head = _FileHead(recorded.account, recorded.role, recorded.until)
    return (
        f"A signing key of account {shown(name)}, role {shown(recorded.role)}, until "
        f"{moment(recorded.until)}.\n{msgspec.json.encode(head).decode()}\n\n{decorate_seed(key)}"
    )


def _holds(path: Path, recorded: RecordedDelegation) -> bool:
    """Report whether the file *path* has the seed of *recorded*, and no other."""
    with contextlib.suppress(SeedlessError, UnicodeDecodeError):
        return parse_key((atomic.read(path) or b"").decode()).public_key == recorded.public_key
    return False


def _scope(account: Claims[Account], role: str) -> Scope:
    """Return the scope of *account* with this *role*; raise `UsageError`."""
    entry = entry_of(account, role)
    if not isinstance(entry, Scope) or not entry.role or is_delegated(entry):
        raise UsageError(
            f"{quoted(role)} is not a role of account {shown(account.name)}",
            f"create one: seedless account signing-key add -a {shown(account.name)} --role NAME",
        )
    return entry


def _listed(account: Claims[Account], gone: Sequence[RecordedDelegation]) -> set[str]:
    """Return which of *gone* (key text) *account* lists."""
    return {str(key.public_key) for key in gone} & set(map(signing_key, account.body.signing_keys))


def _named(
    recorded: Mapping[str, RecordedDelegation], account: Claims[Account], key: str
) -> RecordedDelegation:
    """Return what is recorded of *key*, or what is known of one that only the account lists."""
    if key in recorded:
        return recorded[key]
    entry = next((listed for listed in account.body.signing_keys if signing_key(listed) == key), None)
    if entry is None or not is_delegated(entry):
        raise UsageError(
            f"{quoted(key)} is not a delegated key of account {shown(account.name)}",
            "seedless delegate list shows them",
        )
    # Its end is recorded nowhere: only --now removes it.
    return RecordedDelegation(
        public_key=PublicKey.parse(key), account=account.sub, role="", at=0, until=_FOR_EVER, ended=True
    )


_FOR_EVER = 253_402_300_799  # of the year 9999
