"""Compare the two sides of a change, with what scopes give: what a user may do before and after.

The jwt of a user that a scope issues has no permissions and limits, and an absent limit would read as 0. What
it may do is in the scope, filled with the name and the tags of the user, as servers do it.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import msgspec

from seedless.claims import Scope, User
from seedless.claims.effective import effective_template
from seedless.claims.templates import Unfillable, filled
from seedless.diff.compare import diff, unknown_members
from seedless.diff.line import Difference, Effect, word
from seedless.jwt import Claims
from seedless.trust import account_of, carries_nothing, filler_of, scope_of

if TYPE_CHECKING:
    from seedless.change import Change


class Accounts(msgspec.Struct, frozen=True):
    """The claims of accounts by their keys (text), as they are `before` a plan, and `after` it."""

    before: Mapping[str, Claims[Any]] = msgspec.field(default_factory=dict)
    after: Mapping[str, Claims[Any]] = msgspec.field(default_factory=dict)


def diff_change(
    change: Change, accounts: Accounts, *, names: Mapping[str, str] = MappingProxyType({})
) -> tuple[Difference, ...]:
    """Return what *change* changes, members that would be lost included, those that widen access first.

    *accounts* have the scopes of users; *names* as for `diff`.
    """
    old, new = change.replaces, change.draft
    if old is None:
        return diff(None, new.claims, names=names)
    was, before = with_scope(old.claims, str(old.issuer), accounts.before)
    now, after = with_scope(new.claims, str(new.issuer), accounts.after)
    found = diff(was, now, names=names)
    if (before.key if before else "") != (after.key if after else ""):
        titles = [word(scope.role or scope.key) if scope else "none" for scope in (before, after)]
        moved = Difference(
            Effect.CHANGES, "scope", " -> ".join(titles), ("iss",), str(old.issuer), str(new.issuer)
        )
        found = (moved, *found)
    return (*found, *unknown_members(old.unknown, ()))


def with_scope(
    claims: Claims[Any], issuer: str, known: Mapping[str, Claims[Any]]
) -> tuple[Claims[Any], Scope | None]:
    """Return *claims* with the permissions and limits that the scope of *issuer* (key text) gives, and it.

    Claims that no scope issues stay as they are, as do those with permissions of their own. Where servers
    refuse the user, for what the scope takes from it is not there, its permissions are as the scope has them.
    """
    if not isinstance(claims.body, User):
        return claims, None
    account = account_of(claims, issuer, known)
    scope = scope_of(account, issuer) if account is not None else None
    if account is None or scope is None or not carries_nothing(claims.body):
        return claims, scope
    given = msgspec.structs.asdict(effective_template(scope.template))
    permitted = filled(scope.template, filler_of(claims, account))
    if not isinstance(permitted, Unfillable):
        given |= {"pub": permitted.pub, "sub": permitted.sub, "resp": permitted.resp}
    return msgspec.structs.replace(claims, body=msgspec.structs.replace(claims.body, **given)), scope
