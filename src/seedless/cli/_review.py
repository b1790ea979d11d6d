"""Review: show a person what is about to be signed, and walk on only with consent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from seedless import issue as walk
from seedless.cli import _describe, _io
from seedless.cli._token import check_token_options, open_tokens
from seedless.diff import differences
from seedless.findings import Severity
from seedless.text import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from seedless.change import Change
    from seedless.cli._workspace import Workspace
    from seedless.findings import Report
    from seedless.issue import Intent, Plan
    from seedless.jwt import Jwt

_COLOURS = {Severity.ERROR: "red", Severity.WARNING: "yellow"}


def sign(
    workspace: Workspace,
    intent: Intent,
    record: Callable[[Sequence[tuple[Change, Jwt[Any]]]], None],
) -> tuple[Jwt[Any], ...]:
    """Walk *intent*: shown, asked on a terminal, signed, verified, recorded. With --dry-run only shown."""
    settings = workspace.settings
    check_token_options(workspace)
    if settings.dry_run:
        plan = intent.rehearsed()
        report = plan.judge()
        _show(plan, report, intent)
        report.require_clean()
        _io.emit(plan_data(plan, intent), "nothing was signed: --dry-run", as_json=settings.as_json)
        raise click.exceptions.Exit(0)
    return walk.issue(
        intent,
        review=lambda plan, report: _review(plan, report, intent, ask=not settings.yes),
        keys=lambda: open_tokens(workspace, writable=bool(intent.new_keys)),
        record=record,
    )


def _review(plan: Plan, report: Report, intent: Intent, *, ask: bool) -> bool:
    _show(plan, report, intent)
    if report.errors or not ask or not _io.is_interactive():
        return True
    count = len(plan.changes)
    return _io.confirm(f"Sign {'this jwt' if count == 1 else f'these {count} jwts'}?")


def _show(plan: Plan, report: Report, intent: Intent) -> None:
    stand_ins = {
        str(key.stand_in): f"(a new key for {key.role.name.lower()} {shown(key.name)})"
        for key in intent.new_keys
    }
    for change in plan.changes:
        _io.say(click.style(heading(change), bold=True))
        for line in lines(change):
            name, _, value = line.partition(": ")
            _io.say(f"  {name}: {stand_ins.get(value, value)}")
    # One error alone is what the command ends with, and is told there.
    for finding in report.findings if report.errors[1:] else report.warnings:
        mark = click.style(f"{finding.severity}:", fg=_COLOURS[finding.severity])
        _io.say(f"{mark} {_io.printable(f'{finding.code} {finding.where}: {finding.text}')}")
        if finding.hint:
            _io.say(f"  hint: {_io.printable(finding.hint)}")


def heading(change: Change) -> str:
    """Return the line above a change: what, and whether it is new."""
    return f"{shown(change.title)} ({'changed' if change.replaces else 'new'}: {change.reason})"


def lines(change: Change) -> list[str]:
    """Return what differs, a member a line, safe to print."""
    old = change.replaces.claims if change.replaces else None
    rows = []
    for difference in differences(old, change.draft.claims):
        before = (
            "" if change.replaces is None else f"{_describe.shown_at(difference.path, difference.old)} -> "
        )
        rows.append(f"{difference.path}: {before}{_describe.shown_at(difference.path, difference.new)}")
    return [*rows, f"issuer: {change.draft.issuer}", f"issued: {_io.moment(change.draft.issued_at)}"]


def plan_data(plan: Plan, intent: Intent) -> dict[str, Any]:
    """Return *plan* as --json prints it with --dry-run."""
    new_keys = [f"{key.role.name.lower()}:{key.name}" for key in intent.new_keys]
    changes = [
        {
            "kind": change.draft.claims.body.kind,
            "name": change.draft.claims.name,
            "subject": change.draft.claims.sub,
            "issuer": str(change.draft.issuer),
            "issued_at": change.draft.issued_at,
            "replaces": change.replaces.id if change.replaces else None,
            "payload": change.draft.payload.decode(),
        }
        for change in plan.changes
    ]
    return {"dry_run": True, "new_keys": new_keys, "changes": changes}
