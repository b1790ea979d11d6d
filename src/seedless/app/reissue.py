"""Users that are signed again: who issues them, and where their permissions come from.

A user that a scope issues carries no permissions of its own, and one that no scope issues needs its own. What
would leave a user without any, or with two, is refused before anything is shown.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from msgspec.structs import replace

from seedless.app.edits import kept_issuer
from seedless.claims import Account, Scope, User, signing_key
from seedless.errors import UsageError
from seedless.jwt import Claims, Jwt
from seedless.nkey import PublicKey
from seedless.plan import scope_of
from seedless.text import quoted, shown
from seedless.trust import carries_nothing

__all__ = ["reissued"]


def reissued(
    parent: Claims[Account],
    known: Collection[str],
    before: Jwt[User],
    change: Callable[[Claims[User]], Claims[User]],
    issuer: str | PublicKey | None = None,
) -> tuple[Claims[User], PublicKey]:
    """Return what *change* makes of the claims of *before*, and the key of *parent* that issues them.

    Without an *issuer* (key or role) it is the same key as before. Raise `UsageError` for a user that a
    scope issues with permissions of its own, and for one without a scope and without any.
    """
    key = kept_issuer(parent, known, before, issuer)
    scope = scope_of(parent, key)
    body = before.claims.body
    if scope and not _is_scoped(parent, str(before.issuer)):
        body = User(issuer_account=parent.sub, tags=body.tags)
    elif str(key) != parent.sub:
        body = replace(body, issuer_account=parent.sub)
    after = change(replace(before.claims, body=body))
    _require_one_source(after, scope, key)
    return after, key


def _is_scoped(parent: Claims[Account], issuer: str) -> bool:
    entries = (entry for entry in parent.body.signing_keys if isinstance(entry, Scope))
    return any(signing_key(entry) == issuer for entry in entries)


def _require_one_source(claims: Claims[Any], scope: Scope | None, issuer: PublicKey) -> None:
    name, nothing = quoted(claims.name), carries_nothing(claims.body)
    if scope is not None and not nothing:
        raise UsageError(
            f"user {name} has no permissions and limits of its own: they come from the scope "
            f"{shown(scope.role or scope.key)}",
            "edit that scope, or sign with a key that is no scope: --issuer KEY",
        )
    if scope is None and nothing:
        raise UsageError(
            f"user {name} would have no permissions and limits: a scope gave them, and {issuer} is none",
            "name a scope with --issuer ROLE, or give limits: --subs -1 --data -1 --payload -1",
        )
