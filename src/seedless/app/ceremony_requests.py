"""Requests of ceremonies: prepared from a plan for a machine offline, and given up where they have begun.

Where they lie on a machine, with its ledger and its transcripts, and which have begun or ended there.
"""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from seedless import ledger
from seedless.app import arguments
from seedless.app.arguments import Time
from seedless.ceremony import transcript as results
from seedless.ceremony.offline import REQUEST_NAME, RESULT_NAME, TRANSCRIPT_NAME, unfinished, unknown_results
from seedless.ceremony.request import CeremonyRequest
from seedless.ceremony.request import prepare as prepare_request
from seedless.claims import Operator
from seedless.errors import StoreError, UsageError
from seedless.ledger import LEDGER_NAME, Ledger
from seedless.program import tool
from seedless.rules.guards import MOST_AHEAD
from seedless.store import atomic, root_lock
from seedless.units import moment

if TYPE_CHECKING:
    from seedless.app.workspace import Workspace
    from seedless.jwt import Jwt
    from seedless.signing_pipeline import Plan

__all__ = [
    "Abandonment",
    "abandonment",
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
    job: AbandonmentJob

    def record(self) -> None:
        """Write into the ledger that the request is never signed again.

        Raise `UsageError` where it has ended since, `StoreError` where more was signed since: what somebody
        agreed to give up is another ceremony then.
        """
        self.job.run(self)


class AbandonmentJob:
    """How a ceremony is given up; no value, and never agreed."""

    def __init__(self, workspace: Workspace) -> None:
        """Bind to *workspace*."""
        self._workspace = workspace

    def __repr__(self) -> str:
        return "AbandonmentJob()"

    def run(self, agreed: Abandonment) -> None:
        """Record *agreed*, see `Abandonment.record`."""
        workspace = self._workspace
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
            "there is nothing to give up",
        )
    path = folder_of(workspace, request.digest) / TRANSCRIPT_NAME
    so_far = results.progress(request, results.read(atomic.read(path) or b""))
    return Abandonment(
        request=request,
        signed=len(so_far.signed),
        transcript=so_far.digest,
        job=AbandonmentJob(workspace),
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
