"""Put claims before the rules for their kind, and every change of a plan before all rules."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from seedless import wire
from seedless.change import Statement
from seedless.claims import Operator
from seedless.findings import Finding, Report, Severity
from seedless.jwt import payload_of
from seedless.rules import (
    account,
    every,
    exports,
    guards,
    imports,
    jetstream,
    observed,
    operator,
    scopes,
    trust,
    user,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from seedless.change import Change, Context
    from seedless.jwt import Jwt

Rule = Callable[["Statement[Any]", "Context"], Iterator[Finding]]
"""Look at claims, by whom and when, and yield the findings on them."""

ChangeRule = Callable[["Change", "Context"], Iterator[Finding]]
"""Look at a draft beside the jwt that it replaces."""

PlanRule = Callable[["Sequence[Change]", "Context"], Iterator[Finding]]
"""Look at all changes of a plan together."""

_HOLDERS = (*every.PERMISSION_RULES, *every.SUBJECT_RULES, *every.ACTIVATION_RULES)

OFFICIAL: dict[str, tuple[Rule, ...]] = {
    "operator": (*every.RULES, *operator.RULES),
    "account": (
        *every.RULES,
        *_HOLDERS,
        *imports.RULES,
        *exports.RULES,
        *account.RULES,
        *account.TRAFFIC_RULES,
    ),
    "user": (*every.RULES, *_HOLDERS, *user.RULES),
    "activation": (*every.RULES, *every.SUBJECT_RULES, *every.ACTIVATION_RULES),
    "authorization_request": (*every.RULES, *user.REQUEST_RULES),
    "authorization_response": (*every.RULES, *user.RESPONSE_RULES),
    "generic": every.RULES,
}
"""The rules of the official library's Validate, for each kind of claims."""

_OBSERVED: dict[str, tuple[Rule, ...]] = {
    "operator": observed.OPERATOR_RULES,
    "account": (
        *observed.HOLDER_RULES,
        *observed.SUBJECT_RULES,
        *observed.ACCOUNT_RULES,
        *scopes.ACCOUNT_RULES,
        *account.MAPPINGS_RULES,
        *observed.LIMITS_ACCOUNT_RULES,
        *imports.ACCOUNT_RULES,
        *jetstream.RULES,
    ),
    "user": (
        *observed.HOLDER_RULES,
        *observed.SUBJECT_RULES,
        *scopes.USER_RULES,
        *observed.USER_RULES,
        *jetstream.RULES,
    ),
    "activation": (*observed.SUBJECT_RULES, *imports.ACTIVATION_RULES),
}

STATEMENT_RULES: dict[str, tuple[Rule, ...]] = {
    kind: (
        *rules,
        *observed.RULES,
        *_OBSERVED.get(kind, ()),
        *trust.RULES.get(kind, ()),
        *guards.STATEMENT_RULES.get(kind, ()),
    )
    for kind, rules in OFFICIAL.items()
}
"""All rules about claims, by whom and when, for each kind of claims."""

CHANGE_RULES: tuple[ChangeRule, ...] = guards.RULES
PLAN_RULES: tuple[PlanRule, ...] = guards.PLAN_RULES


def code_of(rule: Rule | ChangeRule | PlanRule) -> str:
    """Return the code of *rule*, as `C014`: its name begins with it."""
    return rule.__name__.partition("_")[0].upper()


def rules() -> tuple[Rule | ChangeRule | PlanRule, ...]:
    """Return every rule once, in the order of the codes within each letter."""
    tables: list[Rule | ChangeRule | PlanRule] = [rule for part in STATEMENT_RULES.values() for rule in part]
    found = dict.fromkeys([*tables, *CHANGE_RULES, *PLAN_RULES])
    return tuple(sorted(found, key=code_of))


def judge_statement(statement: Statement[Any], context: Context) -> Iterator[Finding]:
    """Yield what the rules report on *statement*, a draft or an existing jwt."""
    for rule in STATEMENT_RULES[statement.claims.body.kind]:
        for finding in rule(statement, context):
            yield msgspec.structs.replace(finding, about=statement.title)


def judge(changes: Sequence[Change], context: Context) -> Report:
    """Return the findings of all rules on all *changes*.

    An error that the jwt which is replaced has too, and that the change neither causes nor touches, is
    existing: it stops nothing. What a person has confirmed with `Context.reset_time` is waived.
    """
    findings: list[Finding] = []
    waived: list[Finding] = []
    for change in changes:
        for finding in _about_change(change, context):
            named = msgspec.structs.replace(finding, about=change.title)
            (waived if _is_confirmed(change, finding, context) else findings).append(named)
        statement = list(judge_statement(change.statement, context))
        before = change.replaces
        findings += (
            statement if before is None else mark_existing(statement, change.draft.payload, before, context)
        )
    for plan_rule in PLAN_RULES:
        findings += plan_rule(changes, context)
    return msgspec.structs.replace(Report.of(findings), waived=tuple(waived))


def _about_change(change: Change, context: Context) -> Iterator[Finding]:
    for rule in CHANGE_RULES:
        yield from rule(change, context)


def _is_confirmed(change: Change, finding: Finding, context: Context) -> bool:
    """Report whether *finding* is of a jwt that goes back in time, as a person has confirmed for its subject.

    Only where the jwt that is replaced is from the future: nothing could follow it otherwise.
    """
    before = change.replaces
    return (
        finding.code == code_of(guards.g001_time_moves_forward)
        and change.draft.claims.sub in context.reset_time
        and before is not None
        and guards.is_from_the_future(before.issued_at, context.now)
    )


def mark_existing(
    findings: Iterable[Finding], payload: bytes, before: Jwt[object], context: Context
) -> Iterator[Finding]:
    """Yield *findings* on the claims in *payload* (JSON), as existing those errors that *before* has too.

    Guards and rules of trust are about the signature that is made now: their findings never are. *before* is
    judged only where there is an error to compare, among the claims that exist before the plan.
    """
    found = list(findings)
    if not any(map(_may_exist, found)):
        yield from found
        return
    earlier = judge_statement(Statement.of(before), _before(before, context))
    known = _PreviousErrors([finding for finding in earlier if _may_exist(finding)], payload_of(before))
    after = _members(payload)
    for finding in found:
        if _may_exist(finding) and known.take(_identities(finding, after)):
            yield msgspec.structs.replace(finding, severity=Severity.EXISTING)
        else:
            yield finding


class _PreviousErrors:
    """The errors of the jwt that is replaced, each of which one error of the new one can be."""

    def __init__(self, findings: Sequence[Finding], payload: bytes) -> None:
        """Take the *findings* on the claims in *payload* (JSON)."""
        before = _members(payload)
        self._by_identity: dict[str, list[int]] = {}
        self._taken: set[int] = set()
        for number, finding in enumerate(findings):
            for identity in _identities(finding, before):
                self._by_identity.setdefault(identity, []).append(number)

    def take(self, identities: Sequence[str]) -> bool:
        """Report whether there is one with one of *identities* that was not taken; it is then."""
        for identity in identities:
            for number in self._by_identity.get(identity, ()):
                if number not in self._taken:
                    self._taken.add(number)
                    return True
        return False


def _may_exist(finding: Finding) -> bool:
    return finding.severity is Severity.ERROR and finding.code.startswith("C")


def _before(jwt: Jwt[object], context: Context) -> Context:
    """Return the context in which *jwt*, which is replaced, is judged: the claims before the plan.

    What another change of the plan causes was not there before.
    """
    claims = {known.claims.sub: known.claims for known in (*context.jwts.values(), jwt)}
    operator = next(
        (statement for statement in claims.values() if isinstance(statement.body, Operator)), None
    )
    return msgspec.structs.replace(context, operator=operator, claims=claims)


def _members(payload: bytes) -> dict[str, object]:
    """Return what is in *payload* (JSON), by its path."""
    found: dict[str, object] = {}
    for path, value in wire.walk(wire.parse(payload)):
        found.setdefault(path, value)  # names of members come after what they are in, under its path
    return found


def _identities(finding: Finding, members: Mapping[str, object]) -> tuple[str, ...]:
    """Return by what an error is known again: its code, place and words, and what is at that place.

    An item of a list may have moved: then its number does not count, but all that the item holds does.
    *members* are those of the claims, by their paths; a path that was cut short names no place, and nothing
    is known by it.
    """
    where, statement = finding.where, [finding.code, finding.text]
    if where.endswith("…"):
        return ()
    found = [_text([*statement, where, members.get(where)])]
    item = where.rfind("]") + 1
    if item:
        moved = re.sub(r"\[\d+\]", "[]", where)
        found.append(_text([*statement, moved, members.get(where[:item])]))
    return tuple(found)


def _text(value: list[object]) -> str:
    return msgspec.json.encode(value, enc_hook=str, order="deterministic").decode()
