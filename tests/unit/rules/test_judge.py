from __future__ import annotations

import ast
import inspect
import re
from typing import TYPE_CHECKING

import pytest

from seedless.change import Change, Context
from seedless.errors import Refused
from seedless.findings import Finding, Report, Severity, error, timecheck, warning
from seedless.jwt import draft
from seedless.rules import OFFICIAL, STATEMENT_RULES, code_of, judge, rules

if TYPE_CHECKING:
    from conftest import Say

    from seedless.seeds import SoftwareKey

RULES = [pytest.param(rule, id=code_of(rule)) for rule in rules()]


def test_codes_follow_one_another_without_a_gap_or_a_twin() -> None:
    codes = [code_of(rule) for rule in rules()]
    assert codes == [
        *(f"C{number:03}" for number in range(1, 87)),
        *(f"C{number}" for number in range(101, 125)),
        *(f"G{number:03}" for number in range(1, 14)),
        *(f"T{number:03}" for number in range(1, 20)),
    ]


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_speaks_under_its_own_code(rule: object) -> None:
    source = inspect.getsource(rule)  # type: ignore[arg-type]  # a function
    texts = {node.value for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Constant)}
    codes = {text for text in texts if isinstance(text, str) and re.fullmatch(r"[CGT]\d{3}", text)}
    assert codes == {code_of(rule)}  # type: ignore[arg-type]  # a rule


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_is_stated_in_a_sentence_and_its_consequence_in_a_paragraph(rule: object) -> None:
    first, _, rest = (inspect.getdoc(rule) or "").partition("\n\n")
    assert first.endswith(".")
    assert "\n" not in first
    assert rest.endswith(".")


def test_the_official_rules_are_those_below_c100() -> None:
    official = {code_of(rule) for held in OFFICIAL.values() for rule in held}
    assert official == {code_of(rule) for rule in rules() if code_of(rule) < "C100"}
    assert set(STATEMENT_RULES) == set(OFFICIAL)


def test_a_plan_is_judged_with_the_names_of_what_is_found(say: Say, named: dict[str, SoftwareKey]) -> None:
    account = say("account", {"limits": {"conn": 0}}).claims
    user = say("user", exp=1).claims
    changes = (
        Change(draft(account, named["<operator>"].public_key, 9)),
        Change(draft(user, named["<account>"].public_key, 9)),
    )
    report = judge(changes, Context(now=9, claims={account.sub: account}))
    assert [(f.severity, f.code, f.place) for f in report.findings] == [
        ("error", "G003", "user n exp"),
        ("timecheck", "C001", "user n exp"),
        ("warning", "C102", "account n nats.limits.conn"),
    ]


def test_only_errors_stop_the_walk_and_the_first_is_the_sentence() -> None:
    shown = (timecheck("C001", "exp", "has expired"), warning("C101", "name", "has no name"))
    Report.of(shown).require_clean()
    errors = (error("G001", "iat", "is early", "wait"), error("G002", "iat", "is late"))
    report = Report.of((*shown, *errors))
    assert [f.severity for f in report.findings] == [
        *[Severity.ERROR] * 2,
        Severity.TIMECHECK,
        Severity.WARNING,
    ]
    with pytest.raises(Refused) as refused:
        report.require_clean()
    assert (refused.value.message, refused.value.hint) == ("G001 iat: is early (and 1 more)", "wait")


def test_a_place_is_whose_claims_and_where() -> None:
    finding = Finding("C001", Severity.ERROR, "exp", "text")
    assert finding.place == "exp"
    assert Finding("C001", Severity.ERROR, "", "text", about="user u").place == "user u"
