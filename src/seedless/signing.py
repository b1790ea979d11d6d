"""Sign claims with any signer: no store, no rules, no policy.

For programs that have their own place for jwts, such as an auth callout. What is stated about claims with a
store, and who they lock out, only `Workspace` can report.
"""

from __future__ import annotations

import time
from datetime import datetime
from typing import TypeVar

from seedless.claims import Account, Limits, User
from seedless.errors import UsageError
from seedless.jwt import Claims, Jwt, draft
from seedless.nkey import PublicKey
from seedless.signer import Signer

__all__ = ["sign"]

B = TypeVar("B")


def sign(claims: Claims[B], signer: Signer, *, now: datetime | int | None = None) -> Jwt[B]:
    """Return the jwt of *claims*, issued and signed by *signer*, its signature verified in software.

    *now* is the time of issue: an aware datetime or Unix seconds, by default that of this machine's clock.
    Raise `BadClaims` for what the official library does not encode, `UsageError` for arguments of other
    types and for limits that nobody has set, `BadSignature` when the signer signs wrongly.

    `Account()` and a `User()` without the account that its scope belongs to have zeros for all limits, which
    servers take literally: nothing may connect, subscribe or publish. `Account.new()` and `User.new()` have
    no limits, as in the official library.
    """
    if not isinstance(claims, Claims):
        raise UsageError(f"claims are a value of the type Claims, not {type(claims).__name__}", _CLAIMS)
    key = getattr(signer, "public_key", None)
    if not isinstance(key, PublicKey) or not callable(getattr(signer, "sign", None)):
        raise UsageError(
            f"a signer has a public_key and a method sign, and {type(signer).__name__} has not both",
            "give a SoftwareKey, or the signer of a token: open_token(…).signer(public_key)",
        )
    _require_limits(claims.body)
    ready = draft(claims, key, int(time.time()) if now is None else now)
    return ready.complete(signer.sign(ready.signing_input))


def _require_limits(body: object) -> None:
    """Raise `UsageError` for a body whose limits are the zeros that no line of a program has set."""
    if isinstance(body, Account) and body.limits == Limits():
        raise UsageError(
            "all limits of the account are 0, which lets nothing through",
            "Account.new() has no limits; to close an account set conn=0 and leave the others",
        )
    if (
        isinstance(body, User)
        and not body.issuer_account
        and (body.subs, body.data, body.payload) == (0, 0, 0)
    ):
        raise UsageError(
            "all limits of the user are 0, which lets nothing through",
            "User.new() has no limits; User.scoped(account) takes those of the scope that signs it",
        )


_CLAIMS = 'as in Claims(sub=str(key.public_key), name="ORDERS", body=Account.new())'
