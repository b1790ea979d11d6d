"""The backend `users`: a TOML file of users with argon2id hashes of passwords, or public keys.

    [ada]
    password = "$argon2id$v=19$m=19456,t=2,p=1$…"      # of: seedless serve password
    account = "ORDERS"
    role = "clerk"
    tags = ["dept:sales"]
    attributes = { groups = ["clerks", "night-shift"] }

A hash costs tens of milliseconds and megabytes, so few are tried at once, and a verdict is remembered for a
short time: as a digest of user, password and hash under a random key of this process. A name that is not in
the file costs the same hash. A file that was changed is read again; one that is damaged is reported, and the
previous one stays in force.

argon2id is libsodium's, which leaves Python's lock while it works, so threads are enough. Two threads on two
cores were measured at 1.1 times one, for memory is the limit.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import re
import stat
import time
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
from msgspec import Meta

from seedless import strict_json, units
from seedless.base64url import encode
from seedless.config import require_owned
from seedless.errors import BackendError, BadClaims, BadKey, InvalidValue, Refused, StoreError
from seedless.nkey import PublicKey, Role
from seedless.serve.login import Identity, Login
from seedless.store import atomic
from seedless.strict_json import ABSOLUTE_PATH, Parsed
from seedless.text import shown

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["UserEntry", "UserFile", "UsersSettings", "entry", "hash_password", "read_users"]

_MEMORY, _PASSES = 19 * 1024, 2
"""KiB and passes of a new hash: the least that OWASP names for argon2id."""
_HASH = re.compile(r"\$argon2id\$v=19\$m=(\d{1,8}),t=(\d{1,3}),p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}")
_LEAST_MEMORY, _MOST_MEMORY = 7 * 1024, 1024**2  # KiB
_MOST_PASSES = 50
_LONGEST = 1024  # bytes of a password
_MOST_ACCEPTED, _MOST_REJECTED = 20_000, 2_000  # verdicts; a flood of wrong ones drives no right one out
_LOOK_AGAIN = 1.0  # seconds
_log = logging.getLogger(__name__)


class UsersSettings(msgspec.Struct, frozen=True, kw_only=True, rename="kebab", tag_field="kind", tag="users"):
    """Users in a file, with argon2id hashes of passwords, or public keys of bare nkeys."""

    file: Annotated[Path, ABSOLUTE_PATH, Meta(description="the TOML file of users")]
    remember: Annotated[
        int,
        Parsed("a span of time, as 60s, 5m", units.parse_span),
        Meta(description="how long a verdict on a password is remembered; `0s` for not at all"),
    ] = 60
    threads: Annotated[int, Meta(description="hashes that are computed at once")] = 2
    waiting: Annotated[int, Meta(description="passwords that wait for that; further ones are refused")] = 64


class UserEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A user, in the table `[NAME]`."""

    password: Annotated[
        str, Meta(description="the argon2id hash of the password: `seedless serve password` prints it")
    ] = ""
    nkey: Annotated[
        str, Meta(description="the public key of a user that logs in by its nkey (configuration mode)")
    ] = ""
    account: Annotated[str, Meta(description="the account that a rule without one places the user in")] = ""
    role: Annotated[str, Meta(description="the role, where a rule has no role and no permissions")] = ""
    tags: Annotated[tuple[str, ...], Meta(description="tags of the user")] = ()
    attributes: Annotated[
        dict[str, str | tuple[str, ...]], Meta(description="what rules may look at, and fill in")
    ] = {}

    def __repr__(self) -> str:
        """Show no hash."""
        return f"UserEntry(account={self.account!r}, role={self.role!r})"


class _Entries(msgspec.Struct, frozen=True):
    """The users by their names, those with keys by these, and a hash that no password has."""

    users: dict[str, UserEntry]
    names: dict[str, str]
    unknown: str


def hash_password(password: str) -> str:
    """Return the argon2id hash of *password* for a users file; raise `InvalidValue` for an impossible one."""
    from nacl import pwhash

    data = _password_bytes(password)
    if not data:
        raise InvalidValue(f"a password has 1 to {_LONGEST} bytes of UTF-8, without a NUL")
    return pwhash.argon2id.str(data, opslimit=_PASSES, memlimit=_MEMORY * 1024).rstrip(b"\0").decode()


def entry(name: str, hashed: str) -> str:
    """Return the user *name* with the hash of a password as TOML; raise `InvalidValue` for no name."""
    if not name or not name.isprintable():
        raise InvalidValue("the name of a user is text without control characters")
    quotes = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'["{quotes}"]\npassword = "{hashed}"'


def _password_bytes(password: str) -> bytes:
    """Return *password* as bytes; nothing for one that no hash is made of."""
    try:
        data = password.encode("utf-8")
    except UnicodeEncodeError:
        return b""
    return b"" if len(data) > _LONGEST or b"\0" in data else data


def read_users(data: bytes) -> _Entries:
    """Return the users in the TOML *data*; raise `BadClaims` with the place."""
    users = strict_json.read_toml(data, dict[str, UserEntry])
    names: dict[str, str] = {}
    costliest = (_LEAST_MEMORY, 1)
    for name, user in users.items():
        place = name if name.isalnum() else "the user"
        if not user.password and not user.nkey:
            raise BadClaims(f"{place} has no password and no nkey")
        if user.password:
            costliest = max(costliest, _cost(user.password, f"{place}.password"))
        if user.nkey:
            _require_user_key(user.nkey, f"{place}.nkey")
            if user.nkey in names:
                raise BadClaims(f"{place}.nkey is that of another user too")
            names[user.nkey] = name
    memory, passes = costliest
    noise = (os.urandom(16), os.urandom(32))
    salt, digest = (encode(part).replace("-", "+").replace("_", "/") for part in noise)
    return _Entries(users, names, f"$argon2id$v=19$m={memory},t={passes},p=1${salt}${digest}")


def _cost(text: str, place: str) -> tuple[int, int]:
    """Return memory and passes of a hash; it is never quoted, for it may be a password."""
    match = _HASH.fullmatch(text)
    if not match:
        raise BadClaims(f"{place} is not an argon2id hash: make it with seedless serve password")
    memory, passes = int(match[1]), int(match[2])
    if not _LEAST_MEMORY <= memory <= _MOST_MEMORY or not 1 <= passes <= _MOST_PASSES:
        raise BadClaims(
            f"{place} has m={memory},t={passes}: m is from {_LEAST_MEMORY} to {_MOST_MEMORY} KiB, "
            f"t from 1 to {_MOST_PASSES}"
        )
    return memory, passes


def _require_user_key(text: str, place: str) -> None:
    try:
        is_user = PublicKey.parse(text).role is Role.USER
    except BadKey as error:
        raise BadClaims(f"{place} is not a public key: {error.message}") from error
    if not is_user:
        raise BadClaims(f"{place} is not the public key of a user")


class _Verdicts:
    """Digests with a time until which they are remembered; the oldest go first."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._until: OrderedDict[bytes, float] = OrderedDict()

    def has(self, digest: bytes, now: float) -> bool:
        until = self._until.get(digest)
        if until is not None and until <= now:
            del self._until[digest]
            return False
        return until is not None

    def add(self, digest: bytes, until: float) -> None:
        self._until[digest] = until
        self._until.move_to_end(digest)
        while len(self._until) > self._most:
            self._until.popitem(last=False)


class UserFile:
    """A backend of users in a file."""

    def __init__(
        self, name: str, settings: UsersSettings, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Read the file; raise `StoreError`. *clock* gives seconds, and only their differences count."""
        self._name = name
        self._settings = settings
        self._clock = clock
        self._key = os.urandom(32)
        self._accepted = _Verdicts(_MOST_ACCEPTED)
        self._rejected = _Verdicts(_MOST_REJECTED)
        self._running: dict[bytes, asyncio.Task[bool]] = {}
        # Its threads end when it is collected: nothing else refers to a backend that was replaced.
        self._pool = ThreadPoolExecutor(max_workers=settings.threads, thread_name_prefix=f"argon2id-{name}")
        self._seen = self._stamp()
        self._looked = clock()
        self._file = self._read()

    def __repr__(self) -> str:
        return f"UserFile({self._name!r})"

    async def identify(self, login: Login) -> Identity | None:
        """Return the user of the name and password, or of the verified nkey; None for an unknown one."""
        await self._look_again()
        file = self._file
        if login.nkey and login.nkey_verified and login.nkey in file.names:
            return self._identity(file, file.names[login.nkey])
        name, password = _presented(login)
        data = _password_bytes(password)
        if not name or not data:
            return None
        user = file.users.get(name)
        known = user.password if user is not None else ""
        is_right = await self._is_right(known or file.unknown, name, data)
        if not known:
            return None
        if not is_right:
            raise Refused("the password is wrong")
        return self._identity(file, name)

    def _identity(self, file: _Entries, name: str) -> Identity:
        user = file.users[name]
        return Identity(
            backend=self._name,
            name=name,
            account=user.account,
            role=user.role,
            tags=user.tags,
            attributes=user.attributes,
        )

    async def _is_right(self, known: str, name: str, password: bytes) -> bool:
        digest = self._digest(known, name, password)
        now = self._clock()
        if self._accepted.has(digest, now):
            return True
        if self._rejected.has(digest, now):
            return False
        task = self._running.get(digest)
        if task is None:
            if len(self._running) >= self._settings.threads + self._settings.waiting:
                raise BackendError("too many passwords are being checked")
            task = asyncio.create_task(self._check(digest, known, password))
            self._running[digest] = task
        # Clients of one user that come at once share one hash; none that gives up ends it for the others.
        return await asyncio.shield(task)

    async def _check(self, digest: bytes, known: str, password: bytes) -> bool:
        try:
            loop = asyncio.get_running_loop()
            is_right = await loop.run_in_executor(self._pool, _verify, known.encode(), password)
        finally:
            del self._running[digest]
        if self._settings.remember:
            verdicts = self._accepted if is_right else self._rejected
            verdicts.add(digest, self._clock() + self._settings.remember)
        return is_right

    def _digest(self, known: str, name: str, password: bytes) -> bytes:
        # With the hash: a verdict does not outlive a change of the file. With lengths, so that no two
        # triples have one digest.
        parts = (known.encode(), name.encode("utf-8", "surrogatepass"), password)
        framed = b"".join(len(part).to_bytes(4, "big") + part for part in parts)
        return hashlib.blake2b(framed, key=self._key, digest_size=32).digest()

    async def _look_again(self) -> None:
        now = self._clock()
        if now - self._looked < _LOOK_AGAIN:
            return
        self._looked = now
        try:
            stamp = self._stamp()
            if stamp == self._seen:
                return
            self._seen = stamp
            self._file = await asyncio.to_thread(self._read)
        except StoreError as error:
            _log.error("backend %s keeps the previous users: %s", self._name, error.message)
        else:
            _log.info("backend %s read %d users", self._name, len(self._file.users))

    def _stamp(self) -> tuple[int, ...]:
        try:
            status = self._settings.file.stat()
        except OSError:
            return ()  # the reader reports it
        return status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino

    def _read(self) -> _Entries:
        path = self._settings.file
        data = atomic.read(path)
        if data is None:
            raise StoreError(
                f"there is no file {shown(path)}", "seedless serve password NAME prints an entry"
            )
        _require_private(path)
        try:
            return read_users(data)
        except BadClaims as error:
            raise StoreError(f"{shown(path)}: {error.message}", error.hint) from error


def _require_private(path: Path) -> None:
    """Raise `StoreError` where others can write *path*, or all can read it: hashes can be tried elsewhere."""
    require_owned(path, "it decides who logs in")
    with atomic.store_errors("read", path):
        mode = path.stat().st_mode
    if mode & stat.S_IROTH:
        raise StoreError(
            f"{shown(path)} can be read by all", f"it has hashes of passwords: chmod 640 {shown(path)}"
        )


def _presented(login: Login) -> tuple[str, str]:
    """Return name and password; nats-py sends only a token beside creds, so `name:password` may be in it."""
    if login.user or not login.token:
        return login.user, login.password
    name, _, password = login.token.partition(":")
    return name, password


def _verify(known: bytes, password: bytes) -> bool:
    from nacl import exceptions, pwhash

    try:
        return bool(pwhash.argon2id.verify(known, password))
    except exceptions.InvalidkeyError:
        return False
