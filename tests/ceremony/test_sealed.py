"""Ceremonies of another program with the real keys: hashes and receipts are right, the rest is not."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from seedless.ceremony import offline, transcript
from seedless.ceremony.check import CeremonyVerdict
from seedless.ceremony.statements import receipt_drafts
from seedless.ceremony.transcript import draft_digest
from seedless.change import Change
from seedless.errors import Refused
from seedless.jwt import draft
from seedless.nkey import Role
from seedless.seeds import SoftwareKey
from seedless.signing_pipeline import Plan

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    Hall = Any  # of conftest.py

T0 = 1_800_000_000


def sealed(
    hall: Hall,
    request: Any,  # noqa: ANN401 - a Request
    *,
    policy: str = "",
    at: int = T0 + 200,
    waived: Sequence[str] = (),
    statements: Sequence[str] = (),
    signed_at: int = 0,
) -> bytes:
    """Return the result of a ceremony that nobody judged: signed, chained, and with receipts.

    It is opened *at* that time, and signed then, or at *signed_at*.
    """
    entries: list[dict[str, Any]] = []

    def add(kind: str, **said: object) -> None:
        entries.append(
            transcript.entry_after(
                entries,
                kind,
                request.digest,
                {"at": max(at, signed_at if kind in {"intent", "signed", "ended"} else 0), **said},
            )
        )

    add(
        "opened", format=transcript.FORMAT, request=request.digest, tool="other", mark=request.mark,
        present=[],
    )  # fmt: skip
    add("reviewed", policy=policy or hall.policy().canonical.decode(), findings=[], lifted=list(waived))
    for text in statements:
        add("witnessed", statement=text)
    for key in request.issuers:
        add("key", public_key=str(key), says={})
    for number, change in enumerate(request.plan.changes):
        add("intent", change=number, sha256=draft_digest(change.draft))
        add("signed", change=number, jwt=hall.signed(change.draft).text)
    add("ended", signed=len(request.plan.changes))
    receipts = hall.keys.sign(receipt_drafts(request, transcript.digest(entries), max(at, signed_at)))
    return transcript.to_bytes(entries, [one.text for one in receipts])


def told(hall: Hall, request: Any, **how: Any) -> tuple[CeremonyVerdict, str]:  # noqa: ANN401 - as `sealed`
    found = hall.check(request.data, sealed(hall, request, **how))
    return found.verdict, found.text


def test_a_ceremony_that_was_sealed_so_is_complete_where_all_of_it_is_right(hall: Hall) -> None:
    assert told(hall, hall.request()) == (CeremonyVerdict.COMPLETE, "2 jwts, 1 receipt")


def test_a_first_intent_that_is_not_before_the_expiry_is_found(hall: Hall) -> None:
    request = hall.request()
    assert told(hall, request, signed_at=request.expires - 1)[0] is CeremonyVerdict.COMPLETE
    assert told(hall, request, signed_at=request.expires) == (
        CeremonyVerdict.FALSE, "result.transcript[3].at is not before the expiry of the request",
    )  # fmt: skip


def test_a_policy_that_pins_another_operator_is_found(hall: Hall) -> None:
    stranger = SoftwareKey.generate(Role.OPERATOR).public_key
    policy = hall.policy(f'operator = "{stranger}"').canonical.decode()
    verdict, text = told(hall, hall.request(), policy=policy)
    assert verdict is CeremonyVerdict.FALSE
    assert text.startswith(f"transcript[1].policy pins {stranger}, and not {hall.operator.public_key}")


def test_a_policy_that_requires_witnesses_who_did_not_sign_is_found(hall: Hall) -> None:
    policy = hall.policy(hall.witnessed_policy_text).canonical.decode()
    assert told(hall, hall.request(), policy=policy) == (
        CeremonyVerdict.FALSE,
        "0 of 2 witnesses have signed",
    )


POLICIES: dict[str, tuple[str, str]] = {
    "a threshold of none": ('"threshold":0}', "witnesses.threshold is not between 1 and the 3 keys"),
    "a threshold below none": ('"threshold":-1}', "witnesses.threshold is not a number from 0 on"),
    "a threshold above the keys": ('"threshold":4}', "witnesses.threshold is not between 1 and the 3 keys"),
    "a threshold that is true": ('"threshold":true}', "witnesses.threshold is not a number"),
    "a rule that nobody knows": ('"threshold":2},"zeal":1', "zeal is not a key of a policy"),
}


@pytest.mark.parametrize("name", POLICIES)
def test_a_policy_that_is_none_is_never_complete(hall: Hall, name: str) -> None:
    written, sentence = POLICIES[name]
    text = hall.policy(hall.witnessed_policy_text).canonical.decode()
    assert '"threshold":2}' in text
    verdict, why = told(hall, hall.request(), policy=text.replace('"threshold":2}', written))
    assert verdict is CeremonyVerdict.FALSE
    assert why.startswith("transcript[1].policy: this is not a valid policy: ")
    assert sentence in why


def test_what_its_own_policy_forbids_is_forbidden_though_keys_and_receipts_are_right(hall: Hall) -> None:
    policy = hall.policy(hall.policy_text + '[names]\naccount = ["O*"]\n').canonical.decode()
    verdict, text = told(hall, hall.request(), policy=policy)
    assert verdict is CeremonyVerdict.FORBIDDEN
    assert text.startswith("P005 account BILLING")


def odd_traffic(hall: Hall) -> Any:  # noqa: ANN401 - a Request
    """A request for two accounts with a value that a rule refuses (C061), which can be lifted."""
    changes = []
    for key, name in ((hall.orders, "ORDERS"), (hall.billing, "BILLING")):
        usual = hall.account_draft(key, name, T0 + 100)
        body = msgspec.structs.replace(usual.claims.body, cluster_traffic="moon")
        claims = msgspec.structs.replace(usual.claims, body=body)
        changes.append(Change(draft(claims, usual.issuer, T0 + 100), None, "", (name,)))
    return hall.request(hall.plan(*changes))


def test_what_a_rule_forbids_is_forbidden(hall: Hall) -> None:
    verdict, text = told(hall, odd_traffic(hall))
    assert verdict is CeremonyVerdict.FORBIDDEN
    assert text.startswith("C061 account ORDERS nats.cluster_traffic:")


def test_what_was_lifted_and_shown_is_complete(hall: Hall) -> None:
    both = [f"C061 account {name} nats.cluster_traffic" for name in ("ORDERS", "BILLING")]
    assert told(hall, odd_traffic(hall), waived=both)[0] is CeremonyVerdict.COMPLETE


LIFTED: dict[str, tuple[str, CeremonyVerdict, str]] = {
    "a finding of the policy": (
        "P005 account BILLING",
        CeremonyVerdict.FALSE,
        "P005 is a finding of the policy",
    ),
    "a guard": ("G001 account BILLING", CeremonyVerdict.FALSE, "G001 cannot be waived"),
    "a code that lifts more than is listed": (
        "C061 account ORDERS nats.cluster_traffic", CeremonyVerdict.FORBIDDEN,
        "C061 account BILLING nats.cluster_traffic: it was waived, and the transcript does not list it",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", LIFTED)
def test_what_nobody_may_waive_is_not_waived_by_a_transcript_that_lists_it(hall: Hall, name: str) -> None:
    waived, expected, sentence = LIFTED[name]
    verdict, text = told(hall, odd_traffic(hall), waived=[waived])
    assert (verdict, text.startswith(sentence)) == (expected, True), text


def self_witnessed(hall: Hall) -> tuple[str, Any, list[str]]:
    """A policy that lists keys of the operator as witnesses, and what these have signed."""
    keys = [hall.operator, hall.signing]
    names = json.dumps([str(one.public_key) for one in keys])
    policy = hall.policy(f"{hall.policy_text}[witnesses]\nkeys = {names}\nthreshold = 2\n")
    review_context = hall.review_context(hall.request(), policy=policy)
    statement = offline.statement_content(review_context, review_context.judge())
    statement = dataclasses.replace(statement, waived=())
    drafts = [statement.draft(key.public_key, T0 + 150) for key in keys]
    return policy.canonical.decode(), review_context, [hall.signed(one).text for one in drafts]


def test_a_key_that_signs_or_is_the_operators_is_no_witness_whatever_the_policy_lists(hall: Hall) -> None:
    policy, review_context, statements = self_witnessed(hall)
    verdict, text = told(hall, hall.request(), policy=policy, statements=statements)
    assert (verdict, "is a key of the operator, and cannot witness it" in text) == (
        CeremonyVerdict.FALSE,
        True,
    )
    own = offline.statement_content(review_context, review_context.judge())
    for key in (hall.operator, hall.signing):
        statement = hall.signed(own.draft(key.public_key, T0 + 150)).text
        with pytest.raises(Refused, match="signs in this ceremony or is a key of the operator"):
            hall.sit(review_context, statement)
    assert list(hall.folder.rglob("transcript.jsonl")) == []


def test_an_account_of_another_operator_that_stands_around_is_found(hall: Hall, tmp_path: Path) -> None:
    eve = type(hall)(
        tmp_path, operator=SoftwareKey.generate(Role.OPERATOR), signing=SoftwareKey.generate(Role.OPERATOR)
    )
    theirs = eve.account_jwt(SoftwareKey.generate(Role.ACCOUNT), "THEIRS")
    plan = msgspec.structs.replace(hall.plan(), around=(hall.operator_jwt(), theirs))
    verdict, text = told(hall, hall.request(plan))
    assert verdict is CeremonyVerdict.FALSE
    assert text.startswith("request.plan.around[1] is issued by O")


def test_a_predecessor_of_another_operator_is_found(hall: Hall, tmp_path: Path) -> None:
    eve = type(hall)(
        tmp_path, operator=SoftwareKey.generate(Role.OPERATOR), signing=SoftwareKey.generate(Role.OPERATOR)
    )
    before = eve.account_jwt(hall.orders, "ORDERS")
    change = Change(hall.account_draft(hall.orders, "ORDERS", T0 + 100), before, "", ("ORDERS",))
    verdict, text = told(hall, hall.request(Plan((change,), T0 + 100, (hall.operator_jwt(),))))
    assert verdict is CeremonyVerdict.FALSE
    assert text.startswith("request.plan.changes[0].replaces is issued by O")


def test_a_jwt_that_is_not_later_than_its_predecessor_is_found(hall: Hall) -> None:
    before = hall.account_jwt(hall.orders, "ORDERS", at=T0 + 100)
    change = Change(hall.account_draft(hall.orders, "ORDERS", T0 + 100, "a:b"), before, "", ("ORDERS",))
    plan = Plan((change,), T0 + 100, (hall.operator_jwt(),))
    request = dataclasses.replace(hall.request(), plan=plan)
    assert told(hall, request) == (
        CeremonyVerdict.FALSE,
        ("request.plan.changes[0].draft is of 2027-01-15 08:01:40 UTC, not later than what it replaces, "
        "of 2027-01-15 08:01:40 UTC"),
    )  # fmt: skip


def test_a_jwt_that_was_ahead_of_the_clock_of_the_ceremony_is_found(hall: Hall) -> None:
    change = Change(hall.account_draft(hall.orders, "ORDERS", T0 + 261), None, "", ("ORDERS",))
    plan = Plan((change,), T0 + 100, (hall.operator_jwt(),))
    request = dataclasses.replace(hall.request(), plan=plan)
    assert told(hall, request, at=T0 + 201)[0] is CeremonyVerdict.COMPLETE
    assert told(hall, request, at=T0 + 200) == (
        CeremonyVerdict.FALSE,
        ("request.plan.changes[0].draft is of 2027-01-15 08:04:21 UTC, ahead of the clock of the ceremony, "
        "2027-01-15 08:03:20 UTC"),
    )  # fmt: skip
