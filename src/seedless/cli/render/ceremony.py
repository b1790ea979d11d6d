"""How requests under review, rehearsals, and ceremonies that were checked are shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from seedless.app.ceremony_reviews import place_of
from seedless.app.key_names import with_titles
from seedless.ceremony import words
from seedless.ceremony.check import CeremonyVerdict
from seedless.ceremony.judgement import waived_texts
from seedless.ceremony.request import REHEARSAL
from seedless.cli import printing
from seedless.cli.review import change_data, heading, lines, placed, show_findings, show_reset_times
from seedless.diff import Wording
from seedless.text import printable, shown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from seedless.app.ceremonies import CeremonyAudit
    from seedless.app.ceremony_rehearsal import CeremonyRehearsal
    from seedless.app.ceremony_reviews import CeremonyReview
    from seedless.ceremony.check import CeremonyCheck
    from seedless.cli.workspace import CommandWorkspace
    from seedless.policy import Policy


def digest_lines(digest: str, about: str = "") -> list[str]:
    """Return *digest* (hex), of what it is *about*, and its words below it."""
    return [f"{about} sha256 {digest}".strip(), *word_rows(digest)]


def word_rows(digest: str) -> tuple[str, ...]:
    """Return the words of *digest* (hex) in rows of eight, or of four where a label and eight do not fit."""
    whole = words.IN_A_ROW
    return words.rows(bytes.fromhex(digest), whole if printing.fits(11 + 12 * whole) else whole // 2)


def words_data(digest: str) -> list[str]:
    """Return the words of *digest* (hex) as --json prints them."""
    return list(words.words(bytes.fromhex(digest)))


def show_review(workspace: CommandWorkspace, review: CeremonyReview, *, with_words: bool = True) -> None:
    """Show a request: its problems first, then what it changes, in the order of danger.

    The digest and its words come last, and not at all where a person is to type them from the paper.
    """
    request, accounts = review.request, review.request.plan.accounts
    if request.mark:
        printing.report(click.style(request.mark, bold=True))
    show_findings(workspace, review.report)
    for change in review.changes:
        printing.report(click.style(heading(change), bold=True))
        for line in lines(change, accounts, review.names(change)):
            printing.report(f"  {line}")
    show_reset_times(request.plan, workspace)
    for store_write in request.plan.store_writes:
        printing.report(click.style(placed(store_write), bold=True))
    rows = [(label, printable(text)) for label, text in _facts(review)]
    if with_words:
        rows.append(("request", f"sha256 {request.digest}"))
        rows += [("", row) for row in word_rows(request.digest)]
    for line in printing.labelled(rows, 10):
        printing.report(line)


def show_tokens(tokens: tuple[tuple[object, str], ...], titles: Mapping[str, str]) -> None:
    """Name the token of each key that is to sign."""
    wording = Wording(titles)
    rows = (("asks", f"{token} for {wording.key(str(key))}") for key, token in tokens)
    for line in printing.labelled(rows, 10):
        printing.report(line)


def _facts(review: CeremonyReview) -> list[tuple[str, str]]:
    """Return what is shown of a request beside its changes: a label and a text each."""
    context, wording = review.context, Wording(review.titles)
    request, policy = context.request, context.policy
    count = len(request.plan.changes)
    wanted = policy.witnesses
    prepared = printing.moment(request.plan.prepared_at)
    return [
        ("reason", request.reason),
        ("prepared", f"{prepared} by {request.prepared_by}, with {request.tool}"),
        ("expires", printing.moment(request.expires)),
        ("clock", f"{printing.moment(context.clock)} on this machine"),
        *([("began", f"{printing.moment(context.now)}, and it goes on")] if context.resumed_at else []),
        ("policy", f"sha256 {policy.digest}"),
        ("witnesses", f"{wanted.threshold} of {len(wanted.keys)}" if wanted else "the policy requires none"),
        ("to sign", f"{count} {'jwt' if count == 1 else 'jwts'}, and a receipt by each key"),
        *(("by", wording.key(str(key))) for key in request.issuers),
    ]


def review_data(review: CeremonyReview) -> dict[str, object]:
    """Return a review as --json prints it."""
    request, context = review.request, review.context
    return {
        "request": request.digest,
        "words": words_data(request.digest),
        **printing.members(request, "mark", "reason", "prepared_by"),
        "prepared_at": request.plan.prepared_at,
        "expires": request.expires,
        "previous": request.previous,
        "policy": context.policy.digest,
        "clock": context.clock,
        "issuers": [str(key) for key in request.issuers],
        "changes": [change_data(change, differences) for change, differences in review.differences()],
        "findings": [finding.data() for finding in review.report.findings],
        "lifted": list(waived_texts(review.report)),
    }


def audit_lines(audit: CeremonyAudit) -> list[str]:
    """Return the verdict on a ceremony, and what was done in it, for people."""
    found, again = audit.check, audit.recomputed
    return [
        f"{found.verdict}: {found.text}",
        *([f"hint: {found.hint}"] if found.hint else []),
        *_held(found),
        *([f"recomputed  {again.text}"] if again else []),
        *([f"compare with paper: {', '.join(audit.compare_with_paper)}"] if audit.compare_with_paper else []),
    ]


def _held(found: CeremonyCheck) -> list[str]:
    if found.verdict is CeremonyVerdict.FALSE or found.request is None or found.progress is None:
        return []
    request, progress, policy = found.request, found.progress, found.policy
    opened = progress.opened or {}
    rows = [
        ("reason", request.reason),
        ("prepared", f"{printing.moment(request.plan.prepared_at)} by {request.prepared_by}"),
        ("began", printing.moment(progress.at) if opened else "not yet"),
        ("present", ", ".join(opened.get("present", [])) or "nobody was named"),
        ("request", f"sha256 {request.digest}"),
        ("policy", f"sha256 {policy.digest if policy else 'not yet'}"),
        ("transcript", f"sha256 {progress.digest}"),
        *(("", row) for row in word_rows(progress.digest)),
    ]
    if policy:
        rows.append(("witnesses", _witnesses(found, policy)))
    wording = Wording(progress.titles)
    rows += [("witness", str(witness.issuer)) for witness in found.witnesses]
    waived = (progress.reviewed or {}).get("lifted", [])
    rows += [("waived", with_titles(text, progress.titles)) for text in waived]
    for key, driver_report in progress.driver_report.items():
        rows.append(("key", f"{wording.key(key)}: {_driver(driver_report)}"))
        if key in found.attestations:
            rows += [("attested", line) for line in found.attestations[key].lines]
    rows += [
        ("signed", f"{jwt.claims.body.kind} {jwt.claims.name or jwt.claims.sub}") for jwt in progress.signed
    ]
    return [*([request.mark] if request.mark else []), *printing.labelled(rows, 11)]


def _witnesses(found: CeremonyCheck, policy: Policy) -> str:
    if not policy.witnesses:
        return "none required"
    keys, threshold = policy.witnesses.keys, policy.witnesses.threshold
    return f"{len(found.witnesses)} of {len(keys)} signed, {threshold} required"


def _driver(driver_report: dict[str, object]) -> str:
    # The member of transcripts has an older name than what a person reads.
    words = {"token": "token", "serial": "serial", "papers": "provenance"}
    reported = [f"{word} {driver_report[name]}" for name, word in words.items() if driver_report.get(name)]
    return f"the driver reports {', '.join(reported)}" if reported else "the driver reports nothing of it"


def audit_data(audit: CeremonyAudit) -> dict[str, object]:
    """Return the check of a ceremony as --json prints it."""
    found, again = audit.check, audit.recomputed
    request, progress = found.request, found.progress
    opened = (progress.opened if progress else None) or {}
    return {
        "verdict": str(found.verdict),
        "text": found.text,
        "hint": found.hint,
        "mark": request.mark if request else None,
        "reason": request.reason if request else None,
        "prepared_by": request.prepared_by if request else None,
        "request": request.digest if request else None,
        "transcript": progress.digest if progress else None,
        "policy": found.policy.digest if found.policy else None,
        "at": opened.get("at"),
        "present": opened.get("present", []),
        "lifted": ((progress.reviewed if progress else None) or {}).get("lifted", []),
        "witnesses": [str(witness.issuer) for witness in found.witnesses],
        "keys": sorted(progress.driver_report) if progress else [],
        "attested": {
            key: printing.members(attestation, "device", "serial", "root") | {"sha256": attestation.digest}
            for key, attestation in sorted(found.attestations.items())
        },
        "signed": [jwt.text for jwt in progress.signed] if progress else [],
        "receipts": [receipt.text for receipt in found.receipts],
        "compare_with_paper": list(audit.compare_with_paper),
        "recomputed": {"agrees": again.agrees, "text": again.text} if again else None,
    }


def show_rehearsal(workspace: CommandWorkspace, rehearsed: CeremonyRehearsal) -> None:
    """Show what was rehearsed, and what the real ceremony will need."""
    title = f"{REHEARSAL}: other keys sign, on a token that is deleted at the end"
    printing.report(click.style(title, bold=True))
    wording = Wording(rehearsed.real.titles)
    for key, other in rehearsed.placeholder_keys.items():
        printing.report(f"  {wording.key(key)}\n    is replaced by {other}")
    # Without its words, which are not those on paper: they are of the request with the other keys.
    show_review(workspace, rehearsed.rehearsed, with_words=False)
    needs, report = _needs(workspace, rehearsed.real), rehearsed.real.report
    printing.report(click.style("the real ceremony will need", bold=True))
    for line in printing.labelled(needs, 11, "  "):
        printing.report(line)
    show_findings(workspace, report)
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
    workspace.emit(data, text)


def _needs(workspace: CommandWorkspace, real: CeremonyReview) -> list[tuple[str, str]]:
    request, policy, wording = real.request, real.context.policy, Wording(real.titles)
    largest = max(len(change.draft.signing_input) for change in request.plan.changes)
    wanted = policy.witnesses
    return [
        *(("key", f"{wording.key(str(key))}: {shown(place_of(workspace, key))}") for key in request.issuers),
        ("PIN", "that of each token above, asked for last"),
        ("witnesses", f"{wanted.threshold} of {len(wanted.keys)}" if wanted else "none, by the policy"),
        ("signatures", f"{len(request.plan.changes)}, and {len(request.issuers)} for the receipts"),
        ("largest", f"{largest} bytes in one signature"),
        ("until", printing.moment(request.expires)),
        ("policy", f"sha256 {policy.digest}"),
        ("request", f"sha256 {request.digest}, in words, typed"),
    ]
