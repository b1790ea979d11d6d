"""What would be lost with a key: the jwts that are about it, signed by it, or let it sign.

Pure questions about verified jwts. A jwt that has expired depends on nothing any more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from seedless.claims import Account, Operator, signing_key
from seedless.nkey import PublicKey, Role

if TYPE_CHECKING:
    from seedless.jwt import Jwt


def ties(jwt: Jwt[Any], key: PublicKey, now: int) -> tuple[str, ...]:
    """Return how *jwt* depends on *key* at *now* (Unix seconds): its subject, signing key, issuer.

    The raw key counts, in whichever role the jwt names it.
    """
    if is_expired(jwt, now):
        return ()
    texts = {str(PublicKey(role, key.raw)) for role in Role}
    found = {
        "subject": jwt.claims.sub in texts,
        "signing key": bool(texts & _signing_keys(jwt.claims.body)),
        "issuer": str(jwt.issuer) in texts,
    }
    return tuple(tie for tie, is_so in found.items() if is_so)


def is_expired(jwt: Jwt[Any], now: int) -> bool:
    """Tell whether *jwt* has an end, and it has passed at *now* (Unix seconds)."""
    return 0 < jwt.claims.exp <= now


def _signing_keys(body: object) -> set[str]:
    if isinstance(body, Operator):
        return set(body.signing_keys)
    if isinstance(body, Account):
        return {signing_key(entry) for entry in body.signing_keys}
    return set()
