"""Look for holes in what is there: server configurations, jwts, whole stores. Nothing is written."""

from __future__ import annotations

from seedless.lint.codes import rules
from seedless.lint.configuration import lint_configuration
from seedless.lint.jwts import Judged, Surroundings, judge_jwt, unreadable
from seedless.lint.tree import count, lint_store, surroundings

__all__ = [
    "Judged",
    "Surroundings",
    "count",
    "judge_jwt",
    "lint_configuration",
    "lint_store",
    "rules",
    "surroundings",
    "unreadable",
]
