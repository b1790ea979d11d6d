"""Ceremonies of another program with the real keys: hashes and receipts are right, the rest is not."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import msgspec

from seedless.ceremony import result, transcript
from seedless.ceremony.check import Verdict
from seedless.ceremony.progress import draft_digest
from seedless.ceremony.receipt import receipt_drafts
from seedless.change import Change
from seedless.issue import Plan
from seedless.nkey import Role
from seedless.seeds import SoftwareKey

if TYPE_CHECKING:
    from pathlib import Path

    Hall = Any  # of conftest.py

T0 = 1_800_000_000


def sealed(hall: Hall, request: Any, *, policy: str = "", at: int = T0 + 200) -> bytes:  # noqa: ANN401 - a Request
    """Return the result of a ceremony that nobody judged: signed, chained, and with receipts."""
    entries: list[dict[str, Any]] = []

    def add(kind: str, **said: object) -> None:
        entries.append(transcript.entry_after(entries, kind, request.digest, said))

    add(
        "opened", format=transcript.FORMAT, request=request.digest, at=at, tool="other", mark=request.mark,
        present=[],
    )  # fmt: skip
    add("reviewed", policy=policy or hall.policy().canonical.decode(), findings=[], lifted=[])
    for key in request.issuers:
        add("key", public_key=str(key), says={})
    for number, change in enumerate(request.plan.changes):
        add("intent", change=number, sha256=draft_digest(change.draft))
        add("signed", change=number, jwt=hall.signed(change.draft).text)
    add("ended", signed=len(request.plan.changes))
    receipts = hall.keys.sign(receipt_drafts(request, transcript.digest(entries), at))
    return result.to_bytes(entries, [one.text for one in receipts])


def told(hall: Hall, request: Any, **how: Any) -> tuple[Verdict, str]:  # noqa: ANN401 - as `sealed`
    found = hall.check(request.data, sealed(hall, request, **how))
    return found.verdict, found.text


def test_a_ceremony_that_was_sealed_so_is_complete_where_all_of_it_is_right(hall: Hall) -> None:
    assert told(hall, hall.request()) == (Verdict.COMPLETE, "2 jwts, 1 receipt")


def test_a_policy_that_pins_another_operator_is_found(hall: Hall) -> None:
    stranger = SoftwareKey.generate(Role.OPERATOR).public_key
    policy = hall.policy(f'operator = "{stranger}"').canonical.decode()
    verdict, text = told(hall, hall.request(), policy=policy)
    assert verdict is Verdict.FALSE
    assert text.startswith(f"transcript[1].policy pins {stranger}, and not {hall.operator.public_key}")


def test_a_policy_that_wants_witnesses_who_did_not_sign_is_found(hall: Hall) -> None:
    policy = hall.policy(hall.witnessed_policy_text).canonical.decode()
    assert told(hall, hall.request(), policy=policy) == (Verdict.FALSE, "0 of 2 witnesses have signed")


def test_an_account_of_another_operator_that_stands_around_is_found(hall: Hall, tmp_path: Path) -> None:
    eve = type(hall)(
        tmp_path, operator=SoftwareKey.generate(Role.OPERATOR), signing=SoftwareKey.generate(Role.OPERATOR)
    )
    theirs = eve.account_jwt(SoftwareKey.generate(Role.ACCOUNT), "THEIRS")
    plan = msgspec.structs.replace(hall.plan(), around=(hall.operator_jwt(), theirs))
    verdict, text = told(hall, hall.request(plan))
    assert verdict is Verdict.FALSE
    assert text.startswith("request.plan.around[1] is issued by O")


def test_a_predecessor_of_another_operator_is_found(hall: Hall, tmp_path: Path) -> None:
    eve = type(hall)(
        tmp_path, operator=SoftwareKey.generate(Role.OPERATOR), signing=SoftwareKey.generate(Role.OPERATOR)
    )
    before = eve.account_jwt(hall.orders, "ORDERS")
    change = Change(hall.account_draft(hall.orders, "ORDERS", T0 + 100), before, "", ("ORDERS",))
    verdict, text = told(hall, hall.request(Plan((change,), T0 + 100, (hall.operator_jwt(),))))
    assert verdict is Verdict.FALSE
    assert text.startswith("request.plan.changes[0].replaces is issued by O")


def test_a_jwt_that_is_not_later_than_its_predecessor_is_found(hall: Hall) -> None:
    before = hall.account_jwt(hall.orders, "ORDERS", at=T0 + 100)
    change = Change(hall.account_draft(hall.orders, "ORDERS", T0 + 100, "a:b"), before, "", ("ORDERS",))
    plan = Plan((change,), T0 + 100, (hall.operator_jwt(),))
    request = dataclasses.replace(hall.request(), plan=plan)
    assert told(hall, request) == (
        Verdict.FALSE, "request.plan.changes[0].draft is not later than what it replaces",
    )  # fmt: skip


def test_a_jwt_that_was_ahead_of_the_clock_of_the_ceremony_is_found(hall: Hall) -> None:
    change = Change(hall.account_draft(hall.orders, "ORDERS", T0 + 261), None, "", ("ORDERS",))
    plan = Plan((change,), T0 + 100, (hall.operator_jwt(),))
    request = dataclasses.replace(hall.request(), plan=plan)
    assert told(hall, request, at=T0 + 201)[0] is Verdict.COMPLETE
    assert told(hall, request, at=T0 + 200) == (
        Verdict.FALSE, "request.plan.changes[0].draft was ahead of the clock of the ceremony",
    )  # fmt: skip
