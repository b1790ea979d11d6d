"""Apply a policy: read one, describe it and what a new one changes, and judge the changes of a plan by it.

Who is trusted under a policy: what chains to the pinned operator, jwt by jwt.

A jwt of the operator counts only if the operator itself issued it: one that lists its own issuer as a
signing key proves nothing. An account counts only if a key of the operator issued it.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

import msgspec

from seedless.change import Statement
from seedless.claims import Account, Activation, AuthorizationResponse, Operator, User, signing_key
from seedless.errors import BadClaims, StoreError, WrongFile
from seedless.findings import error
from seedless.nkey import Role
from seedless.policy import delegations
from seedless.policy.format import Reading
from seedless.policy.keys import KEYS, Policy, contradictions
from seedless.strict_json import toml_values
from seedless.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from seedless.change import Change, Context
    from seedless.findings import Finding


@dataclass(frozen=True, slots=True)
class TrustChain:
    """The keys of the pinned operator, and of each account (key text) that chains to it."""

    operator: str
    operator_keys: frozenset[str]
    accounts: Mapping[str, frozenset[str]]

    @classmethod
    def under(cls, policy: Policy, changes: Sequence[Change], context: Context) -> TrustChain:
        """Gather what exists and what is drafted, as far as it chains to the operator of *policy*."""
        statements = [*map(Statement.of, context.jwts.values()), *(change.statement for change in changes)]
        statements += [Statement.of(change.replaces) for change in changes if change.replaces]
        keys = {policy.operator}
        for statement in _about(statements, Operator):
            # Only what the operator issued itself: a jwt of the operator by one of its signing keys would
            # let whoever holds that key add others.
            if statement.claims.sub == policy.operator == statement.issuer:
                keys.update(statement.claims.body.signing_keys)
        accounts: dict[str, set[str]] = {}
        for statement in _about(statements, Account):
            # Also drafts of this plan, so that an operator and its accounts can be signed together; the
            # operator's own draft has to pass first.
            if statement.issuer in keys:
                held = accounts.setdefault(statement.claims.sub, {statement.claims.sub})
                held.update(map(signing_key, statement.claims.body.signing_keys))
        return cls(policy.operator, frozenset(keys), {key: frozenset(held) for key, held in accounts.items()})

    def rejection_reason(self, statement: Statement[object]) -> str:
        """Return why *statement* does not chain to the operator; nothing when it does."""
        body = statement.claims.body
        if isinstance(body, Operator):
            if statement.claims.sub != self.operator:
                return f"is of the operator {statement.claims.sub}, and the policy pins {self.operator}"
            if statement.issuer != self.operator:
                return f"is issued by {statement.issuer}, and not by the operator itself"
            return ""
        if statement.issuer.startswith(_LETTERS[Role.OPERATOR]) or isinstance(body, Account):
            known = statement.issuer in self.operator_keys
            return "" if known else f"is issued by {statement.issuer}, no key of the pinned operator"
        if statement.issuer.startswith(_LETTERS[Role.ACCOUNT]):
            return self._reason_of_account(statement)
        return ""

    def _reason_of_account(self, statement: Statement[object]) -> str:
        body = statement.claims.body
        account = statement.issuer
        if isinstance(body, User | Activation | AuthorizationResponse):
            account = body.issuer_account or statement.issuer
        else:
            account = next((sub for sub, keys in self.accounts.items() if statement.issuer in keys), account)
        if account not in self.accounts:
            return f"is of the account {account}, which does not chain to the pinned operator"
        if statement.issuer not in self.accounts[account]:
            return f"is issued by {statement.issuer}, no key of its account"
        return ""


def chain_rule(policy: Policy, changes: Sequence[Change]) -> Callable[[Change, Context], Iterator[Finding]]:
    """Return the rule P001 for a change among *changes*; without *changes* each change is judged alone."""
    chain_in = _under_plan(policy, changes)

    def p001_chains_to_the_pinned_operator(change: Change, context: Context) -> Iterator[Finding]:
        chain = chain_in(change, context)
        operator = context.operator
        if operator is not None and operator.sub != policy.operator:
            yield error(
                "P001", "", f"is of the operator {operator.sub}, and the policy pins {policy.operator}"
            )
        current = context.jwts.get(policy.operator)
        reason = chain.rejection_reason(Statement.of(current)) if current else ""
        if reason:
            yield error("P001", "", f"the operator's jwt {reason}", "get the operator's jwt from its keepers")
        reason = chain.rejection_reason(change.statement)
        if reason:
            yield error("P001", "iss", reason)
        reason = chain.rejection_reason(Statement.of(change.replaces)) if change.replaces else ""
        if reason:
            yield error("P001", "", f"the jwt that it replaces {reason}", "verified is not trusted")

    return p001_chains_to_the_pinned_operator


def _under_plan(policy: Policy, changes: Sequence[Change]) -> Callable[[Change, Context], TrustChain]:
    """Return what gives the `TrustChain` of a change among *changes*, gathered once for all of one context.

    Without *changes* it is gathered for each change alone.
    """
    found: list[tuple[Context, TrustChain]] = []

    def chain_of(change: Change, context: Context) -> TrustChain:
        if not changes:
            return TrustChain.under(policy, [change], context)
        if not found or found[0][0] is not context:
            found[:] = [(context, TrustChain.under(policy, changes, context))]
        return found[0][1]

    return chain_of


_LETTERS = {Role.OPERATOR: "O", Role.ACCOUNT: "A"}


def _about(statements: Iterable[Statement[Any]], kind: type) -> list[Statement[Any]]:
    return [statement for statement in statements if isinstance(statement.claims.body, kind)]


Rule = Callable[["Change", "Context"], Iterator["Finding"]]
_CHANGED = "it was changed, or written by hand"


def read(data: bytes, name: str = "the policy") -> Policy:
    """Return the policy that is the TOML in *data*; raise `WrongFile` with all that is invalid.

    *name* is what the error calls it: a file.
    """
    try:
        values = toml_values(data)
    except BadClaims as error:
        raise WrongFile(f"{name}: {error.message}", "a policy is a TOML file, in UTF-8") from error
    return _of_values(values, name)


def _of_values(values: dict[str, object], name: str = "the policy") -> Policy:
    # All errors at once: a policy is written by hand, and each attempt may be a trip to the machine
    # offline.
    # Values first, contradictions between them afterwards: half of a pair that is malformed must not be
    # reported as missing as well.
    reading = Reading()
    fields = reading.fields(KEYS, values)
    if "operator" not in values:
        reading.errors.append('operator is missing: write operator = "O…", the operator that is trusted here')
    reading.errors += contradictions(fields)
    if reading.errors:
        hint = "seedless docs reference/policy has every key"
        raise WrongFile(f"{name}: {printable('; '.join(reading.errors))}", hint)
    return Policy(**fields)


def of_canonical(data: bytes) -> Policy:
    """Return the policy whose `canonical` is *data*; raise `StoreError` if there is none.

    Refused is text that no valid policy has as its canonical form, as a transcript contains it.
    """
    try:
        values = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise StoreError("this is not a policy as a transcript holds it: no JSON", _CHANGED) from error
    if not isinstance(values, dict):
        raise StoreError("this is not a policy as a transcript holds it: no object", _CHANGED)
    try:
        policy = _of_values(values)
    except WrongFile as error:
        raise StoreError(f"this is not a valid policy: {error.message}", _CHANGED) from error
    # One spelling for each policy: its digest is on paper, and another text of the same meaning would
    # have another.
    if policy.canonical != data:
        raise StoreError("this is not a policy as a transcript holds it: another spelling", _CHANGED)
    return policy


def sentences(policy: Policy) -> dict[str, str]:
    """Return *policy* in sentences that can be read aloud, by the places of its keys."""
    return {
        f"{key.path}{place}": sentence
        for key, value in policy.stated_keys
        for place, sentence in key.describe(value)
    }


def changes(old: Policy, new: Policy) -> tuple[tuple[str, str], ...]:
    """Return what differs in *new*: `removed` sentences first, then `changed`, then `added` ones."""
    # Compared as sentences, which is what people have read and agreed to: two spellings of one meaning are
    # no change.
    before, after = sentences(old), sentences(new)
    # First, since a rule that is gone is what nobody would notice.
    removed = [("removed", text) for place, text in before.items() if place not in after]
    changed = [
        ("changed", f"{before[place]} -> {text}")
        for place, text in after.items()
        if place in before and before[place] != text
    ]
    added = [("added", text) for place, text in after.items() if place not in before]
    return (*removed, *changed, *added)


def judge(policy: Policy, changes: Sequence[Change], context: Context) -> Iterator[Finding]:
    """Yield what is in *changes* against *policy*; every finding is an error."""
    for change, rule in product(changes, rules(policy, changes)):
        for finding in rule(change, context):
            yield msgspec.structs.replace(finding, about=change.title)


def rules(policy: Policy, changes: Sequence[Change] = ()) -> tuple[Rule, ...]:
    """Return the rules of *policy*.

    *changes* are those of the whole plan, since one may be the parent of another.
    """
    own = (functools.partial(rule, policy) for key, _ in policy.stated_keys for rule in key.rules)
    # Not of `own`: a policy that does not name delegations forbids them.
    return (chain_rule(policy, changes), functools.partial(delegations.judge, policy.delegations), *own)
