"""The ceremony that creates keys, as it is held: what was done is in the transcript before it goes on.

What is in the transcript is not done again: a ceremony that was interrupted goes on, and a key whose intent
is there is found again. The receipts are signed by the new keys, over the digest of the transcript.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import msgspec

from seedless.ceremony import documents
from seedless.ceremony.keys import RESULT_FORMAT, CeremonyKey
from seedless.ceremony.statements import require_witnesses
from seedless.ceremony.transcript import TranscriptFile
from seedless.errors import Refused, UsageError
from seedless.keygen.transcript import (
    FORMAT,
    KeygenProgress,
    KeygenSession,
    SeenBag,
    content_of,
    progress,
    receipt_drafts,
    require_as_asked,
    require_session,
    require_time,
)
from seedless.recovery import record as records
from seedless.store import atomic

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from seedless.jwt import Draft, Jwt
    from seedless.keygen.request import KeygenRequest, SpecifiedKey
    from seedless.readiness import ReadinessRow
    from seedless.recovery.record import RecoveryRecord

REQUEST_NAME, TRANSCRIPT_NAME, RESULT_NAME = "request.json", "transcript.jsonl", "result.json"
RECORD_NAME = "recovery.json"
CHALLENGE, STATEMENT = "challenge", "statement"


class KeygenTokens(Protocol):
    """Open tokens on which keys are created."""

    def require_free(self, keys: Sequence[SpecifiedKey]) -> None:
        """Raise `Refused` where the inventory, or its token, has a key of the label of one of *keys*."""

    def create(self, key: SpecifiedKey) -> tuple[CeremonyKey, int]:
        """Create *key*, or find it where its creation was interrupted; return it, and how many challenges it
        has signed."""  # noqa: D205, D209 - one sentence

    def sign(self, drafts: Sequence[Draft[object]]) -> Iterable[Jwt[object]]:
        """Return the jwt of each draft, signed on the token of its issuer and verified."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeygenRun:
    """What keys are created with; members as of `seedless.ceremony.offline.CeremonyRun`.

    `bags` are those that were opened, as they were found; `exceptions` are deviations that somebody reports
    before the first key, or before it goes on. `share` creates the secret of the recoverable keys and its
    shares, imports these keys, and returns the record.
    """

    request: KeygenRequest
    folder: Path
    clock: Callable[[], int]
    statements: tuple[str, ...] = ()
    present: tuple[str, ...] = ()
    bags: tuple[SeenBag, ...] = ()
    exceptions: tuple[str, ...] = ()
    tool: str = "seedless"
    readiness: Callable[[], tuple[ReadinessRow, ...]] = tuple
    share: Callable[[], RecoveryRecord] | None = None

    def session(self, at: int) -> KeygenSession:
        """Return who is there *at* this time (Unix seconds), and what was found."""
        return KeygenSession(
            at=at, tool=self.tool, present=self.present, bags=self.bags, exceptions=self.exceptions
        )


def run_keygen(run: KeygenRun, tokens: Callable[[], AbstractContextManager[KeygenTokens]]) -> bytes:
    """Create the keys of a request, or go on with it, and return the file of the result.

    Raise `Refused` where witnesses are missing, the request has expired, a label exists, a driver reports a
    key otherwise than it was asked for, or the ceremony was abandoned; then the transcript has what was done
    until then.
    """
    require_session(run.request, run.session(0), "what was reported of people, bags and exceptions")
    atomic.make_folder(run.folder)
    journal = TranscriptFile(run.folder / TRANSCRIPT_NAME, run.request.digest)
    so_far = _entered(run, journal)
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
        for number in range(len(so_far.keys), len(run.request.specification.keys)):
            _create(run, journal, opened, so_far, number)
        so_far = progress(run.request, journal.entries)
        if not so_far.is_ended:
            counts = so_far.signatures_in_all
            journal.append("ended", run.clock(), created=len(so_far.keys), signatures=counts)
        receipts = [jwt.text for jwt in opened.sign(receipt_drafts(progress(run.request, journal.entries)))]
    return documents.to_bytes({"format": RESULT_FORMAT, "receipts": receipts, "transcript": journal.entries})


def _entered(run: KeygenRun, journal: TranscriptFile) -> KeygenProgress:
    """Write how the ceremony begins, or goes on, and return how far it has come."""
    so_far = progress(run.request, journal.entries)
    if so_far.is_abandoned:
        raise Refused("the ceremony of this request was abandoned, for good", "prepare another request")
    # As long as no key and no share exists, a run that was interrupted begins anew, and who is present is
    # asked again. From then on what was done stays, and who is there now is added.
    if not so_far.is_begun:
        _begin(run, journal)
    elif not so_far.is_ended:
        journal.append("resumed", run.clock(), **_members(run))
    elif run.exceptions:
        raise UsageError(
            "all keys were created before, and exceptions come before the last one",
            "write them on the report, and leave out --exception",
        )
    return progress(run.request, journal.entries)


def _members(run: KeygenRun) -> dict[str, object]:
    return {
        "tool": run.tool,
        "present": list(run.present),
        "bags": [msgspec.to_builtins(bag) for bag in run.bags],
        "exceptions": list(run.exceptions),
    }


def _begin(run: KeygenRun, journal: TranscriptFile) -> None:
    """Write how the ceremony begins: anew, since nothing was created."""
    request = run.request
    now = run.clock()
    require_time(request, now)
    require_witnesses(
        run.statements, content_of(request), request.specification.witnesses,
        signers=(), prepared_at=request.prepared_at, now=now,
    )  # fmt: skip
    # What a broken-off beginning has written contains no key: it would only make two beginnings of one
    # ceremony.
    if journal.entries:
        journal.forget()
    atomic.write({run.folder / REQUEST_NAME: request.data.decode()})
    journal.append("opened", now, format=FORMAT, request=request.digest, mark=request.mark, **_members(run))
    for text in run.statements:
        journal.append("witnessed", run.clock(), statement=text.strip())


def _shared(run: KeygenRun) -> RecoveryRecord:
    """Return the record of the shares: of an interrupted run, or made now."""
    data = atomic.read(run.folder / RECORD_NAME)
    if data is not None:
        return records.parse(data, str(run.folder / RECORD_NAME))
    if run.share is None:
        raise Refused("no shares are created here", "recoverable keys are created at a terminal")
    return run.share()


def _create(
    run: KeygenRun,
    journal: TranscriptFile,
    tokens: KeygenTokens,
    so_far: KeygenProgress,
    number: int,
) -> None:
    """Create one key: its intent is on disk before, so that none exists of which nothing is known."""
    key = run.request.specification.keys[number]
    if number >= so_far.intents:
        # A recoverable key is on the token already, since the process that has the secret imports it.
        if not key.recoverable:
            tokens.require_free([key])
        # Written and synced before the driver is called: if the machine stops inside the call, a key with
        # this label may be on the token, and the next run has to look for it instead of creating a second
        # one.
        at = run.clock()
        if not (number or so_far.is_begun):
            require_time(run.request, at)
        journal.append("intent", at, key=number, label=key.label)
    made, challenges = tokens.create(key)
    require_as_asked(key, made)
    # The new key signs what the driver reports of it: nobody can change the report later without the token.
    (statement,) = tokens.sign([made.draft()])
    signed = {CHALLENGE: challenges, STATEMENT: 1}
    journal.append("created", run.clock(), key=number, statement=statement.text, signed=signed)
