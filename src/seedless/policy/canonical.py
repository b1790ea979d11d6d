"""Read a policy from its canonical bytes, those that its digest is of, as a transcript holds them.

Refused is text that is not just what some policy writes.
"""

from __future__ import annotations

import json
from typing import Any

from seedless.errors import StoreError
from seedless.policy.values import Policy, Validity, Witnesses


def of_canonical(data: bytes) -> Policy:
    """Return the policy whose `canonical` is *data*; raise `StoreError` if there is none."""
    try:
        policy = _policy(json.loads(data))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise StoreError("this is no policy as a transcript holds it", "it was changed") from error
    if policy.canonical != data:
        raise StoreError("this is no policy as a transcript holds it", "it was changed")
    return policy


def _policy(said: dict[str, Any]) -> Policy:
    subjects, witnesses = said.get("subjects", {}), said.get("witnesses")
    return Policy(
        operator=said["operator"],
        sign=_lists(said["sign"]) if "sign" in said else None,
        validity={kind: Validity(**bounds) for kind, bounds in said.get("validity", {}).items()},
        names=_lists(said.get("names", {})),
        tags=_lists(said.get("tags", {})),
        too_wide=tuple(subjects.get("too-wide", ())),
        reserved=tuple(subjects.get("reserved", ())),
        wildcard_exports=subjects.get("wildcard-exports", True),
        limits={kind: dict(bounds) for kind, bounds in said.get("limits", {}).items()},
        strict_signing_keys=said.get("strict-signing-keys", False),
        tokens=tuple(said.get("tokens", ())),
        named=_lists(said.get("named", {})),
        witnesses=Witnesses(keys=tuple(witnesses["keys"]), threshold=witnesses["threshold"])
        if witnesses
        else None,
    )


def _lists(held: dict[str, list[str]]) -> dict[str, tuple[str, ...]]:
    return {name: tuple(texts) for name, texts in held.items()}
