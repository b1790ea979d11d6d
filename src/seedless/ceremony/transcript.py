"""The transcript: what was done, in order, each entry with the hash of the one before.

An entry is one line of canonical JSON, on disk (fsync) before what follows it is done. The first one names
the request. The digest of a transcript is the SHA-256 of its last line; since each line holds that of the
line before, it covers them all. A last line that was cut off by a crash was never an entry. It decides
nothing: `progress` reads one against its request. Each entry has the time at which it was written, so that a
ceremony that went on another day reports both days.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from seedless import planfile
from seedless.ceremony import documents
from seedless.store import atomic

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

FORMAT = "seedless ceremony transcript 1"
ATTESTATION = "attestation"
"""What `says` of a key calls the certificates (PEM) by which its device attests it."""
Entry = dict[str, Any]


def attestation_in(says: Mapping[str, Any]) -> bytes | None:
    """Return the certificates (PEM) in what is said of a key; None where there are none."""
    pem = says.get(ATTESTATION)
    return None if pem is None else str(pem).encode()


def entry_after(entries: list[Entry], kind: str, request: str, said: dict[str, Any]) -> Entry:
    """Return the entry of *kind* that *said* makes after *entries*; the first is chained to the *request*."""
    return {**said, "kind": kind, "n": len(entries), "previous": digest(entries) if entries else request}


def line(entry: Entry) -> bytes:
    """Return *entry* as a line of the file."""
    return documents.to_bytes(entry)


def digest(entries: list[Entry]) -> str:
    """Return the digest of a transcript with at least one entry, in hex."""
    return planfile.digest(line(entries[-1])[:-1])


def read(data: bytes) -> list[Any]:
    """Return the entries in *data*, a line each; raise `UsageError` for a line that is not canonical JSON."""
    lines = data.splitlines(keepends=True)
    whole = lines[:-1] if lines and not lines[-1].endswith(b"\n") else lines
    return [documents.parse(one, f"transcript[{number}]") for number, one in enumerate(whole)]


class Journal:
    """A transcript that is being written; `entries` are those on disk."""

    def __init__(self, path: Path, request: str) -> None:
        """Read what is at *path*, if anything: the transcript of the request with the digest *request*."""
        self.path = path
        self.request = request
        data = atomic.read(path) or b""
        self._size = len(data) if data.endswith(b"\n") else data.rfind(b"\n") + 1
        self.entries: list[Entry] = read(data)

    def append(self, kind: str, at: int, **said: Any) -> None:  # noqa: ANN401 - what JSON holds
        """Write an entry, dated *at* (Unix seconds), and wait until it is on disk; raise `StoreError`.

        A clock that was set back meanwhile dates no entry before the one that it follows.
        """
        at = max([at, *(entry["at"] for entry in self.entries[-1:])])
        entry = entry_after(self.entries, kind, self.request, {"at": at, **said})
        with atomic.told("written", self.path):
            is_new = not self.path.exists()
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            try:
                os.ftruncate(descriptor, self._size)
                data = line(entry)
                atomic.require_size(self.path, self._size + len(data), "would be")
                _write_all(descriptor, data, self._size)
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            if is_new:
                atomic.sync_folder(self.path.parent)
        self._size += len(data)
        self.entries.append(entry)

    def forget(self) -> None:
        """Begin again: nothing was signed, and the ceremony is another now."""
        atomic.write({self.path: ""})
        self.entries, self._size = [], 0


def _write_all(descriptor: int, data: bytes, at: int) -> None:
    while data:
        written = os.pwrite(descriptor, data, at)
        data, at = data[written:], at + written
