"""Who signed for whom (nats-io/jwt v2.8.2: `DidSign`, `IsClaimRevoked`, `ValidateScopedSigner`).

Pure questions about verified jwts; what follows from the answers is for the rules.

What would be lost with a key: the jwts that are about it, signed by it, or let it sign.

Pure questions about verified jwts. A jwt that has expired depends on nothing any more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from seedless import wire
from seedless.claims import Account, Activation, Operator, Scope, User, signing_key
from seedless.claims.templates import Filler, Unfillable, filled
from seedless.jwt import plain_payload
from seedless.nkey import PublicKey, Role
from seedless.subject import is_contained_in

if TYPE_CHECKING:
    from collections.abc import Mapping

    from seedless.jwt import Claims, Jwt

__all__ = [
    "EVERYONE",
    "account_of",
    "carried_limits",
    "carries_nothing",
    "dependents",
    "did_sign",
    "filler_of",
    "is_expired",
    "is_revoked",
    "may_issue",
    "refusal",
    "revocation_times",
    "scope_of",
]


EVERYONE = "*"
_LISTS = ("src", "times", "allowed_connection_types")
_SCALARS = ("times_location", "subs", "data", "payload", "bearer_token", "proxy_required")


def did_sign(parent: Jwt[object], child: Jwt[object]) -> bool:
    """Report whether *child* is issued by the identity of *parent* or by one of its signing keys."""
    return may_issue(parent.claims, str(child.issuer), child.claims)


def may_issue(parent: Claims[object], issuer: str, child: Claims[object]) -> bool:
    """Report whether *issuer* (key text) is the identity or a signing key of *parent*, and may issue *child*.

    A strict operator's identity signs only itself; a user or an activation by a signing key must name its
    account.
    """
    body = parent.body
    if isinstance(body, Operator):
        if issuer == parent.sub:
            return not body.strict_signing_key_usage or child.sub == parent.sub
        return issuer in body.signing_keys
    if isinstance(body, Account):
        if issuer == parent.sub:
            return True
        # Without `issuer_account` a server would look the account up under the signing key, and find none.
        named = isinstance(child.body, User | Activation) and child.body.issuer_account == parent.sub
        return named and issuer in {signing_key(entry) for entry in body.signing_keys}
    return False


def account_of(child: Claims[Any], issuer: str, known: Mapping[str, Claims[Any]]) -> Claims[Account] | None:
    """Return the account, among those that are *known* by their key, for which *issuer* issues *child*."""
    account = known.get(child.body.issuer_account or issuer)
    return account if account is not None and isinstance(account.body, Account) else None


def scope_of(account: Claims[Account], issuer: str) -> Scope | None:
    """Return the scope of *account* whose key is *issuer* (key text): of two with one key, the last."""
    scopes = (entry for entry in reversed(account.body.signing_keys) if isinstance(entry, Scope))
    return next((entry for entry in scopes if entry.key == issuer), None)


def filler_of(user: Claims[User] | None, account: Claims[Account]) -> Filler:
    """Return what the scopes of *account* are filled with for *user*; without one, for nobody yet."""
    return Filler(
        name=user.name if user else "",
        subject=user.sub if user else "",
        tags=user.body.tags if user else (),
        account_name=account.name,
        account_subject=account.sub,
        account_tags=account.body.tags,
    )


def carries_nothing(user: User) -> bool:
    """Report whether *user*, which has yet to be signed, has no permissions and limits of its own."""
    return user == User(issuer_account=user.issuer_account, tags=user.tags)


def refusal(operator: Claims[Operator], account: Claims[Account], user: Jwt[User]) -> str:
    """Return why servers refuse the login of *user*, which *account* has signed; nothing when they do not.

    Asked is what follows from the three jwts: not the times, nor what the client does.
    """
    issuer = str(user.issuer)
    scope = scope_of(account, issuer)
    if issuer == account.sub and operator.body.strict_signing_key_usage:
        return "issued by the identity of its account, and the operator is strict"
    if scope is not None:
        if carried := carried_limits(user):
            return f"carries {', '.join(carried)}, and its scope gives them"
        permitted = filled(scope.template, filler_of(user.claims, account))
        if isinstance(permitted, Unfillable):
            return f"refused by its scope: {permitted.reason}"
    if account.body.limits.disallow_bearer and (scope.template if scope else user.claims.body).bearer_token:
        return "a bearer token, which its account disallows"
    return ""


def is_revoked(account: Jwt[Account], child: Jwt[object]) -> bool:
    """Report whether *account* has revoked *child*: issued at or before the time for it or for everyone.

    Users are revoked by the account, activations by the exports that they are for. A jwt without a time or
    a subject counts as revoked.
    """
    if not child.issued_at or not child.claims.sub:
        return True
    return any(child.issued_at <= time for time in revocation_times(account.claims.body, child.claims))


def revocation_times(account: Account, child: Claims[object]) -> list[int]:
    """Return the times (Unix seconds) of the revocations in *account* that are for *child*, or for everyone.

    What is issued at one of them, or before, is revoked.
    """
    return [
        revocations[key]
        for revocations in _revocations(account, child.body)
        for key in (child.sub, EVERYONE)
        if key in revocations
    ]


def _revocations(account: Account, child: object) -> list[dict[str, int]]:
    if not isinstance(child, Activation):
        return [account.revocations]
    return [
        export.revocations
        for export in account.exports
        if export.type == child.import_type and is_contained_in(child.subject, export.subject)
    ]


def carried_limits(user: Jwt[User]) -> tuple[str, ...]:
    """Return the names of permissions and limits that *user* carries itself: a scoped user may carry none.

    An empty list counts, as it does for servers; so this looks at what was signed.
    """
    nats = wire.parse(plain_payload(user)).get("nats", {})
    carried = [name for name in ("pub", "sub") if {"allow", "deny"} & nats.get(name, {}).keys()]
    carried += [name for name in ("resp", *_LISTS) if name in nats]
    carried += [name for name in _SCALARS if getattr(user.claims.body, name)]
    return tuple(carried)


def dependents(jwt: Jwt[object], key: PublicKey, now: int) -> tuple[str, ...]:
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


def keys_in(jwt: Jwt[object]) -> frozenset[str]:
    """Return the keys that *jwt* can depend on: its subject, its issuer, its signing keys."""
    return frozenset({jwt.claims.sub, str(jwt.issuer), *_signing_keys(jwt.claims.body)})


def is_expired(jwt: Jwt[object], now: int) -> bool:
    """Report whether *jwt* has an end, and it has passed at *now* (Unix seconds)."""
    return 0 < jwt.claims.exp <= now


def _signing_keys(body: object) -> set[str]:
    if isinstance(body, Operator):
        return set(body.signing_keys)
    if isinstance(body, Account):
        return {signing_key(entry) for entry in body.signing_keys}
    return set()
