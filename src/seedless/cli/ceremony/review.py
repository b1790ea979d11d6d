"""`seedless ceremony review`: judge and show a request."""

from __future__ import annotations

from pathlib import Path

import click

from seedless import file_kind
from seedless.app import ceremonies
from seedless.ceremony import documents
from seedless.ceremony.report import checklist as page_of
from seedless.cli import _ceremony_desk as desk
from seedless.cli import printing
from seedless.cli.ceremony import key_requests
from seedless.cli.command import command
from seedless.cli.options import Settings, judge_options
from seedless.cli.workspace import CommandWorkspace
from seedless.store import atomic


@command()
@desk.request_argument
@desk.first_use_option
@click.option(
    "--checklist",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write a page to print.",
)
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
    if key_requests.is_request(request_file):
        key_requests.review(settings, request_file)
        return
    workspace = CommandWorkspace(settings)
    data = documents.read(request_file, file_kind.REQUEST)
    reviewed = workspace.ceremonies.review(data, first_use)
    review_context, report = reviewed.context, reviewed.report
    desk.show(workspace, review_context, report)
    report.require_clean()
    if checklist is not None:
        where = [
            f"key {key}: {ceremonies.place_of(workspace, key)}" for key in review_context.request.issuers
        ]
        rows = ceremonies.questions_for(workspace, review_context.request.issuers)
        atomic.write_new({checklist: page_of(review_context, tuple(where), rows)})
    answer = desk.data_of(workspace, review_context, report)
    printing.emit(answer, f"sha256 {review_context.request.digest}", as_json=settings.as_json)
