"""Ceremonies on the machine that has the store: requests prepared, results accepted, what has begun given up.

Where they lie on a machine, with its ledger and its transcripts, and which have begun or ended there.
"""

from __future__ import annotations

import functools
import getpass
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from seedless import ledger
from seedless import ledger as ledgers
from seedless.app import arguments
from seedless.app.arguments import Time
from seedless.app.pipeline import Recorder
from seedless.app.plans import with_store_of
from seedless.app.remaining import remaining
from seedless.ceremony import transcript as results
from seedless.ceremony.check import CeremonyCheck, CeremonyVerdict
from seedless.ceremony.check import check as examine
from seedless.ceremony.offline import REQUEST_NAME, RESULT_NAME, TRANSCRIPT_NAME, unfinished, unknown_results
from seedless.ceremony.request import CeremonyRequest
from seedless.ceremony.request import parse as parse_request
from seedless.ceremony.request import prepare as prepare_request
from seedless.claims import Account, Operator
from seedless.errors import Refused, StoreError, UsageError
from seedless.jwt import Jwt
from seedless.ledger import LEDGER_NAME, Ledger, OperatorRecord, is_digest
from seedless.nkey import PublicKey
from seedless.program import tool
from seedless.rules.guards import MOST_AHEAD
from seedless.signing_pipeline import Plan
from seedless.store import atomic, root_lock
from seedless.text import shown
from seedless.units import moment

if TYPE_CHECKING:
    from seedless.app.workspace import Workspace
    from seedless.signing_pipeline import Signed

__all__ = [
    "Abandonment",
    "Acceptance",
    "abandonment",
    "acceptance",
    "begun_here",
    "folder_of",
    "issue_time",
    "ledger_path",
    "prepare",
    "unknown_results_here",
    "write",
]


def ledger_path(workspace: Workspace) -> Path:
    """Return where the ledger of this machine lies."""
    return workspace.root / LEDGER_NAME


def folder_of(workspace: Workspace, digest: str) -> Path:
    """Return where the files of the ceremony of the request with *digest* lie, or would."""
    return workspace.root / "ceremonies" / digest


def begun_here(workspace: Workspace, known: Ledger, operator: str) -> tuple[str, ...]:
    """Return the requests of *operator* whose transcripts here have begun, and not ended.

    Their digests; the ledger as it is *known* may have lost them, and names those given up.
    """
    book = known.books.get(operator)
    return unfinished(workspace.root / "ceremonies", operator, book.requests if book else ())


def unknown_results_here(workspace: Workspace, known: Ledger, operator: str) -> dict[str, str]:
    """Return the ceremonies of *operator* that have a result here, and that the ledger *known* has not."""
    book = known.books.get(operator)
    return unknown_results(workspace.root / "ceremonies", operator, book.requests if book else ())


class Abandonment(Struct, frozen=True, kw_only=True):
    """A ceremony that has begun here, as it would be given up: nothing is written before `record`.

    `signed` is how many jwts its transcript has, `transcript` the digest of that.
    """

    request: CeremonyRequest
    signed: int
    transcript: str
    job: Callable[[Abandonment], None]

    def record(self) -> None:
        """Write into the ledger that the request is never signed again.

        Raise `UsageError` where it has ended since, `StoreError` where more was signed since: what somebody
        agreed to give up is another ceremony then.
        """
        self.job(self)


def _abandon(workspace: Workspace, agreed: Abandonment) -> None:
    """Record *agreed*, see `Abandonment.record`."""
    with root_lock(workspace.root).held(workspace.observer.waits):
        request, path = agreed.request, ledger_path(workspace)
        known = ledger.load(path)
        now = _begun(workspace, request, known)
        if now.transcript != agreed.transcript:
            raise StoreError(
                f"the ceremony of the request {request.digest} has gone on since it was looked at",
                "look again at what it has signed",
            )
        operator = request.operator_key
        held = unknown_results_here(workspace, known, operator)
        after = known.abandoned(operator, request.digest, now.transcript, request.previous, held)
        atomic.write({path: after.text()})


def abandonment(workspace: Workspace, request: CeremonyRequest) -> Abandonment:
    """Return what giving up the ceremony of *request* would do; `UsageError` where none has begun here."""
    with root_lock(workspace.root).held(workspace.observer.waits):
        return _begun(workspace, request, ledger.load(ledger_path(workspace)))


def _begun(workspace: Workspace, request: CeremonyRequest, known: Ledger) -> Abandonment:
    """Return the ceremony of *request* as its transcript has it now; the caller has the lock."""
    operator = request.operator_key
    begun = {known.open.get(operator), *begun_here(workspace, known, operator)}
    if request.digest not in begun:
        raise UsageError(
            f"no ceremony of the request {request.digest} has begun here and not ended",
            "one that has ended needs no abandoning, and one that nobody has begun expires by itself",
        )
    path = folder_of(workspace, request.digest) / TRANSCRIPT_NAME
    so_far = results.progress(request, results.read(atomic.read(path) or b""))
    return Abandonment(
        request=request,
        signed=len(so_far.signed),
        transcript=so_far.digest,
        job=functools.partial(_abandon, workspace),
    )


def prepare(
    workspace: Workspace, plan: Plan, *, reason: str, expires: Time, prepared_by: str | None, at: Time | None
) -> CeremonyRequest:
    """Return the request for *plan*, see `Ceremonies.prepare`."""
    issued = issue_time(workspace, at)
    operator = _operator(workspace, plan)
    previous, receipts = _previous(workspace, plan, operator)
    return prepare_request(
        plan,
        at=issued,
        reset_time=workspace.settings.reset_time,
        operator=operator,
        reason=reason,
        prepared_by=prepared_by or getpass.getuser(),
        expires=arguments.seconds("expires", expires, issued),
        tool=tool(),
        previous=previous,
        receipts=receipts,
    )


def issue_time(workspace: Workspace, at: Time | None) -> int:
    """Return *at* in Unix seconds, now where it is None.

    Raise `UsageError` where it is further ahead of this clock than clocks differ.
    """
    issued = workspace.now if at is None else arguments.seconds("at", at, workspace.now)
    if issued > workspace.now + MOST_AHEAD:
        raise UsageError(
            f"the time of the request is {moment(issued)}, and this clock reads {moment(workspace.now)}",
            f"give a time at most {MOST_AHEAD} seconds ahead",
        )
    return issued


def write(workspace: Workspace, request: CeremonyRequest, path: Path) -> None:
    """Write *request* to the new file *path*, and a copy here, which its result is accepted for."""
    text = request.data.decode()
    copy = folder_of(workspace, request.digest) / REQUEST_NAME
    atomic.write_new({path: text}, {copy: text})


def _operator(workspace: Workspace, plan: Plan) -> Jwt[Operator] | None:
    """Return the operator as it is; None where the plan makes it."""
    for change in plan.changes:
        if isinstance(change.draft.claims.body, Operator) and change.replaces is None:
            return None
    return workspace.operator()


def _previous(
    workspace: Workspace, plan: Plan, operator: Jwt[Operator] | None
) -> tuple[str | None, tuple[str, ...]]:
    """Return the digest of the transcript of the last ceremony that was accepted here, and its receipts.

    With them the machine that signs can see that its own ledger is an older one.
    """
    planned = (change.draft.claims for change in plan.changes)
    new = next((claims.sub for claims in planned if isinstance(claims.body, Operator)), "")
    book = ledger.load(ledger_path(workspace)).books.get(operator.claims.sub if operator else new)
    if book is None or book.last is None:
        return None, ()
    requests = (request for request, transcript in book.requests.items() if transcript == book.last)
    for request in requests:
        data = atomic.read(folder_of(workspace, request) / RESULT_NAME)
        if data is not None:
            return book.last, results.parse(data).receipts or ()
    return book.last, ()


class Acceptance(Struct, frozen=True, kw_only=True):
    """A result that was verified, as it would be recorded: nothing is written before `record`.

    `check` is complete; `left` is what the store has not yet.
    """

    request: CeremonyRequest
    check: CeremonyCheck
    left: Plan
    job: Callable[[Acceptance], Acceptance]

    @property
    def signed(self) -> tuple[Jwt[object], ...]:
        """The jwts that were signed, in the order of the request."""
        return tuple(self.check.progress.signed) if self.check.progress else ()

    @property
    def passed(self) -> int:
        """How many of them are in the store already."""
        return len(self.request.plan.changes) - len(self.left.changes)

    @property
    def next_steps(self) -> tuple[str, ...]:
        """Return what the servers require now, in sentences: nothing where users alone were signed."""
        kinds = {type(jwt.claims.body) for jwt in self.signed}
        operator = "the servers have the operator after: seedless server config, and a restart of each"
        accounts = "the servers have the accounts after: seedless push --all"
        return (*([operator] if Operator in kinds else []), *([accounts] if Account in kinds else []))

    def record(self) -> Acceptance:
        """Write what is left into the store, result and ledger in the same step; return what was written.

        Raise `StoreError` where the store has changed since the request was prepared.
        """
        return self.job(self)


def _record_left(workspace: Workspace, recorder: Workspace, data: bytes, accepted: Acceptance) -> Acceptance:
    """Record *accepted*, the result *data*, by *recorder*, whose store it is; see `Acceptance.record`."""
    with recorder.lock():
        # Somebody else may have written in between: what is left is asked again, under the lock.
        left = remaining(recorder, _whole(accepted.request))
        _record(recorder, accepted, left, data)
    workspace.store = recorder.store
    return msgspec.structs.replace(accepted, left=left)


def acceptance(workspace: Workspace, data: bytes) -> Acceptance:
    """Return what accepting the result *data* would record, see `Ceremonies.accept`."""
    workspace.refresh()
    request = _own_request(workspace, data)
    found = _require_complete(workspace, request, data)
    recorder = with_store_of(workspace, request.plan)
    with recorder.lock():
        left = remaining(recorder, _whole(request))
    return Acceptance(
        request=request,
        check=found,
        left=left,
        job=functools.partial(_record_left, workspace, recorder, data),
    )


def _own_request(workspace: Workspace, data: bytes) -> CeremonyRequest:
    """Return the request of the result *data*, as it was prepared here; raise `Refused` for any other."""
    entries = results.parse(data).entries
    first = entries[0] if entries and isinstance(entries[0], dict) else {}
    digest = first.get("request")
    path = folder_of(workspace, str(digest)) / REQUEST_NAME if is_digest(digest) else None
    held = atomic.read(path) if path else None
    if held is None:
        raise Refused(
            "the result is for a request that was not prepared here", "accept it where it was prepared"
        )
    return parse_request(held)


def _whole(request: CeremonyRequest) -> Plan:
    """Return the plan of *request*, with the operator's jwt among those that it is judged with."""
    plan, operator = request.plan, request.operator
    if operator is None or operator in plan.around:
        return plan
    return msgspec.structs.replace(plan, around=(operator, *plan.around))


def _require_complete(workspace: Workspace, request: CeremonyRequest, data: bytes) -> CeremonyCheck:
    """Return the check of *data*; raise `Refused` unless it is complete, real, and not ahead of time."""
    if request.mark:
        raise Refused(f"this is a {request.mark}", "only the real one is accepted")
    policy = workspace.policy.digest if workspace.policy else None
    found = examine(request.data, data, PublicKey.parse(request.operator_key), policy=policy)
    if found.verdict is not CeremonyVerdict.COMPLETE:
        raise Refused(f"the result is {found.verdict}: {found.text}", found.hint)
    for jwt in found.progress.signed if found.progress else ():
        if jwt.issued_at - workspace.now > MOST_AHEAD:
            raise Refused(
                f"{shown(jwt.claims.name)} is of {moment(jwt.issued_at)}, and this clock reads "
                f"{moment(workspace.now)}",
                "set this machine's clock right",
            )
    return found


def _record(workspace: Workspace, accepted: Acceptance, left: Plan, data: bytes) -> None:
    """Write what is *left* to do into the store; result and ledger in the same step."""
    request, progress = accepted.request, accepted.check.progress
    if progress is None:
        raise Refused("there is no transcript in the result")
    jwts = {
        change.draft.signing_input: jwt
        for change, jwt in zip(request.plan.changes, progress.signed, strict=True)
    }
    signed: list[Signed] = [(change, jwts[change.draft.signing_input]) for change in left.changes]
    path = ledger_path(workspace)
    ledger = ledgers.load(path)
    held = unknown_results_here(workspace, ledger, request.operator_key)
    held.pop(request.digest, None)  # of a run that was killed between result and ledger
    book = ledger.books.get(request.operator_key, OperatorRecord(requests=held))
    if request.digest not in book.requests:
        ledger = ledger.with_book(
            request.operator_key, book.ended(request.digest, progress.digest, progress.signed)
        )
    kept = {
        folder_of(workspace, request.digest) / RESULT_NAME: data.decode(),
        path: ledger.text(),
    }

    def files(_signed: Sequence[Signed]) -> Mapping[Path, str | None]:
        return kept

    Recorder(workspace, (), files)(signed, left.store_writes)
