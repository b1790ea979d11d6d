"""A past ceremony, computed anew but for its signatures."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from seedless.ceremony import documents, transcript
from seedless.ceremony.check import recompute
from seedless.ceremony.request import parse
from seedless.ceremony.statements import receipt_drafts
from seedless.change import Change
from seedless.errors import SeedlessError

if TYPE_CHECKING:
    from typing import Any

    Hall = Any  # the fixture beside this file

LATER = 1_800_001_000


def test_every_byte_of_a_ceremony_comes_out_again(hall: Hall) -> None:
    done = recompute(*hall.held())
    assert (done.agrees, done.text, done.signatures) == (True, "every byte agrees", 3)


def test_a_ceremony_that_follows_another_comes_out_again(hall: Hall) -> None:
    first = hall.check(*hall.held())
    orders = first.progress.signed[0]
    change = Change(hall.account_draft(hall.orders, "ORDERS", LATER, "team:b"), orders, "a tag", ("ORDERS",))
    request = hall.request(hall.plan(change, at=LATER), at=LATER, previous=first.progress.digest)
    held = hall.sit(hall.review_context(request, now=LATER + 60, first_use=()))
    assert recompute(request.data, held).agrees


def test_a_result_without_its_end_is_reported(hall: Hall) -> None:
    request, held = hall.held()
    entries = json.loads(held)["transcript"]
    lines = b"".join(documents.to_bytes(entry) for entry in entries[:-1])
    with pytest.raises(SeedlessError, match="there is a transcript and no result"):
        recompute(request, lines)


def test_a_finding_that_no_judgement_has_is_detected_though_hashes_and_receipts_are_right(hall: Hall) -> None:
    data, held = hall.held()
    request, entries = parse(data), []
    for entry in json.loads(held)["transcript"]:
        said = {name: value for name, value in entry.items() if name not in {"kind", "n", "previous"}}
        if entry["kind"] == "reviewed":
            said["findings"] = ["warning: C001 account ORDERS: nothing of the kind"]
        entries.append(transcript.entry_after(entries, entry["kind"], request.digest, said))
    drafts = receipt_drafts(request, transcript.digest(entries), entries[0]["at"])
    forged = transcript.to_bytes(entries, [hall.signed(one).text for one in drafts])
    assert hall.check(data, forged).verdict == "complete"
    done = recompute(data, forged)
    assert (done.agrees, done.text) == (False, "transcript[1].findings comes out as another")


def test_another_request_has_other_signatures(hall: Hall) -> None:
    _, held = hall.held()
    with pytest.raises(SeedlessError):
        recompute(hall.request(reason="another").data, held)
