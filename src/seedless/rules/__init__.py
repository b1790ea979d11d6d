"""The rules that judge a change before it is signed. Rules speak and never write."""

from __future__ import annotations

from seedless.rules.judge import RULES, Rule, judge

__all__ = ["RULES", "Rule", "judge"]
