"""`seedless ceremony rehearse`: the whole ceremony on a temporary token, and what the real one will need."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from seedless import file_kind
from seedless.app.ceremony_reviews import place_of
from seedless.ceremony import documents, offline
from seedless.ceremony.request import REHEARSAL
from seedless.cli import printing
from seedless.cli.ceremony.options import FILE, first_use_option, request_argument
from seedless.cli.command import command
from seedless.cli.options import Settings, judge_options
from seedless.cli.render.ceremony import show_review
from seedless.cli.review import show_findings
from seedless.cli.workspace import CommandWorkspace
from seedless.errors import ExitCode
from seedless.store import atomic
from seedless.text import shown

if TYPE_CHECKING:
    from pathlib import Path

    from seedless.app.ceremony_rehearsal import CeremonyRehearsal
    from seedless.ceremony.judgement import ReviewContext


@command()
@request_argument
@first_use_option
@click.option("--softhsm", type=FILE, metavar="FILE", help="The module of SoftHSM [default: where it lies].")
@click.option("--output", "-o", type=FILE, metavar="DIR", help="Keep the files of the rehearsal here.")
@judge_options
def rehearse(
    settings: Settings,
    *,
    request_file: Path,
    first_use: tuple[str, ...],
    softhsm: Path | None,
    output: Path | None,
) -> int:
    """Rehearse the whole ceremony on a temporary token.

    Each key gets a placeholder on a SoftHSM token that is deleted at the end; which replaces which is shown.
    Everything that is made is marked REHEARSAL, and `accept` refuses it. No real token is touched. At the end
    is what the real ceremony will need; exit code 3 when it would be refused today.

    \b
    Example:
      seedless ceremony rehearse request.json --policy policy.toml
    """
    if output is not None:
        for name in (offline.REQUEST_NAME, offline.RESULT_NAME):
            atomic.require_new(output / name)
    workspace = CommandWorkspace(settings)
    request = documents.read(request_file, file_kind.REQUEST)
    rehearsed = workspace.ceremonies.rehearse(request, first_use, module=softhsm)
    if output is not None:
        rehearsed.write(output)
    _show(workspace, rehearsed)
    return ExitCode.FINDINGS if rehearsed.real.report.errors else ExitCode.OK


def _show(workspace: CommandWorkspace, rehearsed: CeremonyRehearsal) -> None:
    title = f"{REHEARSAL}: other keys sign, on a token that is deleted at the end"
    printing.report(click.style(title, bold=True))
    for key, other in rehearsed.placeholder_keys.items():
        printing.report(f"  {key}\n    is played by {other}")
    show_review(workspace, rehearsed.rehearsed)
    needs, report = _needs(workspace, rehearsed.real.context), rehearsed.real.report
    printing.report(click.style("the real ceremony will need", bold=True))
    for line in printing.labelled(needs, 11, "  "):
        printing.report(line)
    show_findings(report)
    if report.errors:
        printing.report("today the real request would be refused: see above")
    verdict = rehearsed.check.verdict
    data = {
        "mark": REHEARSAL,
        "verdict": str(verdict),
        "request": rehearsed.real.request.digest,
        "stand_ins": dict(rehearsed.placeholder_keys),
        "needs": [{"what": label, "text": text} for label, text in needs],
        "refused": [finding.text for finding in report.errors],
    }
    text = f"{REHEARSAL} {verdict}: {rehearsed.check.text}"
    printing.emit(data, text, as_json=workspace.options.as_json)


def _needs(workspace: CommandWorkspace, real: ReviewContext) -> list[tuple[str, str]]:
    request, policy = real.request, real.policy
    largest = max(len(change.draft.signing_input) for change in request.plan.changes)
    wanted = policy.witnesses
    return [
        *(("key", f"{key}: {shown(place_of(workspace, key))}") for key in request.issuers),
        ("PIN", "that of each token above, asked for last"),
        ("witnesses", f"{wanted.threshold} of {len(wanted.keys)}" if wanted else "none, by the policy"),
        ("signatures", f"{len(request.plan.changes)}, and {len(request.issuers)} for the receipts"),
        ("largest", f"{largest} bytes in one signature"),
        ("until", printing.moment(request.expires)),
        ("policy", f"sha256 {policy.digest}"),
        ("request", f"sha256 {request.digest}, in words, typed"),
    ]
