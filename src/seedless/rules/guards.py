"""Guards on time and on what must never be signed (Gnnn)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seedless.claims import Generic
from seedless.findings import Finding, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seedless.change import Change, Context

MOST_AHEAD = 60
"""Seconds that the time of a jwt may lie in the future."""


def g001_time_moves_forward(change: Change, _: Context) -> Iterator[Finding]:
    """For one subject `iat` is strictly later than that of the jwt which is replaced.

    Servers take an older jwt as well as a newer one, and two of one second share a `jti`.
    """
    if change.replaces is not None and change.draft.issued_at <= change.replaces.issued_at:
        yield Finding(
            "G001",
            Severity.ERROR,
            change.title,
            f"issued at {change.draft.issued_at}, not after the jwt that it replaces ({change.replaces.issued_at})",
            "set this machine's clock right, or wait a second",
        )


def g002_time_is_not_ahead(change: Change, context: Context) -> Iterator[Finding]:
    """`iat` is at most a minute ahead: a jwt from the future outlives its revocation."""
    ahead = change.draft.issued_at - context.now
    if ahead > MOST_AHEAD:
        yield Finding(
            "G002",
            Severity.ERROR,
            change.title,
            f"issued {ahead} seconds in the future",
            "set this machine's clock right",
        )


def g003_already_expired(change: Change, context: Context) -> Iterator[Finding]:
    """Claims that have expired, or expire before they begin, are of no use."""
    claims = change.draft.claims
    if 0 < claims.exp <= context.now:
        yield Finding("G003", Severity.ERROR, change.title, "has already expired", "give a later --expiry")
    elif 0 < claims.exp <= claims.nbf:
        yield Finding(
            "G003", Severity.ERROR, change.title, "expires before it begins", "give a later --expiry"
        )


def g004_generic_claims_that_servers_obey(change: Change, _: Context) -> Iterator[Finding]:
    """Generic claims with `accounts`, or issued to their own subject, are orders to a resolver to delete."""
    claims = change.draft.claims
    if not isinstance(claims.body, Generic):
        return
    if "accounts" in (claims.body.data or {}) or claims.sub == str(change.draft.issuer):
        yield Finding(
            "G004",
            Severity.ERROR,
            change.title,
            "is an order that a resolver obeys: to delete accounts, again and again, for ever",
            "it is not signed as a file",
        )
