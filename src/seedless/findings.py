"""What rules have to say about claims: findings, and the report that they make together."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

from seedless.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Iterable


class Severity(enum.StrEnum):
    """How much a finding weighs: an error stops the walk, a warning is shown."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a rule found: its code, where in which claims, what it means, what to do."""

    code: str
    severity: Severity
    where: str
    text: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """All findings on a plan, errors first."""

    findings: tuple[Finding, ...] = ()

    @classmethod
    def of(cls, findings: Iterable[Finding]) -> Report:
        """Gather *findings*, errors first, otherwise in their order."""
        return cls(tuple(sorted(findings, key=lambda finding: finding.severity is not Severity.ERROR)))

    @property
    def errors(self) -> tuple[Finding, ...]:
        """The findings that stop the walk."""
        return tuple(f for f in self.findings if f.severity is Severity.ERROR)

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """The findings that are only shown."""
        return tuple(f for f in self.findings if f.severity is Severity.WARNING)

    def require_clean(self) -> None:
        """Raise `Refused` when there is an error; the first is the sentence, the rest are counted."""
        if self.errors:
            first = self.errors[0]
            others = f" (and {len(self.errors) - 1} more)" if self.errors[1:] else ""
            raise Refused(f"{first.code} {first.where}: {first.text}{others}", first.hint)
