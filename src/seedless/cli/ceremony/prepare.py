"""`seedless ceremony prepare`: a plan becomes a request."""

from __future__ import annotations

import getpass
from typing import TYPE_CHECKING

import click

from seedless import file_kind
from seedless.app.ceremony_requests import require_not_ahead
from seedless.app.plans import read_file
from seedless.cli import printing
from seedless.cli.ceremony import key_requests
from seedless.cli.ceremony.options import FILE, is_of, output_option
from seedless.cli.command import command
from seedless.cli.options import Settings, reset_time_option, write_options
from seedless.cli.render.ceremony import digest_lines, words_data
from seedless.cli.values import Moment, MomentType
from seedless.cli.workspace import CommandWorkspace

if TYPE_CHECKING:
    from pathlib import Path


@command()
@click.argument("plan_file", metavar="PLAN|SPECIFICATION", type=FILE)
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
@output_option
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
    if is_of(plan_file, file_kind.KEY_SPECIFICATION):
        require_not_ahead(workspace, moment)
        header = {"reason": reason, "by": by or getpass.getuser(), "expires": expires.at(moment)}
        key_requests.prepare(workspace, plan_file, output, **header, at=moment)
        return
    plan, _ = read_file(plan_file)
    request = workspace.ceremonies.prepare(
        plan, reason=reason, prepared_by=by, expires=expires.at(moment), at=moment
    )
    if not settings.dry_run:
        workspace.ceremonies.write(request, output)
    text = "\n".join([f"request: {output}", *digest_lines(request.digest)])
    printing.emit(
        {
            "request": request.digest, "words": words_data(request.digest),
            "file": str(output), "changes": len(request.plan.changes), "expires": request.expires,
            "previous": request.previous, "dry_run": settings.dry_run,
        },
        text,
        as_json=settings.as_json,
    )  # fmt: skip
