"""Judge one jwt that stands: by the rules for claims and for trust, by the policy, and as a file (Lnnn)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from seedless.change import Change, Statement
from seedless.claims import Activation, User
from seedless.findings import Finding, error, warning
from seedless.jwt import Draft
from seedless.rules import judge_statement
from seedless.rules.guards import (
    g002_time_is_not_ahead,
    g004_no_orders_to_resolvers,
    g013_spelling_is_the_usual,
)
from seedless.text import brief
from seedless.trust import account_of, carried_limits, carries_nothing, scope_of

if TYPE_CHECKING:
    from seedless.change import Context
    from seedless.errors import SeedlessError
    from seedless.jwt import Jwt

PolicyRule = Callable[["Change", "Context"], Iterator[Finding]]
_TRUST = "T"
_GUARDS = (
    g002_time_is_not_ahead,
    g004_no_orders_to_resolvers,
)  # of those on changes, what holds for what stands


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a jwt is judged against: the operator and accounts that are known, and the rules of a policy."""

    context: Context
    policy: tuple[PolicyRule, ...] = ()


@dataclass(frozen=True, slots=True)
class Judged:
    """One jwt and what there is to say of it; *what* is its name for people."""

    what: str
    findings: tuple[Finding, ...]


def judge_jwt(what: str, jwt: Jwt[Any], around: Surroundings) -> Judged:
    """Return what there is to say of *jwt*, which stands, under the name *what*."""
    found = (msgspec.structs.replace(finding, about=what) for finding in _findings(jwt, around))
    return Judged(what, tuple(found))


def unreadable(what: str, failure: SeedlessError) -> Judged:
    """Return that the jwt *what* cannot be read."""
    found = l001_jwt_can_be_read(failure)
    return Judged(what, tuple(msgspec.structs.replace(finding, about=what) for finding in found))


def l001_jwt_can_be_read(failure: SeedlessError) -> Iterator[Finding]:
    """A jwt can be read, its signature verifies, and it is what its place in the store says.

    What is damaged is not looked at any further, and the rest is.
    """
    yield error("L001", "", failure.message, failure.hint)


def l002_members_are_known(jwt: Jwt[Any]) -> Iterator[Finding]:
    """All members of the claims are known.

    What is not known is not shown and not judged; it is lost when the jwt is signed again.
    """
    for unknown in jwt.unknown:
        yield warning("L002", unknown.path, "is not known here", "look with a newer version")


def l003_jwt_is_of_version_2(jwt: Jwt[Any]) -> Iterator[Finding]:
    """A jwt is of version 2, which servers and tools write since 2020.

    Version 1 can be read, and not signed again as it is.
    """
    if jwt.claims.version == 1:
        yield warning("L003", "", "is of version 1", "sign it again: seedless sign")


def l004_scoped_user_carries_no_lists(jwt: Jwt[User], context: Context) -> Iterator[Finding]:
    """A user of a scoped signing key has not even an empty list of its own.

    Servers refuse it, as they refuse permissions and limits (T003).
    """
    account = account_of(jwt.claims, str(jwt.issuer), context.claims)
    if account is None or not carries_nothing(jwt.claims.body):
        return
    if scope_of(account, str(jwt.issuer)) and (carried := carried_limits(jwt)):
        text = f"carries {', '.join(carried)}, empty, and is issued by a scoped signing key"
        yield error("L004", "nats", text, "sign it again: seedless sign")


def l005_account_is_known(jwt: Jwt[Any], context: Context) -> Iterator[Finding]:
    """The account of a user or an activation is known here.

    Without it nothing can be said of trust.
    """
    key = _parent(jwt)
    if key and key not in context.claims:
        yield warning(
            "L005", "iss", f"its account {brief(key)} is not known here", "give --store and --operator"
        )


def _findings(jwt: Jwt[Any], around: Surroundings) -> Iterator[Finding]:
    context = around.context
    yield from l002_members_are_known(jwt)
    yield from l003_jwt_is_of_version_2(jwt)
    strangers = tuple(l005_account_is_known(jwt, context))
    yield from strangers
    if isinstance(jwt.claims.body, User):
        yield from l004_scoped_user_carries_no_lists(jwt, context)
    for finding in judge_statement(Statement.of(jwt), context):
        if not (strangers and finding.code.startswith(_TRUST)):
            yield finding
    signed = jwt.text.rpartition(".")[0].encode("ascii")
    change = Change(Draft(jwt.claims, jwt.issuer, jwt.issued_at, jwt.id, signed))
    yield from g013_spelling_is_the_usual(msgspec.structs.replace(change, replaces=jwt), context)
    for guard in _GUARDS:
        yield from guard(change, context)
    if around.policy:
        near = {context.operator.sub if context.operator else "", _parent(jwt)}
        jwts = {key: context.jwts[key] for key in near & context.jwts.keys()}
        for rule in around.policy:
            yield from rule(change, msgspec.structs.replace(context, jwts=jwts))


def _parent(jwt: Jwt[Any]) -> str:
    """Return the account that a user or an activation is of; empty for others."""
    body = jwt.claims.body
    return body.issuer_account or str(jwt.issuer) if isinstance(body, User | Activation) else ""


RULES = (
    l001_jwt_can_be_read,
    l002_members_are_known,
    l003_jwt_is_of_version_2,
    l004_scoped_user_carries_no_lists,
    l005_account_is_known,
)
