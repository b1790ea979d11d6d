"""Promise 4: for one subject the time of a jwt only moves forward, and is never more than a minute ahead."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from seedless.claims import Operator
from seedless.jwt import Claims, Jwt, draft, read
from seedless.nkey import Role
from seedless.plan import changed, resigned
from seedless.seeds import SoftwareKey

if TYPE_CHECKING:
    from typing import Any

    from seedless.change import Change

    Desk = Any  # the fixture in tests/conftest.py

KEY = SoftwareKey(Role.OPERATOR, bytes(range(32)))
NOW = 1_800_000_000
CLAIMS = Claims(sub=str(KEY.public_key), name="ACME", body=Operator.new())


def issued(at: int) -> Jwt[Any]:
    made = draft(CLAIMS, KEY.public_key, at)
    return made.complete(KEY.sign(made.signing_input))


def successor(before: int) -> Change:
    return changed(CLAIMS, KEY.public_key, replaces=issued(before), now=NOW, reason="again")


@pytest.mark.parametrize(
    ("before", "after"),
    [(NOW - 1000, NOW), (NOW - 1, NOW), (NOW, NOW + 1), (NOW + 30, NOW + 31), (NOW + 59, NOW + 60)],
    ids=["long ago", "a second ago", "this second", "half a minute ahead", "nearly a minute ahead"],
)
def test_a_successor_is_later_than_what_it_replaces(before: int, after: int) -> None:
    plan = resigned(successor(before), (), NOW).rehearsed()
    assert plan.changes[0].draft.issued_at == after
    assert plan.judge().errors == ()


@pytest.mark.parametrize("before", [NOW + 60, NOW + 3600], ids=["a minute ahead", "an hour ahead"])
def test_no_jwt_is_more_than_a_minute_ahead(before: int) -> None:
    plan = resigned(successor(before), (), NOW).rehearsed()
    assert [finding.code for finding in plan.judge().errors] == ["G002"]


def test_signing_again_and_again_within_a_second_gives_each_its_own_time(desk: Desk) -> None:
    desk.ok("operator", "add", "ACME")
    times = [desk.ok("operator", "show", "--json").data["issued_at"]]
    for _ in range(3):
        text = desk.ok("operator", "show", "--json").data["jwt"]
        times.append(desk.ok("sign", "-", "--record", "--json", stdin=text).data["issued_at"])
    assert sorted(set(times)) == times


def test_an_older_jwt_of_the_same_subject_does_not_take_the_time_back(desk: Desk) -> None:
    desk.ok("operator", "add", "ACME")
    first = desk.ok("operator", "show", "--json").data["jwt"]
    second = desk.ok("sign", "-", "--record", "--json", stdin=first).data
    third = desk.ok("sign", "-", "--record", "--json", stdin=first).data
    assert read(first).issued_at < second["issued_at"] < third["issued_at"]
