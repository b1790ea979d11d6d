from __future__ import annotations

import pytest

from seedless.errors import Refused, UsageError
from seedless.findings import Report, error, warning
from seedless.rules import code_of, rules
from seedless.waivers import NEVER, check, waive


def test_a_finding_is_lifted_by_its_code_and_kept_as_lifted() -> None:
    report = Report.of([warning("C001", "", "w"), error("G003", "exp", "e"), error("T003", "", "t")])
    waived = waive(report, ["G003", "C001"])
    assert [finding.code for finding in waived.findings] == ["T003"]
    assert [finding.code for finding in waived.waived] == ["G003", "C001"]
    with pytest.raises(Refused, match="T003"):
        waived.require_clean()
    waive(waived, ["T003"]).require_clean()
    assert [finding.code for finding in waive(waived, ["T003"]).waived] == ["G003", "C001", "T003"]


def test_nothing_is_lifted_without_a_code() -> None:
    report = Report.of([error("G003", "exp", "e")])
    assert waive(report, []) == report


@pytest.mark.parametrize("code", sorted(NEVER))
def test_what_guards_a_promise_is_not_lifted(code: str) -> None:
    with pytest.raises(UsageError, match=f"{code} cannot be waived"):
        waive(Report.of([error(code, "", "x")]), [code])


@pytest.mark.parametrize("code", ["P001", "P012", "P999"])
def test_nothing_of_the_policy_is_lifted(code: str) -> None:
    with pytest.raises(UsageError, match="which nothing waives"):
        check([code])


@pytest.mark.parametrize("code", ["C999", "", "g003", "all", "P"])
def test_a_code_that_no_rule_has_is_reported(code: str) -> None:
    with pytest.raises(UsageError, match="no rule has the code"):
        check([code])


def test_what_is_never_lifted_are_time_oracle_seeds_and_issuers() -> None:
    assert sorted(NEVER) == ["G001", "G002", "G004", "G005", "G012", "T001", "T002", "T007"]
    assert {code_of(rule) for rule in rules()} >= NEVER
