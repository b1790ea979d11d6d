"""`seedless ceremony accept`: take a result into the store."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from seedless import file_kind
from seedless import ledger as ledgers
from seedless.app import ceremonies
from seedless.app.plans import with_store_of
from seedless.app.recorder import Recorder
from seedless.app.remaining import remaining
from seedless.ceremony import documents
from seedless.ceremony import transcript as results
from seedless.ceremony.check import CeremonyVerdict
from seedless.ceremony.check import check as examine
from seedless.ceremony.offline import REQUEST_NAME, RESULT_NAME
from seedless.ceremony.request import parse as parse_request
from seedless.cli import printing
from seedless.cli.command import command
from seedless.cli.options import Settings, write_options
from seedless.cli.render import describe
from seedless.cli.workspace import CommandWorkspace
from seedless.errors import Refused
from seedless.ledger import OperatorRecord, is_digest
from seedless.nkey import PublicKey
from seedless.rules.guards import MOST_AHEAD
from seedless.store import atomic
from seedless.text import shown
from seedless.units import moment

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from seedless.ceremony.check import CeremonyCheck
    from seedless.ceremony.request import CeremonyRequest
    from seedless.signing_pipeline import Plan, Signed


@command()
@click.argument("result_file", metavar="RESULT", type=click.Path(path_type=Path))
@write_options
def accept(settings: Settings, *, result_file: Path) -> None:
    """Record the result of a ceremony in the store.

    Only for a request that was prepared here, for the operator of this store, and where the store is still as
    it was then. Every signature, the chain, the witnesses and the receipts are verified first. What is in the
    store already is skipped, so that it can be run again. Publish with `seedless push`.

    \b
    Example:
      seedless ceremony accept result.json
    """
    workspace = CommandWorkspace(settings)
    data = documents.read(result_file, file_kind.RESULT, file_kind.TRANSCRIPT)
    request = _own_request(workspace, data)
    found = _require_complete(workspace, request, data)
    workspace = with_store_of(workspace, request.plan)
    with workspace.lock():
        left = remaining(workspace, _whole(request))
        if not settings.dry_run:
            _record(workspace, request, left, found, data)
    signed = found.progress.signed if found.progress else []
    passed = len(request.plan.changes) - len(left.changes)
    said: dict[str, Any] = {
        "request": request.digest, "transcript": found.progress.digest if found.progress else None,
        "accepted": [describe.data(jwt) for jwt in signed], "passed": passed, "dry_run": settings.dry_run,
    }  # fmt: skip
    lines = [f"accepted: {len(left.changes)}", *([f"in the store already: {passed}"] if passed else [])]
    printing.emit(said, "\n".join(lines), as_json=settings.as_json)
    if not settings.dry_run:
        printing.say("the servers have it after: seedless push")


def _own_request(workspace: CommandWorkspace, data: bytes) -> CeremonyRequest:
    """Return the request of the result *data*, as it was prepared here; raise `Refused` for any other."""
    entries = results.parse(data).entries
    first = entries[0] if entries and isinstance(entries[0], dict) else {}
    digest = first.get("request")
    path = ceremonies.folder_of(workspace, str(digest)) / REQUEST_NAME if is_digest(digest) else None
    held = atomic.read(path) if path else None
    if held is None:
        raise Refused(
            "the result is for a request that was not prepared here", "accept it where it was prepared"
        )
    return parse_request(held)


def _whole(request: CeremonyRequest) -> Plan:
    """Return the plan of *request*, the operator's jwt among what stands around it."""
    plan, operator = request.plan, request.operator
    if operator is None or operator in plan.around:
        return plan
    return msgspec.structs.replace(plan, around=(operator, *plan.around))


def _require_complete(workspace: CommandWorkspace, request: CeremonyRequest, data: bytes) -> CeremonyCheck:
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


def _record(
    workspace: CommandWorkspace, request: CeremonyRequest, left: Plan, found: CeremonyCheck, data: bytes
) -> None:
    """Write what is *left* to do into the store; result and ledger in the same step."""
    progress = found.progress
    if progress is None:
        raise Refused("there is no transcript in the result")
    jwts = {
        change.draft.signing_input: jwt
        for change, jwt in zip(request.plan.changes, progress.signed, strict=True)
    }
    signed: list[Signed] = [(change, jwts[change.draft.signing_input]) for change in left.changes]
    path = ceremonies.ledger_path(workspace)
    ledger = ledgers.load(path)
    held = ceremonies.unknown_results_here(workspace, ledger, request.operator_key)
    held.pop(request.digest, None)  # of a run that was killed between result and ledger
    book = ledger.books.get(request.operator_key, OperatorRecord(requests=held))
    if request.digest not in book.requests:
        ledger = ledger.with_book(
            request.operator_key, book.ended(request.digest, progress.digest, progress.signed)
        )
    kept = {ceremonies.folder_of(workspace, request.digest) / RESULT_NAME: data.decode(), path: ledger.text()}

    def files(_signed: Sequence[Signed]) -> Mapping[Path, str | None]:
        return kept

    Recorder(workspace, (), files)(signed, left.store_writes)
