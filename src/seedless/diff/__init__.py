"""What changes between the claims that are and the claims that shall be, in the field's words."""

from __future__ import annotations

from seedless.diff.compare import AccountClaims, diff, diff_change, unknown_members
from seedless.diff.members import Difference, Effect, Wording

__all__ = [
    "AccountClaims",
    "Difference",
    "Effect",
    "Wording",
    "diff",
    "diff_change",
    "unknown_members",
]
