"""What rules report on claims: findings, and the report that they make together."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

import msgspec

from seedless.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Finding", "Report", "Severity", "error", "timecheck", "warning"]


class Severity(enum.StrEnum):
    """How much a finding weighs, heaviest first.

    An error stops the pipeline. An existing one does not: the jwt that is replaced has it too, and the change
    neither causes nor touches it. A timecheck is about claims that hold at another time: it is shown, and
    whoever asks whether claims hold now counts it as an error, as servers do. A warning is shown.
    """

    ERROR = "error"
    EXISTING = "existing"
    TIMECHECK = "timecheck"
    WARNING = "warning"


_WEIGHT = {severity: weight for weight, severity in enumerate(Severity)}


class Finding(msgspec.Struct, frozen=True):
    """One thing that a rule found: its code, where in the claims, what it means, what to do.

    `where` is a path such as `nats.exports[2].subject`, or empty for the whole. `about` names whose claims
    they are, as `account ACME`; whoever judges several fills it in.
    """

    code: str
    severity: Severity
    where: str
    text: str
    hint: str = ""
    about: str = ""

    @property
    def place(self) -> str:
        """Whose claims, and where in them: `account ACME nats.limits.conn`; or a place in a file."""
        return (
            self.where
            if self.about and self.where.startswith(self.about)
            else f"{self.about} {self.where}".strip()
        )

    def data(self) -> dict[str, str]:
        """Return the finding as --json prints it."""
        names = ("code", "severity", "about", "where", "text", "hint")
        return {name: str(getattr(self, name)) for name in names}


def error(code: str, where: str, text: str, hint: str = "") -> Finding:
    """Return a finding that stops the pipeline."""
    return Finding(code, Severity.ERROR, where, text, hint)


def warning(code: str, where: str, text: str, hint: str = "") -> Finding:
    """Return a finding that is shown."""
    return Finding(code, Severity.WARNING, where, text, hint)


def timecheck(code: str, where: str, text: str, hint: str = "") -> Finding:
    """Return a finding about claims that hold at another time."""
    return Finding(code, Severity.TIMECHECK, where, text, hint)


class Report(msgspec.Struct, frozen=True):
    """All findings on a plan, the heaviest first; and those that a person has waived by their code."""

    findings: tuple[Finding, ...] = ()
    waived: tuple[Finding, ...] = ()

    @classmethod
    def of(cls, findings: Iterable[Finding]) -> Report:
        """Gather *findings*, the heaviest first, otherwise in their order."""
        return cls(tuple(sorted(findings, key=lambda finding: _WEIGHT[finding.severity])))

    @property
    def errors(self) -> tuple[Finding, ...]:
        """The findings that stop the pipeline."""
        return tuple(f for f in self.findings if f.severity is Severity.ERROR)

    def require_clean(self) -> None:
        """Raise `Refused` when there is an error; the first is the sentence, the rest are counted."""
        if self.errors:
            first = self.errors[0]
            others = f" (and {len(self.errors) - 1} more)" if self.errors[1:] else ""
            sentence = f"{first.code} {first.place}: {first.text}{others}"
            raise Refused(sentence, first.hint, findings=self.findings)
