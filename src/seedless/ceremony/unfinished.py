"""Ceremonies that were held, as the files of a machine that signs tell of them: what no ledger can hide.

A ceremony is unfinished where its transcript says that something may have been signed, and no result lies
beside it. One that has ended has a result, which the ledger knows, unless that is lost, or an older one was
restored. Refused is a file that cannot be read: it may be of such a ceremony.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from seedless.ceremony import result, transcript
from seedless.ceremony.offline import REQUEST_NAME, RESULT_NAME, TRANSCRIPT_NAME
from seedless.ceremony.request import parse
from seedless.errors import SeedlessError, StoreError
from seedless.ledger import is_digest
from seedless.store import atomic
from seedless.text import shown

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path


def unfinished(folder: Path, operator: str, done: Collection[str] = ()) -> tuple[str, ...]:
    """Return the digests of the requests of *operator* (public key) that were begun below *folder*, sorted.

    Each ceremony has a folder there that is named by the digest of its request; those in *done* are passed
    over. Raise `StoreError` for files that cannot be read.
    """
    names = sorted(set(atomic.names(folder)) - set(done))
    return tuple(name for name in names if is_digest(name) and _is_begun(folder / name, operator))


def unknown_results(folder: Path, operator: str, known: Collection[str] = ()) -> dict[str, str]:
    """Return the ceremonies of *operator* (public key) that have a result below *folder* and are not *known*.

    By the digest of the request, the digest of the transcript; *known* are digests of requests. Raise
    `StoreError` for files that cannot be read.
    """
    found = {}
    for name in sorted(set(atomic.names(folder)) - set(known)):
        if is_digest(name) and (folder / name / RESULT_NAME).exists() and _is_of(folder / name, operator):
            found[name] = _ended(folder / name)
    return found


def _ended(folder: Path) -> str:
    try:
        return result.parse(atomic.read(folder / RESULT_NAME) or b"").transcript_digest
    except SeedlessError as error:
        raise _unreadable(folder, error) from error


def _is_begun(folder: Path, operator: str) -> bool:
    if (folder / RESULT_NAME).exists():
        return False
    data = atomic.read(folder / TRANSCRIPT_NAME)
    if not data:
        return False
    try:
        if not any(isinstance(one, dict) and one.get("kind") == "intent" for one in transcript.read(data)):
            return False
    except SeedlessError as error:
        raise _unreadable(folder, error) from error
    return _is_of(folder, operator)


def _is_of(folder: Path, operator: str) -> bool:
    try:
        return parse(atomic.read(folder / REQUEST_NAME) or b"").operator_key == operator
    except SeedlessError as error:
        raise _unreadable(folder, error) from error


def _unreadable(folder: Path, error: SeedlessError) -> StoreError:
    return StoreError(
        f"nobody knows what the ceremony in {shown(folder)} has signed: {error.message}",
        "restore its files from a backup",
    )
