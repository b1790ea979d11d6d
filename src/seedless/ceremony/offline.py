"""The ceremony on the machine that signs: the signing pipeline, with a transcript, and only files around it.

`run_ceremony` runs `seedless.signing_pipeline.issue`, as every command does: its judge is the review context,
its keys write what they do into the transcript, its record ends it with receipts, a result and the ledger. An
interrupted ceremony goes on where it stopped: what is in the transcript is not done again. Once something may
have been signed (an intent is on disk) the judgement is that of the time at which it began, and to go on with
another policy, other witnesses or other findings is refused. Until then it begins anew, and the clock of now
decides: a request that has expired since is not signed.

Ceremonies that were held, as the files of a machine that signs report of them: what no ledger can hide.

A ceremony is unfinished where its transcript states that something may have been signed, and no result lies
beside it. One that has ended has a result, which the ledger knows, unless that is lost, or an older one was
restored. Refused is a file that cannot be read: it may be of such a ceremony.
"""

from __future__ import annotations

import contextlib
import dataclasses
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from seedless.ceremony import documents, transcript
from seedless.ceremony.judgement import ReviewContext, finding_texts, waived_texts
from seedless.ceremony.request import parse
from seedless.ceremony.statements import StatementContent, receipt_drafts, require_witnesses
from seedless.ceremony.transcript import (
    CeremonyProgress,
    TranscriptFile,
    attestation_in,
    draft_digest,
    progress,
)
from seedless.clock import Clock
from seedless.errors import Refused, SeedlessError, StoreError, UsageError
from seedless.ledger import OperatorRecord, is_digest
from seedless.policy import attestation_of
from seedless.signing_pipeline import Intent, issue
from seedless.store import atomic
from seedless.text import shown
from seedless.units import moment

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from seedless.change import StoreWrite
    from seedless.findings import Report
    from seedless.jwt import Draft, Jwt
    from seedless.nkey import PublicKey
    from seedless.readiness import ReadinessRow
    from seedless.signing_pipeline import NewKey, Plan, Signed


REQUEST_NAME, TRANSCRIPT_NAME, RESULT_NAME = "request.json", "transcript.jsonl", "result.json"


class CeremonyKeys(Protocol):
    """Open tokens: sign, and report what the driver states of a key."""

    def sign(self, drafts: Iterable[Draft[object]]) -> Iterator[Jwt[object]]:
        """Yield the jwt of each draft, one after the other, signed by the key of its issuer and verified."""

    def driver_report(self, public_key: PublicKey) -> Mapping[str, object]:
        """Return what the driver states of the key and its token, as JSON holds it: texts, numbers, null."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CeremonyRun:
    """What a ceremony is held with.

    `statements` are those of the witnesses (jwt text), `present` the names of the people, `tool` the program.
    `clock` returns the time of day in Unix seconds, for the entries of the transcript.
    `readiness` returns what is known of tokens and machine then, for the transcript; nothing, if it is empty.
    `folder` gets request, transcript and result; `ledger` is the file of the ledger; `output` one more place
    for the result. `waits` is how the time of the drafts is waited for before anything is signed.
    """

    review_context: ReviewContext
    folder: Path
    ledger: Path
    clock: Callable[[], int]
    output: Path | None = None
    statements: tuple[str, ...] = ()
    present: tuple[str, ...] = ()
    tool: str = "seedless"
    waits: Clock = field(default_factory=Clock)
    readiness: Callable[[], tuple[ReadinessRow, ...]] = tuple


def run_ceremony(
    run: CeremonyRun,
    *,
    review: Callable[[Plan, Report], bool],
    keys: Callable[[], AbstractContextManager[CeremonyKeys]],
) -> bytes:
    """Hold the ceremony, or go on with it, and return the file of its result.

    *review* and *keys* as in `issue`. Raise `Refused` where findings, witnesses or the reviewer prevent
    it, `StoreError` for a transcript that is not the one that the ledger knows, and `UsageError` for names
    that no check would take, and for an output in whose place the files of the ceremony lie.
    """
    for name in run.present:
        documents.require_plain(name, "the name of somebody present")
    _require_output(run)
    atomic.make_folder(run.folder)
    table = _open_ceremony(run)
    review_context = table.review_context
    witnesses = review_context.policy.witnesses
    report = review_context.judge()
    if not report.errors:
        prepared_at = review_context.request.plan.prepared_at
        require_witnesses(
            run.statements,
            statement_content(review_context, report),
            witnesses,
            signers=review_context.request.signers,
            prepared_at=prepared_at,
            now=review_context.now,
        )
        _require_readable(run, review_context, report)
    issue(
        Intent(lambda _: review_context.plan, is_final=True),
        judge=lambda _: report,
        review=review,
        keys=lambda _: table.opened(report, keys),
        record=table.record,
        clock=run.waits,
    )
    return table.result


def _require_readable(run: CeremonyRun, review_context: ReviewContext, report: Report) -> None:
    """Raise `StoreError` when what the ceremony writes at its end would be more than is read again."""
    head = sum(len(transcript.line(members)) for _, members in _head(run, review_context, report))
    keys = _FOR_A_KEY * len(review_context.request.issuers)
    atomic.require_size(
        run.folder / RESULT_NAME, review_context.request.largest_result + head + keys, "would be"
    )
    plan = review_context.plan
    subjects = _FOR_A_SUBJECT * (len(plan.changes) + len(plan.around) + len(plan.store_writes) + 1)
    atomic.require_size(run.ledger, len(review_context.ledger.text()) + subjects, "would be")


_FOR_A_KEY = 48 * 1024  # bytes of a result, at most: what is stated of it, its attestation, and its receipt
_FOR_A_SUBJECT = 300  # bytes of a ledger, at most


def _require_output(run: CeremonyRun) -> None:
    """Raise `UsageError` for an output where something lies, or where the ceremony keeps its own files.

    A result of this request may lie there: a ceremony that was killed at its end has written it.
    """
    if run.output is None:
        return
    output, folder = run.output.resolve(), run.folder.resolve()
    if output == run.ledger.resolve() or output == folder or folder in output.parents:
        raise UsageError(
            f"the result cannot go to {shown(run.output)}, where the ceremony keeps its own files",
            "name a file elsewhere: --output FILE",
        )
    if not _is_result_of(run.review_context.request.digest, run.output):
        atomic.require_new(run.output)


def _is_result_of(request: str, path: Path) -> bool:
    """Report whether a result of the request with the digest *request* lies at *path*."""
    try:
        entries_read = transcript.parse(atomic.read(path) or b"")
    except SeedlessError:
        return False
    first = entries_read.entries[0] if entries_read.entries and entries_read.receipts is not None else None
    return isinstance(first, dict) and first.get("request") == request


def statement_content(review_context: ReviewContext, report: Report) -> StatementContent:
    """Return what a witness of this request signs."""
    return StatementContent(
        request=review_context.request.digest,
        policy=review_context.policy.digest,
        waived=waived_texts(report),
        expires=review_context.request.expires,
    )


def resumed(review_context: ReviewContext, folder: Path) -> ReviewContext:
    """Return the review context for a request whose ceremony has files in *folder*.

    It is *review_context*, unless something of the request may have been signed already: then the time is the
    one at which that ceremony began, since it has to be finished as it was reviewed. `review` and `sign` both
    judge by this. Raise `StoreError` for a transcript that cannot be read, `Refused` for one that is not
    right, and for a clock that is behind the last entry of the transcript.
    """
    return _resumed(
        review_context,
        _progress(review_context, TranscriptFile(folder / TRANSCRIPT_NAME, review_context.request.digest)),
    )


def _progress(review_context: ReviewContext, journal: TranscriptFile) -> CeremonyProgress:
    """Return what was done of the request before; nothing where its ceremony has ended already."""
    if review_context.book is not None and review_context.request.digest in review_context.book.requests:
        return CeremonyProgress(review_context.request)
    return progress(review_context.request, journal.entries)


def _resumed(review_context: ReviewContext, so_far: CeremonyProgress) -> ReviewContext:
    if not so_far.intents or review_context.resumed_at:
        return review_context
    if review_context.clock < so_far.latest:
        raise Refused(
            f"the clock reads {moment(review_context.clock)}, and this ceremony was interrupted at "
            f"{moment(so_far.latest)}",
            "set the clock of this machine right",
        )
    return dataclasses.replace(review_context, now=so_far.at, resumed_at=review_context.clock)


def _open_ceremony(run: CeremonyRun) -> _OpenCeremony:
    """Lay out what is there of this ceremony; one that has signed nothing yet begins again."""
    review_context = run.review_context
    journal = TranscriptFile(run.folder / TRANSCRIPT_NAME, review_context.request.digest)
    so_far = _progress(review_context, journal)
    if (
        review_context.ledger.open.get(review_context.policy.operator) == review_context.request.digest
        and not so_far.intents
    ):
        # The ledger is written after the first intent: entries, or all of the transcript, were taken away.
        raise StoreError(
            f"by the ledger this ceremony may have signed something, and {shown(journal.path)} does not",
            "bring the transcript back",
        )
    then = _resumed(review_context, so_far)
    if so_far.intents and not _is_same(so_far, run, then):
        raise Refused(
            "this ceremony began with another policy, other witnesses, people or waived findings",
            f"go on as it began: {shown(journal.path)} shows how",
        )
    if so_far.opened is not None and not so_far.intents:
        so_far = CeremonyProgress(review_context.request)
        return _OpenCeremony(run, then, journal, so_far, begins_anew=True)
    return _OpenCeremony(run, then, journal, so_far)


def _head(
    run: CeremonyRun, review_context: ReviewContext, report: Report
) -> list[tuple[str, dict[str, Any]]]:
    """Return the entries with which the transcript begins: their kinds and members."""
    request = review_context.request
    opened = {
        "format": transcript.FORMAT,
        "request": request.digest,
        "tool": run.tool,
        "mark": request.mark,
        "present": list(run.present),
    }
    reviewed = {
        "policy": review_context.policy.canonical.decode(),
        "findings": list(finding_texts(report)),
        "lifted": list(waived_texts(report)),
    }
    witnessed = [("witnessed", {"statement": text.strip()}) for text in run.statements]
    return [("opened", opened), ("reviewed", reviewed), *witnessed]


def _is_same(so_far: CeremonyProgress, run: CeremonyRun, then: ReviewContext) -> bool:
    """Report whether the transcript begins as *run* would begin at the same time."""
    head = _head(run, then, then.judge())
    entries: list[transcript.TranscriptEntry] = []
    for (kind, members), entries_read in zip(head, so_far.entries, strict=False):
        dated = {"at": entries_read["at"], **members}
        entries.append(transcript.entry_after(entries, kind, then.request.digest, dated))
    return entries == so_far.entries[: len(head)] and len(so_far.statements) == len(run.statements)


@dataclass(slots=True)
class _OpenCeremony:
    """A ceremony under way: what is on disk of it, and the keys while they are open."""

    run: CeremonyRun
    review_context: ReviewContext
    journal: TranscriptFile
    so_far: CeremonyProgress
    begins_anew: bool = False
    result: bytes = b""
    signed: list[Jwt[Any]] = field(default_factory=list)
    _keys: CeremonyKeys | None = None
    _is_open: bool = False

    @contextlib.contextmanager
    def opened(
        self, report: Report, keys: Callable[[], AbstractContextManager[CeremonyKeys]]
    ) -> Iterator[_OpenCeremony]:
        """Write how the ceremony begins, open the keys, and write what is stated of them."""
        request = self.review_context.request
        if self.begins_anew:
            self.journal.forget()
        atomic.write({self.run.folder / REQUEST_NAME: request.data.decode()})
        for kind, members in _head(self.run, self.review_context, report)[len(self.journal.entries) :]:
            # The first entry has the time by which the request was judged: the expiry counts against it.
            at = self.review_context.now if kind == "opened" else self.run.clock()
            self.journal.append(kind, at, **members)
        self._write_readiness()
        with keys() as opened:
            for issuer in request.issuers[len(self.so_far.driver_report) :]:
                driver_report = dict(opened.driver_report(issuer))
                attestation_of(
                    self.review_context.policy, issuer, attestation_in(driver_report), self.review_context.now
                )  # raises
                members = {"public_key": str(issuer), "says": driver_report}
                self.journal.append("key", self.run.clock(), **members)
            self._keys = opened
            yield self

    def _write_readiness(self) -> None:
        """Write what is known of tokens and machine, once: a ceremony that goes on has it already."""
        if self.so_far.readiness or self.so_far.driver_report:
            return
        rows = [msgspec.to_builtins(row) for row in self.run.readiness()]
        if rows:
            self.journal.append("readiness", self.run.clock(), rows=rows)

    def create(self, keys: Sequence[NewKey]) -> Mapping[NewKey, PublicKey]:
        """Refuse: a request is signed as it is."""
        raise UsageError(f"a ceremony creates no key: {keys[0].name}", "ceremony keygen creates keys")

    def sign(self, drafts: Iterable[Draft[object]]) -> Iterator[Jwt[object]]:
        """Yield the jwt of each draft: out of the transcript, or signed after its intent is on disk."""
        done = self.so_far.signed
        for number, draft in enumerate(drafts):
            yield done[number] if number < len(done) else self._sign(number, draft)

    def _sign(self, number: int, draft: Draft[object]) -> Jwt[object]:
        """Sign the draft with this *number*: one at a time, for keys may read ahead, and intents may not."""
        if self._keys is None:
            raise UsageError("the tokens of the ceremony are not open")
        at, expires = self.run.clock(), self.review_context.request.expires
        if not self.so_far.intents and not number and at >= expires:
            # Somebody may have been asked for words and a PIN since it was judged.
            raise Refused(
                f"the request expired at {moment(expires)}, and nothing was signed", "prepare it again"
            )
        if number >= self.so_far.intents:
            self.journal.append("intent", at, change=number, sha256=draft_digest(draft))
        self._open_ledger()  # behind the intent: a ledger that states so has a transcript that states it, too
        (jwt,) = self._keys.sign([draft])
        self.journal.append("signed", self.run.clock(), change=number, jwt=jwt.text)
        return jwt

    def _open_ledger(self) -> None:
        review_context, operator = self.review_context, self.review_context.policy.operator
        if not self._is_open and review_context.ledger.open.get(operator) != review_context.request.digest:
            ledger = review_context.ledger.with_open(operator, review_context.request.digest)
            atomic.write({self.run.ledger: ledger.text()})
        self._is_open = True

    def record(self, signed: Sequence[Signed], _store_writes: Sequence[StoreWrite]) -> None:
        """Take what was signed; with the last, end the transcript, sign the receipts, write the result."""
        self.signed += [jwt for _, jwt in signed]
        request = self.review_context.request
        if len(self.signed) < len(request.plan.changes) or self._keys is None:
            return
        if not self.so_far.is_ended:
            self.journal.append("ended", self.run.clock(), signed=len(self.signed))
        digest = transcript.digest(self.journal.entries)
        receipts = list(self._keys.sign(receipt_drafts(request, digest, self.journal.entries[-1]["at"])))
        self.result = transcript.to_bytes(self.journal.entries, [receipt.text for receipt in receipts])
        # A ledger that begins knows the ceremonies that have a result here, so that none is missed later.
        book = self.review_context.book or OperatorRecord(
            last=request.previous, requests=self.review_context.unknown_results
        )
        placed = [write.jwt for write in self.review_context.plan.store_writes if write.jwt]
        ended = book.ended(request.digest, digest, [*self.review_context.plan.around, *placed, *self.signed])
        ledger = self.review_context.ledger.with_book(self.review_context.policy.operator, ended)
        text = self.result.decode()
        places = [self.run.folder / RESULT_NAME, *([self.run.output] if self.run.output else [])]
        try:
            atomic.write({**dict.fromkeys(places, text), self.run.ledger: ledger.text()})
        except StoreError as error:
            # A full medium: what was signed is in the transcript, so nobody has to prepare or witness again.
            hint = "everything was signed: run it again with room there, or with another --output"
            raise StoreError(error.message, hint) from error


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
        return transcript.parse(atomic.read(folder / RESULT_NAME) or b"").transcript_digest
    except SeedlessError as error:
        raise _unreadable(folder, error) from error


def _is_begun(folder: Path, operator: str) -> bool:
    if (folder / RESULT_NAME).exists():
        return False
    data = atomic.read(folder / TRANSCRIPT_NAME)
    if not data:
        return False
    try:
        if not any(
            isinstance(entry, dict) and entry.get("kind") == "intent" for entry in transcript.read(data)
        ):
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
        f"it is not known what the ceremony in {shown(folder)} has signed: {error.message}",
        "restore its files from a backup",
    )
