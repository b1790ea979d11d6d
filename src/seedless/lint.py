"""Check jwts and whole stores for security issues (Lnnn). Nothing is written.

One jwt is judged by the rules for claims and for trust, by the policy, and as a file. A store is judged one
jwt after the other: of the users, no more than one is held at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from seedless import policy as pinned
from seedless.change import Change, Context, Statement
from seedless.claims import Activation, Operator, User
from seedless.decorated import parse_jwt
from seedless.errors import SeedlessError, StoreError
from seedless.findings import Finding, error, warning
from seedless.jwt import Draft
from seedless.nats_config import lint as configuration
from seedless.nats_config import lint as waivers
from seedless.nats_config import trust
from seedless.nats_config.lint import s002_the_server_takes_it
from seedless.rules import judge_statement
from seedless.rules.guards import (
    g002_time_is_not_ahead,
    g004_no_delete_requests,
    g013_encoding_is_canonical,
)
from seedless.text import brief, shown
from seedless.trust import account_of, carried_limits, carries_nothing, scope_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from seedless.jwt import Jwt
    from seedless.store import Store
    from seedless.store.files import Address

    _Read = Jwt[Any] | SeedlessError


__all__ = [
    "LintContext",
    "LintedJwt",
    "count",
    "judge_jwt",
    "lint_context",
    "lint_store",
    "rules",
    "unreadable",
]

PolicyRule = Callable[["Change", "Context"], Iterator[Finding]]
_TRUST = "T"
_GUARDS = (
    g002_time_is_not_ahead,
    g004_no_delete_requests,
)  # of those on changes, what holds for existing jwts


@dataclass(frozen=True, slots=True)
class LintContext:
    """What a jwt is judged against: the operator and accounts that are known, and the rules of a policy."""

    context: Context
    policy: tuple[PolicyRule, ...] = ()


@dataclass(frozen=True, slots=True)
class LintedJwt:
    """One jwt and the findings on it; *what* is its name for people."""

    what: str
    findings: tuple[Finding, ...]


def judge_jwt(what: str, jwt: Jwt[object], around: LintContext) -> LintedJwt:
    """Return the findings on *jwt*, which exists, under the name *what*."""
    found = (msgspec.structs.replace(finding, about=what) for finding in _findings(jwt, around))
    return LintedJwt(what, tuple(found))


def unreadable(what: str, failure: SeedlessError) -> LintedJwt:
    """Return that the jwt *what* cannot be read."""
    found = l001_jwt_can_be_read(failure)
    return LintedJwt(what, tuple(msgspec.structs.replace(finding, about=what) for finding in found))


def l001_jwt_can_be_read(failure: SeedlessError) -> Iterator[Finding]:
    """A jwt can be read, its signature verifies, and it is what its place in the store states.

    What is damaged is not looked at any further, and the rest is.
    """
    yield error("L001", "", failure.message, failure.hint)


def l002_members_are_known(jwt: Jwt[object]) -> Iterator[Finding]:
    """All members of the claims are known.

    What is not known is not shown and not judged; it is lost when the jwt is signed again.
    """
    for unknown in jwt.unknown:
        yield warning("L002", unknown.path, "is not known here", "look with a newer version")


def l003_jwt_is_of_version_2(jwt: Jwt[object]) -> Iterator[Finding]:
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


def l005_account_is_known(jwt: Jwt[object], context: Context) -> Iterator[Finding]:
    """The account of a user or an activation is known here.

    Without it nothing can be stated of trust.
    """
    key = _parent(jwt)
    if key and key not in context.claims:
        yield warning(
            "L005", "iss", f"its account {brief(key)} is not known here", "give --store and --operator"
        )


def _findings(jwt: Jwt[Any], around: LintContext) -> Iterator[Finding]:
    context = around.context
    yield from l002_members_are_known(jwt)
    yield from l003_jwt_is_of_version_2(jwt)
    strangers = tuple(l005_account_is_known(jwt, context))
    yield from strangers
    if isinstance(jwt.claims.body, User):
        yield from l004_scoped_user_carries_no_lists(jwt, context)
    for finding in judge_statement(Statement.of(jwt), context):
        # Without the account each rule of trust would report the same lack in other words.
        if not (strangers and finding.code.startswith(_TRUST)):
            yield finding
    # The guards look at drafts; this is the draft that the jwt once was.
    signed = jwt.text.rpartition(".")[0].encode("ascii")
    change = Change(Draft(jwt.claims, jwt.issuer, jwt.issued_at, jwt.id, signed))
    yield from g013_encoding_is_canonical(msgspec.structs.replace(change, replaces=jwt), context)
    for guard in _GUARDS:
        yield from guard(change, context)
    if around.policy:
        near = {context.operator.sub if context.operator else "", _parent(jwt)}
        # Only what the jwt hangs on: with all jwts of a store of thousands the chain of trust would be
        # built for each of them anew.
        jwts = {key: context.jwts[key] for key in near & context.jwts.keys()}
        for rule in around.policy:
            yield from rule(change, msgspec.structs.replace(context, jwts=jwts))


def _parent(jwt: Jwt[object]) -> str:
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


def lint_context(
    store: Store, now: int, policy: pinned.Policy | None = None, unspared: frozenset[str] = frozenset()
) -> LintContext:
    """Return the operator and the accounts of *store* as far as they can be read, and the rules of *policy*.

    *now* is Unix seconds, *unspared* as in `Context`.
    """
    return _around(store, _issuers(store).values(), now, policy, unspared)


def _issuers(store: Store) -> dict[Address, _Read]:
    """Return the jwts by which others are judged, by where they lie: of the operator and the accounts."""
    return {(): _read(store)} | {(account,): _read(store, account) for account in store.children()}


def _around(
    store: Store,
    read: Iterable[_Read],
    now: int,
    policy: pinned.Policy | None,
    unspared: frozenset[str] = frozenset(),
) -> LintContext:
    jwts = {jwt.claims.sub: jwt for jwt in read if not isinstance(jwt, SeedlessError)}
    claims = {key: jwt.claims for key, jwt in jwts.items()}
    known = next((statement for statement in claims.values() if isinstance(statement.body, Operator)), None)
    context = Context(
        now,
        known,
        claims=claims,
        jwts=jwts if policy else {},
        managed=store.managed,
        unspared=unspared,
    )
    return LintContext(context, pinned.rules(policy) if policy else ())


def count(store: Store) -> int:
    """Return how many jwts *store* holds."""
    return 1 + sum(1 + len(store.children(account)) for account in store.children())


def lint_store(
    store: Store, now: int, policy: pinned.Policy | None = None, unspared: frozenset[str] = frozenset()
) -> Iterator[LintedJwt]:
    """Yield each jwt of *store* with the findings on it: the operator, each account, its users.

    *now* is Unix seconds, *unspared* as in `Context`. An account is judged as it was when its users are
    judged by it: it is read once.
    """
    issuers = _issuers(store)
    around = _around(store, issuers.values(), now, policy, unspared)
    yield _judged(f"operator {store.operator}", issuers.pop(()), around)
    seen: dict[str, str] = {}
    for (account,), found in issuers.items():
        judged = _judged(f"account {account}", found, around)
        key = "" if isinstance(found, SeedlessError) else found.claims.sub
        yield _with(judged, l006_account_occurs_once(key, account, seen))
        for user in store.children(account):
            jwt = _read(store, account, user)
            yield _with(
                _judged(f"user {account}/{user}", jwt, around),
                ()
                if isinstance(jwt, SeedlessError)
                else (
                    *(l007_user_is_in_the_folder_of_its_account(jwt, key) if key else ()),
                    *l008_creds_hold_the_jwt_of_the_store(jwt, store, account, user),
                ),
            )


def l006_account_occurs_once(key: str, account: str, seen: dict[str, str]) -> Iterator[Finding]:
    """A store has one jwt of an account.

    Of two with one key, it is chance which one servers get.
    """
    if key and seen.setdefault(key, account) != account:
        yield error("L006", "sub", f"is the account {brief(seen[key])} as well", "delete the older of both")


def l007_user_is_in_the_folder_of_its_account(jwt: Jwt[Any], key: str) -> Iterator[Finding]:
    """A user is in the folder of its account.

    nsc and the commands here look for it there.
    """
    named = jwt.claims.body.issuer_account or str(jwt.issuer)
    if named != key:
        yield warning(
            "L007",
            "nats.issuer_account",
            f"is a user of {brief(named)}, not of the account that it is stored with",
        )


def l008_creds_hold_the_jwt_of_the_store(
    jwt: Jwt[object], store: Store, account: str, user: str
) -> Iterator[Finding]:
    """The creds file of a user is a copy of the jwt in the store.

    `nats auth user edit` leaves creds as they were; who connects with them is who the older jwt states.
    """
    try:
        data = store.creds(account, user)
        jwt_text = parse_jwt(data.decode()).strip() if data is not None else jwt.text
    except (StoreError, UnicodeDecodeError):
        jwt_text = ""
    # Compared as text and not by time: a copy of the same second with another body has the same `jti`.
    if jwt_text != jwt.text:
        creds = shown(store.creds_path(account, user))
        text = f"is not what its creds file {creds} holds: the jwt of the store counts"
        yield warning("L008", "", text, "write the creds again and deliver them: seedless user creds NAME")


def _read(store: Store, *address: str) -> _Read:
    try:
        return store.get(*address) or StoreError("there is no jwt")
    except SeedlessError as failure:
        return failure


def _judged(what: str, found: _Read, around: LintContext) -> LintedJwt:
    return unreadable(what, found) if isinstance(found, SeedlessError) else judge_jwt(what, found, around)


def _with(judged: LintedJwt, more: Iterable[Finding]) -> LintedJwt:
    extra = tuple(msgspec.structs.replace(finding, about=judged.what) for finding in more)
    return LintedJwt(judged.what, (*judged.findings, *extra)) if extra else judged


TREE_RULES = (
    l006_account_occurs_once,
    l007_user_is_in_the_folder_of_its_account,
    l008_creds_hold_the_jwt_of_the_store,
)


def rules() -> tuple[Callable[..., Any], ...]:
    """Return every rule once, in the order of the codes within each letter."""
    found: tuple[Callable[..., Any], ...] = (
        configuration.s001_configuration_can_be_read,
        s002_the_server_takes_it,
        *configuration.RULES,
        trust.s023_accounts_can_be_deleted,
        waivers.s030_waivers_name_a_rule,
        *RULES,
        *TREE_RULES,
    )
    return tuple(sorted(found, key=lambda rule: rule.__name__))
