"""A policy, compiled to rules on changes (Pnnn). No option lifts what they find."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from fnmatch import fnmatchcase
from itertools import product
from typing import TYPE_CHECKING, Any

import msgspec

from seedless import units
from seedless.change import Statement
from seedless.claims import Account, Activation, Operator, Scope, User, signing_key
from seedless.errors import Refused
from seedless.findings import Finding, error
from seedless.policy.grants import answers, grants, passages
from seedless.policy.read import LIMIT_ROWS
from seedless.policy.trusted import under_plan
from seedless.subject import has_wildcard
from seedless.text import shown

if TYPE_CHECKING:
    from seedless.change import Change, Context
    from seedless.policy.values import Policy

Rule = Callable[["Change", "Context"], Iterator[Finding]]
CODES = {
    "P001": "operator",
    "P002": "sign",
    "P003": "validity.KIND.longest",
    "P004": "validity.KIND.shortest",
    "P005": "names",
    "P006": "tags",
    "P007": "subjects.too-wide",
    "P008": "subjects.reserved",
    "P009": "subjects.wildcard-exports",
    "P010": "limits",
    "P011": "strict-signing-keys",
    "P012": "tokens",
    "P013": "named",
    "P014": "attestation.required",
}
"""The key of the policy behind each code."""

_HINT = "change the claims, or have the policy changed by those who keep it"
_ROLES = {"O": "operator", "A": "account", "U": "user", "N": "server", "C": "cluster"}


def judge(policy: Policy, changes: Sequence[Change], context: Context) -> Iterator[Finding]:
    """Yield all that *policy* has to say against *changes*; every finding is an error."""
    for change, rule in product(changes, rules(policy, changes)):
        for finding in rule(change, context):
            yield msgspec.structs.replace(finding, about=change.title)


def rules(policy: Policy, changes: Sequence[Change] = ()) -> tuple[Rule, ...]:
    """Compile *policy*; *changes* are those of the whole plan, since one may be the parent of another."""
    return (
        _p001(policy, changes),
        *_when(policy.sign is not None, _p002(policy)),
        *_when(bool(policy.validity), _p003(policy), _p004(policy)),
        *_when(bool(policy.names), _p005(policy)),
        *_when(bool(policy.tags), _p006(policy)),
        *_when(bool(policy.too_wide), _p007(policy)),
        *_when(bool(policy.reserved), _p008(policy)),
        *_when(not policy.wildcard_exports, _p009),
        *_when(bool(policy.limits), _p010(policy)),
        *_when(policy.strict_signing_keys, _p011(policy)),
        *_when(bool(policy.named), _p013(policy)),
    )


def refuse_token(policy: Policy, serial: str, where: str) -> None:
    """Raise `Refused` unless *policy* lets the token with *serial* sign; *where* is the token in words."""
    if policy.tokens and not serial:
        raise Refused(
            f"P012 {where} reports no serial, and a policy names tokens by theirs", "use one that it lists"
        )
    if policy.tokens and serial not in policy.tokens:
        raise Refused(f"P012 {where} is not one that the policy lets sign", "use one that it lists")


def _when(wanted: bool, *some: Rule) -> tuple[Rule, ...]:  # noqa: FBT001 - reads as a sentence where it is used
    return some if wanted else ()


def _p001(policy: Policy, changes: Sequence[Change]) -> Rule:
    trusted_in = under_plan(policy, changes)

    def chains_to_the_pinned_operator(change: Change, context: Context) -> Iterator[Finding]:
        trusted = trusted_in(change, context)
        operator = context.operator
        if operator is not None and operator.sub != policy.operator:
            yield error("P001", "", f"the operator is {operator.sub}, and the policy pins {policy.operator}")
        standing = context.jwts.get(policy.operator)
        why = trusted.why_not(Statement.of(standing)) if standing else ""
        if why:
            yield error("P001", "", f"the operator's jwt {why}", "get the operator's jwt from its keepers")
        why = trusted.why_not(change.statement)
        if why:
            yield error("P001", "iss", why)
        why = trusted.why_not(Statement.of(change.replaces)) if change.replaces else ""
        if why:
            yield error("P001", "", f"the jwt that it replaces {why}", "verified is not trusted")

    return chains_to_the_pinned_operator


def _p002(policy: Policy) -> Rule:
    def issuer_may_sign_this(change: Change, _: Context) -> Iterator[Finding]:
        said = change.statement
        role, kind = _issuer_role(policy, said), said.claims.body.kind
        if kind not in (policy.sign or {}).get(role, ()):
            text = f"no {role.replace('-', ' ')}{'' if role.endswith('key') else ' key'} may sign {kind} jwts"
            yield error("P002", "iss", text, _HINT)

    return issuer_may_sign_this


def _issuer_role(policy: Policy, said: Statement[Any]) -> str:
    role = _ROLES.get(said.issuer[:1], "")
    owner = getattr(said.claims.body, "issuer_account", "") or said.issuer
    if role == "operator" and said.issuer != policy.operator:
        return "operator-signing-key"
    return "account-signing-key" if role == "account" and said.issuer != owner else role


def _p003(policy: Policy) -> Rule:
    def holds_no_longer(change: Change, _: Context) -> Iterator[Finding]:
        bounds = policy.validity.get(change.draft.claims.body.kind)
        if bounds is None or bounds.longest is None:
            return
        held = _held(change)
        if held is None or held > bounds.longest:
            length = "for ever" if held is None else f"for {units.span(held)}"
            text = f"holds {length}, and the policy says {units.span(bounds.longest)} at most"
            yield error("P003", "exp", text, "give an earlier --expiry")

    return holds_no_longer


def _p004(policy: Policy) -> Rule:
    def holds_long_enough(change: Change, _: Context) -> Iterator[Finding]:
        bounds = policy.validity.get(change.draft.claims.body.kind)
        least = bounds.shortest if bounds else None
        held = _held(change)
        if least is not None and held is not None and held < least:
            text = f"holds for {units.span(max(held, 0))}, and the policy says {units.span(least)} at least"
            yield error("P004", "exp", text, "give a later --expiry")

    return holds_long_enough


def _held(change: Change) -> int | None:
    """Return the seconds from `iat` to `exp`; None is for ever."""
    exp = change.draft.claims.exp
    return exp - change.draft.issued_at if exp > 0 else None


def _p005(policy: Policy) -> Rule:
    def name_is_like_a_pattern(change: Change, _: Context) -> Iterator[Finding]:
        claims = change.draft.claims
        patterns = policy.names.get(claims.body.kind, ())
        if patterns and not any(fnmatchcase(claims.name, pattern) for pattern in patterns):
            yield error("P005", "name", f"{shown(claims.name)} is not like {' or '.join(patterns)}", _HINT)

    return name_is_like_a_pattern


def _p006(policy: Policy) -> Rule:
    def has_each_tag(change: Change, _: Context) -> Iterator[Finding]:
        body = change.draft.claims.body
        for pattern in policy.tags.get(body.kind, ()):
            if not any(fnmatchcase(tag, pattern) for tag in body.tags):
                yield error("P006", "nats.tags", f"has no tag like {pattern}", "give one with --tag")

    return has_each_tag


def _p007(policy: Policy) -> Rule:
    def nothing_is_too_wide(change: Change, context: Context) -> Iterator[Finding]:
        for grant in grants(change.statement, context):
            held = [subject for subject in policy.too_wide if grant.is_as_wide_as(subject)]
            if held:
                text = f"gives access to {grant.text}, which is as wide as {' and '.join(held)}"
                yield error("P007", grant.where, text, "name what is needed")

    return nothing_is_too_wide


def _p008(policy: Policy) -> Rule:
    def nothing_reaches_what_is_reserved(change: Change, context: Context) -> Iterator[Finding]:
        said = change.statement
        for grant in grants(said, context):
            held = " and ".join(subject for subject in policy.reserved if grant.reaches(subject))
            if held:
                text = f"gives access to {grant.text}, which reaches {held}"
                yield error("P008", grant.where, text, f"name what is needed, or deny {held}")
        for where in answers(said, context):
            held = " and ".join(policy.reserved)
            text = f"permits answers on any subject that a request names, which reaches {held}"
            yield error("P008", where, text, "allow the subjects of replies instead: --allow-pub '_INBOX.>'")
        for passage in passages(said.claims.body) if isinstance(said.claims.body, Account) else ():
            if held := " and ".join(passage.reaches(policy.reserved)):
                source, target = map(shown, passage.subjects)
                text = f"carries messages between {source} and {target}, one of which reaches {held}"
                yield error("P008", passage.where, text, _HINT)

    return nothing_reaches_what_is_reserved


def _p009(change: Change, _: Context) -> Iterator[Finding]:
    body = change.draft.claims.body
    if not isinstance(body, Account):
        return
    if body.limits.wildcards:
        text = "wildcard exports are allowed, and the policy wants none"
        yield error("P009", "nats.limits.wildcards", text, "give --set limits.wildcards=false")
    for index, export in enumerate(body.exports):
        if has_wildcard(export.subject):
            text = f"{shown(export.subject)} has a wildcard"
            yield error("P009", f"nats.exports[{index}].subject", text, "export what is needed")


def _p010(policy: Policy) -> Rule:
    def no_limit_is_higher(change: Change, _: Context) -> Iterator[Finding]:
        body = change.draft.claims.body
        for kind, path, held in _limited(body):
            for name, most in policy.limits.get(kind, {}).items():
                number = getattr(held, name, 0)
                if not hasattr(held, name):  # a tier has the limits of JetStream alone
                    continue
                row = LIMIT_ROWS[kind][name]
                is_unlimited = row.is_unlimited(number)
                if is_unlimited or number > most:
                    current = "unlimited" if is_unlimited else units.limit(number, in_bytes=row.in_bytes)
                    maximum = units.limit(most, in_bytes=row.in_bytes)
                    text = f"is {current}, and the policy says {maximum} at most"
                    yield error("P010", f"{path}.{name}", text, _HINT)

    return no_limit_is_higher


def _limited(body: object) -> Iterator[tuple[str, str, object]]:
    """Yield what has limits in *body*: which limits of a policy they are, where, and the value."""
    if isinstance(body, User):
        yield "user", "nats", body
    if isinstance(body, Account):
        yield "account", "nats.limits", body.limits
        for tier, limits in body.limits.tiered_limits.items():
            yield "account", f"nats.limits.tiered_limits.{tier}", limits
        for index, entry in enumerate(body.signing_keys):
            if isinstance(entry, Scope):
                yield "user", f"nats.signing_keys[{index}].template", entry.template


def _p011(policy: Policy) -> Rule:
    def operator_is_strict(change: Change, context: Context) -> Iterator[Finding]:
        body, standing = change.draft.claims.body, context.jwts.get(policy.operator)
        operator = context.operator or (standing.claims if standing else None)
        operator = change.draft.claims if isinstance(body, Operator) else operator
        if operator is None or not operator.body.strict_signing_key_usage:
            where = "nats.strict_signing_key_usage" if isinstance(body, Operator) else ""
            text = "the policy wants an operator with strict signing keys, and this one is not strict"
            yield error(
                "P011",
                where,
                text,
                "give the operator a signing key, and --set strict_signing_key_usage=true",
            )

    return operator_is_strict


def _p013(policy: Policy) -> Rule:
    def names_nobody_else(change: Change, _: Context) -> Iterator[Finding]:
        for what, where, key in _named(change.draft.claims.sub, change.draft.claims.body):
            allowed = policy.named.get(what)
            if allowed is not None and key not in allowed:
                yield error("P013", where, f"names {shown(key)}, which the policy does not list", _HINT)

    return names_nobody_else


def _named(sub: str, body: object) -> Iterator[tuple[str, str, str]]:
    """Yield the keys that claims name: of what, where."""
    if isinstance(body, Operator):
        for index, key in enumerate(body.signing_keys):
            yield "signing-keys", f"nats.signing_keys[{index}]", key
        if body.system_account:
            yield "accounts", "nats.system_account", body.system_account
    if isinstance(body, Activation):
        yield "accounts", "sub", sub
    if isinstance(body, Account):
        for index, entry in enumerate(body.signing_keys):
            yield "signing-keys", f"nats.signing_keys[{index}]", signing_key(entry)
        for index, one in enumerate(body.imports):
            yield "accounts", f"nats.imports[{index}].account", one.account
        for index, key in enumerate(body.authorization.auth_users):
            yield "users", f"nats.authorization.auth_users[{index}]", key
        for index, key in enumerate(body.authorization.allowed_accounts):
            yield "accounts", f"nats.authorization.allowed_accounts[{index}]", key
