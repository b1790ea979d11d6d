"""Apply a policy: read one, describe it and what a new one changes, and judge the changes of a plan by it."""

from __future__ import annotations

import functools
import json
import tomllib
from collections.abc import Callable, Iterator, Sequence
from itertools import product
from typing import TYPE_CHECKING

import msgspec

from seedless.errors import StoreError
from seedless.policy import delegations
from seedless.policy.format import Reading
from seedless.policy.keys import KEYS, Policy, contradictions
from seedless.policy.trust_chain import chain_rule
from seedless.text import printable

if TYPE_CHECKING:
    from seedless.change import Change, Context
    from seedless.findings import Finding

Rule = Callable[["Change", "Context"], Iterator["Finding"]]
_CHANGED = "it was changed, or written by hand"


def read(data: bytes, name: str = "the policy") -> Policy:
    """Return the policy that is the TOML in *data*; raise `StoreError` with all that is invalid.

    *name* is what the error calls it: a file.
    """
    try:
        values = tomllib.loads(data.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        reason = str(error)
        raise StoreError(f"{name}: {reason[:1].lower()}{reason[1:]}", "a policy is a TOML file") from error
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
        hint = "docs/reference/policy.md has every key"
        raise StoreError(f"{name}: {printable('; '.join(reading.errors))}", hint)
    return Policy(**fields)


def of_canonical(data: bytes) -> Policy:
    """Return the policy whose `canonical` is *data*; raise `StoreError` if there is none.

    Refused is text that no valid policy has as its canonical form, as a transcript contains it.
    """
    try:
        values = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise StoreError("this is no policy as a transcript holds it: no JSON", _CHANGED) from error
    if not isinstance(values, dict):
        raise StoreError("this is no policy as a transcript holds it: no object", _CHANGED)
    try:
        policy = _of_values(values)
    except StoreError as error:
        raise StoreError(f"this is no valid policy: {error.message}", _CHANGED) from error
    # One spelling for each policy: its digest is on paper, and another text of the same meaning would
    # have another.
    if policy.canonical != data:
        raise StoreError("this is no policy as a transcript holds it: another spelling", _CHANGED)
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
