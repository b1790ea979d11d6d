"""The ceremony that creates keys: a transcript as of every ceremony, its result, and the check of both.

Order: opened, witnessed, the secret in shares (where keys are recoverable), what was known of tokens and
machine, then for each key an intent, and the key with the statement that it has signed about itself; the
end. The receipts are signed by the new keys, over the digest of the transcript. What is in the transcript is
not done again: a ceremony that was interrupted goes on, and a key whose intent is there is found again.

Every signature of a new key is in it, and `signatures` counts them, challenges included: the log of a device
can be reconciled by count.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from seedless.ceremony import documents, transcript
from seedless.ceremony.check import CeremonyVerdict
from seedless.ceremony.keys import RESULT_FORMAT, CeremonyKey, read_statement
from seedless.ceremony.statements import (
    RECEIPT,
    StatementContent,
    ceremony_draft,
    read_ceremony_jwt,
    require_equal,
    require_witnesses,
)
from seedless.ceremony.transcript import TranscriptEntry, TranscriptFile
from seedless.errors import Refused, SeedlessError
from seedless.keygen import request as key_request
from seedless.readiness import ReadinessRow
from seedless.recovery import record as records
from seedless.rules.guards import MOST_AHEAD
from seedless.store import atomic
from seedless.text import shown
from seedless.units import moment

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from seedless.jwt import Draft, Jwt
    from seedless.keygen.request import KeygenRequest, SpecifiedKey
    from seedless.nkey import PublicKey
    from seedless.recovery.record import RecoveryRecord

FORMAT = "seedless ceremony key transcript 1"
REQUEST_NAME, TRANSCRIPT_NAME, RESULT_NAME = "request.json", "transcript.jsonl", "result.json"
RECORD_NAME = "recovery.json"
CHALLENGE, STATEMENT = "challenge", "statement"
_ORDER = "an entry is missing, added, swapped or changed"


class KeygenTokens(Protocol):
    """Open tokens on which keys are created."""

    def require_free(self, keys: Sequence[SpecifiedKey]) -> None:
        """Raise `Refused` where the inventory, or its token, has a key of the label of one of *keys*."""

    def create(self, key: SpecifiedKey) -> tuple[CeremonyKey, int]:
        """Create *key*, or find it where its creation was interrupted; return it, and how many challenges it
        has signed."""  # noqa: D205, D209 - one sentence

    def sign(self, drafts: Sequence[Draft[object]]) -> Sequence[Jwt[object]]:
        """Return the jwt of each draft, signed on the token of its issuer and verified."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeygenRun:
    """What keys are created with; members as of `seedless.ceremony.offline.CeremonyRun`.

    `exceptions` are deviations that somebody reports before the first key. `share` creates the secret of the
    recoverable keys and its shares, imports these keys, and returns the record.
    """

    request: KeygenRequest
    folder: Path
    clock: Callable[[], int]
    statements: tuple[str, ...] = ()
    present: tuple[str, ...] = ()
    exceptions: tuple[str, ...] = ()
    tool: str = "seedless"
    readiness: Callable[[], tuple[ReadinessRow, ...]] = tuple
    share: Callable[[], RecoveryRecord] | None = None


def content_of(request: KeygenRequest) -> StatementContent:
    """Return what a witness of *request* signs: there is no policy yet, and nothing is waived."""
    return StatementContent(request=request.digest, policy="", waived=(), expires=request.expires)


@dataclass(slots=True)
class KeygenProgress:
    """What a transcript states was done."""

    request: KeygenRequest
    entries: list[TranscriptEntry] = field(default_factory=list)
    statements: list[str] = field(default_factory=list)
    readiness: tuple[ReadinessRow, ...] = ()
    record: RecoveryRecord | None = None
    intents: int = 0
    keys: list[CeremonyKey] = field(default_factory=list)
    key_statements: list[str] = field(default_factory=list)
    signatures: dict[str, int] = field(default_factory=dict)
    is_ended: bool = False

    @property
    def titles(self) -> dict[str, str]:
        """What each key is called, as in `operator ACME`."""
        return {str(key.public_key): f"{key.public_key.role.name.lower()} {key.name}" for key in self.keys}

    @property
    def signatures_in_all(self) -> dict[str, int]:
        """How many signatures each key has made at the end, the receipt included."""
        return {key: count + 1 for key, count in self.signatures.items()}

    @property
    def opened(self) -> TranscriptEntry | None:
        """The first entry."""
        return self.entries[0] if self.entries else None

    @property
    def digest(self) -> str:
        """The digest of the transcript so far."""
        return transcript.digest(self.entries) if self.entries else self.request.digest

    @property
    def next_kinds(self) -> tuple[str, ...]:
        """The kinds that the next entry may be of."""
        specification = self.request.specification
        if not self.entries:
            return ("opened",)
        if specification.recoverable and self.record is None:
            return ("witnessed", "shares")
        if self.intents > len(self.keys):
            return ("created",)
        if self.intents < len(specification.keys):
            if self.intents or self.readiness:
                return ("intent",)
            return ("readiness", "intent") if self.record else ("witnessed", "readiness", "intent")
        return () if self.is_ended else ("ended",)


def run_keygen(run: KeygenRun, tokens: Callable[[], AbstractContextManager[KeygenTokens]]) -> bytes:
    """Create the keys of a request, or go on with it, and return the file of the result.

    Raise `Refused` where witnesses are missing, the request has expired, a label exists, or a driver reports
    a key otherwise than it was asked for; then the transcript has what was done until then.
    """
    # Before anything is written: names get into a transcript that is printed and read aloud, where
    # look-alike letters and control characters would deceive.
    for text in (*run.present, *run.exceptions):
        documents.require_plain(text, "the name of somebody present, or an exception,")
    atomic.make_folder(run.folder)
    journal = TranscriptFile(run.folder / TRANSCRIPT_NAME, run.request.digest)
    so_far = progress(run.request, journal.entries)
    # As long as no key and no share exists, a run that was interrupted begins anew, and who is present is
    # asked again. From then on what was done stays, and is continued.
    if not (so_far.intents or so_far.record):
        _begin(run, journal)
        so_far = progress(run.request, journal.entries)
    if run.request.specification.recoverable and so_far.record is None:
        # Shares first: a key that is recoverable is derived from the secret, and a share that cannot be
        # read back is found before any key depends on it.
        record = _shared(run)
        journal.append("shares", run.clock(), record=record.to_bytes().decode())
        so_far = progress(run.request, journal.entries)
    # Only now: the process of the secret is forked before a driver is loaded here.
    if not (so_far.intents or so_far.readiness):
        rows = [msgspec.to_builtins(row) for row in run.readiness()]
        if rows:
            journal.append("readiness", run.clock(), rows=rows)
    with tokens() as opened:
        for number, key in enumerate(run.request.specification.keys):
            if number >= len(so_far.keys):
                _create(run, journal, opened, number, key, has_intent=number < so_far.intents)
        so_far = progress(run.request, journal.entries)
        if not so_far.is_ended:
            journal.append(
                "ended", run.clock(), created=len(so_far.keys), signatures=so_far.signatures_in_all
            )
        digest = transcript.digest(journal.entries)
        # The time is that of the last entry and not the clock's: a run that is repeated makes the same
        # receipts, byte for byte.
        drafts = _receipt_drafts(so_far, digest, journal.entries[-1]["at"])
        receipts = [jwt.text for jwt in opened.sign(drafts)]
    return documents.to_bytes({"format": RESULT_FORMAT, "receipts": receipts, "transcript": journal.entries})


def _begin(run: KeygenRun, journal: TranscriptFile) -> None:
    """Write how the ceremony begins: anew, since nothing was created."""
    request = run.request
    now = run.clock()
    _require_time(request, now)
    require_witnesses(
        run.statements, content_of(request), request.specification.witnesses,
        signers=(), prepared_at=request.prepared_at, now=now,
    )  # fmt: skip
    # What a broken-off beginning has written contains no key: it would only make two beginnings of one
    # ceremony.
    if journal.entries:
        journal.forget()
    atomic.write({run.folder / REQUEST_NAME: request.data.decode()})
    journal.append(
        "opened", now, format=FORMAT, request=request.digest, tool=run.tool,
        present=list(run.present), exceptions=list(run.exceptions),
    )  # fmt: skip
    for text in run.statements:
        journal.append("witnessed", run.clock(), statement=text.strip())


def _require_time(request: KeygenRequest, now: int) -> None:
    if not request.prepared_at - MOST_AHEAD <= now < request.expires:
        raise Refused(
            f"the request holds from {moment(request.prepared_at)} until {moment(request.expires)}, and the "
            f"clock reads {moment(now)}",
            "set the clock right, or prepare it again",
        )


def _shared(run: KeygenRun) -> RecoveryRecord:
    """Return the record of the shares: of an interrupted run, or made now."""
    data = atomic.read(run.folder / RECORD_NAME)
    if data is not None:
        return records.parse(data, str(run.folder / RECORD_NAME))
    if run.share is None:
        raise Refused("nobody makes shares here", "recoverable keys are created at a terminal")
    return run.share()


def _create(
    run: KeygenRun,
    journal: TranscriptFile,
    tokens: KeygenTokens,
    number: int,
    key: SpecifiedKey,
    *,
    has_intent: bool,
) -> None:
    """Create one key: its intent is on disk before, so that none exists of which nothing is known."""
    if not has_intent:
        # A recoverable key is on the token already, since the process that has the secret imports it.
        if not key.recoverable:
            tokens.require_free([key])
        # Written and synced before the driver is called: if the machine stops inside the call, a key with
        # this label may be on the token, and the next run has to look for it instead of creating a second
        # one.
        journal.append("intent", run.clock(), key=number, label=key.label)
    made, challenges = tokens.create(key)
    _require_attributes(key, made.driver_report)
    # The new key signs what the driver reports of it: nobody can change the report later without the token.
    (statement,) = tokens.sign([made.draft()])
    signed = {CHALLENGE: challenges, STATEMENT: 1}
    journal.append("created", run.clock(), key=number, statement=statement.text, signed=signed)


def _require_attributes(key: SpecifiedKey, driver_report: Mapping[str, object]) -> None:
    """Raise `Refused` unless the driver reports the attributes that were asked for."""
    # Drivers ignore what a template asks for: openCryptoki and NSS make extractable keys by default. So
    # what counts is what the attributes read back as.
    missing = [name for name in key.wanted if driver_report.get(name) != "yes"]
    if missing:
        raise Refused(
            f"{shown(key.label)} was asked for as {', '.join(key.wanted)}, and its driver does not report "
            f"that it is {' and '.join(missing)}",
            "delete the key (seedless key delete), and create it on another token",
        )


def _receipt_drafts(so_far: KeygenProgress, digest: str, at: int) -> list[Draft[Any]]:
    data = {"request": so_far.request.digest}
    return [ceremony_draft(RECEIPT, digest, data, key.public_key, at) for key in so_far.keys]


# Reading, for who goes on and for who checks.


class _KeygenEntry(msgspec.Struct, frozen=True, kw_only=True):
    at: int
    kind: str
    n: int
    previous: str


class _KeygenOpened(_KeygenEntry, frozen=True, kw_only=True):
    format: str
    request: str
    tool: str
    present: tuple[str, ...]
    exceptions: tuple[str, ...]


class _KeygenWitnessed(_KeygenEntry, frozen=True, kw_only=True):
    statement: str


class _KeygenReadiness(_KeygenEntry, frozen=True, kw_only=True):
    rows: tuple[ReadinessRow, ...]


class _KeygenShares(_KeygenEntry, frozen=True, kw_only=True):
    record: str


class _KeygenIntent(_KeygenEntry, frozen=True, kw_only=True):
    key: int
    label: str


class _KeygenCreated(_KeygenEntry, frozen=True, kw_only=True):
    key: int
    statement: str
    signed: dict[str, int]


class _KeygenEnded(_KeygenEntry, frozen=True, kw_only=True):
    created: int
    signatures: dict[str, int]


class _KeygenResultMembers(msgspec.Struct, frozen=True):
    format: str
    receipts: tuple[str, ...]
    transcript: tuple[Any, ...]


def progress(request: KeygenRequest, entries: Sequence[object]) -> KeygenProgress:
    """Return how far *entries* have come; raise `Refused` that names the place."""
    return transcript.follow(KeygenProgress(request), entries, _take)


def _take(so_far: KeygenProgress, entry: object, place: str) -> None:
    kind = entry.get("kind") if isinstance(entry, dict) else None
    if not isinstance(kind, str) or kind not in so_far.next_kinds:
        expected = " or ".join(so_far.next_kinds) or "no entry"
        raise Refused(
            f"{place} is {kind if kind in _TAKERS else 'no entry'}, where {expected} has to be", _ORDER
        )
    struct, take = _TAKERS[kind]
    members = documents.members_of(entry, struct, place)
    latest = so_far.entries[-1]["at"] if so_far.entries else 0
    if (members.n, members.previous) != (len(so_far.entries), so_far.digest) or members.at < latest:
        raise Refused(f"{place} does not follow what is before it", _ORDER)
    take(so_far, members, place)


def _opened(so_far: KeygenProgress, entry: Any, place: str) -> None:  # noqa: ANN401 - of `_TAKERS`
    if (entry.format, entry.request) != (FORMAT, so_far.request.digest):
        raise Refused(f"{place} is of the request {entry.request}, and this one is {so_far.request.digest}")
    _require_time(so_far.request, entry.at)
    for text in (*entry.present, *entry.exceptions, entry.tool):
        documents.require_plain(text, place)


def _witnessed(so_far: KeygenProgress, entry: Any, _place: str) -> None:  # noqa: ANN401
    so_far.statements.append(entry.statement)


def _readiness(so_far: KeygenProgress, entry: Any, place: str) -> None:  # noqa: ANN401
    if not entry.rows:
        raise Refused(f"{place}.rows is empty, and such an entry has rows", _ORDER)
    so_far.readiness = entry.rows


def _shares(so_far: KeygenProgress, entry: Any, place: str) -> None:  # noqa: ANN401
    so_far.record = records.parse(entry.record.encode(), f"{place}.record")
    shares = so_far.request.specification.shares
    holders = [share.holder for share in so_far.record.shares]
    if shares is None or (so_far.record.threshold, holders) != (shares.threshold, [*shares.holders]):
        raise Refused(f"{place}.record has other holders, or another threshold, than the request asks for")


def _intent(so_far: KeygenProgress, entry: Any, place: str) -> None:  # noqa: ANN401
    key = so_far.request.specification.keys[so_far.intents]
    if (entry.key, entry.label) != (so_far.intents, key.label):
        raise Refused(f"{place} is about another key than {shown(key.label)}, which is the next", _ORDER)
    so_far.intents += 1


def _created(so_far: KeygenProgress, entry: Any, place: str) -> None:  # noqa: ANN401
    number = len(so_far.keys)
    key = so_far.request.specification.keys[number]
    made = read_statement(entry.statement, f"{place}.statement")
    found = (entry.key, made.public_key.role.name.lower(), made.name, made.holder)
    if found != (number, key.role, key.name, key.holder):
        raise Refused(f"{place}.statement is about another key, or holder, than the request asks for")
    # Compared without the role: one pair of 32 bytes under two prefixes would be two names for one secret.
    if made.public_key.raw in {other.public_key.raw for other in so_far.keys}:
        raise Refused(f"{place}.statement is of a key that is listed already", "a key has one role")
    _require_attributes(key, made.driver_report)
    if key.recoverable:
        recorded = {one.key.text: one.public_key for one in (so_far.record.keys if so_far.record else ())}
        if recorded.get(f"{key.role}:{key.name}") != made.public_key:
            raise Refused(f"{place}.statement is of another key than the record of the shares has")
    so_far.keys.append(made)
    so_far.key_statements.append(entry.statement)
    so_far.signatures[str(made.public_key)] = sum(entry.signed.values())


def _ended(so_far: KeygenProgress, entry: Any, place: str) -> None:  # noqa: ANN401
    if entry.created != len(so_far.keys) or entry.signatures != so_far.signatures_in_all:
        raise Refused(f"{place} counts other keys or signatures than the entries have")
    so_far.is_ended = True


_TAKERS: dict[str, tuple[type[_KeygenEntry], Callable[[KeygenProgress, Any, str], None]]] = {
    "opened": (_KeygenOpened, _opened),
    "witnessed": (_KeygenWitnessed, _witnessed),
    "readiness": (_KeygenReadiness, _readiness),
    "shares": (_KeygenShares, _shares),
    "intent": (_KeygenIntent, _intent),
    "created": (_KeygenCreated, _created),
    "ended": (_KeygenEnded, _ended),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class KeygenCheck:
    """A verdict on request and result, what to state about it, and what was read."""

    verdict: CeremonyVerdict
    text: str
    hint: str = ""
    request: KeygenRequest | None = None
    progress: KeygenProgress | None = None


def check_keygen(request: bytes, result: bytes, operator: PublicKey | None = None) -> KeygenCheck:
    """Return the verdict on *request* and *result*: no token, no clock, no network is asked.

    *operator* is the pinned operator key, which has to be one of those that were created.
    """
    try:
        asked = key_request.parse(request)
        members = _parsed(result)
        so_far = progress(asked, members.transcript)
        if not so_far.is_ended:
            raise Refused("result.transcript stops before its end, and has receipts", _ORDER)
        at = int(so_far.entries[0]["at"])
        require_witnesses(
            so_far.statements, content_of(asked), asked.specification.witnesses,
            signers={key.public_key.raw for key in so_far.keys}, prepared_at=asked.prepared_at, now=at,
        )  # fmt: skip
        _require_receipts(so_far, members.receipts)
        if operator is not None and operator not in {key.public_key for key in so_far.keys}:
            raise Refused(f"the pinned operator key {operator} is none of the keys that were created")
    except SeedlessError as error:
        return KeygenCheck(verdict=CeremonyVerdict.FALSE, text=error.message, hint=error.hint)
    count = len(so_far.keys)
    text = f"{count} {'key was' if count == 1 else 'keys were'} created as requested, each signed a receipt"
    return KeygenCheck(verdict=CeremonyVerdict.COMPLETE, text=text, request=asked, progress=so_far)


def _parsed(data: bytes) -> _KeygenResultMembers:
    members = documents.members_of(documents.parse(data, "the result"), _KeygenResultMembers, "result")
    if members.format != RESULT_FORMAT:
        raise Refused(f"result.format is not {RESULT_FORMAT!r}", "another version of seedless may read it")
    return members


def _require_receipts(so_far: KeygenProgress, texts: Sequence[str]) -> None:
    drafts = _receipt_drafts(so_far, so_far.digest, so_far.entries[-1]["at"])
    for number, (text, draft) in enumerate(zip(texts, drafts, strict=False)):
        place = f"result.receipts[{number}]"
        require_equal(read_ceremony_jwt(text, place), draft, place)
    if len(texts) != len(drafts):
        raise Refused(f"result.receipts holds {len(texts)}, and {len(drafts)} keys were created")
