from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from seedless.rules.every import c007_publisher_names_no_queue

if TYPE_CHECKING:
    from conftest import Found, Say

    from seedless.change import Context


@pytest.mark.parametrize(
    "kind",
    [
        "operator",
        "account",
        "user",
        "activation",
        "authorization_request",
        "authorization_response",
        "generic",
    ],
)
def test_nothing_is_found_where_all_is_right(found: Found, kind: str) -> None:
    assert found(kind, letters="CTG") == []


@pytest.mark.parametrize(
    ("times", "codes"),
    [
        pytest.param({"exp": 999_999_999}, [("C001", "exp")], id="C001 one second ago"),
        pytest.param({"exp": 1}, [("C001", "exp")], id="C001 after a second"),
        pytest.param({"exp": 1_000_000_000}, [], id="C001 in this second"),
        pytest.param({"exp": 0}, [], id="C001 never"),
        pytest.param({"exp": -5}, [], id="C001 below zero is never"),
        pytest.param({"nbf": 1_000_000_001}, [("C002", "nbf")], id="C002 in one second"),
        pytest.param({"nbf": 1_000_000_000}, [], id="C002 in this second"),
        pytest.param({"nbf": -5}, [], id="C002 below zero is always"),
    ],
)
def test_times_are_held_against_the_clock(found: Found, times: dict[str, int], codes: list[Any]) -> None:
    assert found("operator", **times) == codes
    assert found("authorization_request", **times) == codes


def _user(side: str, *allow: str) -> dict[str, Any]:
    return {side: {"allow": list(allow)}}


_SUB, _PUB = "nats.sub.allow[0]", "nats.pub.allow[0]"
_IMPORT = {"subject": "orders", "type": "stream", "account": "<other account>"}
_EXPORT = {"subject": "orders", "type": "service"}
_LATENCY = {"service_latency": {"sampling": 1, "results": ""}}


@pytest.mark.parametrize(
    ("kind", "nats", "codes"),
    [
        pytest.param("user", _user("pub", ""), [("C003", _PUB)], id="C003 published"),
        pytest.param("user", _user("sub", ""), [("C003", _SUB)], id="C003 subscribed"),
        pytest.param("user", _user("sub", "a "), [("C003", _SUB)], id="C003 queue"),
        pytest.param(
            "user", {"sub": {"deny": ["a", ""]}}, [("C003", "nats.sub.deny[1]")], id="C003 the second denied"
        ),
        pytest.param("activation", {"subject": ""}, [("C003", "nats.subject")], id="C003 activation"),
        pytest.param(
            "account",
            {"imports": [_IMPORT, _IMPORT | {"subject": "", "local_subject": "a"}]},
            [("C003", "nats.imports[1].local_subject"), ("C003", "nats.imports[1].subject")],
            id="C003 import, said of both its subjects",
        ),
        pytest.param(
            "account",
            {"exports": [_EXPORT | _LATENCY]},
            [("C003", "nats.exports[0].service_latency.results")],
            id="C003 latency results",
        ),
        pytest.param(
            "account",
            {"mappings": {"": [{"subject": "a", "weight": 1}, {"subject": "", "weight": 1}]}},
            [("C003", 'nats.mappings.""'), ("C003", 'nats.mappings.""[1].subject')],
            id="C003 mapping",
        ),
        pytest.param(
            "account",
            {"default_permissions": _user("pub", "")},
            [("C003", "nats.default_permissions.pub.allow[0]")],
            id="C003 default permissions",
        ),
        pytest.param("activation", {"subject": "a b"}, [("C004", "nats.subject")], id="C004 activation"),
        pytest.param(
            "account",
            {"imports": [_IMPORT | {"local_subject": "a b"}]},
            [("C004", "nats.imports[0].local_subject")] * 2,
            id="C004 local subject, said twice",
        ),
        pytest.param("user", _user("pub", ".a"), [("C005", _PUB)], id="C005 at the start"),
        pytest.param("user", _user("pub", "a."), [("C005", _PUB)], id="C005 at the end"),
        pytest.param("user", _user("sub", "a .q"), [("C005", _SUB)], id="C005 queue"),
        pytest.param("user", _user("pub", "a..b"), [("C006", _PUB)], id="C006 in the middle"),
        pytest.param("user", _user("pub", ".."), [("C005", _PUB), ("C006", _PUB)], id="C006 dots alone"),
        pytest.param("user", _user("pub", "a q"), [("C007", _PUB)], id="C007 published"),
        pytest.param("user", _user("sub", "a q"), [], id="C007 subscribed"),
        pytest.param("user", _user("pub", "a b c"), [("C008", _PUB)], id="C008 published"),
        pytest.param("user", _user("sub", "a b c"), [("C008", _SUB)], id="C008 subscribed"),
        pytest.param("user", _user("sub", "a  "), [("C008", _SUB)], id="C008 its parts are not looked at"),
        pytest.param("user", _user("sub", "a b c d"), [("C008", _SUB)], id="C008 subscribed to four"),
        pytest.param("user", _user("sub", "a", "*", ">", "a.*.>"), [], id="C003 none"),
        pytest.param("user", _user("sub", "a", "a b"), [], id="C004 none"),
    ],
)
def test_subjects_and_permissions(found: Found, kind: str, nats: dict[str, Any], codes: list[Any]) -> None:
    assert found(kind, nats) == codes


def test_a_queue_under_pub_comes_with_what_to_do(say: Say, plain: Context) -> None:
    said = say("user", _user("pub", "orders workers"))
    (finding,) = c007_publisher_names_no_queue(said, plain)
    assert finding.hint == "leave the queue out, or allow it under sub"


@pytest.mark.parametrize(
    ("kind", "nats", "codes"),
    [
        pytest.param(
            "account",
            {"imports": [_IMPORT, {"subject": "b", "account": "<other account>"}]},
            [("C009", "nats.imports[1].type")],
            id="C009 import",
        ),
        pytest.param("activation", {"kind": None}, [("C009", "nats.kind")], id="C009 activation"),
        pytest.param("user", {"issuer_account": "<user>"}, [("C010", "nats.issuer_account")], id="C010 user"),
        pytest.param("user", {"issuer_account": "A"}, [("C010", "nats.issuer_account")], id="C010 no key"),
        pytest.param("user", {"issuer_account": "<account>"}, [], id="C010 none"),
        pytest.param(
            "activation", {"issuer_account": "x"}, [("C010", "nats.issuer_account")], id="C010 activation"
        ),
    ],
)
def test_activations_and_issuer_accounts(
    found: Found, kind: str, nats: dict[str, Any], codes: list[Any]
) -> None:
    assert found(kind, nats) == codes
