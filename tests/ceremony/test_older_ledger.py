"""A ledger that is an older one, or lost: the results on the machine and the receipts in requests tell."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

import pytest

from seedless.ceremony import documents
from seedless.ceremony.offline import unknown_results
from seedless.ceremony.request import parse
from seedless.ceremony.statements import RECEIPT, ceremony_draft
from seedless.change import Change
from seedless.errors import Refused, StoreError, UsageError
from seedless.nkey import Role
from seedless.seeds import SoftwareKey

if TYPE_CHECKING:
    from seedless.ceremony.request import CeremonyRequest

    Hall = Any  # of conftest.py
    Cli = Any  # the fixture in tests/conftest.py

T0 = 1_800_000_000


def next_request(hall: Hall, last: Any, at: int, **header: object) -> CeremonyRequest:  # noqa: ANN401 - what was checked
    """A request that follows the ceremony that was checked as *last*, and changes ORDERS."""
    before = last.progress.signed[0]
    change = Change(hall.account_draft(hall.orders, "ORDERS", at, f"at:{at}"), before, "a tag", ("ORDERS",))
    header = {"previous": last.progress.digest} | header
    made: CeremonyRequest = hall.request(hall.plan(change, at=at), at=at, **header)
    return made


def review_context(hall: Hall, request: CeremonyRequest, now: int, **changes: object) -> Any:  # noqa: ANN401 - a Ground
    """As the commands judge: with the results that lie on this machine and are not in the ledger."""
    usual = hall.review_context(request, now=now, first_use=(), **changes)
    known = usual.book.requests if usual.book else ()
    operator = str(hall.operator.public_key)
    here = unknown_results(hall.folder / "ceremonies", operator, known)
    return dataclasses.replace(usual, unknown_results=here)


@pytest.fixture
def restored(hall: Hall) -> tuple[Hall, Any, Any]:
    """A hall in which two ceremonies were held, and the ledger of after the first was put back."""
    first = hall.check(*hall.held())
    older = (hall.folder / "ledger.json").read_text()
    request = next_request(hall, first, T0 + 1000)
    second = hall.check(request.data, hall.sit(review_context(hall, request, T0 + 1100)))
    assert second.verdict == "complete"
    (hall.folder / "ledger.json").write_text(older)
    return hall, first, second


def test_an_older_ledger_beside_a_newer_result_is_found(restored: tuple[Hall, Any, Any]) -> None:
    hall, first, second = restored
    again = next_request(hall, first, T0 + 2000)  # what was signed in between is rolled back
    with pytest.raises(Refused) as caught:
        hall.sit(dataclasses.replace(review_context(hall, again, T0 + 2100), first_use=("all",)))
    assert caught.value.message == (
        f"R013 ledger: does not know the ceremony of the request {second.request.digest}, "
        "whose result is here: it is an older one"
    )
    assert "restore the newest ledger" in caught.value.hint


def test_the_newest_ledger_knows_every_result(hall: Hall) -> None:
    first = hall.check(*hall.held())
    request = next_request(hall, first, T0 + 1000)
    assert review_context(hall, request, T0 + 1100).unknown_results == {}


def test_an_older_ledger_is_found_by_the_receipts_that_a_request_brings(
    restored: tuple[Hall, Any, Any],
) -> None:
    hall, _, second = restored
    receipts = tuple(one.text for one in second.receipts)
    third = next_request(hall, second, T0 + 2000, receipts=receipts)
    (finding,) = (
        one for one in hall.review_context(third, now=T0 + 2100).judge().errors if one.code == "R006"
    )
    assert finding.text.endswith(
        "it brings a receipt of that ceremony, which the ledger does not know: it is an older one"
    )
    assert finding.hint.startswith("restore the newest ledger of this machine")
    without = next_request(hall, second, T0 + 2000)
    (finding,) = (
        one for one in hall.review_context(without, now=T0 + 2100).judge().errors if one.code == "R006"
    )
    assert finding.hint == "find out where that ceremony was held: the ledger does not know it"


def test_a_request_that_is_older_than_the_ledger_is_to_be_prepared_again(hall: Hall) -> None:
    first = hall.check(*hall.held())
    request = next_request(hall, first, T0 + 1000)
    hall.sit(review_context(hall, request, T0 + 1100))
    late = next_request(hall, first, T0 + 2000)
    (finding,) = (one for one in review_context(hall, late, T0 + 2100).judge().errors if one.code == "R006")
    assert finding.hint == "accept the last result, and prepare it again"


def test_a_receipt_by_a_stranger_proves_nothing(restored: tuple[Hall, Any, Any]) -> None:
    hall, _, second = restored
    eve = SoftwareKey.generate(Role.OPERATOR)
    receipt = second.receipts[0]
    body = receipt.claims.body.data
    one = ceremony_draft(RECEIPT, second.progress.digest, body, eve.public_key, receipt.issued_at)
    third = next_request(hall, second, T0 + 2000, receipts=(one.complete(eve.sign(one.signing_input)).text,))
    assert third.proves_previous is False
    assert parse(third.data) == third


@pytest.mark.parametrize("receipts", [["x"], [1], [None], [[]], [{}], "x", {}])
def test_what_is_no_receipt_of_the_ceremony_before_is_refused(hall: Hall, receipts: object) -> None:
    first = hall.check(*hall.held())
    value = json.loads(next_request(hall, first, T0 + 1000).data)
    with pytest.raises(UsageError, match=r"request\.receipts"):
        parse(documents.to_bytes(value | {"receipts": receipts}))
    with pytest.raises(UsageError, match=r"is not a receipt of request\.previous"):
        parse(
            documents.to_bytes(
                value | {"previous": "0" * 64, "receipts": [one.text for one in first.receipts]}
            )
        )


def test_a_ledger_that_begins_anew_knows_the_results_that_lie_here(restored: tuple[Hall, Any, Any]) -> None:
    hall, _, second = restored
    (hall.folder / "ledger.json").unlink()
    third = next_request(hall, second, T0 + 2000)
    report = review_context(hall, third, T0 + 2100).judge()
    assert "2 of its ceremonies have a result here" in next(
        one.text for one in report.errors if one.code == "R011"
    )
    begun = dataclasses.replace(review_context(hall, third, T0 + 2100), first_use=("all",))
    last = hall.check(third.data, hall.sit(begun))
    assert last.verdict == "complete"
    fourth = next_request(hall, last, T0 + 3000)
    assert review_context(hall, fourth, T0 + 3100).judge().errors == ()


def test_a_result_that_cannot_be_read_is_reported(restored: tuple[Hall, Any, Any]) -> None:
    hall, first, second = restored
    path = hall.folder / "ceremonies" / second.request.digest / "result.json"
    for data in (b"x\n", documents.to_bytes(json.loads(path.read_bytes()) | {"transcript": []})):
        path.write_bytes(data)
        with pytest.raises(StoreError, match=r"it is not known what the ceremony in .* has signed"):
            review_context(hall, next_request(hall, first, T0 + 2000), T0 + 2100)


def test_a_ceremony_given_up_without_a_ledger_leaves_one_that_knows_the_results(hall: Hall) -> None:
    operator = str(hall.operator.public_key)
    held = {"a" * 64: "b" * 64}
    after = hall.review_context(hall.request()).ledger.abandoned(operator, "c" * 64, "d" * 64, None, held)
    assert after.books[operator].requests == held | {"c" * 64: "d" * 64}
