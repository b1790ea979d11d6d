"""Review: show a person what is about to be signed, and walk on only with consent."""

from __future__ import annotations

import re
from collections import ChainMap
from typing import TYPE_CHECKING, Any, NoReturn

import click
import msgspec

from seedless import signing_pipeline as walk
from seedless.change import Statement
from seedless.cli import consent, printing
from seedless.cli._judge import findings_data, judged
from seedless.cli._names import known_names
from seedless.cli._record import Recorder, no_files
from seedless.cli._token import check_token_options, open_tokens
from seedless.clock import Clock
from seedless.diff import Accounts, Difference, Effect, Wording, diff_change
from seedless.findings import Severity
from seedless.text import shown
from seedless.units import moment
from seedless.waivers import check

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from pathlib import Path

    from seedless.change import Change, StoreWrite
    from seedless.cli._record import Files
    from seedless.cli._workspace import Workspace
    from seedless.cli.consent import Approve
    from seedless.findings import Report
    from seedless.jwt import Jwt
    from seedless.seeds import SoftwareKey
    from seedless.signing_pipeline import Intent, Plan

_EFFECTS = {Effect.WIDENS: "red", Effect.CHANGES: None, Effect.NARROWS: "green"}
_KEY_IN_BRACKETS = re.compile(r" \(([AOU][A-Z2-7]{55})\)")
_COLOURS = dict.fromkeys(Severity, "yellow") | {Severity.ERROR: "red"}


def sign(
    workspace: Workspace,
    intent: Intent,
    *,
    seeds: Sequence[SoftwareKey] = (),
    files: Files = no_files,
    gone: Collection[Path] = (),
    judge: Callable[[Workspace, Plan], Report] = judged,
    approve: Approve = consent.ask_to_sign,
) -> tuple[Jwt[Any], ...]:
    """Walk *intent*: shown, approved, signed, verified, recorded. With --dry-run only shown.

    What is signed goes to the addresses of the changes, together with *files*; creds are written for new
    users, whose *seeds* are given, and again for those that are known. Those of *files* that are *gone* then
    are shown with the plan. With --plan the plan is written.
    """
    settings = workspace.settings
    workspace.refresh()
    check_token_options(workspace)
    check(settings.allow)
    intent = msgspec.structs.replace(intent, reset_time=frozenset(settings.reset_time))
    if settings.dry_run or settings.plan:
        plan = intent.rehearsed()
        _only_shown(workspace, plan, judge(workspace, plan), intent, seeds, gone)
    return walk.issue(
        intent,
        judge=lambda plan: judge(workspace, plan),
        review=lambda plan, report: _review(workspace, plan, report, intent, gone, approve),
        keys=lambda plan: open_tokens(
            workspace,
            writable=bool(intent.new_keys),
            policy=workspace.policy,
            changes=plan.changes,
        ),
        record=Recorder(workspace, seeds, files),
        clock=Clock(say=printing.say),
    )


def _only_shown(
    workspace: Workspace,
    plan: Plan,
    report: Report,
    intent: Intent,
    seeds: Sequence[SoftwareKey],
    gone: Collection[Path],
) -> NoReturn:
    """Show *plan*, with --plan write it, and end the command."""
    settings = workspace.settings
    show_plan(workspace, plan, report, intent, gone)
    report.require_clean()
    if settings.plan and not settings.dry_run:
        from seedless.cli._plan import write_plan  # noqa: PLC0415 - only with --plan

        write_plan(workspace, plan, intent, seeds)
    printing.emit(
        lambda: plan_data(workspace, plan, report, intent, gone),
        "nothing was signed: --dry-run",
        as_json=settings.as_json,
    )
    raise click.exceptions.Exit(0)


def _review(
    workspace: Workspace,
    plan: Plan,
    report: Report,
    intent: Intent,
    gone: Collection[Path],
    approve: Approve,
) -> bool:
    show_plan(workspace, plan, report, intent, gone)
    # Nobody is asked about what is refused anyway; the walk raises it.
    return bool(report.errors) or approve(workspace, plan)


def show_plan(
    workspace: Workspace, plan: Plan, report: Report, intent: Intent, gone: Collection[Path] = ()
) -> None:
    """Show every change of *plan*, what it places, the files that are *gone* then, and what was found."""
    placeholders, accounts = _placeholders(intent), plan.accounts

    def named(found: re.Match[str]) -> str:
        # By one look-up for each key of a line: a line is not searched for all new keys.
        return "" if found[1] in placeholders else found[0]

    for change in plan.changes:
        names = ChainMap(placeholders, known_names(workspace, change))  # type: ignore[arg-type]  # it is only read
        rows = (f"  {_KEY_IN_BRACKETS.sub(named, line)}" for line in lines(change, accounts, names))
        printing.say("\n".join([click.style(heading(change), bold=True), *rows]))
    show_reset_times(plan, workspace)
    for store_write in plan.store_writes:
        printing.say(click.style(placed(store_write), bold=True))
    for path in gone:
        printing.say(click.style(f"{shown(path)} (removed)", bold=True))
    if workspace.policy is not None and workspace.policy_path is not None:
        printing.say(f"policy: sha256 {workspace.policy.digest} ({shown(workspace.policy_path)})")
    show_findings(report)


def show_reset_times(plan: Plan, workspace: Workspace) -> None:
    """Say what is known of the times of the jwts that --reset-time names, before somebody confirms it."""
    reset = [
        one for one in plan.changes if one.replaces and one.draft.claims.sub in workspace.settings.reset_time
    ]
    if not reset:
        return
    from seedless import ledger  # noqa: PLC0415 - few commands need it

    known = ledger.load(workspace.root / ledger.LEDGER_NAME)
    printing.say(f"this clock reads {moment(workspace.now)}")
    for change in reset:
        held, before = known.known(change.draft.claims.sub), change.replaces
        printing.say(click.style(f"time of {shown(change.title)}", bold=True))
        printing.say(f"  in the store: {moment(before.issued_at) if before else 'nothing'}")
        printing.say(f"  in the ledger: {moment(held.issued_at) if held else 'nothing'}")
        printing.say("  on servers: seedless push --diff shows it, for accounts")
        printing.say(f"  to be signed: {moment(change.draft.issued_at)}")


def show_findings(report: Report) -> None:
    """Say what was found, and what was lifted."""
    for finding in report.waived:
        printing.say(printing.printable(f"lifted: {finding.code} {finding.place}: {finding.text}"))
    # One error alone is what the command ends with, and is told there.
    told = report.errors if len(report.errors) == 1 else ()
    for finding in (finding for finding in report.findings if finding not in told):
        mark = click.style(f"{finding.severity}:", fg=_COLOURS.get(finding.severity))
        printing.say(f"{mark} {printing.printable(f'{finding.code} {finding.place}: {finding.text}')}")
        if finding.hint:
            printing.say(f"  hint: {printing.printable(finding.hint)}")


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


def lines(change: Change, accounts: Accounts, names: Mapping[str, str]) -> list[str]:
    """Return what differs, a member a line, what widens access first; safe to print."""
    found = diff_change(change, accounts, names=names)
    rows = [line(difference, is_new=change.replaces is None) for difference in found]
    issuer = Wording(names).key(str(change.draft.issuer))
    if change.replaces and change.replaces.issuer != change.draft.issuer:
        issuer = f"{Wording(names).key(str(change.replaces.issuer))} -> {issuer}"
    issued = f"issued: {printing.moment(change.draft.issued_at)}"
    return [*rows, f"issuer: {issuer}", issued]


def line(difference: Difference, *, is_new: bool = False) -> str:
    """Return one difference, its effect before it unless all of it is new."""
    if is_new:
        return difference.line
    effect = click.style(f"{difference.effect:<8}", fg=_EFFECTS[difference.effect])
    return f"{effect} {difference.line}"


def difference_data(workspace: Workspace, change: Change, accounts: Accounts) -> list[dict[str, Any]]:
    """Return what *change* changes as --json prints it."""
    found = diff_change(change, accounts, names=known_names(workspace, change))
    return [one.data() for one in found]


def _placeholders(intent: Intent) -> dict[str, str]:
    """Return what to call the keys that have yet to be made."""
    return {
        str(key.placeholder_key): f"a new key for {key.role.name.lower()} {key.name}"
        for key in intent.new_keys
    }


def plan_data(
    workspace: Workspace, plan: Plan, report: Report, intent: Intent, gone: Collection[Path] = ()
) -> dict[str, Any]:
    """Return *plan*, and the files that are *gone* then, as --json prints it with --dry-run."""
    new_keys = [f"{key.role.name.lower()}:{key.name}" for key in intent.new_keys]
    accounts = plan.accounts
    changes = [
        {
            "kind": change.draft.claims.body.kind,
            "name": change.draft.claims.name,
            "subject": change.draft.claims.sub,
            "issuer": str(change.draft.issuer),
            "issued_at": change.draft.issued_at,
            "replaces": change.replaces.id if change.replaces else None,
            "address": change.address,
            "payload": change.draft.payload.decode(),
            "differences": difference_data(workspace, change, accounts),
        }
        for change in plan.changes
    ]
    return {
        "dry_run": True,
        "new_keys": new_keys,
        "changes": changes,
        "placements": [
            {"address": one.address, "removed": one.jwt is None, "reason": one.reason}
            for one in plan.store_writes
        ],
        "files_removed": [str(path) for path in gone],
        "policy": workspace.policy.digest if workspace.policy else None,
        "findings": findings_data(report.findings),
        "lifted": findings_data(report.waived),
    }
