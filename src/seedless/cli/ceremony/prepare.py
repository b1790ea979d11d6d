"""`seedless ceremony prepare`: a plan becomes a request."""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from seedless import file_kind, ledger
from seedless import plan_file as planfile
from seedless.app import ceremonies
from seedless.ceremony import transcript as results
from seedless.ceremony import words
from seedless.ceremony.offline import REQUEST_NAME, RESULT_NAME
from seedless.ceremony.request import prepare as prepare_request
from seedless.claims import Operator
from seedless.cli import _ceremony_desk as desk
from seedless.cli import printing
from seedless.cli.ceremony import key_requests
from seedless.cli.command import command
from seedless.cli.options import Settings, reset_time_option, write_options
from seedless.cli.values import Moment, MomentType
from seedless.cli.workspace import CommandWorkspace
from seedless.errors import UsageError
from seedless.program import tool
from seedless.rules.guards import MOST_AHEAD
from seedless.store import atomic
from seedless.text import shown
from seedless.units import moment as as_text

if TYPE_CHECKING:
    from seedless.ceremony.request import CeremonyRequest
    from seedless.jwt import Jwt
    from seedless.signing_pipeline import Plan


@command()
@click.argument("plan_file", metavar="PLAN|SPECIFICATION", type=click.Path(path_type=Path))
@click.option("--reason", required=True, metavar="TEXT", help="Why it is to be signed; it is read aloud.")
@click.option("--by", metavar="NAME", help="Who prepares it [default: the login name].")
@click.option(
    "--expires", type=MomentType(), default="7d", show_default=True, metavar="TIME",
    help="Expiry: the request is not signed afterwards.",
)  # fmt: skip
@click.option(
    "--at",
    type=MomentType(),
    metavar="TIME",
    help="When the jwts are issued, for the same bytes again [default: now].",
)
@reset_time_option
@desk.output_option
@write_options
def prepare(
    settings: Settings,
    *,
    plan_file: Path,
    reason: str,
    by: str | None,
    expires: Moment,
    at: Moment | None,
    output: Path,
) -> None:
    """Create a request from a plan or a key specification.

    PLAN is what --plan FILE of any command that signs has written. The jwts are dated now, each after the one
    that it replaces. SPECIFICATION is a key specification (TOML): which keys `ceremony keygen` is to create,
    and who takes part. The digest is shown in hex and in words: write the words down, or print them; they are
    compared where it is signed.

    \b
    Example:
      seedless ceremony prepare orders.plan --reason "quarterly limits" -o request.json
    """
    workspace = CommandWorkspace(settings)
    moment = at.at(workspace.now) if at else workspace.now
    if moment > workspace.now + MOST_AHEAD:
        text = f"--at is {as_text(moment)}, and this clock reads {as_text(workspace.now)}"
        raise UsageError(text, f"give a time at most {MOST_AHEAD} seconds ahead")
    header = {"reason": reason, "by": by or getpass.getuser(), "expires": expires.at(moment), "at": moment}
    if key_requests.is_specification(plan_file):
        key_requests.prepare(workspace, plan_file, output, **header)
        return
    plan = _plan(plan_file)
    operator = _operator(workspace, plan)
    previous, receipts = _previous(workspace, plan, operator)
    request = prepare_request(
        plan, at=moment, reset_time=settings.reset_time, operator=operator, reason=reason,
        prepared_by=by or getpass.getuser(),
        expires=expires.at(moment), tool=tool(), previous=previous, receipts=receipts,
    )  # fmt: skip
    text = request.data.decode()
    if not settings.dry_run:
        copy = ceremonies.folder_of(workspace, request.digest) / REQUEST_NAME
        atomic.write_new({output: text}, {copy: text})
    _tell(settings, request, output)


def _tell(settings: Settings, request: CeremonyRequest, output: Path) -> None:
    said = [f"request: {output}", f"sha256 {request.digest}", *words.rows(bytes.fromhex(request.digest))]
    printing.emit(
        {
            "request": request.digest, "words": list(words.words(bytes.fromhex(request.digest))),
            "file": str(output), "changes": len(request.plan.changes), "expires": request.expires,
            "previous": request.previous, "dry_run": settings.dry_run,
        },
        "\n".join(said),
        as_json=settings.as_json,
    )  # fmt: skip


def _plan(plan_file: Path) -> Plan:
    data = atomic.read(plan_file)
    if data is None:
        raise UsageError(f"there is no file {shown(plan_file)}", "name a plan that --plan FILE wrote")
    file_kind.require(data, plan_file, file_kind.PLAN)
    return planfile.parse(data)


def _operator(workspace: CommandWorkspace, plan: Plan) -> Jwt[Operator] | None:
    """Return the operator as it stands; None where the plan makes it."""
    for change in plan.changes:
        if isinstance(change.draft.claims.body, Operator) and change.replaces is None:
            return None
    return workspace.operator()


def _previous(
    workspace: CommandWorkspace, plan: Plan, operator: Jwt[Operator] | None
) -> tuple[str | None, tuple[str, ...]]:
    """Return the digest of the transcript of the last ceremony that was accepted here, and its receipts.

    With them the machine that signs can tell that its own ledger is an older one.
    """
    said = (change.draft.claims for change in plan.changes)
    new = next((one.sub for one in said if isinstance(one.body, Operator)), "")
    book = ledger.load(ceremonies.ledger_path(workspace)).books.get(operator.claims.sub if operator else new)
    if book is None or book.last is None:
        return None, ()
    requests = (request for request, transcript in book.requests.items() if transcript == book.last)
    for request in requests:
        data = atomic.read(ceremonies.folder_of(workspace, request) / RESULT_NAME)
        if data is not None:
            return book.last, results.parse(data).receipts or ()
    return book.last, ()
