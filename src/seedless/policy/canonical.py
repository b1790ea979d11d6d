"""Read a policy from its canonical bytes, those that its digest is of, as a transcript holds them.

Refused is text that no valid policy has as its canonical one: the reader of policy files reads the values.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from seedless.errors import StoreError
from seedless.policy.read import of_values

if TYPE_CHECKING:
    from seedless.policy.values import Policy

_CHANGED = "it was changed, or written by hand"


def of_canonical(data: bytes) -> Policy:
    """Return the policy whose `canonical` is *data*; raise `StoreError` if there is none."""
    try:
        values = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise StoreError("this is no policy as a transcript holds it: no JSON", _CHANGED) from error
    if not isinstance(values, dict):
        raise StoreError("this is no policy as a transcript holds it: no object", _CHANGED)
    try:
        policy = of_values(values)
    except StoreError as error:
        raise StoreError(f"this is no valid policy: {error.message}", _CHANGED) from error
    if policy.canonical != data:
        raise StoreError("this is no policy as a transcript holds it: another spelling", _CHANGED)
    return policy
