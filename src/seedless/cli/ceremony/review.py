"""`seedless ceremony review`: judge and show a request."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from seedless import file_kind
from seedless.ceremony import documents
from seedless.cli.ceremony import options
from seedless.cli.command import command
from seedless.cli.options import judge_options
from seedless.cli.render.ceremony import review_data, show_review
from seedless.cli.render.keygen import request_data, show_request
from seedless.keygen.request import parse
from seedless.store import atomic

if TYPE_CHECKING:
    from pathlib import Path

    from seedless.cli.workspace import CommandWorkspace


@command()
@options.request_argument
@options.first_use_option
@click.option("--checklist", type=options.FILE, metavar="FILE", help="Write a page to print.")
@judge_options
def review(
    workspace: CommandWorkspace, *, request_file: Path, first_use: tuple[str, ...], checklist: Path | None
) -> None:
    """Check and show a request, without token or PIN.

    It goes by the policy, the ledger and the clock of this machine. Findings about the request are shown
    first; exit code 3 when something does. Then come the changes, those that widen access first, the digest
    of the policy, and the digest of the request in words.

    \b
    Example:
      seedless ceremony review request.json --policy policy.toml --checklist checklist.txt
    """
    if options.is_of(request_file, file_kind.KEY_REQUEST):
        data = documents.read(request_file, file_kind.KEY_REQUEST)
        asked = parse(data)
        show_request(asked)
        to_print = workspace.ceremonies.review_keys(data).checklist()
        if checklist is not None:
            atomic.write_new({checklist: to_print})
        workspace.emit(request_data(asked), f"sha256 {asked.digest}")
        return
    reviewed = workspace.ceremonies.review(documents.read(request_file, file_kind.REQUEST), first_use)
    show_review(workspace, reviewed)
    reviewed.report.require_clean()
    if checklist is not None:
        atomic.write_new({checklist: reviewed.checklist()})
    workspace.emit(review_data(reviewed), f"sha256 {reviewed.request.digest}")
