from __future__ import annotations

import json
from typing import Any

import pytest

from seedless.claims import (
    Account,
    Activation,
    AuthorizationRequest,
    AuthorizationResponse,
    Generic,
    Operator,
    Scope,
    Template,
    User,
)
from seedless.errors import BadClaims
from seedless.jwt import Claims, claims_from_json


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("operator", Operator()),
        ("account", Account()),
        ("user", User()),
        ("activation", Activation()),
        ("authorization_request", AuthorizationRequest()),
        ("authorization_response", AuthorizationResponse()),
        ("generic", Generic()),
    ],
)
def test_every_kind_can_be_written_as_little_as_its_subject(kind: str, body: object) -> None:
    assert claims_from_json(kind, '{"sub":"x"}') == Claims(sub="x", body=body)


def test_claims_are_read_with_all_their_members() -> None:
    text = (
        '{"sub":"x","name":"n","aud":"a","exp":5,"nbf":-5,"iss":"ignored","iat":7,"jti":"ignored",'
        '"nats":{"type":"user","version":2,"subs":-1,"pub":{"allow":["a"]},"src":[]}}'
    )
    for data in (text, text.encode(), f" {text}\n"):
        claims = claims_from_json("user", data)
        assert claims == claims_from_json(None, data)
        assert (claims.sub, claims.name, claims.aud, claims.exp, claims.nbf) == ("x", "n", "a", 5, -5)
        assert claims.body == User(subs=-1, pub=claims.body.pub)
        assert claims.body.pub.allow == ("a",)


def test_generic_claims_have_float64_numbers() -> None:
    claims = claims_from_json("generic", '{"sub":"x","nats":{"a":1,"b":[9007199254740993,1E2],"type":5}}')
    assert claims.body == Generic(data={"a": 1.0, "b": [9007199254740992.0, 100.0], "type": 5.0})


def test_an_unknown_type_is_generic_when_no_kind_is_asked_for() -> None:
    assert claims_from_json(None, '{"sub":"x","nats":{"type":"custom"}}').body == Generic(
        data={"type": "custom"}
    )


@pytest.mark.parametrize("nats", ["{}", "null"])
def test_a_generic_body_may_be_empty_or_none(nats: str) -> None:
    body = claims_from_json("generic", f'{{"sub":"x","nats":{nats}}}').body
    assert body == Generic(data=json.loads(nats))


def test_absent_limits_of_a_template_become_no_limit() -> None:
    text = '{"sub":"x","nats":{"signing_keys":["a",{"kind":"user_scope","key":"b","template":{"data":7}}]}}'
    body = claims_from_json("account", text).body
    assert body.signing_keys == ("a", Scope(key="b", template=Template(subs=-1, data=7, payload=-1)))


SCOPE: dict[str, Any] = {"kind": "user_scope", "key": "b"}


@pytest.mark.parametrize(
    ("kind", "claims", "path", "told"),
    [
        pytest.param("user", [], "", "the claims are not a JSON object", id="a list"),
        pytest.param("user", {"sub": 5}, "sub", "expected text, found 5", id="a number as subject"),
        pytest.param("user", {"exp": "5"}, "exp", "expected a whole number", id="a time as text"),
        pytest.param("user", {"nmae": "x"}, "nmae", "no such member", id="a slip at the top"),
        pytest.param("user", {"nats": {"sbus": 5}}, "nats.sbus", "no such member", id="a slip in the body"),
        pytest.param(
            "user", {"nats": {"pub": {"alow": []}}}, "nats.pub.alow", "no such member", id="a slip deeper"
        ),
        pytest.param("user", {"type": "user"}, "type", "no such member", id="a type at the top"),
        pytest.param("user", {"NAME": "x"}, "NAME", "only in upper and lower case", id="other letters"),
        pytest.param("user", {"nats": None}, "nats", "null is not a value", id="nats null"),
        pytest.param("user", {"nats": 5}, "nats", "expected an object", id="nats a number"),
        pytest.param(
            "user", {"nats": {"type": "account"}}, "nats.type", "expected user, found account", id="kind"
        ),
        pytest.param("user", {"nats": {"type": ["user"]}}, "nats.type", "expected user", id="type a list"),
        pytest.param(
            "user", {"nats": {"version": 1}}, "nats.version", "only version 2 is written", id="version 1"
        ),
        pytest.param("user", {"nats": {"version": "2"}}, "nats.version", "only version 2", id="version text"),
        pytest.param(
            "user", {"nats": {"version": True}}, "nats.version", "only version 2", id="version true"
        ),
        pytest.param(
            "user", {"nats": {"src": "10.0.0.0/8"}}, "nats.src", "expected a list", id="src as text"
        ),
        pytest.param("generic", {"nats": []}, "nats", "not a JSON object", id="generic: a list"),
        pytest.param("generic", {"nats": {}, "x": 1}, "x", "no such member", id="generic: a slip"),
        pytest.param(
            "generic", {"nats": {"a": 10**400}}, "nats.a", "beyond the range", id="generic: too large"
        ),
        pytest.param("kind", {}, "", "there are no kind claims", id="no such kind"),
        pytest.param("cluster", {}, "", "there are no cluster claims", id="a kind that is gone"),
        pytest.param(None, {"nats": {}}, "nats.type", "do not name their kind", id="no kind said"),
        pytest.param(None, {}, "nats.type", "do not name their kind", id="no body to say it"),
        pytest.param(
            "account",
            {"nats": {"signing_keys": ["a", "a"]}},
            "nats.signing_keys[1]",
            "a occurs twice",
            id="twice",
        ),
        pytest.param(
            "account",
            {"nats": {"signing_keys": ["b", SCOPE]}},
            "nats.signing_keys[1]",
            "b occurs twice",
            id="plain and scoped",
        ),
        pytest.param(
            "account",
            {"nats": {"signing_keys": [5]}},
            "nats.signing_keys[0]",
            "expected text or an object",
            id="5",
        ),
        pytest.param(
            "account",
            {"nats": {"signing_keys": [{"key": "b"}]}},
            "nats.signing_keys[0].kind",
            "None is not a kind of scope",
            id="a scope of no kind",
        ),
        pytest.param(
            "account",
            {"nats": {"signing_keys": [SCOPE | {"template": {"subs": 0}}]}},
            "nats.signing_keys[0].template.subs",
            "0 in a scope is lost",
            id="0 in a template",
        ),
        pytest.param(
            "account",
            {"nats": {"signing_keys": [SCOPE | {"template": {"payload": 2**53 + 1}}]}},
            "nats.signing_keys[0].template.payload",
            "servers would read 9007199254740993 as 9007199254740992",
            id="a template number that float64 cannot hold",
        ),
        pytest.param(
            "account",
            {"nats": {"signing_keys": [SCOPE | {"template": {"resp": {"ttl": 2**63 - 1}}}]}},
            "nats.signing_keys[0].template.resp.ttl",
            "servers would read",
            id="a template time that float64 cannot hold",
        ),
    ],
)
def test_a_mistake_is_reported_with_its_path(kind: str | None, claims: object, path: str, told: str) -> None:
    with pytest.raises(BadClaims) as caught:
        claims_from_json(kind, json.dumps(claims))
    assert caught.value.path == path
    assert told in caught.value.message


@pytest.mark.parametrize(
    ("data", "rule"),
    [
        ("", ""),
        ("{", ""),
        ("\ud800", "not-utf8"),
        (b"\xff", "not-utf8"),
        ('{"sub":"x","sub":"x"}', "duplicate-name"),
        ("[" * 5000, "too-deep"),
        ('{"exp":1.0}', ""),
        ('{"exp":1e3}', ""),
    ],
)
def test_text_that_is_no_strict_json_is_refused(data: str | bytes, rule: str) -> None:
    with pytest.raises(BadClaims) as caught:
        claims_from_json("user", data)
    assert caught.value.rule == rule


def test_of_many_mistakes_the_first_few_are_reported() -> None:
    with pytest.raises(BadClaims, match=r"^a0, a1, a2, a3, a4…: no such member$"):
        claims_from_json("user", json.dumps({f"a{number}": 1 for number in range(5000)}))
