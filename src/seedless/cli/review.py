"""Review: show a person what is about to be signed, and walk on only with consent."""

from __future__ import annotations

import functools
import re
from collections import ChainMap
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, TypeVar

import click

from seedless.app.key_names import known_titles
from seedless.app.pipeline import reset_times, usual_lines
from seedless.change import Statement
from seedless.cli import consent, printing
from seedless.cli.render.findings import finding_lines, finding_sentence
from seedless.diff import AccountClaims, Difference, Effect, Wording, diff_change
from seedless.diff.members import word
from seedless.text import shown
from seedless.units import moment

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from seedless.app.pipeline import Preview
    from seedless.change import Change, StoreWrite
    from seedless.cli.consent import Consent
    from seedless.cli.workspace import CommandWorkspace
    from seedless.findings import Report
    from seedless.signing_pipeline import Plan

R = TypeVar("R")

_EFFECTS = {Effect.WIDENS: "red", Effect.CHANGES: None, Effect.NARROWS: "green"}
_KEY_IN_BRACKETS = re.compile(r" \(([AOU][A-Z2-7]{55})\)")


def sign_preview(
    workspace: CommandWorkspace, made: Preview[R], *, approve: Consent = consent.ask_to_sign
) -> R:
    """Show the preview *made*, and sign it with consent; the end of every command that signs.

    With --dry-run it is only shown, with --plan it is written, and the command ends. Where there is nothing
    to do, nothing is shown or asked.
    """
    show_notices(made)
    return made.sign() if made.is_empty else _sign(workspace, made, approve)


def _sign(workspace: CommandWorkspace, made: Preview[R], approve: Consent) -> R:
    is_only_shown = workspace.options.dry_run or workspace.options.plan is not None
    if not is_only_shown and not made.report.errors:
        # Nobody reads a review for nothing: the module is loaded in the child process from here on.
        made.require_tokens()
    show_plan(workspace, made)
    if is_only_shown:
        _only_shown(workspace, made)
    return made.sign(approve=lambda preview: approve(workspace, preview.plan))


def _only_shown(workspace: CommandWorkspace, made: Preview[object]) -> NoReturn:
    """Write the plan with --plan, or print what was previewed, and end the command."""
    made.report.require_clean()
    options = workspace.options
    if options.plan and not options.dry_run:
        plan = made.plan
        digest = made.write(options.plan)
        written = {"plan": str(Path(options.plan)), "digest": digest}
        counts = {"changes": len(plan.changes), "placements": len(plan.store_writes)}
        text = f"plan: {Path(options.plan)}\ndigest: {digest}"
        options.emit(written | counts, text)
    else:
        data = functools.partial(plan_data, workspace, made)
        options.emit(data, "nothing was signed: --dry-run")
    raise click.exceptions.Exit(0)


def show_notices(made: Preview[object]) -> None:
    """Show what a person should read before the plan."""
    for notice in made.notices:
        printing.report(printing.printable(str(notice)) if notice.is_warning else str(notice))


def show_plan(workspace: CommandWorkspace, made: Preview[object]) -> None:
    """Show every change of the preview *made*, what it places and removes, and what was found."""
    plan = made.plan
    placeholders, accounts = _placeholders(made), plan.accounts

    def named(found: re.Match[str]) -> str:
        # By one look-up for each key of a line: a line is not searched for all new keys.
        return "" if found[1] in placeholders else found[0]

    for change in plan.changes:
        known = known_titles(workspace, change.draft.claims.sub)
        names = ChainMap(placeholders, known)  # type: ignore[arg-type]  # it is only read
        shown_lines = lines(change, accounts, names, folds=not workspace.options.verbose)
        rows = (f"  {_KEY_IN_BRACKETS.sub(named, line)}" for line in shown_lines)
        printing.report("\n".join([click.style(heading(change), bold=True), *rows]))
    show_reset_times(plan, workspace)
    for store_write in plan.store_writes:
        printing.report(click.style(placed(store_write), bold=True))
    for path in made.removed_files:
        printing.report(click.style(f"{shown(path)} (removed)", bold=True))
    if workspace.policy is not None and workspace.policy_path is not None:
        printing.report(f"policy: sha256 {workspace.policy.digest} ({shown(workspace.policy_path)})")
    show_findings(workspace, made.report)


def show_reset_times(plan: Plan, workspace: CommandWorkspace) -> None:
    """Report what is known of the times of the jwts that --reset-time names, before somebody confirms it."""
    found = reset_times(workspace, plan)
    if found:
        printing.report(f"this clock reads {moment(workspace.now)}")
    for reset in found:
        printing.report(click.style(f"time of {shown(reset.title)}", bold=True))
        printing.report(f"  in the store: {moment(reset.stored)}")
        printing.report(f"  in the ledger: {moment(reset.recorded) if reset.recorded else 'nothing'}")
        printing.report("  on servers: seedless push --diff shows it, for accounts")
        printing.report(f"  to be signed: {moment(reset.signed)}")


def show_findings(workspace: CommandWorkspace, report: Report) -> None:
    """Report what was found, and what was waived."""
    titles = known_titles(workspace)
    for finding in report.waived:
        printing.report(f"waived: {finding_sentence(finding, titles)}")
    # One error alone is what the command ends with, and is reported there.
    reported_at_the_end = report.errors if len(report.errors) == 1 else ()
    for finding in (finding for finding in report.findings if finding not in reported_at_the_end):
        for row in finding_lines(finding, titles):
            printing.report(row)


def placed(store_write: StoreWrite) -> str:
    """Return the line of a jwt that the store is to have as it is, or to have no more."""
    jwt = store_write.jwt or store_write.replaces
    title = Statement.of(jwt).title if jwt else "nothing"
    done = (
        "removed"
        if store_write.jwt is None
        else f"placed at {'/'.join(store_write.address) or 'the operator'}"
    )
    return shown(f"{title} ({done}: {store_write.reason})")


def heading(change: Change) -> str:
    """Return the line above a change: what, and whether it is new."""
    return f"{shown(change.title)} ({'changed' if change.replaces else 'new'}: {shown(change.reason)})"


def lines(
    change: Change, accounts: AccountClaims, names: Mapping[str, str], *, folds: bool = False
) -> list[str]:
    """Return what differs, a member a line, what widens access first; safe to print.

    With *folds* the lines of a new jwt that every new one of its kind has are one, which names them.
    """
    found = diff_change(change, accounts, names=names)
    usual = usual_lines(change) if folds and change.replaces is None else frozenset()
    folded = [difference for difference in found if (difference.label, difference.text) in usual]
    rows = [
        row
        for difference in found
        if difference not in folded
        for row in rows_of(difference, is_new=change.replaces is None, has_details=not folds)
    ]
    if folded:
        labels = ", ".join(dict.fromkeys(difference.label for difference in folded))
        rows.append(f"defaults: {labels} (-v shows them)")
    issuer = Wording(names).key(str(change.draft.issuer))
    if change.replaces and change.replaces.issuer != change.draft.issuer:
        issuer = f"{Wording(names).key(str(change.replaces.issuer))} -> {issuer}"
    issued = f"issued: {printing.moment(change.draft.issued_at)}"
    return [*rows, f"issuer: {issuer}", issued]


def rows_of(difference: Difference, *, is_new: bool, has_details: bool) -> list[str]:
    """Return the line of *difference*, and below it with *has_details* all that the line sums up."""
    details = [f"  {word(text)}" for text in difference.details] if has_details else []
    return [line(difference, is_new=is_new), *details]


def line(difference: Difference, *, is_new: bool = False) -> str:
    """Return one difference, its effect before it unless all of it is new."""
    if is_new:
        return difference.line
    effect = click.style(f"{difference.effect:<8}", fg=_EFFECTS[difference.effect])
    return f"{effect} {difference.line}"


def _placeholders(made: Preview[object]) -> dict[str, str]:
    """Return what to call the keys that have yet to be created."""
    return {
        str(key.placeholder_key): f"a new key for {key.role.name.lower()} {key.name}" for key in made.new_keys
    }


def change_data(change: Change, differences: Iterable[Difference]) -> dict[str, object]:
    """Return *change* with its *differences* as --json prints it."""
    claims = change.draft.claims
    return {
        "kind": claims.body.kind,
        "name": claims.name,
        "subject": claims.sub,
        "issuer": str(change.draft.issuer),
        "issued_at": change.draft.issued_at,
        "replaces": change.replaces.id if change.replaces else None,
        "differences": [difference.data() for difference in differences],
    }


def plan_data(workspace: CommandWorkspace, made: Preview[object]) -> dict[str, object]:
    """Return the preview *made* as --json prints it with --dry-run."""
    plan, report = made.plan, made.report
    new_keys = [f"{key.role.name.lower()}:{key.name}" for key in made.new_keys]

    return {
        "dry_run": True,
        "new_keys": new_keys,
        "changes": [
            change_data(change, differences)
            | {"address": change.address, "payload": change.draft.payload.decode()}
            for change, differences in made.differences()
        ],
        "placements": [
            {"address": write.address, "removed": write.jwt is None, "reason": write.reason}
            for write in plan.store_writes
        ],
        "files_removed": [str(path) for path in made.removed_files],
        "policy": workspace.policy.digest if workspace.policy else None,
        "findings": [finding.data() for finding in report.findings],
        "lifted": [waived.data() for waived in report.waived],
    }
