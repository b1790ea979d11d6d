"""A pinned policy: what may be signed here, whoever asks. Nothing lifts its findings (Pnnn)."""

from __future__ import annotations

from seedless.policy.attested import attestation_of, is_attestation_required, require_attested
from seedless.policy.canonical import of_canonical
from seedless.policy.judge import CODES, Rule, judge, refuse_token, rules
from seedless.policy.read import read
from seedless.policy.spoken import changes, sentences
from seedless.policy.values import AttestationPins, Policy, Validity, Witnesses

__all__ = [
    "CODES",
    "AttestationPins",
    "Policy",
    "Rule",
    "Validity",
    "Witnesses",
    "attestation_of",
    "changes",
    "is_attestation_required",
    "judge",
    "of_canonical",
    "read",
    "refuse_token",
    "require_attested",
    "rules",
    "sentences",
]
