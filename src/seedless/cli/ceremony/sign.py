"""`seedless ceremony sign`: sign a request, and write the result."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from seedless import file_kind
from seedless.ceremony import documents
from seedless.cli.ceremony import options
from seedless.cli.ceremony.confirmation import confirmed
from seedless.cli.command import command
from seedless.cli.device_info import device_info_option, read_device_info
from seedless.cli.options import ceremony_options
from seedless.cli.render.ceremony import digest_lines, review_data, show_review, show_tokens, words_data
from seedless.text import shown

if TYPE_CHECKING:
    from pathlib import Path

    from seedless.app.ceremony_reviews import CeremonyConsent, CeremonyReview, CeremonySigned
    from seedless.cli.workspace import CommandWorkspace


@command()
@options.request_argument
@click.option(
    "--witness", "witness_files", multiple=True, type=options.FILE, metavar="FILE",
    help="The statement of a witness.",
)  # fmt: skip
@click.option(
    "--present", multiple=True, metavar="NAME", help="Who is in the room; it goes into the transcript."
)
@device_info_option
@options.first_use_option
@options.expect_option
@options.clock_checked_option
@options.output_option
@ceremony_options
def sign(  # noqa: PLR0913 - one for each option
    workspace: CommandWorkspace,
    *,
    request_file: Path,
    witness_files: tuple[Path, ...],
    present: tuple[str, ...],
    device_info: tuple[Path, ...],
    first_use: options.FirstUse,
    expect: str | None,
    clock_checked: bool,
    output: Path,
) -> None:
    """Sign a request, and write the result.

    It is judged and shown again, its words are typed, the token of each key is named, and the PIN is asked
    last. What is done goes into a transcript before it is done; each key that signed signs a receipt for it.
    A request is signed once. One that was interrupted goes on where it stopped, when the same command is run
    again.

    Without a terminal, --expect names the request, and --clock-checked confirms that the clock is right.

    \b
    Example:
      seedless ceremony sign request.json --policy policy.toml \\
          --witness ada.witness -o result.json
    """

    def approve(review: CeremonyReview) -> CeremonyConsent:
        show_review(workspace, review, with_words=False)
        show_tokens(review.tokens(), review.titles)
        clock = review.context.clock
        return confirmed(review.request.digest, clock, expect, clock_checked=clock_checked)

    outputs, statements = read_device_info(device_info), tuple(map(options.statement_text, witness_files))
    request = documents.read(request_file, file_kind.REQUEST)
    with workspace.ceremonies.open(request, first_use) as review:
        if workspace.options.dry_run or review.report.errors:
            show_review(workspace, review, with_words=workspace.options.dry_run)
            review.report.require_clean()
            workspace.emit(review_data(review) | {"dry_run": True}, "nothing was signed: --dry-run")
            return
        signed = review.sign(
            approve=approve,
            statements=statements,
            present=present,
            output=output,
            device_info=outputs,
        )
    _emit(workspace, signed, output)


def _emit(workspace: CommandWorkspace, signed: CeremonySigned, output: Path) -> None:
    digest = signed.transcript
    data = {
        "request": signed.request.digest, "transcript": digest, "file": str(output),
        "words": words_data(digest), "signed": len(signed.request.plan.changes),
        "receipts": signed.receipts,
    }  # fmt: skip
    lines = [f"result: {shown(output)}", *digest_lines(digest, "transcript")]
    workspace.emit(data, "\n".join(lines))
