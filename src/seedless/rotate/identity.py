"""The operator gets a new identity key: what is signed again, and what servers must change.

Everything that names the old key changes: the operator's jwt, the accounts that the old key signed, unless
it stays as a signing key, and every configuration that holds the operator's jwt.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from seedless.change import Change, Placement
from seedless.issue import Plan
from seedless.jwt import draft
from seedless.plan import changed
from seedless.rules.guards import is_from_the_future

if TYPE_CHECKING:
    from collections.abc import Mapping

    from seedless.claims import Account, Operator
    from seedless.jwt import Jwt
    from seedless.nkey import PublicKey


def new_identity(
    operator: Jwt[Operator],
    accounts: Mapping[str, Jwt[Account]],
    new: PublicKey,
    now: int,
    *,
    keep_old: bool,
    around: tuple[Jwt[Any], ...] = (),
) -> Plan:
    """Return the plan by which *new* is the operator's identity, and signs *accounts* (by name).

    With *keep_old* the old identity becomes a signing key, which may go on signing. The operator's times and
    limits stay as they are; *around* are the accounts that those import from.
    """
    body = operator.claims.body
    keys = tuple(key for key in body.signing_keys if key != str(new))
    if keep_old:
        keys = (*keys, operator.claims.sub)
    claims = msgspec.structs.replace(
        operator.claims, sub=str(new), body=msgspec.structs.replace(body, signing_keys=keys)
    )
    # Another subject: it has no predecessor, and so need not follow one whose clock was fast.
    at = now if is_from_the_future(operator.issued_at, now) else max(now, operator.issued_at + 1)
    first = Change(draft(claims, new, at), reason="a new identity key", address=())
    moved = tuple(
        changed(jwt.claims, new, replaces=jwt, now=now, reason="the operator has a new key", address=(name,))
        for name, jwt in accounts.items()
    )
    gone = Placement((), None, operator, "another identity takes its place")
    return Plan((first, *moved), now, around, (gone,))
