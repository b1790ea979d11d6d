"""`seedless ceremony review`: judge and show a request."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from seedless import file_kind
from seedless.ceremony import documents
from seedless.cli import printing
from seedless.cli.ceremony import key_requests
from seedless.cli.ceremony.options import FILE, first_use_option, is_of, request_argument
from seedless.cli.command import command
from seedless.cli.options import Settings, judge_options
from seedless.cli.render.ceremony import review_data, show_review
from seedless.cli.workspace import CommandWorkspace
from seedless.store import atomic

if TYPE_CHECKING:
    from pathlib import Path


@command()
@request_argument
@first_use_option
@click.option("--checklist", type=FILE, metavar="FILE", help="Write a page to print.")
@judge_options
def review(
    settings: Settings, *, request_file: Path, first_use: tuple[str, ...], checklist: Path | None
) -> None:
    """Check and show a request, without token or PIN.

    It goes by the policy, the ledger and the clock of this machine. Findings about the request are shown
    first; exit code 3 when something does. Then come the changes, those that widen access first, the digest
    of the policy, and the digest of the request in words.

    \b
    Example:
      seedless ceremony review request.json --policy policy.toml --checklist checklist.txt
    """
    if is_of(request_file, file_kind.KEY_REQUEST):
        request = key_requests.read(request_file)
        key_requests.show(request)
        printing.emit(key_requests.data_of(request), f"sha256 {request.digest}", as_json=settings.as_json)
        return
    workspace = CommandWorkspace(settings)
    reviewed = workspace.ceremonies.review(documents.read(request_file, file_kind.REQUEST), first_use)
    show_review(workspace, reviewed)
    reviewed.report.require_clean()
    if checklist is not None:
        atomic.write_new({checklist: reviewed.checklist()})
    text = f"sha256 {reviewed.request.digest}"
    printing.emit(review_data(reviewed), text, as_json=settings.as_json)
