"""What a machine that signs refuses of a request: each with a sentence that names the place."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from seedless import plan_file
from seedless.ceremony import documents
from seedless.ceremony.request import parse, prepare
from seedless.change import Change
from seedless.errors import Refused, SeedlessError, StoreError, UsageError
from seedless.jwt import draft
from seedless.ledger import Ledger, OperatorRecord
from seedless.nkey import Role
from seedless.seeds import SoftwareKey
from seedless.signing_pipeline import Plan

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from seedless.findings import Report

    Hall = Any  # of conftest.py

T0 = 1_800_000_000
DAY = 86400


def edited(data: bytes, change: Callable[[dict[str, Any]], object]) -> bytes:
    value = json.loads(data)
    change(value)
    return plan_file.canonical(value) + b"\n"


def reordered(data: bytes) -> bytes:
    value = json.loads(data)
    return json.dumps(dict(reversed(value.items())), separators=(",", ":")).encode() + b"\n"


def _plan(value: dict[str, Any]) -> Any:  # noqa: ANN401 - JSON
    return value["plan"]


def _cut(change: dict[str, Any]) -> None:
    change["draft"] = change["draft"][:-1]


SPELLED: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "a byte of a jwt changed": (
        lambda data: data.replace(b'"operator":"eyJ0', b'"operator":"eyJ1'),
        "request.operator: the header",
    ),
    "a byte of a draft changed": (
        lambda data: edited(data, lambda v: _cut(_plan(v)["changes"][0])),
        "request.plan.changes[0].draft: ",
    ),
    "members reordered": (reordered, "is not canonical JSON: byte 2 is not"),
    "a space": (lambda data: data.replace(b'"mark":', b'"mark": '), "is not canonical JSON: byte"),
    "an escaped name": (lambda data: data.replace(b'"mark"', b'"m\\u0061rk"'), "is not canonical JSON"),
    "an escaped letter": (
        lambda data: data.replace(b"two accounts", b"tw\\u006f accounts"),
        "not canonical JSON",
    ),
    "a number with a fraction": (
        lambda data: data.replace(b'"expires":1800604900', b'"expires":1800604900.0'),
        "not canonical",
    ),
    "an explicit zero": (
        lambda data: edited(data, lambda v: _plan(v).update(nbf=0)),
        "request.plan.nbf is not known",
    ),
    "a name twice": (
        lambda data: data.replace(b'"mark":""', b'"mark":"","mark":""'),
        "mark: the name occurs twice",
    ),
    "a folded name": (lambda data: edited(data, lambda v: v.update(Mark="")), "request.Mark is not known"),
    "a member missing": (lambda data: edited(data, lambda v: v.pop("reason")), "request.reason is missing"),
    "a member of another kind": (
        lambda data: edited(data, lambda v: v.update(expires="1")),
        "expires is not an integer",
    ),
    "true for a number": (
        lambda data: edited(data, lambda v: v.update(expires=True)),
        "expires is not an integer",
    ),
    "bidirectional characters": (
        lambda data: edited(data, lambda v: v.update(reason="two \u202estnuocca")),
        "request.reason holds characters",
    ),
    "a letter of another script": (
        lambda data: edited(data, lambda v: v.update(prepared_by="Gr\u0430ce")),
        "request.prepared_by holds characters",
    ),
    "no reason": (lambda data: edited(data, lambda v: v.update(reason=" ")), "request.reason has 1 to 500"),
    "an unknown mark": (
        lambda data: edited(data, lambda v: v.update(mark="TRY")),
        "is not empty and not REHEARSAL",
    ),
    "an unknown format": (lambda data: edited(data, lambda v: v.update(format="x")), "request.format is not"),
    "no digest before it": (
        lambda data: edited(data, lambda v: v.update(previous="x")),
        "request.previous is not",
    ),
    "an expiry in the past of its preparation": (
        lambda data: edited(data, lambda v: v.update(expires=T0)),
        "request.expires is not after",
    ),
    "nothing to sign": (
        lambda data: edited(data, lambda v: _plan(v).update(changes=[])),
        "the request signs nothing",
    ),
    "an account as the operator": (
        lambda data: edited(data, lambda v: v.update(operator=_plan(v)["changes"][0]["replaces"])),
        "request.operator is the jwt of a account",
    ),
    "another operator among what stands": (
        lambda data: edited(data, lambda v: v.update(operator=None)),
        "request.plan.around[0] is not the operator",
    ),
    "a predecessor of another subject": (
        lambda data: edited(data, lambda v: _plan(v)["changes"][0].update(replaces=_plan(v)["around"][0])),
        "request.plan.changes[0].replaces is about another subject",
    ),
    "cut off": (lambda data: data[:-1], "was cut off"),
    "cut off in the middle": (lambda data: data[: len(data) // 2], "was cut off"),
    "empty": (lambda _: b"", "was cut off"),
    "no JSON": (lambda _: b"seedless\n", "the request cannot be read: not JSON"),
    "a list": (lambda _: b"[]\n", "request is not an object"),
    "no text": (lambda _: b"\xff\xfe\n", "byte 0 is not UTF-8"),
    "nested deeply": (lambda _: b"[" * 500 + b"]" * 500 + b"\n", "nested deeper than 100 levels"),
}


@pytest.mark.parametrize("name", SPELLED)
def test_a_request_that_is_not_as_it_was_written_is_refused(hall: Hall, name: str) -> None:
    change, sentence = SPELLED[name]
    data = hall.request().data
    assert change(data) != data
    with pytest.raises(UsageError) as caught:
        parse(change(data))
    assert sentence in caught.value.message


def test_a_request_of_a_gigabyte_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "request.json"
    with path.open("wb") as file:
        file.truncate(1024**3)
    with pytest.raises(StoreError, match=r"request.json is larger than 512 MiB, which is the most"):
        documents.read(path)


def test_the_same_input_gives_the_same_request(hall: Hall) -> None:
    assert hall.request().data == hall.request().data
    assert hall.request().data != hall.request(at=T0 + 101).data
    assert parse(hall.request().data) == hall.request()


def test_a_jwt_is_dated_after_the_one_that_it_replaces(hall: Hall) -> None:
    before = hall.account_jwt(hall.orders, "ORDERS", at=T0 + 5000)
    change = Change(hall.account_draft(hall.orders, "ORDERS", T0), before, "", ("ORDERS",))
    request = prepare(
        Plan((change,), T0, (hall.operator_jwt(),)),
        at=T0 + 100,
        operator=hall.operator_jwt(),
        reason="r",
        prepared_by="Grace",
        expires=T0 + DAY,
        tool="t",
    )
    assert request.plan.changes[0].draft.issued_at == T0 + 5001


def findings(report: Report) -> list[tuple[str, str]]:
    return [(one.code, one.text) for one in report.errors]


def codes(report: Report) -> list[str]:
    return [one.code for one in report.errors]


def judged(hall: Hall, request: Any, **changes: object) -> Report:  # noqa: ANN401 - a Request
    return hall.review_context(request, **changes).judge()


def test_a_usual_request_is_right(hall: Hall) -> None:
    assert codes(judged(hall, hall.request())) == []


def test_the_operator_of_an_attacker_is_refused_first(hall: Hall, tmp_path: Path) -> None:
    eve = type(hall)(tmp_path / "eve", operator=SoftwareKey.generate(Role.OPERATOR))
    found = findings(judged(hall, eve.request()))
    assert found[0][0] == "R001"
    assert found[0][1].startswith(f"is about the operator {eve.operator.public_key}, and the policy pins")
    assert {"R010", "P001"} <= {code for code, _ in found}


def test_an_operator_jwt_by_a_key_that_it_lists_itself_is_refused(hall: Hall) -> None:
    eve = SoftwareKey.generate(Role.OPERATOR)
    own = hall.operator_jwt(eve)
    one = draft(own.claims, eve.public_key, T0)
    forged = one.complete(eve.sign(one.signing_input))
    request = dataclasses.replace(
        hall.request(), operator=forged, plan=msgspec.structs.replace(hall.plan(), around=(forged,))
    )
    assert "R010" in codes(judged(hall, request))


@pytest.mark.parametrize(
    ("now", "code", "sentence"),
    [
        pytest.param(T0 + 100 + 7 * DAY, "R002", "expired at 2027-01-22", id="expired"),
        pytest.param(T0 + 39, "R003", "which is 61 seconds ahead of this clock", id="from the future"),
        pytest.param(
            T0 - 10 * DAY,
            "G006",
            "and the newest here, the request, is of 2027-01-15 08:01:40 UTC",
            id="a clock that is behind the newest jwt",
        ),
    ],
)
def test_the_clock_of_this_machine_decides(hall: Hall, now: int, code: str, sentence: str) -> None:
    found = dict(findings(judged(hall, hall.request(), now=now)))
    assert sentence in found[code]


def test_a_request_of_a_minute_ahead_is_right(hall: Hall) -> None:
    assert codes(judged(hall, hall.request(), now=T0 + 40)) == []


def test_a_machine_without_a_ledger_requires_an_option_that_states_it(hall: Hall) -> None:
    assert codes(judged(hall, hall.request(), first_use=())) == ["R011", "R009"]
    operator, orders = str(hall.operator.public_key), str(hall.orders.public_key)
    assert codes(judged(hall, hall.request(), first_use=(operator,))) == ["R009"]
    report = judged(hall, hall.request(), first_use=(operator, orders))
    assert codes(report) == []
    assert [one.code for one in report.waived] == ["R011", "R009"]


def next_request(
    hall: Hall, before: object, *, at: int = T0 + 1000, previous: str | None = "last", **header: object
) -> Any:  # noqa: ANN401 - a jwt
    """A second ceremony, about ORDERS, with *before* as its predecessor."""
    book = hall.review_context(hall.request()).book
    change = Change(hall.account_draft(hall.orders, "ORDERS", at, "team:b"), before, "a tag", ("ORDERS",))
    plan = Plan((change,), at, (header.get("operator", hall.operator_jwt()),))
    return hall.request(plan, at=at, previous=book.last if previous == "last" else previous, **header)


@pytest.fixture
def after_one(hall: Hall) -> Hall:
    """A hall in which a ceremony was held: the ledger knows ORDERS and BILLING as of T0 + 100."""
    hall.sit(hall.review_context(hall.request()))
    return hall


def signed_in_it(hall: Hall) -> Any:  # noqa: ANN401 - a jwt
    return hall.signed(hall.request().plan.changes[0].draft)


def test_the_next_ceremony_follows_the_last(after_one: Hall) -> None:
    request = next_request(after_one, signed_in_it(after_one))
    assert codes(judged(after_one, request, now=T0 + 1100, first_use=())) == []


LEDGER: dict[str, tuple[Callable[[Hall], Any], str, str]] = {
    "a predecessor that was rolled back": (
        lambda hall: next_request(hall, hall.account_jwt(hall.orders, "ORDERS")),
        "R008",
        "brings a jwt of 2027-01-15 08:00:00 UTC, and the ledger knows another of 2027-01-15 08:01:40 UTC",
    ),
    "another predecessor of the same second": (
        lambda hall: next_request(hall, hall.account_jwt(hall.orders, "ORDERS", at=T0 + 100, tag="x:y")),
        "R008",
        "and the ledger knows another of 2027-01-15 08:01:40 UTC",
    ),
    "a predecessor that is missing": (
        lambda hall: next_request(hall, None),
        "R007",
        "and the request has none",
    ),
    "a ceremony before that is missing": (
        lambda hall: next_request(hall, signed_in_it(hall), previous=None),
        "R006",
        "follows no ceremony, and the ledger",
    ),
    "another ceremony before": (
        lambda hall: next_request(hall, signed_in_it(hall), previous="0" * 64),
        "R006",
        "follows the ceremony 0000",
    ),
    "an operator that was rolled back": (
        lambda hall: next_request(hall, signed_in_it(hall), operator=hall.operator_jwt(at=T0 - 5)),
        "R008",
        "and the ledger knows another of 2027-01-15 08:00:00 UTC",
    ),
    "a rehearsal": (
        lambda hall: next_request(hall, signed_in_it(hall), mark="REHEARSAL"),
        "R012",
        "is marked REHEARSAL",
    ),
}


@pytest.mark.parametrize("name", LEDGER)
def test_the_ledger_of_this_machine_decides_and_nothing_lifts_it(after_one: Hall, name: str) -> None:
    make, code, sentence = LEDGER[name]
    request = make(after_one)
    report = judged(after_one, request, now=T0 + 1100, first_use=("all",))
    assert report.errors[0].code == code
    assert sentence in report.errors[0].text


def test_a_predecessor_that_was_signed_elsewhere_since_requires_its_key_to_be_named(after_one: Hall) -> None:
    newer = after_one.account_jwt(after_one.orders, "ORDERS", at=T0 + 500)
    request, orders = next_request(after_one, newer), str(after_one.orders.public_key)
    report = judged(after_one, request, now=T0 + 1100, first_use=())
    assert [(one.code, one.hint) for one in report.errors] == [
        ("R009", f"--first-use {orders} accepts it as the baseline")
    ]
    assert codes(
        judged(after_one, request, now=T0 + 1100, first_use=(str(after_one.billing.public_key),))
    ) == ["R009"]
    assert codes(judged(after_one, request, now=T0 + 1100, first_use=(orders,))) == []


def test_a_request_is_signed_once(after_one: Hall) -> None:
    with pytest.raises(Refused, match="R004 request: was signed before; the digest of that transcript is"):
        after_one.sit(after_one.review_context(after_one.request()))


def test_what_stands_against_a_request_comes_before_what_is_wrong_with_the_claims(after_one: Hall) -> None:
    nameless = after_one.account_draft(after_one.orders, "", T0 + 1000)
    change = Change(nameless, None, "no name", ("ORDERS",))
    request = after_one.request(Plan((change,), T0 + 1000, (after_one.operator_jwt(),)), at=T0 + 1000)
    policy = after_one.policy(after_one.policy_text + '[names]\naccount = ["O*"]\n')
    assert codes(judged(after_one, request, now=T0 + 1100, policy=policy))[:2] == ["R006", "R007"]
    assert "P005" in codes(judged(after_one, request, now=T0 + 1100, policy=policy))


def witnessed(hall: Hall, *statements: str, **changes: object) -> bytes:
    review_context = hall.review_context(
        hall.request(), policy=hall.policy(hall.witnessed_policy_text), **changes
    )
    data: bytes = hall.sit(review_context, *statements)
    return data


def statement(hall: Hall, key: SoftwareKey, at: int = T0 + 150, **changes: object) -> str:
    usual = {"policy": hall.policy(hall.witnessed_policy_text)} | changes
    request = usual.pop("request", hall.request())
    text: str = hall.statement(hall.review_context(request, **usual), key, at)
    return text


WITNESSED: dict[str, tuple[Callable[[Hall], tuple[str, ...]], str]] = {
    "none": (lambda _: (), "0 of 2 witnesses have signed"),
    "too few": (lambda h: (statement(h, h.ada),), "1 of 2 witnesses have signed"),
    "one twice": (
        lambda h: (statement(h, h.ada), statement(h, h.ada, T0 + 151)),
        "signed twice, and counts once",
    ),
    "one twice, in another role": (
        lambda h: (statement(h, h.ada), statement(h, _same_key(h.ada, Role.ACCOUNT))),
        "signed twice, and counts once",
    ),
    "a stranger": (
        lambda h: (statement(h, h.ada), statement(h, SoftwareKey(Role.USER, b"e" * 32))),
        "is not a witness of the policy",
    ),
    "about another request": (
        lambda h: (statement(h, h.ada), statement(h, h.bob, request=h.request(reason="another"))),
        "witness 2 is a statement about another request, sha256:",
    ),
    "under another policy": (
        lambda h: (statement(h, h.ada), statement(h, h.bob, policy=h.policy())),
        "witness 2 was signed under another policy, sha256 ",
    ),
    "with something else lifted": (
        lambda h: (statement(h, h.ada), statement(h, h.bob, ledger=_other(h))),
        "witness 2 was signed with other findings waived",
    ),
    "before the request": (
        lambda h: (statement(h, h.ada), statement(h, h.bob, T0)),
        "and was not signed between the request, 2027-01-15 08:01:40 UTC, and now, ",
    ),
    "from the future": (
        lambda h: (statement(h, h.ada), statement(h, h.bob, T0 + 300)),
        "and was not signed between the request, 2027-01-15 08:01:40 UTC, and now, ",
    ),
    "no jwt": (lambda h: (statement(h, h.ada), "bob was here"), "witness 2: a jwt has three parts"),
    "another jwt": (
        lambda h: (statement(h, h.ada), h.operator_jwt().text),
        "witness 2 holds operator claims",
    ),
    "changed": (lambda h: (statement(h, h.ada), statement(h, h.bob)[:-4] + "AAAA"), "witness 2: "),
}


def _same_key(key: SoftwareKey, role: Role) -> SoftwareKey:
    return SoftwareKey(role, key.reveal_raw())


def _other(hall: Hall) -> Any:  # noqa: ANN401 - a Ledger
    return Ledger().with_book(str(hall.operator.public_key), OperatorRecord())


@pytest.mark.parametrize("name", WITNESSED)
def test_the_policy_decides_which_witnesses_count(hall: Hall, name: str) -> None:
    make, sentence = WITNESSED[name]
    with pytest.raises(SeedlessError) as caught:
        witnessed(hall, *make(hall))
    assert sentence in caught.value.message
    assert list(hall.folder.rglob("transcript.jsonl")) == []


def test_a_statement_of_a_witness_is_counted_where_no_policy_requires_one(hall: Hall) -> None:
    review_context = hall.review_context(hall.request())
    with pytest.raises(Refused, match="is not a witness of the policy"):
        hall.sit(review_context, hall.statement(review_context, hall.ada))


def test_two_of_three_witnesses_are_enough_and_three_are_not_too_many(hall: Hall) -> None:
    all_three = [statement(hall, key) for key in (hall.cyd, hall.ada, hall.bob)]
    assert witnessed(hall, *all_three).count(b'"kind":"witnessed"') == 3


def test_what_a_review_refuses_signs_nothing(hall: Hall) -> None:
    signatures: list[int] = []
    keys = dataclasses.replace(hall.keys, on_sign=lambda: signatures.append(1))
    with pytest.raises(Refused, match="R002"):
        hall.sit(hall.review_context(hall.request(), now=T0 + 8 * DAY), keys=keys)
    assert signatures == []
    assert not (hall.folder / "ledger.json").exists()
    assert list(hall.folder.rglob("*.json*")) == []
