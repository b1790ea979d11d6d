"""Delegated keys: software signing keys that an account has for a while, and their expiry.

A JSON file, `ROOT/delegations.json`:

    {"version": 1,
     "delegations": {"A…": {"account": "A…", "role": "service", "at": 1700000000, "until": 1700043200,
                            "file": "", "ended": false}}}

By the public key of the delegated key: the account (key text) and the role whose template it has, when it
was added and when it ends (Unix seconds), and the file in which its seed is; empty: in the memory of a
process. `ended`: it signs no more, and is listed by the account until then for what it has signed.

Servers know no expiry of a signing key, and any change of its scope, even of the description, disconnects
all its users (measured, nats-server 2.15.1). So the expiry is here and not in the jwt of the account.

A process that has the seed in memory holds a lock on `ROOT/delegations/A….lock`: the lock of a process that
was killed is free, whatever its number is used for since.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from typing import TYPE_CHECKING

import msgspec

from seedless import strict_json, wire
from seedless.claims import Scope
from seedless.errors import BadClaims, SeedlessError, StoreError
from seedless.nkey import PublicKey
from seedless.store import atomic
from seedless.text import shown

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = [
    "FILE_NAME",
    "KeyLock",
    "RecordedDelegation",
    "delegated_role",
    "is_delegated",
    "is_held",
    "load",
    "text",
]

FILE_NAME = "delegations.json"
_LOCKS = "delegations"
_VERSION = 1
_MARK = " delegated "
_ENOUGH = 12  # characters of a key that distinguish it from all others of one account


class RecordedDelegation(msgspec.Struct, frozen=True, kw_only=True):
    """A delegated key of *account* (key text), see the module; times are Unix seconds."""

    public_key: PublicKey
    account: str
    role: str
    at: int
    until: int
    file: str = ""
    ended: bool = False


class _DelegationMembers(msgspec.Struct, frozen=True):
    account: str
    role: str
    at: int
    until: int
    file: str
    ended: bool


class _DelegationsFile(msgspec.Struct, frozen=True):
    version: int
    delegations: dict[str, _DelegationMembers]


def delegated_role(role: str, key: PublicKey) -> str:
    """Return the role of the scope of the delegated *key* with the template of *role*.

    A role of its own: `--issuer service` and a rotation of `service` mean the key on the token.
    """
    return f"{role}{_MARK}{str(key)[:_ENOUGH]}"


def is_delegated(entry: Scope | str) -> bool:
    """Report whether a signing key of an account is a delegated one, by the role that it was given."""
    return isinstance(entry, Scope) and entry.role.endswith(f"{_MARK}{entry.key[:_ENOUGH]}")


def load(root: Path) -> dict[str, RecordedDelegation]:
    """Return the delegated keys below *root* by their public keys (text); raise `StoreError` with the place.

    Without the file there are none.
    """
    path = root / FILE_NAME
    data = atomic.read(path)
    if data is None:
        return {}
    try:
        value = wire.parse(data)
        strict_json.require_version(value, _VERSION)
        return {
            key: _entry(key, delegation)
            for key, delegation in strict_json.read(value, _DelegationsFile).delegations.items()
        }
    except SeedlessError as error:
        raise StoreError(
            f"{shown(path)} is damaged: {error.message}",
            "restore it from a backup; or remove the delegated keys (their roles have the word delegated): "
            "seedless account signing-key remove, and move the file away",
        ) from error


def _entry(key: str, members: _DelegationMembers) -> RecordedDelegation:
    try:
        public_key = PublicKey.parse(key)
    except SeedlessError as error:
        path = wire.join("delegations", key)
        raise BadClaims(f"{path}: {error.message}", error.hint, path=path) from error
    return RecordedDelegation(public_key=public_key, **msgspec.structs.asdict(members))


def text(delegations: Mapping[str, RecordedDelegation]) -> str:
    """Return *delegations* as their file holds them."""
    members = {
        key: {name: getattr(delegation, name) for name in _DelegationMembers.__struct_fields__}
        for key, delegation in sorted(delegations.items())
    }
    return json.dumps({"version": _VERSION, "delegations": members}, indent=2) + "\n"


class KeyLock:
    """Held by the process that has the seed of a delegated key in memory; gone with the process."""

    __slots__ = ("_descriptor", "_path")

    def __init__(self, root: Path, key: PublicKey) -> None:
        """Take the lock of *key* below *root*; raise `StoreError`."""
        self._path = _lock_path(root, key)
        atomic.make_folder(self._path.parent)
        with atomic.store_errors("locked", self._path):
            # O_CLOEXEC: a child that inherited the descriptor would hold the lock as long as it lives.
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
            self._descriptor: int | None = os.open(self._path, flags, 0o600)
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def release(self) -> None:
        """Release it, and remove its file; a second call does nothing."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            forget_lock(self._path)
            os.close(descriptor)


def is_held(root: Path, key: PublicKey) -> bool:
    """Report whether a process that runs has the seed of *key* in memory."""
    try:
        descriptor = os.open(_lock_path(root, key), os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def remove_lock(root: Path, key: PublicKey) -> None:
    """Remove the file of the lock of *key*, which a process that was killed leaves."""
    forget_lock(_lock_path(root, key))


def forget_lock(path: Path) -> None:
    """Remove the file of a lock at *path*, which may be gone."""
    with contextlib.suppress(OSError):
        path.unlink()


def _lock_path(root: Path, key: PublicKey) -> Path:
    return root / _LOCKS / f"{key}.lock"
