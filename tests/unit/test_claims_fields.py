"""Each member of claims that people set is in one row of the table, or has a command of its own."""

from __future__ import annotations

import pytest

from seedless import claims
from seedless.claims import fields


@pytest.mark.parametrize("struct", ["Operator", "Account", "Limits", "JetStreamLimits", "User", "Template"])
def test_every_member_of_claims_is_in_a_row_or_has_a_command_of_its_own(struct: str) -> None:
    members = set(getattr(claims, struct).__struct_fields__)
    rows = [row.member for row in fields.ROWS[struct]]
    assert sorted({*rows, *fields.OWN_COMMAND[struct]}) == sorted(members)
    assert len(rows) + len(fields.OWN_COMMAND[struct]) == len(members), "described twice"


def test_no_two_rows_of_one_command_have_the_same_option() -> None:
    account = (*fields.ACCOUNT_LIMITS, *fields.JETSTREAM, *fields.ACCOUNT, fields.TAGS)
    for table in (account, (*fields.USER, fields.TAGS), (*fields.OPERATOR, fields.TAGS)):
        options = [row.option for row in table]
        assert len(set(options)) == len(options)


@pytest.mark.parametrize(
    ("member", "number", "expected"),
    [
        pytest.param("conn", -1, True, id="no limit"),
        pytest.param("conn", 0, False, id="nothing"),
        pytest.param("conn", 5, False, id="five"),
        pytest.param("max_ack_pending", 0, True, id="0 is no limit"),
        pytest.param("max_ack_pending", 1, False, id="one"),
    ],
)
def test_what_zero_means_is_in_the_row(member: str, number: int, *, expected: bool) -> None:
    assert fields.limit_rows(fields.ROWS["Limits"])[member].is_unlimited(number) is expected
