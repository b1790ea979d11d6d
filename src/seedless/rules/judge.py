"""Put claims before the rules for their kind, and every change of a plan before all rules."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from seedless.findings import Finding, Report
from seedless.rules import (
    account,
    every,
    exports,
    guards,
    imports,
    observed,
    operator,
    scopes,
    traffic,
    trust,
    user,
)

if TYPE_CHECKING:
    from seedless.change import Change, Context, Statement

Rule = Callable[["Statement[Any]", "Context"], Iterator[Finding]]
"""Look at claims, by whom and when, and yield what there is to say of them."""

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
        *traffic.RULES,
    ),
    "user": (*every.RULES, *_HOLDERS, *user.RULES),
    "activation": (*every.RULES, *every.SUBJECT_RULES, *every.ACTIVATION_RULES),
    "authorization_request": (*every.RULES, *user.REQUEST_RULES),
    "authorization_response": (*every.RULES, *user.RESPONSE_RULES),
    "generic": every.RULES,
}
"""The rules of the official library's Validate, for each kind of claims."""

_OBSERVED: dict[str, tuple[Rule, ...]] = {
    "account": (
        *observed.HOLDER_RULES,
        *observed.SUBJECT_RULES,
        *observed.ACCOUNT_RULES,
        *scopes.ACCOUNT_RULES,
    ),
    "user": (*observed.HOLDER_RULES, *observed.SUBJECT_RULES, *scopes.USER_RULES),
    "activation": observed.SUBJECT_RULES,
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
    held: list[Rule | ChangeRule | PlanRule] = [rule for part in STATEMENT_RULES.values() for rule in part]
    found = dict.fromkeys([*held, *CHANGE_RULES, *PLAN_RULES])
    return tuple(sorted(found, key=code_of))


def judge_statement(said: Statement[Any], context: Context) -> Iterator[Finding]:
    """Yield what the rules have to say of *said*, a draft or a jwt that stands."""
    for rule in STATEMENT_RULES[said.claims.body.kind]:
        for finding in rule(said, context):
            yield msgspec.structs.replace(finding, about=said.title)


def judge(changes: Sequence[Change], context: Context) -> Report:
    """Return what all rules have to say about all *changes*."""
    return Report.of(_findings(changes, context))


def _findings(changes: Sequence[Change], context: Context) -> Iterator[Finding]:
    for change in changes:
        for rule in CHANGE_RULES:
            for finding in rule(change, context):
                yield msgspec.structs.replace(finding, about=change.title)
        yield from judge_statement(change.statement, context)
    for plan_rule in PLAN_RULES:
        yield from plan_rule(changes, context)
