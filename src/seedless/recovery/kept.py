"""Records beside the inventory, where the policy looks for the keys that shares restore."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seedless.errors import SeedlessError, StoreError
from seedless.recovery import record
from seedless.store import atomic
from seedless.text import shown

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from seedless.nkey import PublicKey
    from seedless.recovery.record import RecoveryRecord
    from seedless.recovery.transcript import RestoreTranscript

FOLDER = "recovery"
"""The folder beside the inventory with the records: `SHA256.json` each."""


TRANSCRIPTS = "restores"
"""The folder beside the inventory with the transcripts of restores: `SHA256.json` each."""


def path_of(root: Path, known: RecoveryRecord) -> Path:
    """Return where the record *known* lies, below the folder of everything."""
    return root / FOLDER / f"{known.digest}.json"


def transcript_path(root: Path, signed: RestoreTranscript) -> Path:
    """Return where the transcript *signed* of a restore lies, below the folder of everything."""
    return root / TRANSCRIPTS / f"{signed.digest}.json"


def records(root: Path) -> Iterator[RecoveryRecord]:
    """Yield the records below *root*; raise `StoreError` for one that is damaged."""
    for name in atomic.names(root / FOLDER):
        path = root / FOLDER / name
        data = atomic.read(path) if name.endswith(".json") else None
        if data is None:
            continue
        try:
            yield record.parse(data, shown(path))
        except SeedlessError as error:
            raise StoreError(f"{shown(path)} is damaged: {error.message}", error.hint) from error


def recorded(root: Path) -> dict[PublicKey, int]:
    """Return the keys that records below *root* list, and when those were made (Unix seconds)."""
    return {entry.public_key: known.at for known in records(root) for entry in known.keys}


def is_recorded(root: Path, public_key: PublicKey) -> bool:
    """Return whether a record below *root* lists *public_key*."""
    return any(entry.public_key == public_key for known in records(root) for entry in known.keys)
