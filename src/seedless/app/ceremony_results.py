"""Results of ceremonies: verified, compared with the request that was prepared here, and recorded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from seedless import ledger as ledgers
from seedless.app import ceremony_requests
from seedless.app.pipeline import Recorder
from seedless.app.plans import with_store_of
from seedless.app.remaining import remaining
from seedless.ceremony import transcript as results
from seedless.ceremony.check import CeremonyCheck, CeremonyVerdict
from seedless.ceremony.check import check as examine
from seedless.ceremony.offline import REQUEST_NAME, RESULT_NAME
from seedless.ceremony.request import CeremonyRequest
from seedless.ceremony.request import parse as parse_request
from seedless.errors import Refused
from seedless.jwt import Jwt
from seedless.ledger import OperatorRecord, is_digest
from seedless.nkey import PublicKey
from seedless.rules.guards import MOST_AHEAD
from seedless.signing_pipeline import Plan
from seedless.store import atomic
from seedless.text import shown
from seedless.units import moment

if TYPE_CHECKING:
    from seedless.app.workspace import Workspace
    from seedless.signing_pipeline import Signed

__all__ = ["Acceptance", "acceptance"]


class Acceptance(Struct, frozen=True, kw_only=True):
    """A result that was verified, as it would be recorded: nothing is written before `record`.

    `check` is complete; `left` is what the store has not yet.
    """

    request: CeremonyRequest
    check: CeremonyCheck
    left: Plan
    job: AcceptanceJob

    @property
    def signed(self) -> tuple[Jwt[object], ...]:
        """The jwts that were signed, in the order of the request."""
        return tuple(self.check.progress.signed) if self.check.progress else ()

    @property
    def passed(self) -> int:
        """How many of them are in the store already."""
        return len(self.request.plan.changes) - len(self.left.changes)

    def record(self) -> Acceptance:
        """Write what is left into the store, result and ledger in the same step; return what was written.

        Raise `StoreError` where the store has changed since the request was prepared.
        """
        return self.job.run(self)


class AcceptanceJob:
    """How a result is recorded; no value, and never shown."""

    def __init__(self, workspace: Workspace, recorder: Workspace, data: bytes) -> None:
        """Take the *workspace* of the caller, the *recorder* with the store of the result, and its *data*."""
        self._workspace = workspace
        self._recorder = recorder
        self._data = data

    def __repr__(self) -> str:
        return "AcceptanceJob()"

    def run(self, accepted: Acceptance) -> Acceptance:
        """Record *accepted*, see `Acceptance.record`."""
        workspace = self._recorder
        with workspace.lock():
            # Somebody else may have written in between: what is left is asked again, under the lock.
            left = remaining(workspace, _whole(accepted.request))
            _record(workspace, accepted, left, self._data)
        self._workspace.store = workspace.store
        return msgspec.structs.replace(accepted, left=left)


def acceptance(workspace: Workspace, data: bytes) -> Acceptance:
    """Return what accepting the result *data* would record, see `Ceremonies.accept`."""
    workspace.refresh()
    request = _own_request(workspace, data)
    found = _require_complete(workspace, request, data)
    recorder = with_store_of(workspace, request.plan)
    with recorder.lock():
        left = remaining(recorder, _whole(request))
    return Acceptance(request=request, check=found, left=left, job=AcceptanceJob(workspace, recorder, data))


def _own_request(workspace: Workspace, data: bytes) -> CeremonyRequest:
    """Return the request of the result *data*, as it was prepared here; raise `Refused` for any other."""
    entries = results.parse(data).entries
    first = entries[0] if entries and isinstance(entries[0], dict) else {}
    digest = first.get("request")
    path = ceremony_requests.folder_of(workspace, str(digest)) / REQUEST_NAME if is_digest(digest) else None
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
    path = ceremony_requests.ledger_path(workspace)
    ledger = ledgers.load(path)
    held = ceremony_requests.unknown_results_here(workspace, ledger, request.operator_key)
    held.pop(request.digest, None)  # of a run that was killed between result and ledger
    book = ledger.books.get(request.operator_key, OperatorRecord(requests=held))
    if request.digest not in book.requests:
        ledger = ledger.with_book(
            request.operator_key, book.ended(request.digest, progress.digest, progress.signed)
        )
    kept = {
        ceremony_requests.folder_of(workspace, request.digest) / RESULT_NAME: data.decode(),
        path: ledger.text(),
    }

    def files(_signed: Sequence[Signed]) -> Mapping[Path, str | None]:
        return kept

    Recorder(workspace, (), files)(signed, left.store_writes)
