"""Unfinished ceremonies, as the files of a machine that signs tell of them: what a lost ledger cannot hide.

A ceremony is unfinished where its transcript says that something may have been signed, and no result lies
beside it. Refused is a transcript, or a request beside one, that cannot be read: it may be such a one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from seedless.ceremony import transcript
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


def _is_begun(folder: Path, operator: str) -> bool:
    if (folder / RESULT_NAME).exists():
        return False
    data = atomic.read(folder / TRANSCRIPT_NAME)
    if not data:
        return False
    try:
        if not any(isinstance(one, dict) and one.get("kind") == "intent" for one in transcript.read(data)):
            return False
        return parse(atomic.read(folder / REQUEST_NAME) or b"").operator_key == operator
    except SeedlessError as error:
        raise StoreError(
            f"nobody knows what the ceremony in {shown(folder)} has signed: {error.message}",
            "restore its files from a backup",
        ) from error
