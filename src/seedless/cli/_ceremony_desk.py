"""What the commands of a ceremony share: options, what is shown of a request, and consent."""

from __future__ import annotations

import hmac
from collections import ChainMap
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from seedless import file_kind
from seedless.app.ceremonies import review_context
from seedless.app.key_names import known_names
from seedless.ceremony import documents, words
from seedless.ceremony.judgement import EVERYTHING, waived_texts
from seedless.ceremony.request import parse
from seedless.change import Statement
from seedless.cli import consent, printing
from seedless.cli.key_options import PublicKeyType
from seedless.cli.render.findings import findings_data
from seedless.cli.review import difference_data, heading, lines, placed, show_findings, show_reset_times
from seedless.diff import Effect, diff_change
from seedless.errors import BadKey, Refused, UsageError
from seedless.nkey import PublicKey, Role
from seedless.text import printable, shown
from seedless.waivers import check as check_codes

if TYPE_CHECKING:
    from seedless.ceremony.judgement import ReviewContext
    from seedless.ceremony.keys import CeremonyKey
    from seedless.ceremony.request import CeremonyRequest
    from seedless.change import Change
    from seedless.cli.workspace import CommandWorkspace
    from seedless.findings import Report

FILE = click.Path(path_type=Path)
request_argument = click.argument("request_file", metavar="REQUEST", type=FILE)
output_option = click.option(
    "--output",
    "-o",
    type=FILE,
    metavar="FILE",
    required=True,
    help="Write it here (0600); a file that exists is not replaced.",
)
operator_key_option = click.option(
    "--operator-key",
    required=True,
    type=PublicKeyType(Role.OPERATOR),
    metavar="O…",
    help="The public key of the operator that is pinned.",
)
expect_option = click.option(
    "--expect",
    metavar="DIGEST",
    help="Go on only if this is the digest of the request; nobody is asked then.",
)


def _first_use(ctx: click.Context, param: click.Parameter, given: tuple[str, ...]) -> tuple[str, ...]:
    try:
        return tuple(text if text == EVERYTHING else str(PublicKey.parse(text)) for text in given)
    except BadKey as error:
        raise click.BadParameter(f"{error.message} (a public key, or all)", ctx, param) from error


first_use_option = click.option(
    "--first-use", multiple=True, metavar="PUBKEY|all", callback=_first_use,
    help="Take the jwt of this key that the request brings as the current one: the ledger does not know it.",
)  # fmt: skip


def review_context_of(
    workspace: CommandWorkspace, request_file: Path, first_use: tuple[str, ...]
) -> ReviewContext:
    """Read the request in *request_file*, and what this machine judges it by."""
    check_codes(workspace.options.allow)
    request = parse(documents.read(request_file, file_kind.REQUEST))
    return review_context(workspace, request, first_use)


def show(
    workspace: CommandWorkspace, review_context: ReviewContext, report: Report, *, tell_words: bool = True
) -> None:
    """Show a request: what stands against it first, then what it changes, in the order of danger.

    The digest and its words come last, and not at all where a person is to type them from the paper.
    """
    request = review_context.request
    if request.mark:
        printing.say(click.style(request.mark, bold=True))
    show_findings(report)
    shared, accounts = names_in(request), request.plan.accounts
    for change in in_order_of_danger(request):
        printing.say(click.style(heading(change), bold=True))
        own, known = {change.draft.claims.sub: ""}, known_names(workspace, change)
        names = ChainMap(own, known, shared)  # type: ignore[arg-type]  # it is only read
        for line in lines(change, accounts, names):
            printing.say(f"  {line}")
    show_reset_times(request.plan, workspace)
    for store_write in request.plan.store_writes:
        printing.say(click.style(placed(store_write), bold=True))
    rows = [(label, printable(text)) for label, text in facts(review_context)]
    if tell_words:
        rows.append(("request", f"sha256 {request.digest}"))
        rows += [("", row) for row in words.rows(bytes.fromhex(request.digest))]
    for line in printing.labelled(rows, 10):
        printing.say(line)


def facts(review_context: ReviewContext) -> list[tuple[str, str]]:
    """Return what is told of a request beside its changes: a label and a text each."""
    request, policy = review_context.request, review_context.policy
    count = len(request.plan.changes)
    wanted = policy.witnesses
    return [
        ("reason", request.reason),
        (
            "prepared",
            f"{printing.moment(request.plan.prepared_at)} by {request.prepared_by}, with {request.tool}",
        ),
        ("expires", printing.moment(request.expires)),
        ("clock", f"{printing.moment(review_context.clock)} on this machine"),
        *(
            [("began", f"{printing.moment(review_context.now)}, and it goes on")]
            if review_context.resumed_at
            else []
        ),
        ("policy", f"sha256 {policy.digest}"),
        ("witnesses", f"{wanted.threshold} of {len(wanted.keys)}" if wanted else "the policy wants none"),
        ("to sign", f"{count} {'jwt' if count == 1 else 'jwts'}, and a receipt by each key"),
        *(("by", f"{key}") for key in request.issuers),
    ]


def in_order_of_danger(request: CeremonyRequest) -> list[Change]:
    """Return the changes: those that widen access first, operators before accounts before users."""
    kinds = {"operator": 0, "account": 1}

    accounts = request.plan.accounts

    def rank(change: Change) -> tuple[bool, int]:
        effects = {difference.effect for difference in diff_change(change, accounts)}
        widens = change.replaces is None or Effect.WIDENS in effects
        return not widens, kinds.get(change.draft.claims.body.kind, 2)

    return sorted(request.plan.changes, key=rank)


def names_in(request: CeremonyRequest) -> dict[str, str]:
    """Return the names that the request itself gives to keys; they are shown beside the keys."""
    jwts = [*request.plan.around, *([request.operator] if request.operator else [])]
    said = [*map(Statement.of, jwts), *(change.statement for change in request.plan.changes)]
    return {one.claims.sub: one.claims.name for one in said if one.claims.name}


def data_of(workspace: CommandWorkspace, review_context: ReviewContext, report: Report) -> dict[str, Any]:
    """Return a review as --json prints it."""
    request, accounts = review_context.request, review_context.request.plan.accounts
    return {
        "request": request.digest,
        "words": list(words.words(bytes.fromhex(request.digest))),
        "mark": request.mark,
        "reason": request.reason,
        "prepared_by": request.prepared_by,
        "prepared_at": request.plan.prepared_at,
        "expires": request.expires,
        "previous": request.previous,
        "policy": review_context.policy.digest,
        "clock": review_context.clock,
        "issuers": [str(key) for key in request.issuers],
        "changes": [
            {
                "kind": change.draft.claims.body.kind,
                "name": change.draft.claims.name,
                "subject": change.draft.claims.sub,
                "issuer": str(change.draft.issuer),
                "issued_at": change.draft.issued_at,
                "replaces": change.replaces.id if change.replaces else None,
                "differences": difference_data(workspace, change, accounts),
            }
            for change in in_order_of_danger(request)
        ],
        "findings": findings_data(report.findings),
        "lifted": list(waived_texts(report)),
    }


def agree(review_context: ReviewContext, expect: str | None, *, clock_checked: bool) -> None:
    """Raise as `agree_on` does, about the request of *review_context*."""
    digest, clock = review_context.request.digest, review_context.clock
    agree_on(digest, clock, expect, clock_checked=clock_checked)


def agree_on(digest: str, clock: int, expect: str | None, *, clock_checked: bool) -> None:
    """Raise `UsageError` unless a person types the words of the request with *digest*, or gives that.

    A digest that is that of another request raises `Refused`. Somebody who is asked also confirms the time of
    day, *clock* in Unix seconds; without a terminal *clock_checked* says so.
    """
    if expect is not None and not hmac.compare_digest(expect.lower().encode(), digest.encode()):
        raise Refused(f"the digest of the request is not {shown(expect)}", "this is another one")
    left = [*([] if expect else ["--expect DIGEST"]), *([] if clock_checked else ["--clock-checked"])]
    if left and not consent.has_terminal():
        hint = "" if expect else "the digest is on the paper of whoever prepared the request"
        raise consent.not_confirmed(" and ".join(left), hint)
    if not clock_checked:
        _ask_clock(clock)
    if expect is None:
        _ask_words(bytes.fromhex(digest))


def _ask_clock(clock: int) -> None:
    question = f"Is it {printing.moment(clock)} now, by another clock?"
    if not consent.says_yes(question, add="--clock-checked"):
        raise UsageError("the clock of this machine is wrong", "set it right, and begin again")


def _ask_words(digest: bytes) -> None:
    """Ask for the words row by row; a row that is wrong is told and asked again."""
    printing.say("Type the words of the request, as they are read aloud from the paper.")
    for first in range(0, len(digest), words.IN_A_ROW):
        row = digest[first : first + words.IN_A_ROW]
        while True:
            typed = consent.answer(f"words {first + 1} to {first + len(row)}: ", add="--expect DIGEST")
            try:
                words.require_same(typed, row, first)
            except UsageError as error:
                printing.say(printing.printable(f"{error.message}: {error.hint}"))
            else:
                break


def key_line(made: CeremonyKey) -> str:
    """Return a line about a key that was made."""
    role = made.public_key.role.name.lower()
    return printable(f"{role} {shown(made.name)}: {made.public_key}, held by {made.holder}; {_says(made)}")


def _says(made: CeremonyKey) -> str:
    provenance = made.driver_report.get("papers")
    return f"the driver reports: {provenance}" if provenance else "the driver says nothing"


def key_data(made: CeremonyKey) -> dict[str, Any]:
    """Return a key that was made as --json prints it."""
    return {
        "public_key": str(made.public_key),
        "role": made.public_key.role.name.lower(),
        "name": made.name,
        "holder": made.holder,
        "uri": made.uri,
        "at": made.at,
        "the_driver_says": dict(made.driver_report),
    }
