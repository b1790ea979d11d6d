"""A pinned policy: what may be signed here, whoever asks. Nothing lifts its findings (Pnnn)."""

from __future__ import annotations

from seedless.policy.canonical import of_canonical
from seedless.policy.judge import CODES, Rule, judge, refuse_token, rules
from seedless.policy.read import read
from seedless.policy.spoken import changes, sentences
from seedless.policy.values import Policy, Validity, Witnesses

__all__ = [
    "CODES",
    "Policy",
    "Rule",
    "Validity",
    "Witnesses",
    "changes",
    "judge",
    "of_canonical",
    "read",
    "refuse_token",
    "rules",
    "sentences",
]
