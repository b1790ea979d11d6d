"""The transcript of a ceremony, its progress, and the result that comes out.

A transcript is what was done, in order, each entry with the hash of the one before. An entry is one line of
canonical JSON, on disk (fsync) before what follows it is done. The first one names the request. The digest of
a transcript is the SHA-256 of its last line; since each line holds that of the line before, it covers them
all. A last line that was cut off by a crash was never an entry. Each entry has the time at which it was
written, so that a ceremony that went on another day reports both days.

Progress is how far a transcript has come, read against its request: one order of entries, each where it has
to be. Read are the chain of hashes, the kinds and members of the entries, and what each states of the
request: every signature verified, every signed jwt that of its draft. Refused is everything else, with its
place. Policy, witnesses and receipts are for `check`, and for whoever continues a ceremony.

The result is the transcript and the receipts in one file. A transcript alone is read too: then it is not
complete, however far it has come.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import msgspec

from seedless import jwt, plan_file
from seedless.ceremony import documents
from seedless.errors import Refused, SeedlessError
from seedless.readiness import ReadinessRow
from seedless.rules.guards import MOST_AHEAD
from seedless.store import atomic

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from seedless.ceremony.request import CeremonyRequest
    from seedless.jwt import Draft, Jwt


FORMAT = "seedless ceremony transcript 1"
ATTESTATION = "attestation"
"""What `driver_report` of a key calls the certificates (PEM) by which its device attests it."""
TranscriptEntry = dict[str, Any]


def attestation_in(driver_report: Mapping[str, object]) -> bytes | None:
    """Return the certificates (PEM) in what is stated of a key; None where there are none."""
    pem = driver_report.get(ATTESTATION)
    return None if pem is None else str(pem).encode()


def entry_after(
    entries: list[TranscriptEntry], kind: str, request: str, members: dict[str, object]
) -> TranscriptEntry:
    """Return the entry of *kind* with *members* after *entries*; the first is chained to the *request*."""
    return {**members, "kind": kind, "n": len(entries), "previous": digest(entries) if entries else request}


def line(entry: TranscriptEntry) -> bytes:
    """Return *entry* as a line of the file."""
    return documents.to_bytes(entry)


def digest(entries: list[TranscriptEntry]) -> str:
    """Return the digest of a transcript with at least one entry, in hex."""
    return plan_file.digest(line(entries[-1])[:-1])


def read(data: bytes) -> list[Any]:
    """Return the entries in *data*, a line each; raise `UsageError` for a line that is not canonical JSON."""
    lines = data.splitlines(keepends=True)
    whole = lines[:-1] if lines and not lines[-1].endswith(b"\n") else lines
    return [documents.parse(entry, f"transcript[{number}]") for number, entry in enumerate(whole)]


class TranscriptFile:
    """A transcript that is being written; `entries` are those on disk."""

    def __init__(self, path: Path, request: str) -> None:
        """Read what is at *path*, if anything: the transcript of the request with the digest *request*."""
        self.path = path
        self.request = request
        data = atomic.read(path) or b""
        # A last line without its end was cut off by a crash and was never acknowledged, so it is
        # overwritten by the next entry.
        self._size = len(data) if data.endswith(b"\n") else data.rfind(b"\n") + 1
        self.entries: list[TranscriptEntry] = read(data)

    def append(self, kind: str, at: int, **members: Any) -> None:  # noqa: ANN401 - what JSON holds
        """Write an entry, dated *at* (Unix seconds), and wait until it is on disk; raise `StoreError`.

        A clock that was set back meanwhile dates no entry before the one that it follows.
        """
        # Else the check would find an entry before its predecessor, and call a true transcript false
        # because somebody set the clock.
        at = max([at, *(entry["at"] for entry in self.entries[-1:])])
        entry = entry_after(self.entries, kind, self.request, {"at": at, **members})
        with atomic.store_errors("written", self.path):
            is_new = not self.path.exists()
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            try:
                # Before the write: a longer remainder of a line that was cut off would follow the new
                # one.
                os.ftruncate(descriptor, self._size)
                data = line(entry)
                atomic.require_size(self.path, self._size + len(data), "would be")
                _write_all(descriptor, data, self._size)
                # On disk before the token signs. Whatever was signed has an intent that outlives a crash,
                # so no signature can exist of which the transcript knows nothing.
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            if is_new:
                # The name of a new file is in the folder, and the folder has to be on disk as well.
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


RESULT_FORMAT = "seedless ceremony result 1"
# Canonical JSON sorts the members, and `at` is the first of each entry; a result begins with `format`.
_FIRST = b'{"at":'  # of the entry that opens a transcript


class _ResultMembers(msgspec.Struct, frozen=True):
    """The members of the file of a result."""

    format: str
    receipts: tuple[str, ...]
    transcript: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class CeremonyResult:
    """The entries of a transcript, and the receipts (jwt text); None where there is a transcript alone."""

    entries: tuple[Any, ...]
    receipts: tuple[str, ...] | None

    @property
    def transcript_digest(self) -> str:
        """The digest of the transcript; raise `Refused` where it has no entry."""
        if not self.entries:
            raise Refused("the result has no entries", "it was changed")
        return digest(list(self.entries))


def to_bytes(entries: Sequence[TranscriptEntry], receipts: Sequence[str]) -> bytes:
    """Return the file of a result."""
    return documents.to_bytes(
        {"format": RESULT_FORMAT, "receipts": list(receipts), "transcript": list(entries)}
    )


def parse(data: bytes, form: str = RESULT_FORMAT) -> CeremonyResult:
    """Read a result of the format *form*, or a transcript; raise `Refused` that names the place."""
    try:
        return _parsed(data, form)
    except Refused:
        raise
    except SeedlessError as error:
        raise Refused(error.message, error.hint) from error


def _parsed(data: bytes, form: str) -> CeremonyResult:
    if _is_transcript(data):
        return CeremonyResult(tuple(read(data)), None)
    members = documents.members_of(documents.parse(data, "the result"), _ResultMembers, "result")
    if members.format != form:
        raise Refused(f"result.format is not {form!r}", "another version of seedless may read it")
    return CeremonyResult(members.transcript, members.receipts)


def _is_transcript(data: bytes) -> bool:
    """Recognise a transcript, also one that was cut off in its first line, by how that begins."""
    return data.startswith(_FIRST) or _FIRST.startswith(data)


class _EntryMembers(msgspec.Struct, frozen=True, kw_only=True):
    """The members of every entry."""

    at: int
    kind: str
    n: int
    previous: str


class _Opened(_EntryMembers, frozen=True, kw_only=True):
    format: str
    request: str
    tool: str
    mark: str
    present: tuple[Any, ...]


class _Reviewed(_EntryMembers, frozen=True, kw_only=True):
    policy: str
    findings: tuple[Any, ...]
    lifted: tuple[Any, ...]


class _Witnessed(_EntryMembers, frozen=True, kw_only=True):
    statement: str


class _Readiness(_EntryMembers, frozen=True, kw_only=True):
    rows: tuple[Any, ...]


class _KeyOpened(_EntryMembers, frozen=True, kw_only=True):
    public_key: str
    says: dict[str, Any]


class _Intent(_EntryMembers, frozen=True, kw_only=True):
    change: int
    sha256: str


class _Signed(_EntryMembers, frozen=True, kw_only=True):
    change: int
    jwt: str


class _Ended(_EntryMembers, frozen=True, kw_only=True):
    signed: int


_ENTRIES: dict[str, type[_EntryMembers]] = {
    "opened": _Opened,
    "reviewed": _Reviewed,
    "witnessed": _Witnessed,
    "readiness": _Readiness,
    "key": _KeyOpened,
    "intent": _Intent,
    "signed": _Signed,
    "ended": _Ended,
}
"""The entries of a transcript, by their kind."""


@dataclass(slots=True)
class CeremonyProgress:
    """What a transcript states was done: its entries by their kind, and the jwts that were signed."""

    request: CeremonyRequest
    entries: list[TranscriptEntry] = field(default_factory=list)
    opened: TranscriptEntry | None = None
    reviewed: TranscriptEntry | None = None
    statements: list[str] = field(default_factory=list)
    readiness: tuple[ReadinessRow, ...] = ()
    driver_report: dict[str, dict[str, Any]] = field(default_factory=dict)
    intents: int = 0
    signed: list[Jwt[Any]] = field(default_factory=list)
    is_ended: bool = False

    @property
    def at(self) -> int:
        """When the ceremony began, in Unix seconds, by the clock of the machine that held it."""
        return int(self.opened["at"]) if self.opened else 0

    @property
    def latest(self) -> int:
        """When the last entry was written, in Unix seconds, by the same clock; 0 where there is none."""
        return int(self.entries[-1]["at"]) if self.entries else 0

    @property
    def titles(self) -> dict[str, str]:
        """What each public key is called, as in the request.

        A signing key has no name in claims: the label on its token names it, which the driver reported while
        it signed.
        """
        labels = {key: report["label"] for key, report in self.driver_report.items() if "label" in report}
        named = {key: text.replace(":", " ", 1) for key, text in labels.items() if isinstance(text, str)}
        return named | self.request.titles

    @property
    def digest(self) -> str:
        """The digest of the transcript so far."""
        return digest(self.entries) if self.entries else self.request.digest

    @property
    def next_kinds(self) -> tuple[str, ...]:
        """The kinds that the next entry may be of."""
        if self.opened is None or self.reviewed is None:
            return ("opened",) if self.opened is None else ("reviewed",)
        # Witnesses come before keys, so that nobody signs what was not witnessed.
        if len(self.driver_report) < len(self.request.issuers):
            return ("key",) if self.driver_report or self.readiness else ("witnessed", "readiness", "key")
        # After an intent there is its signature or nothing: two open intents would be two drafts of which
        # either may exist.
        if self.intents > len(self.signed):
            return ("signed",)
        if self.intents < len(self.request.plan.changes):
            return ("intent",)
        return () if self.is_ended else ("ended",)


def progress(
    request: CeremonyRequest, entries: Sequence[object], what: str = "transcript"
) -> CeremonyProgress:
    """Return how far *entries* have come; raise `Refused` that names the place below *what*."""
    return follow(CeremonyProgress(request), entries, _take, what)


class _Followed(Protocol):
    entries: list[Any]


P = TypeVar("P", bound=_Followed)


def follow(
    so_far: P, entries: Sequence[object], take: Callable[[P, object, str], None], what: str = "transcript"
) -> P:
    """Return *so_far* after *entries*, each of which *take* checks first; raise `Refused` with the place."""
    for number, entry in enumerate(entries):
        try:
            take(so_far, entry, f"{what}[{number}]")
        except Refused:
            raise
        except SeedlessError as error:
            raise Refused(error.message, error.hint) from error
        so_far.entries.append(entry)
    return so_far


def _take(so_far: CeremonyProgress, entry: Any, place: str) -> None:  # noqa: ANN401 - what JSON holds
    kind = entry.get("kind") if isinstance(entry, dict) else None
    if not isinstance(kind, str) or kind not in so_far.next_kinds:
        expected = " or ".join(so_far.next_kinds) or "no entry"
        raise Refused(f"{place} is {_named(kind)}, where {expected} has to be", _ORDER)
    documents.members_of(entry, _ENTRIES[kind], place)
    if entry["n"] != len(so_far.entries):
        raise Refused(f"{place}.n is {entry['n']}, not {len(so_far.entries)}", _ORDER)
    if entry["previous"] != so_far.digest:
        raise Refused(f"{place}.previous is not the hash of what is before it", _ORDER)
    if entry["at"] < so_far.latest:
        raise Refused(f"{place}.at is earlier than that of the entry before it", _ORDER)
    _TAKERS[kind](so_far, entry, place)


def _named(kind: object) -> str:
    return kind if isinstance(kind, str) and kind in _ENTRIES else "no entry of a transcript"


def _opened(so_far: CeremonyProgress, entry: TranscriptEntry, place: str) -> None:
    request = so_far.request
    if entry["format"] != FORMAT:
        raise Refused(f"{place}.format is not {FORMAT!r}", "another version may read it")
    if entry["request"] != request.digest:
        raise Refused(f"{place}.request is {entry['request']}, and the request is {request.digest}")
    if entry["mark"] != request.mark:
        raise Refused(f"{place}.mark is not that of the request")
    if not request.plan.prepared_at - MOST_AHEAD <= entry["at"] < request.expires:
        raise Refused(f"{place}.at is not between the preparation of the request and its expiry")
    for number, name in enumerate(entry["present"]):
        if not isinstance(name, str):
            raise Refused(f"{place}.present[{number}] is not a name")
        documents.require_plain(name, f"{place}.present[{number}]")
    documents.require_plain(entry["tool"], f"{place}.tool")
    so_far.opened = entry


def _reviewed(so_far: CeremonyProgress, entry: TranscriptEntry, place: str) -> None:
    for name in ("findings", "lifted"):
        if not all(isinstance(text, str) for text in entry[name]):
            raise Refused(f"{place}.{name} is not a list of texts")
    # This program never writes such an entry: another one did, and signed in spite of it.
    if any(text.startswith("error") for text in entry["findings"]):
        raise Refused(f"{place}.findings holds an error, against which nothing is signed")
    so_far.reviewed = entry


def _witnessed(so_far: CeremonyProgress, entry: TranscriptEntry, _place: str) -> None:
    so_far.statements.append(entry["statement"])


def _readiness(so_far: CeremonyProgress, entry: TranscriptEntry, place: str) -> None:
    if not entry["rows"]:
        raise Refused(f"{place}.rows is empty, and such an entry has rows", _ORDER)
    so_far.readiness = tuple(
        documents.members_of(row, ReadinessRow, f"{place}.rows[{number}]")
        for number, row in enumerate(entry["rows"])
    )


def _key(so_far: CeremonyProgress, entry: TranscriptEntry, place: str) -> None:
    expected = str(so_far.request.issuers[len(so_far.driver_report)])
    if entry["public_key"] != expected:
        raise Refused(f"{place}.public_key is {entry['public_key']}, and {expected} has to sign", _ORDER)
    so_far.driver_report[expected] = entry["says"]


def _intent(so_far: CeremonyProgress, entry: TranscriptEntry, place: str) -> None:
    _require_change(entry, so_far.intents, place)
    # The first intent decides, and no later one: what was begun in time may end after the expiry, or a
    # power cut would leave half a rotation.
    if not so_far.intents and entry["at"] >= so_far.request.expires:
        raise Refused(f"{place}.at is not before the expiry of the request", "nothing was to be signed then")
    if entry["sha256"] != draft_digest(so_far.request.plan.changes[so_far.intents].draft):
        raise Refused(f"{place}.sha256 is not that of request.plan.changes[{so_far.intents}].draft")
    so_far.intents += 1


def _signed(so_far: CeremonyProgress, entry: TranscriptEntry, place: str) -> None:
    number = len(so_far.signed)
    _require_change(entry, number, place)
    draft = so_far.request.plan.changes[number].draft
    # Before it is verified: a jwt of somebody else would verify as well.
    if not entry["jwt"].startswith(f"{draft.signing_input.decode()}."):
        raise Refused(f"{place}.jwt is not that of request.plan.changes[{number}].draft")
    try:
        # Strict: what a ceremony signs is canonical, and any other spelling was not made by it.
        so_far.signed.append(jwt.read_strict(entry["jwt"]))
    except SeedlessError as error:
        raise Refused(f"{place}.jwt: {error.message}", error.hint) from error


def _ended(so_far: CeremonyProgress, entry: TranscriptEntry, place: str) -> None:
    if entry["signed"] != len(so_far.signed):
        raise Refused(f"{place}.signed is {entry['signed']}, and {len(so_far.signed)} jwts are signed")
    so_far.is_ended = True


def _require_change(entry: TranscriptEntry, number: int, place: str) -> None:
    if entry["change"] != number:
        raise Refused(f"{place}.change is {entry['change']}, where {number} has to be", _ORDER)


def draft_digest(draft: Draft[object]) -> str:
    """Return the SHA-256, in hex, of what is signed for *draft*."""
    return hashlib.sha256(draft.signing_input).hexdigest()


_TAKERS = {
    "opened": _opened,
    "reviewed": _reviewed,
    "witnessed": _witnessed,
    "readiness": _readiness,
    "key": _key,
    "intent": _intent,
    "signed": _signed,
    "ended": _ended,
}
_ORDER = "an entry is missing, added, swapped or changed"
