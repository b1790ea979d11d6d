"""The result: the transcript and the receipts in one file. It comes out of a ceremony.

A transcript alone is read too: then it is not complete, however far it has come.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from seedless.ceremony import documents, transcript
from seedless.errors import Refused, SeedlessError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from seedless.ceremony.transcript import Entry

FORMAT = "seedless ceremony result 1"
_FIRST = b'{"at":'  # of the entry that opens a transcript
_MEMBERS = {"format": str, "receipts": list, "transcript": list}


@dataclass(frozen=True, slots=True)
class Result:
    """The entries of a transcript, and the receipts (jwt text); None where there is a transcript alone."""

    entries: tuple[Any, ...]
    receipts: tuple[str, ...] | None

    @property
    def transcript_digest(self) -> str:
        """The digest of the transcript; raise `Refused` where it has no entry."""
        if not self.entries:
            raise Refused("the result has no entries", "it was changed")
        return transcript.digest(list(self.entries))


def to_bytes(entries: Sequence[Entry], receipts: Sequence[str]) -> bytes:
    """Return the file of a result."""
    return documents.to_bytes({"format": FORMAT, "receipts": list(receipts), "transcript": list(entries)})


def parse(data: bytes) -> Result:
    """Read a result, or a transcript; raise `Refused` that names the place."""
    try:
        return _parsed(data)
    except Refused:
        raise
    except SeedlessError as error:
        raise Refused(error.message, error.hint) from error


def _parsed(data: bytes) -> Result:
    if _is_transcript(data):
        return Result(tuple(transcript.read(data)), None)
    members = documents.parse(data, "the result")
    documents.require_members(members, _MEMBERS, "result")
    if members["format"] != FORMAT:
        raise Refused(f"result.format is not {FORMAT!r}", "another version of seedless may read it")
    for number, one in enumerate(members["receipts"]):
        if not isinstance(one, str):
            raise Refused(f"result.receipts[{number}] is not text")
    return Result(tuple(members["transcript"]), tuple(members["receipts"]))


def _is_transcript(data: bytes) -> bool:
    """Tell a transcript, also one that was cut off in its first line, by how that begins."""
    return data.startswith(_FIRST) or _FIRST.startswith(data)
