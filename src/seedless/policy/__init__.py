"""A pinned policy: what may be signed here, whoever asks. Nothing waives its findings (Pnnn)."""

from __future__ import annotations

from seedless.policy.delegations import DelegationPins
from seedless.policy.devices import (
    attestation_of,
    is_attestation_required,
    refuse_recoverable,
    refuse_token,
    require_attested,
    require_recoverable,
)
from seedless.policy.judge import Rule, changes, judge, of_canonical, read, rules, sentences
from seedless.policy.keys import CODES, AttestationPins, Policy, Validity, Witnesses

__all__ = [
    "CODES",
    "AttestationPins",
    "DelegationPins",
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
    "refuse_recoverable",
    "refuse_token",
    "require_attested",
    "require_recoverable",
    "rules",
    "sentences",
]
