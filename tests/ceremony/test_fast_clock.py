"""The way back from a jwt that was signed by a clock that was fast, in a ceremony."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import pytest

from seedless.ceremony.check import CeremonyVerdict, recompute
from seedless.ceremony.offline import statement_content
from seedless.change import Change
from seedless.errors import Refused
from seedless.ledger import Ledger, load
from seedless.signing_pipeline import Plan

if TYPE_CHECKING:
    from seedless.ceremony.request import CeremonyRequest

    Hall = Any  # tests/ceremony/conftest.py

T0 = 1_800_000_000
YEAR = 365 * 86400
FUTURE = T0 + YEAR


def plan(hall: Hall) -> Plan:
    """A plan that edits an account whose jwt is a year ahead."""
    before = hall.account_jwt(hall.orders, "ORDERS", at=FUTURE)
    change = Change(hall.account_draft(hall.orders, "ORDERS", FUTURE + 1, "a:b"), before, "back", ("ORDERS",))
    return Plan((change,), T0 + 100, (hall.operator_jwt(),))


def request(hall: Hall, **header: object) -> CeremonyRequest:
    made: CeremonyRequest = hall.request(plan(hall), reset_time=(str(hall.orders.public_key),), **header)
    return made


def review_context(hall: Hall, asked: CeremonyRequest, *names: str) -> Any:  # noqa: ANN401 - a Ground
    return hall.review_context(asked, reset_time=names)


def test_a_request_is_dated_by_the_clock_only_for_the_subject_that_is_named(hall: Hall) -> None:
    assert request(hall).plan.changes[0].draft.issued_at == T0 + 100
    other = hall.request(plan(hall), reset_time=(str(hall.billing.public_key),))
    assert other.plan.changes[0].draft.issued_at == FUTURE + 1


def test_who_signs_names_the_subject_again(hall: Hall) -> None:
    report = review_context(hall, request(hall)).judge()
    assert sorted(finding.code for finding in report.errors) == ["G001", "G006"]
    with pytest.raises(Refused, match="G001"):
        hall.sit(review_context(hall, request(hall)))


def test_a_ceremony_brings_the_time_back_and_checks_complete(hall: Hall) -> None:
    asked, key = request(hall), str(hall.orders.public_key)
    held = review_context(hall, asked, key)
    assert [one.code for one in held.judge().waived if one.code.startswith("G")] == ["G001"]
    assert "G001 account ORDERS iat" in statement_content(held, held.judge()).waived
    result = hall.sit(held)
    found = hall.check(asked.data, result)
    assert (found.verdict, found.text) == (CeremonyVerdict.COMPLETE, "1 jwt, 1 receipt")
    assert recompute(asked.data, result).agrees
    known: Ledger = load(hall.folder / "ledger.json")
    last = known.known(key)
    assert last is not None
    assert last.issued_at == T0 + 100


def test_a_transcript_that_does_not_list_it_is_false(hall: Hall) -> None:
    asked = request(hall)
    result = hall.sit(review_context(hall, asked, str(hall.orders.public_key)))
    forged = result.replace(b'"G001 account ORDERS iat",', b"")
    assert forged != result
    assert hall.check(asked.data, forged).verdict is CeremonyVerdict.FALSE


def test_a_transcript_cannot_reset_the_time_of_a_jwt_that_is_not_from_the_future(
    hall: Hall,
) -> None:
    before = hall.account_jwt(hall.orders, "ORDERS", at=T0 + 110)
    change = Change(hall.account_draft(hall.orders, "ORDERS", T0 + 100, "a:b"), before, "", ("ORDERS",))
    asked = dataclasses.replace(hall.request(), plan=Plan((change,), T0 + 100, (hall.operator_jwt(),)))
    report = review_context(hall, asked, str(hall.orders.public_key)).judge()
    assert [finding.code for finding in report.errors] == ["G001"]
