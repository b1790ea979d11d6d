"""The rules that judge claims before they are signed. Rules speak and never write."""

from __future__ import annotations

from seedless.rules.judge import (
    CHANGE_RULES,
    OFFICIAL,
    PLAN_RULES,
    STATEMENT_RULES,
    ChangeRule,
    PlanRule,
    Rule,
    code_of,
    judge,
    judge_statement,
    mark_existing,
    rules,
)

__all__ = [
    "CHANGE_RULES",
    "OFFICIAL",
    "PLAN_RULES",
    "STATEMENT_RULES",
    "ChangeRule",
    "PlanRule",
    "Rule",
    "code_of",
    "judge",
    "judge_statement",
    "mark_existing",
    "rules",
]
