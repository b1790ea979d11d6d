"""What changes between the claims that are and the claims that shall be, in the field's words."""

from __future__ import annotations

from seedless.diff.compare import diff, unknown_members
from seedless.diff.line import Difference, Effect, Wording

__all__ = ["Difference", "Effect", "Wording", "diff", "unknown_members"]
