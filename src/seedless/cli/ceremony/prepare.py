"""`seedless ceremony prepare`: a plan becomes a request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from seedless import file_kind
from seedless.app.plans import read_file
from seedless.ceremony import documents
from seedless.cli.ceremony import options
from seedless.cli.command import command
from seedless.cli.options import reset_time_option, write_options
from seedless.cli.render.ceremony import digest_lines, words_data
from seedless.cli.render.keygen import request_data
from seedless.cli.values import MOMENT, Moment
from seedless.store import atomic
from seedless.text import shown

if TYPE_CHECKING:
    from pathlib import Path

    from seedless.cli.workspace import CommandWorkspace


@command()
@click.argument("plan_file", metavar="PLAN|SPECIFICATION", type=options.FILE)
@click.option("--reason", required=True, metavar="TEXT", help="Why it is to be signed; it is read aloud.")
@click.option("--by", metavar="NAME", help="Who prepares it [default: the login name].")
@click.option(
    "--expires", type=MOMENT, default="7d", show_default=True, metavar="TIME",
    help="Expiry: the request is not signed afterwards.",
)  # fmt: skip
@click.option(
    "--at", type=MOMENT, metavar="TIME",
    help="When the jwts are issued, for the same bytes again [default: now].",
)  # fmt: skip
@reset_time_option
@options.output_option
@write_options
def prepare(
    workspace: CommandWorkspace,
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
      seedless ceremony prepare orders.plan --reason "new limits" -o request.json
    """
    ceremonies, is_dry = workspace.ceremonies, workspace.options.dry_run
    issued = at.at(workspace.now) if at else workspace.now
    header: dict[str, Any] = {
        "reason": reason,
        "prepared_by": by,
        "expires": expires.at(issued),
        "at": issued,
    }
    if options.is_of(plan_file, file_kind.KEY_SPECIFICATION):
        specification = documents.read(plan_file, file_kind.KEY_SPECIFICATION)
        asked = ceremonies.prepare_keys(specification, name=shown(plan_file), **header)
        if not is_dry:
            atomic.write_new({output: asked.data.decode()})
        _emit(workspace, output, asked.digest, request_data(asked))
        return
    plan, _ = read_file(plan_file)
    request = ceremonies.prepare(plan, **header)
    if not is_dry:
        ceremonies.write(request, output)
    data = {
        "request": request.digest, "words": words_data(request.digest),
        "changes": len(request.plan.changes), "expires": request.expires, "previous": request.previous,
    }  # fmt: skip
    _emit(workspace, output, request.digest, data)


def _emit(workspace: CommandWorkspace, output: Path, digest: str, data: dict[str, Any]) -> None:
    """Print where a request is, and its digest in words, for paper."""
    more = {"file": str(output), "dry_run": workspace.options.dry_run}
    workspace.emit(data | more, "\n".join([f"request: {output}", *digest_lines(digest)]))
