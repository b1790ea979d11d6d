from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from seedless.change import Context
from seedless.claims import Permission, Scope, Template
from seedless.rules import judge_statement

if TYPE_CHECKING:
    from conftest import Found, Say

_SCOPED = {"issuer_account": "<account>", "subs": None, "data": None, "payload": None}
_PUB, _SUB = "nats.pub.allow[0]", "nats.sub.allow[0]"
_SCOPE = {"kind": "user_scope", "key": "<signing key>"}
_TYPES = "nats.allowed_connection_types"


@pytest.mark.parametrize(
    ("kind", "nats", "standard", "codes"),
    [
        pytest.param("operator", {}, {"name": ""}, [("C101", "name")], id="C101 operator"),
        pytest.param("account", {}, {"name": ""}, [("C101", "name")], id="C101 account"),
        pytest.param("user", {}, {"name": ""}, [("C101", "name")], id="C101 user"),
        pytest.param("activation", {}, {"name": ""}, [], id="C101 activation"),
        pytest.param(
            "account",
            {"limits": {"conn": 0, "subs": 0, "payload": 0, "data": 0, "leaf": 0}},
            {},
            [("C102", "nats.limits.conn"), ("C102", "nats.limits.payload"), ("C102", "nats.limits.subs")],
            id="C102 account",
        ),
        pytest.param("account", {"limits": {"conn": 1, "subs": -1}}, {}, [], id="C102 few are allowed"),
        pytest.param("user", {"subs": 0}, {}, [("C102", "nats.subs")], id="C102 user"),
        pytest.param("user", {"payload": None}, {}, [("C102", "nats.payload")], id="C102 absent"),
        pytest.param(
            "user",
            _SCOPED,
            {"iss": "<account>"},
            [("C102", "nats.payload"), ("C102", "nats.subs")],
            id="C102 user of the identity that could be scoped",
        ),
        pytest.param("user", {"pub": {"allow": ["a\tb"]}}, {}, [("C104", _PUB)], id="C104 tab"),
        pytest.param(
            "user",
            {"sub": {"deny": ["a b\u00a0c d"]}},
            {},
            [("C008", "nats.sub.deny[0]"), ("C104", "nats.sub.deny[0]")],
            id="C104 in what is not a subject",
        ),
        pytest.param("user", {"sub": {"allow": ["a\u2003q"]}}, {}, [("C104", _SUB)], id="C104 em"),
        pytest.param("user", {"sub": {"allow": ["a\x00"]}}, {}, [("C104", _SUB)], id="C104 NUL"),
        pytest.param("user", {"sub": {"allow": ["a\x7f"]}}, {}, [("C104", _SUB)], id="C104 DEL"),
        pytest.param("user", {"sub": {"allow": ["é.ü"]}}, {}, [], id="C104 other scripts are seen"),
        pytest.param("activation", {"subject": "a\r"}, {}, [("C104", "nats.subject")], id="C104 activation"),
        pytest.param(
            "account",
            {"exports": [{"subject": "a\n", "type": "stream"}]},
            {},
            [("C104", "nats.exports[0].subject")],
            id="C104 export",
        ),
        pytest.param(
            "account",
            {"signing_keys": [_SCOPE | {"template": {"pub": {"deny": ["a\t"]}}}]},
            {},
            [(code, "nats.signing_keys[0].template.pub.deny[0]") for code in ("C104", "C115")],
            id="C104 scope",
        ),
        pytest.param(
            "user",
            {"allowed_connection_types": ["mqtt", "Plain"]},
            {},
            [("C105", f"{_TYPES}[1]")],
            id="C105 one",
        ),
        pytest.param(
            "user", {"allowed_connection_types": ["in_process", "LEAFNODE_WS"]}, {}, [], id="C105 none"
        ),
        pytest.param(
            "account",
            {"signing_keys": [_SCOPE | {"template": {"allowed_connection_types": ["x"]}}]},
            {},
            [("C105", "nats.signing_keys[0].template.allowed_connection_types[0]")],
            id="C105 scope",
        ),
        pytest.param("operator", {"tags": ["a", "B"]}, {}, [("C106", "nats.tags[1]")], id="C106 case"),
        pytest.param("user", {"tags": ["a "]}, {}, [("C106", "nats.tags[0]")], id="C106 blank"),
        pytest.param(
            "authorization_response", {"tags": ["A"]}, {}, [("C106", "nats.tags[0]")], id="C106 answer"
        ),
        pytest.param("generic", {"tags": ["A"]}, {}, [], id="C106 generic"),
        pytest.param(
            "account",
            {
                "revocations": {"<account>": 1, "*": 1, "<user>": 1},
                "exports": [
                    {"subject": "a", "type": "stream", "revocations": {"<account>": 1, "*": 1, "<user>": 1}}
                ],
            },
            {},
            [("C107", "nats.exports[0].revocations.<user>"), ("C107", "nats.revocations.<account>")],
            id="C107 the other's keys",
        ),
        pytest.param(
            "account",
            {"imports": [{"subject": "a", "type": "stream", "account": "<user>"}]},
            {},
            [("C108", "nats.imports[0].account")],
            id="C108 user key",
        ),
    ],
)
def test_what_servers_and_tools_do_otherwise(
    found: Found, kind: str, nats: dict[str, Any], standard: dict[str, str], codes: list[Any]
) -> None:
    assert found(kind, nats, **standard) == codes


def test_a_user_of_a_scope_has_no_limits_of_its_own_c102(found: Found, say: Say) -> None:
    scope = {"kind": "user_scope", "key": "<signing key>"}
    account = say("account", {"signing_keys": [scope]}).claims
    plain = say("account", {"signing_keys": ["<signing key>"]}).claims
    known, unscoped = (Context(now=1, claims={a.sub: a}) for a in (account, plain))
    assert found("user", _SCOPED, iss="<signing key>", context=known) == []
    assert found("user", _SCOPED, iss="<signing key>", context=Context(now=1)) == []
    limits = [("C102", "nats.payload"), ("C102", "nats.subs")]
    assert found("user", _SCOPED, iss="<signing key>", context=unscoped) == limits


def test_a_limit_of_zero_in_a_scope_is_reported_c103(say: Say, plain: Context) -> None:
    said = say("account")
    scopes = tuple(
        Scope(key=said.claims.sub, template=Template(subs=subs, payload=payload, pub=Permission()))
        for subs, payload in ((0, -1), (1, 0), (-1, 1))
    )
    claims = msgspec.structs.replace(
        said.claims, body=msgspec.structs.replace(said.claims.body, signing_keys=scopes)
    )
    found = list(judge_statement(msgspec.structs.replace(said, claims=claims), plain))
    assert [(finding.code, finding.where) for finding in found] == [
        ("C103", "nats.signing_keys[0].template.subs"),
        ("C103", "nats.signing_keys[1].template.payload"),
    ]


def test_whether_logins_are_refused_is_reported_c105(say: Say, plain: Context) -> None:
    def text(*types: str) -> str:
        said = say("user", {"allowed_connection_types": list(types)})
        return next(finding.text for finding in judge_statement(said, plain))

    assert text("PLAIN", "MQTT") == '"PLAIN" is not a connection type: it is ignored'
    assert text("PLAIN") == '"PLAIN" is not a connection type: none is left, and logins are refused'
