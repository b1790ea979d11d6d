"""What claims by themselves must hold (Cnnn)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seedless.claims import Account, User
from seedless.findings import Finding, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seedless.change import Change, Context


def c001_name_is_missing(change: Change, _: Context) -> Iterator[Finding]:
    """Operators, accounts and users have a name: stores know them by it."""
    claims = change.draft.claims
    if claims.body.kind in {"operator", "account", "user"} and not claims.name:
        yield Finding("C001", Severity.WARNING, change.title, "has no name", "give it one")


def c002_limits_of_zero_lock_out(change: Change, _: Context) -> Iterator[Finding]:
    """A limit of 0 lets nothing through, and an absent limit is 0: such claims lock everybody out."""
    body = change.draft.claims.body
    if isinstance(body, Account):
        zero = [name for name in ("conn", "subs", "payload") if getattr(body.limits, name) == 0]
    elif isinstance(body, User) and not body.issuer_account:
        zero = [name for name in ("subs", "payload") if getattr(body, name) == 0]
    else:
        return
    if zero:
        yield Finding(
            "C002",
            Severity.WARNING,
            change.title,
            f"has a limit of 0 on {', '.join(zero)}: nobody can use it",
            "-1 is no limit",
        )
