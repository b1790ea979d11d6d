"""`seedless ceremony sign`: sign a request, and write the result."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from seedless import file_kind
from seedless.app import ceremony_folder
from seedless.app.ceremony_tokens import ceremony_tokens, readiness, where
from seedless.app.tokens import check_token_options, kept_attestation
from seedless.ceremony import documents, words
from seedless.ceremony.offline import CeremonyRun, run_ceremony
from seedless.ceremony.transcript import digest as transcript_digest
from seedless.ceremony.transcript import parse as parse_result
from seedless.cli import _ceremony_desk as desk
from seedless.cli import printing
from seedless.cli.command import command
from seedless.cli.device_info import device_info_option, read_device_info
from seedless.cli.options import Settings, ceremony_options
from seedless.cli.workspace import CommandWorkspace
from seedless.clock import Clock
from seedless.program import tool
from seedless.store import root_lock
from seedless.text import shown

if TYPE_CHECKING:
    from seedless.ceremony.judgement import ReviewContext
    from seedless.findings import Report


@command()
@desk.request_argument
@click.option(
    "--witness",
    "witness_files",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The statement of a witness.",
)
@click.option(
    "--present", multiple=True, metavar="NAME", help="Who is in the room; it goes into the transcript."
)
@device_info_option
@desk.first_use_option
@desk.expect_option
@click.option("--clock-checked", is_flag=True, help="Say that the clock of this machine is right.")
@desk.output_option
@ceremony_options
def sign(  # noqa: PLR0913 - one for each option
    settings: Settings,
    *,
    request_file: Path,
    witness_files: tuple[Path, ...],
    present: tuple[str, ...],
    device_info: tuple[Path, ...],
    first_use: tuple[str, ...],
    expect: str | None,
    clock_checked: bool,
    output: Path,
) -> None:
    """Sign a request, and write the result.

    It is judged and shown again, its words are typed, the token of each key is named, and the PIN is asked
    last. What is done goes into a transcript before it is done; each key that signed signs a receipt for it.
    A request is signed once. One that was interrupted goes on where it stopped, when the same command is run
    again.

    Without a terminal, --expect says which request is meant, and --clock-checked that the clock is right.

    \b
    Example:
      seedless ceremony sign request.json --policy policy.toml --witness ada.witness -o result.json
    """
    workspace = CommandWorkspace(settings)
    check_token_options(workspace)
    outputs = read_device_info(device_info)
    with root_lock(workspace.root).held(workspace.observer.waits):
        review_context = desk.review_context_of(workspace, request_file, first_use)
        if settings.dry_run:
            _try_dry(workspace, review_context)
            return
        run = CeremonyRun(
            review_context=review_context,
            folder=ceremony_folder.folder_of(workspace, review_context.request.digest),
            ledger=ceremony_folder.ledger_path(workspace),
            clock=lambda: int(time.time()),
            output=output,
            statements=tuple(map(_statement, witness_files)),
            present=present,
            tool=tool(),
            waits=Clock(notify=printing.say),
            readiness=lambda: readiness(workspace, review_context.request.issuers, outputs),
        )
        data = run_ceremony(
            run,
            review=lambda _plan, report: _review(workspace, review_context, report, expect, clock_checked),
            keys=lambda: ceremony_tokens(workspace, review_context.request),
        )
    _tell(settings, review_context, data, output)


def _statement(path: Path) -> str:
    return documents.read(path, file_kind.STATEMENT).decode("ascii", "replace").strip()


def _review(
    workspace: CommandWorkspace,
    review_context: ReviewContext,
    report: Report,
    expect: str | None,
    clock_checked: bool,  # noqa: FBT001 - as the command has it
) -> bool:
    desk.show(workspace, review_context, report, tell_words=False)
    if not report.errors:
        for issuer in review_context.request.issuers:
            kept_attestation(workspace, review_context.policy, issuer)  # raises, before anybody types words
        for key, token in where(workspace, review_context.request.issuers):
            printing.say(f"asks      {token} for {key}")
        desk.agree(review_context, expect, clock_checked=clock_checked)
    return True


def _try_dry(workspace: CommandWorkspace, review_context: ReviewContext) -> None:
    report = review_context.judge()
    desk.show(workspace, review_context, report)
    report.require_clean()
    data = desk.data_of(workspace, review_context, report) | {"dry_run": True}
    printing.emit(data, "nothing was signed: --dry-run", as_json=workspace.options.as_json)


def _tell(settings: Settings, review_context: ReviewContext, data: bytes, output: Path) -> None:
    held = parse_result(data)
    digest = transcript_digest(list(held.entries))
    said: dict[str, Any] = {
        "request": review_context.request.digest, "transcript": digest, "file": str(output),
        "words": list(words.words(bytes.fromhex(digest))), "signed": len(review_context.request.plan.changes),
        "receipts": len(held.receipts or ()),
    }  # fmt: skip
    lines = [f"result: {shown(output)}", f"transcript sha256 {digest}", *words.rows(bytes.fromhex(digest))]
    printing.emit(said, "\n".join(lines), as_json=settings.as_json)
