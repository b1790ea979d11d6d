"""Errors that the jwt which is replaced has too: they stop only the change that causes or touches them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seedless.change import Change, Context, Statement
from seedless.claims import Account, Operator
from seedless.findings import error
from seedless.jwt import Claims, Draft, Jwt, draft, payload_of
from seedless.nkey import Role
from seedless.rules import STATEMENT_RULES, judge, judge_statement
from seedless.seeds import SoftwareKey

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from seedless.findings import Finding, Report

NOW = 1_800_000_000
OPERATOR, ACCOUNT, OTHER = (
    SoftwareKey(role, bytes([number] * 32))
    for number, role in enumerate((Role.OPERATOR, Role.ACCOUNT, Role.ACCOUNT), 1)
)
USER = str(SoftwareKey(Role.USER, bytes(32)).public_key)


def claims(nats: dict[str, Any], exp: int = 0) -> Claims[Account]:
    limits = {"conn": -1, "subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1, "leaf": -1}
    limits |= {"wildcards": True} | nats.get("limits", {})
    body = msgspec.json.decode(json.dumps(nats | {"limits": limits}), type=Account)
    return Claims(sub=str(ACCOUNT.public_key), name="ORDERS", body=body, exp=exp)


def signed(said: Claims[Account], at: int = NOW - 9) -> Jwt[Account]:
    made = drafted(said, at)
    return made.complete(OPERATOR.sign(made.signing_input))


def drafted(said: Claims[Account], at: int = NOW) -> Draft[Account]:
    return draft(said, OPERATOR.public_key, at)


def judged(before: dict[str, Any], after: dict[str, Any]) -> Report:
    change = Change(drafted(claims(after)), signed(claims(before)), "", ("ORDERS",))
    return judge([change], Context(now=NOW))


def codes(report: Report) -> tuple[list[str], list[str]]:
    """What stops the change, and what is existing."""
    existing = [f"{one.code} {one.where}" for one in report.findings if one.severity == "existing"]
    return [f"{one.code} {one.where}" for one in report.errors], existing


BOTH = {"limits": {"disk_storage": -1, "mem_storage": -1, "tiered_limits": {"R3": {"disk_storage": 1}}}}
TIERS = "C051 nats.limits.tiered_limits"
BAD = {"name": "bad", "subject": "a..b", "type": "stream"}
WORSE = {"name": "worse", "subject": "c..d", "type": "stream"}
GOOD = {"name": "good", "subject": "e.f", "type": "service"}
FIRST, SECOND = ("C006 nats.exports[0].subject", "C006 nats.exports[1].subject")


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        pytest.param(
            BOTH,
            BOTH | {"revocations": {USER: NOW}},
            ([], [TIERS]),
            id="flat and tiered limits, a user revoked",
        ),
        pytest.param(BOTH, BOTH | {"tags": ["a"]}, ([], [TIERS]), id="flat and tiered limits, a tag"),
        pytest.param(BOTH, {}, ([], []), id="cured"),
        pytest.param({}, BOTH, ([TIERS], []), id="caused"),
        pytest.param(
            BOTH,
            {"limits": BOTH["limits"] | {"tiered_limits": {"R3": {"disk_storage": 2}}}},
            ([TIERS], []),
            id="touched",
        ),
        pytest.param({"exports": [BAD]}, {"exports": [BAD, GOOD]}, ([], [FIRST]), id="another beside it"),
        pytest.param({"exports": [GOOD, BAD]}, {"exports": [BAD]}, ([], [FIRST]), id="moved in its list"),
        pytest.param({"exports": [BAD]}, {"exports": [WORSE]}, ([FIRST], []), id="another at its place"),
        pytest.param({"exports": [BAD]}, {"exports": [BAD, WORSE]}, ([SECOND], [FIRST]), id="one more"),
        pytest.param({"exports": [GOOD]}, {"exports": [BAD]}, ([FIRST], []), id="made bad"),
        pytest.param(
            {"exports": [BAD]},
            {"exports": [GOOD | {"subject": "A"}, BAD | {"name": "another"}]},
            ([SECOND], []),
            id="another of the same words elsewhere",
        ),
        pytest.param(
            {"limits": {"imports": 0}, "imports": []},
            {"limits": {"imports": 0}, "imports": [{"subject": "x", "type": "stream", "account": "A"}]},
            (["C053 nats.limits.imports", "C053 nats.limits.imports"], []),
            id="beyond a limit",
        ),
        pytest.param(
            {"limits": {"exports": 0}, "exports": [GOOD]},
            {"limits": {"exports": 0}, "exports": [GOOD], "tags": ["a"]},
            ([], ["C054 nats.limits.exports"]),
            id="beyond a limit before",
        ),
        pytest.param(
            {"limits": {"exports": 0}, "exports": [GOOD]},
            {"limits": {"exports": 0}, "exports": [GOOD, GOOD | {"subject": "g"}]},
            (["C054 nats.limits.exports"], []),
            id="further beyond a limit",
        ),
    ],
)
def test_what_was_there_before_stops_nothing_and_is_shown(
    before: dict[str, Any], after: dict[str, Any], expected: tuple[list[str], list[str]]
) -> None:
    assert codes(judged(before, after)) == expected


def test_a_new_account_has_nothing_existing() -> None:
    report = judge([Change(drafted(claims(BOTH)), None, "", ("ORDERS",))], Context(now=NOW))
    assert codes(report) == ([TIERS], [])


def test_a_copy_of_an_error_is_a_new_one() -> None:
    errors, existing = codes(judged({"exports": [BAD]}, {"exports": [BAD, BAD]}))
    assert existing == [FIRST]
    assert SECOND in errors


def test_what_another_change_of_the_plan_causes_is_not_existing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A rule about account and operator: it is the plan that gives the operator another name."""

    def c999_operator_is_not_odd(_: object, context: Context) -> Iterator[Finding]:
        if context.operator and context.operator.name == "odd":
            yield error("C999", "tags", "the operator is odd")

    monkeypatch.setitem(STATEMENT_RULES, "account", (c999_operator_is_not_odd,))
    odd, even = (
        Claims(sub=str(OPERATOR.public_key), name=name, body=Operator.new()) for name in ("odd", "even")
    )
    change = Change(drafted(claims({"tags": ["b"]})), signed(claims({})), "", ("ORDERS",))
    for before, expected in ((even, (["C999 tags"], [])), (odd, ([], ["C999 tags"]))):
        made = draft(before, OPERATOR.public_key, NOW - 99)
        held = made.complete(OPERATOR.sign(made.signing_input))
        context = Context(now=NOW, operator=odd, claims={odd.sub: odd}, jwts={held.claims.sub: held})
        assert codes(judge([change], context)) == expected


@pytest.mark.parametrize("letter", ["G", "T"])
def test_guards_and_rules_of_trust_are_never_existing(letter: str) -> None:
    """By the key of nobody, expired, and of the same time: so was the jwt before, and so it stays."""
    said = claims({}, exp=NOW - 5)
    made = draft(said, OTHER_OPERATOR.public_key, NOW - 20)
    before = made.complete(OTHER_OPERATOR.sign(made.signing_input))
    operator = Claims(sub=str(OPERATOR.public_key), name="ACME", body=Operator.new())
    own = draft(operator, OPERATOR.public_key, NOW - 99)
    jwts = {operator.sub: own.complete(OPERATOR.sign(own.signing_input))}
    context = Context(now=NOW, operator=operator, claims={operator.sub: operator}, jwts=jwts)
    report = judge(
        [Change(draft(said, OTHER_OPERATOR.public_key, NOW - 20), before, "", ("ORDERS",))], context
    )
    assert any(one.code.startswith(letter) for one in report.errors)
    assert not any(one.severity == "existing" for one in report.findings)


OTHER_OPERATOR = SoftwareKey(Role.OPERATOR, bytes([9] * 32))


_SUBJECT = st.sampled_from(["a", "a..b", "b.>", ">.c", "", "d e", "f.*"])
_EXPORT = st.fixed_dictionaries(
    {"subject": _SUBJECT, "type": st.sampled_from(["stream", "service"])},
    optional={
        "name": st.sampled_from(["one", "two"]),
        "response_type": st.sampled_from(["Singleton", "odd"]),
        "info_url": st.sampled_from(["https://a.b/", "nothing"]),
    },
)
_IMPORT = st.fixed_dictionaries(
    {
        "subject": _SUBJECT,
        "type": st.sampled_from(["stream", "service"]),
        "account": st.sampled_from([str(OTHER.public_key), "A"]),
    },
    optional={"to": _SUBJECT, "share": st.booleans()},
)
_NATS = st.fixed_dictionaries(
    {},
    optional={
        "exports": st.lists(_EXPORT, max_size=3),
        "imports": st.lists(_IMPORT, max_size=2),
        "limits": st.fixed_dictionaries(
            {},
            optional={
                "imports": st.integers(-1, 2),
                "exports": st.integers(-1, 2),
                "wildcards": st.booleans(),
                "disk_storage": st.sampled_from([0, 5]),
                "tiered_limits": st.sampled_from([{}, {"R1": {"disk_storage": 1}}, {"": {"mem_storage": 1}}]),
            },
        ),
        "cluster_traffic": st.sampled_from(["", "system", "moon"]),
        "tags": st.sampled_from([[], ["a:b"]]),
        "info_url": st.sampled_from(["https://a.b/", "nothing"]),
    },
)


@st.composite
def _changes(draw: st.DrawFn) -> tuple[dict[str, Any], dict[str, Any]]:
    """Two accounts of which the second shares some members with the first, as edits do."""
    before, other = draw(_NATS), draw(_NATS)
    kept = draw(st.sets(st.sampled_from(sorted({*before, *other, "tags"}))))
    after = {name: value for name, value in other.items() if name not in kept}
    return before, after | {name: before[name] for name in kept if name in before}


def _at(payload: bytes, path: str) -> object:
    """What stands at *path*, followed by hand."""
    value: Any = json.loads(payload)
    for part in path.replace("[", ".[").split("."):
        if part.startswith("["):
            value = value[int(part[1:-1])] if isinstance(value, list) else None
        else:
            value = value.get(part) if isinstance(value, dict) else None
    return value


def _errors(payload: bytes, findings: Sequence[Finding]) -> dict[tuple[str, str], list[tuple[str, str]]]:
    """The errors by code and path: the words of each, and what stands there."""
    found: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for one in findings:
        if one.severity == "error":
            held = json.dumps(_at(payload, one.where), sort_keys=True)
            found.setdefault((one.code, one.where), []).append((one.text, held))
    return found


@settings(deadline=None)
@given(accounts=_changes())
def test_what_stops_a_change_is_what_the_new_one_has_and_the_old_one_had_not(
    accounts: tuple[dict[str, Any], dict[str, Any]],
) -> None:
    old, new = signed(claims(accounts[0])), drafted(claims(accounts[1]))
    change = Change(new, old, "", ("ORDERS",))
    context = Context(now=NOW)
    report = judge([change], context)
    alone = list(judge_statement(change.statement, context))
    before = _errors(payload_of(old), _judged(old, context))
    after = _errors(new.payload, alone)
    blocking = _errors(new.payload, report.errors)
    for place, held in after.items():
        stopped = blocking.get(place, [])
        if place not in before and not any(code == place[0] for code, _ in before):
            assert stopped == held  # a code that the old one had nowhere: always new
        if "[" not in place[1]:  # the place of an item in a list moves; elsewhere it is told exactly
            left = list(before.get(place, []))
            expected = [one for one in held if one not in left or left.remove(one)]
            assert stopped == expected
    assert {one for one in blocking if one[0].startswith("C")} <= after.keys()
    shown = [one for one in report.findings if one.severity == "existing"]
    known = [(one.code, one.text, _item(payload_of(old), one.where)) for one in _judged(old, context)]
    for one in shown:  # nothing new is let through, wherever it is
        held = _at(new.payload, one.where)
        same = before.get((one.code, one.where), [])
        is_there = (one.text, json.dumps(held, sort_keys=True)) in same
        assert is_there or (one.code, one.text, _item(new.payload, one.where)) in known
    assert len(shown) + sum(map(len, blocking.values())) == sum(map(len, after.values()))


def _judged(jwt: Jwt[Any], context: Context) -> list[Finding]:
    return [one for one in judge_statement(Statement.of(jwt), context) if one.severity == "error"]


def _item(payload: bytes, path: str) -> object:
    """The item of a list that *path* leads into."""
    return _at(payload, path[: path.rfind("]") + 1]) if "]" in path else None
