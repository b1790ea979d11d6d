"""Which challenges keys of tokens have signed for this machine, so that the log of a device is reconciled.

A log of a device has an entry for each signature: key and command, and nothing of what was signed. Signatures
of claims are in jwts and transcripts; test signatures, and those of jwts that `recovery drill` throws away,
are in this journal, `ROOT/challenges.jsonl`, a line of JSON for each:

    {"at":1700000000,"command":"key audit","id":"0a…","key":"5f…","sha256":"9c…","token":"pkcs11:token=…"}

`key` is the raw public key in hexadecimal, empty where it is what the signature has to show; `id` its CKA_ID,
by which devices list it; `sha256` the digest of what was signed. A line is written before the token signs: a
killed process leaves a line too many, never a signature without one. Lines of `ceremony keygen` are also in
its transcript.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from seedless import strict_json, wire
from seedless.errors import SeedlessError, StoreError
from seedless.store import atomic
from seedless.text import shown

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "JOURNAL_NAME",
    "KEYGEN",
    "ChallengeCount",
    "ChallengeJournal",
    "SignedChallenge",
    "counts",
    "load",
]

JOURNAL_NAME = "challenges.jsonl"
KEYGEN = "ceremony keygen"
"""The command whose challenges are counted in its transcript, too."""
_TAIL = 4096  # bytes; more than a line has


class SignedChallenge(msgspec.Struct, frozen=True, kw_only=True):
    """A line of the journal; `at` is Unix seconds."""

    at: int
    command: str
    id: str
    key: str
    sha256: str
    token: str


class ChallengeCount(msgspec.Struct, frozen=True, kw_only=True):
    """How many challenges a key has signed: `token`, `id` and `key` as of `SignedChallenge`.

    `by_command` has how many of them each command let it sign.
    """

    token: str
    id: str
    key: str
    by_command: dict[str, int]

    @property
    def count(self) -> int:
        """How many there are."""
        return sum(self.by_command.values())

    @property
    def in_transcripts(self) -> int:
        """How many of them the transcripts of key ceremonies count, too."""
        return self.by_command.get(KEYGEN, 0)


class ChallengeJournal(msgspec.Struct, frozen=True, kw_only=True):
    """The journal at `path`, which `command` writes to; `time` gives Unix seconds.

    `has_jwts` where it is that of a copy, whose jwts are thrown away: their signatures are counted too.
    """

    path: Path
    command: str = ""
    has_jwts: bool = False
    time: Callable[[], float] = time.time

    def record(self, token: str, key_id: bytes, raw: bytes | None, message: bytes) -> None:
        """Write that a key of *token*, a URI, is about to sign *message*; raise `StoreError`.

        *key_id* is its CKA_ID, *raw* its public key, None where that is not shown.
        """
        entry = SignedChallenge(
            at=int(self.time()),
            command=self.command,
            id=key_id.hex(),
            key=raw.hex() if raw else "",
            sha256=hashlib.sha256(message).hexdigest(),
            token=token,
        )
        if not self.path.exists():
            atomic.make_folder(self.path.parent)
        with atomic.store_errors("written", self.path):
            _append(self.path, msgspec.json.encode(entry, order="sorted") + b"\n")


def _append(path: Path, line: bytes) -> None:
    flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
    descriptor = os.open(path, flags, 0o600)
    try:
        # Several processes have one journal. Without the lock, the half of a line that another one is writing
        # would be taken for one that was cut off, and be removed. Closing the descriptor releases it.
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        size = os.fstat(descriptor).st_size
        tail = os.pread(descriptor, _TAIL, max(size - _TAIL, 0))
        if not tail.endswith(b"\n"):
            # A line without its end was cut off with the power of the machine.
            os.ftruncate(descriptor, size - len(tail) + tail.rfind(b"\n") + 1)
        if os.write(descriptor, line) != len(line):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))  # what was written the next line replaces
        # The device has its entry for good, and so has the journal before it.
        os.fdatasync(descriptor)
    finally:
        os.close(descriptor)


def load(path: Path) -> tuple[SignedChallenge, ...]:
    """Return what the journal at *path* has, none if there is none; raise `StoreError` with the line."""
    lines = (atomic.read(path) or b"").split(b"\n")[:-1]
    return tuple(_read(line, number, path) for number, line in enumerate(lines, 1))


def counts(signed: Iterable[SignedChallenge], since: int = 0) -> tuple[ChallengeCount, ...]:
    """Return how many challenges each key has signed from *since* on (Unix seconds), by token and CKA_ID."""
    found: dict[tuple[str, str], list[SignedChallenge]] = {}
    for challenge in signed:
        if challenge.at >= since:
            found.setdefault((challenge.token, challenge.id), []).append(challenge)
    return tuple(
        ChallengeCount(
            token=token,
            id=key_id,
            key=next((challenge.key for challenge in own if challenge.key), ""),
            by_command=dict(sorted(Counter(challenge.command for challenge in own).items())),
        )
        for (token, key_id), own in sorted(found.items())
    )


def _read(line: bytes, number: int, path: Path) -> SignedChallenge:
    try:
        return strict_json.read(wire.parse(line), SignedChallenge)
    except SeedlessError as error:
        raise StoreError(
            f"line {number} of {shown(path)} is damaged: {error.message}",
            "restore the file from a backup; what is missing there is missing in every count",
        ) from error
