"""Play the loss of a machine's ledger on a copy: what the ceremonies that lie there bring back, and what not.

A ledger is begun again by a ceremony with `--first-use`, which takes the results on the machine into account.
So the copy has the ceremonies and no ledger. The newest request there is judged again, as that ceremony would
judge it, and a ledger that follows from all results is compared with the one that exists.
"""

from __future__ import annotations

import copy
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from seedless import ledger
from seedless.app.ceremony_requests import ledger_path
from seedless.app.ceremony_reviews import reviewed
from seedless.ceremony import transcript
from seedless.ceremony.judgement import EVERYTHING
from seedless.ceremony.offline import REQUEST_NAME, RESULT_NAME
from seedless.ceremony.request import CeremonyRequest, parse
from seedless.errors import UsageError
from seedless.ledger import Ledger, OperatorRecord
from seedless.nkey import PublicKey
from seedless.store import atomic
from seedless.text import shown

if TYPE_CHECKING:
    from seedless.app.workspace import Workspace
    from seedless.findings import Finding

__all__ = ["begun_again"]

_CEREMONIES = "ceremonies"


def begun_again(
    workspace: Workspace,
) -> tuple[tuple[PublicKey, ...], tuple[str, ...], tuple[Finding, ...]]:
    """Return the subjects whose last jwts come back without the ledger, what does not, and findings.

    Those are what a ceremony with `--first-use` would be refused for by the policy, where one is pinned.
    Raise `UsageError` where this machine has no ledger.
    """
    path = ledger_path(workspace)
    before = ledger.load(path)
    if not before.books:
        hint = "it is on the machine that signs; if it is lost: seedless docs howto/lost-token"
        raise UsageError(f"there is no ledger in {shown(workspace.root)}", hint)
    with _without_ledger(workspace) as child:
        ended = sorted(_ended(child.root / _CEREMONIES), key=lambda item: item[0].plan.prepared_at)
        findings = _judged_again(child, ended[-1][0]) if ended and workspace.policy is not None else ()
    after = Ledger()
    for request, result in ended:
        after = _with(after, request, result)
    returned = [
        key for book in before.books.values() for key in book.subjects if _is_same(before, after, key)
    ]
    return tuple(map(PublicKey.parse, returned)), tuple(_missing(before, after)), findings


@contextmanager
def _without_ledger(workspace: Workspace) -> Iterator[Workspace]:
    """Give a workspace on a copy of the ceremonies and the inventory; the copy is removed at the end."""
    with tempfile.TemporaryDirectory(prefix="seedless-drill-") as folder:
        root = Path(folder)
        if (workspace.root / _CEREMONIES).is_dir():
            shutil.copytree(workspace.root / _CEREMONIES, root / _CEREMONIES)
        child = copy.copy(workspace)
        # The inventory is read where it is. A machine offline may have no store, so that is not copied.
        child.inventory_path, child.root = workspace.inventory_path, root
        yield child


def _ended(folder: Path) -> Iterator[tuple[CeremonyRequest, transcript.CeremonyResult]]:
    """Yield the ceremonies below *folder* that have a result."""
    for name in atomic.names(folder):
        data = atomic.read(folder / name / RESULT_NAME) if ledger.is_digest(name) else None
        if data is not None:
            yield parse(atomic.read(folder / name / REQUEST_NAME) or b""), transcript.parse(data)


def _judged_again(child: Workspace, request: CeremonyRequest) -> tuple[Finding, ...]:
    """Return the errors of *request*, judged when it was made, as if it had never been signed."""
    shutil.rmtree(child.root / _CEREMONIES / request.digest)
    child.now = request.plan.prepared_at
    report = reviewed(child, request, (EVERYTHING,)).report
    return tuple(report.errors)


def _with(after: Ledger, request: CeremonyRequest, result: transcript.CeremonyResult) -> Ledger:
    """Return the ledger *after* one more ceremony."""
    signed = transcript.progress(request, result.entries).signed
    placed = [write.jwt for write in request.plan.store_writes if write.jwt]
    book = after.books.get(request.operator_key, OperatorRecord(last=request.previous))
    ended = book.ended(request.digest, result.transcript_digest, [*request.plan.around, *placed, *signed])
    return after.with_book(request.operator_key, ended)


def _is_same(before: Ledger, after: Ledger, key: str) -> bool:
    return after.known(key) == before.known(key)


def _missing(before: Ledger, after: Ledger) -> Iterator[str]:
    for operator, book in before.books.items():
        again = after.books.get(operator, OperatorRecord())
        for request in book.requests.keys() - again.requests.keys():
            yield f"the ceremony of the request {request}: its result is not here"
        for key in book.subjects:
            if not _is_same(before, after, key):
                yield f"{key}: no result here has the jwt that was signed last; compare it with the servers"
