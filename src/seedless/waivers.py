"""Waive findings by their code: what a person takes upon themselves, one code at a time, and shown.

A finding of the policy is waived by changing the policy, and by nothing else. Nor are those waived whose
errors would break a promise:

- time moves forward, and never ahead: G001, G002, G005 (two jwts in one second share a `jti`). After a clock
  that was fast, --reset-time waives G001 for the subject that it names
- no oracle: G004 (generic claims that a resolver obeys)
- no seed leaves: G012 (a seed in claims, which everybody can read)
- nobody is locked out by accident: T001, T002, T007 (an issuer that servers do not trust: they take the jwt
  and refuse it at their next start)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from seedless.errors import UsageError
from seedless.rules import code_of, rules
from seedless.text import shown

if TYPE_CHECKING:
    from collections.abc import Collection

    from seedless.findings import Report

NEVER = frozenset({"G001", "G002", "G004", "G005", "G012", "T001", "T002", "T007"})
"""Codes of rules whose findings nothing waives."""


def check(
    codes: Collection[str], more: Collection[str] = (), never: Collection[str] = NEVER
) -> frozenset[str]:
    """Return *codes*; raise `UsageError` for one that no rule has, or that cannot be waived.

    *more* are codes beside those of the rules for claims, and *never* those whose findings nothing waives.
    """
    known = {code_of(rule) for rule in rules()} | set(more)
    for code in codes:
        if code.startswith("P") and code[1:].isdecimal():
            raise UsageError(
                f"{code} is a finding of the policy, which nothing waives",
                "have the policy changed by those who keep it",
            )
        if code not in known:
            raise UsageError(
                f"no rule has the code {shown(code)}", "seedless docs reference/rules lists them"
            )
        if code in never:
            raise UsageError(
                f"{code} cannot be waived: it guards a promise",
                "seedless docs explanation/assurance names the promises",
            )
    return frozenset(codes)


def waive(report: Report, codes: Collection[str]) -> Report:
    """Return *report* with the findings of *codes* (checked) taken out and kept as waived."""
    return apart(report, check(codes))


def apart(report: Report, codes: Collection[str]) -> Report:
    """Return *report* with the findings of *codes*, which are checked, taken out and kept as waived."""
    kept = tuple(finding for finding in report.findings if finding.code not in codes)
    waived = tuple(finding for finding in report.findings if finding.code in codes)
    return msgspec.structs.replace(report, findings=kept, waived=(*report.waived, *waived))
