"""What comes of holding a vector against seedless."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from seedless.errors import SeedlessError


@dataclass(frozen=True, slots=True)
class Agree:
    """The same verdict and the same meaning; *tolerated* are the rules of strict reading that it breaks."""

    tolerated: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ByDesign:
    """We are stricter, and this rule says why."""

    rule: str


@dataclass(frozen=True, slots=True)
class Disagree:
    """Something else."""

    text: str


Verdict = Agree | ByDesign | Disagree


def equal(what: str, ours: object, theirs: object) -> Verdict:
    """Return the verdict on two values that should be the same."""
    if ours == theirs:
        return Agree()
    return Disagree(f"{what}: ours {ours!r:.300}, theirs {theirs!r:.300}")


def first(*verdicts: Verdict) -> Verdict:
    """Return the first verdict that is not agreement, or agreement."""
    return next((v for v in verdicts if not isinstance(v, Agree)), Agree())


def refused(error: SeedlessError, theirs_ok: bool) -> Verdict:  # noqa: FBT001 - the other side's verdict
    """Return the verdict on our refusal: agreement when they refuse too, by design when a rule says so."""
    if not theirs_ok:
        return Agree()
    rule = getattr(error, "rule", "")
    return ByDesign(rule) if rule else Disagree(f"only we refuse: {error}")
