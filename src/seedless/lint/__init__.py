"""Check jwts and whole stores for security issues. Nothing is written."""

from __future__ import annotations

from seedless.lint.codes import rules
from seedless.lint.jwts import Judged, Surroundings, judge_jwt, unreadable
from seedless.lint.tree import count, lint_store, surroundings

__all__ = [
    "Judged",
    "Surroundings",
    "count",
    "judge_jwt",
    "lint_store",
    "rules",
    "surroundings",
    "unreadable",
]
