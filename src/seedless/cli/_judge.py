"""Judgement for a command: the rules, the policy that is pinned, and the findings that were lifted."""

from __future__ import annotations

import contextlib
import dataclasses
from typing import TYPE_CHECKING, Any

from seedless.allow import lift
from seedless.errors import SeedlessError, UsageError
from seedless.findings import Report

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from seedless.cli._workspace import Workspace
    from seedless.findings import Finding
    from seedless.issue import Plan
    from seedless.jwt import Jwt


def judged(workspace: Workspace, plan: Plan) -> Report:
    """Put *plan* before the rules and the policy, and lift what --allow names."""
    report = plan.judge()
    if workspace.policy is not None:
        from seedless.policy import judge  # noqa: PLC0415 - only where a policy is pinned

        context = dataclasses.replace(plan.context, jwts=_standing(workspace, plan))
        report = Report.of([*judge(workspace.policy, plan.changes, context), *report.findings])
    return lift(report, workspace.settings.allow)


def _standing(workspace: Workspace, plan: Plan) -> Mapping[str, Jwt[Any]]:
    """Return the jwts of the operator and of the accounts that *plan* is about, as the store has them."""
    found: dict[str, Jwt[Any]] = dict(plan.context.jwts)
    with contextlib.suppress(SeedlessError, UsageError):
        operator = workspace.operator()
        accounts = (jwt for jwt in workspace.readable_accounts() if jwt.claims.sub in plan.context.claims)
        around: list[Jwt[Any]] = [operator, *accounts]
        for jwt in around:
            found.setdefault(jwt.claims.sub, jwt)
    return found


def findings_data(findings: Iterable[Finding]) -> list[dict[str, str]]:
    """Return *findings* as --json prints them."""
    return [
        {
            "code": finding.code,
            "severity": str(finding.severity),
            "about": finding.about,
            "where": finding.where,
            "text": finding.text,
            "hint": finding.hint,
        }
        for finding in findings
    ]
