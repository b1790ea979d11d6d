"""Findings as --json prints them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from seedless.findings import Finding


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
