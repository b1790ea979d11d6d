from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import pytest

from seedless.claims import (
    Account,
    Activation,
    AuthorizationRequest,
    Generic,
    Limits,
    Operator,
    Permission,
    Scope,
    Template,
    User,
    WeightedMapping,
)
from seedless.claims.effective import effective
from seedless.errors import BadJwt, BadSignature, SeedlessError
from seedless.jwt import MAX_SIZE, Claims, Jwt, draft, payload_of, read, read_strict
from seedless.nkey import Role
from seedless.typed_json import Unknown
from seedless.wire import ALWAYS_REFUSED

if TYPE_CHECKING:
    from seedless.seeds import SoftwareKey

Craft = Any  # tests/unit/conftest.py: Craft
SUB = "UD6ROJBYLKQMOW3E7N4M2YBPUHMZD7PL65VRHRMO24BOVSBV5H3BRDGR"
SCOPE = (
    '"signing_keys":[{"kind":"user_scope","key":"","role":"","template":{"pub":{},"sub":{},'
    '"subs":9223372036854775807},"description":""}]'
)
V2 = {"type": "user", "version": 2}


BY_NOBODY = {
    "TYPE for type",  # a user without a version
    "Type at the top level",  # so it is of version 1, and its signature has to be over the payload
    "version 1 without a type",  # likewise
    "version null",  # likewise 0
    "nats twice",  # nobody issues it
    "half of a surrogate pair",  # likewise
    '{"typ":"JWT","alg":"\\xff"}-not-utf8',  # no algorithm
}
"""Cases that break a rule of strict reading, and that the official library refuses for another reason."""


def require_tolerated(text: str, rule: str, case: str = "") -> None:
    """Hold what was refused by *rule* against the other reader: it reports that, or refuses it as well."""
    if rule and rule not in ALWAYS_REFUSED and case not in BY_NOBODY:
        assert rule in {deviation.rule for deviation in read(text).deviations}
    else:
        with pytest.raises((BadJwt, BadSignature)):
            read(text)


def typed(kind: str, /, **members: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    return {"sub": "s", "nats": members | {"type": kind, "version": 2}}


@pytest.fixture
def good(keys: dict[Role, SoftwareKey]) -> Jwt[User]:
    key = keys[Role.ACCOUNT]
    made = draft(Claims(sub=SUB, name="u", body=User.new()), key.public_key, 1_700_000_000)
    return made.complete(key.sign(made.signing_input))


@pytest.mark.parametrize(
    ("spelling", "rule"),
    [
        pytest.param("", "", id="nothing"),
        pytest.param("..", "", id="dots only"),
        pytest.param("{head}", "", id="one part"),
        pytest.param("{head}.{payload}.{signature}.", "", id="four parts"),
        pytest.param("{head}.{payload}.", "", id="no signature"),
        pytest.param("{head}..{signature}", "", id="no payload"),
        pytest.param(".{payload}.{signature}", "", id="no header"),
        pytest.param("{head}.{payload}.{signature} ", "", id="a blank at the end"),
        pytest.param("{head}.{payload}.{signature}\t", "", id="a tab at the end"),
        pytest.param("{head}.{payload}.{signature}\n", "loose-base64", id="a newline at the end"),
        pytest.param("{head}.\r\n{payload}.{signature}", "loose-base64", id="a line break in the payload"),
        pytest.param("{head}\n.{payload}.{signature}", "loose-base64", id="a line break in the header"),
        pytest.param("{head}.{payload}.{signature}==", "", id="padding"),
        pytest.param("{head}.{payload}.{other_bits}", "loose-base64", id="unused bits set"),
        pytest.param("{head}.{payload}.{start}+/+/", "", id="plus and slash"),
        pytest.param("{head}.{payload}.{start}abcé", "", id="not ASCII"),
        pytest.param("{head}.{payload}.\ud800", "", id="half of a surrogate pair"),
        pytest.param("{head}.{payload}.{signature}\0", "", id="NUL"),
        pytest.param('"{head}.{payload}.{signature}"', "", id="in quotes"),
    ],
)
def test_text_that_is_no_jwt_is_refused_and_named_when_others_take_it(
    good: Jwt[User], spelling: str, rule: str
) -> None:
    head, payload, signature = good.text.split(".")
    other_bits = signature[:-1] + chr(ord(signature[-1]) + 1)
    text = spelling.format(
        head=head, payload=payload, signature=signature, start=signature[:-4], other_bits=other_bits
    )
    with pytest.raises((BadJwt, BadSignature)) as caught:
        read_strict(text)
    assert caught.value.rule == rule
    if "." not in spelling.partition("{head}")[2].partition(".")[0] and "\n" in spelling.rpartition(".")[0]:
        with pytest.raises(BadSignature):  # a line break in what is signed, where none was signed
            read(text)
    else:
        require_tolerated(text, rule)


def test_bytes_are_no_jwt(good: Jwt[User]) -> None:
    with pytest.raises(BadJwt, match="a jwt is text, these are bytes"):
        read(good.text.encode())


def test_a_text_over_a_mebibyte_is_not_looked_at() -> None:
    with pytest.raises(BadJwt, match="the jwt has 1048577 characters, at most 1048576 are read"):
        read("a" * (MAX_SIZE + 1))
    with pytest.raises(BadJwt, match="a jwt has three parts"):
        read("a" * MAX_SIZE)


@pytest.mark.parametrize("part", [1, 2], ids=["payload", "signature"])
def test_a_changed_jwt_is_refused(good: Jwt[User], part: int) -> None:
    parts = good.text.split(".")
    middle = parts[part][30]
    parts[part] = parts[part][:30] + ("A" if middle != "A" else "B") + parts[part][31:]
    with pytest.raises((BadJwt, BadSignature)):
        read(".".join(parts))


def test_the_signature_of_another_jwt_is_refused(good: Jwt[User], craft: Craft) -> None:
    other = craft(typed("user"))
    with pytest.raises(BadSignature):
        read(good.text.rpartition(".")[0] + "." + other.rpartition(".")[2])


def test_a_jwt_signed_by_another_key_than_it_names_is_refused(
    craft: Craft, keys: dict[Role, SoftwareKey]
) -> None:
    with pytest.raises(BadSignature, match=f"not by {keys[Role.ACCOUNT].public_key}"):
        read(craft(typed("user") | {"iss": str(keys[Role.ACCOUNT].public_key)}, Role.OPERATOR))


@pytest.mark.parametrize(
    ("header", "rule"),
    [
        (b'{"typ":"jwt","alg":"ed25519-nkey"}', "header-spelling"),
        (b'{"typ":"JWT","alg":"Ed25519-NKEY"}', "header-spelling"),
        (b'{"alg":"ed25519-nkey","typ":"JWT"}', "header-spelling"),
        (b'{"typ": "JWT","alg":"ed25519-nkey"}', "header-spelling"),
        (b'{"typ":"JWT","alg":"ed25519-nkey","kid":"x"}', "header-spelling"),
        (b'{"typ":"jwt","alg":"ed25519"}', "header-spelling"),
        (b'{"typ":"JWT","alg":"none","alg":"ed25519-nkey"}', "duplicate-name"),
        (b'{"typ":"JWS","alg":"ed25519-nkey"}', ""),
        (b'{"typ":5,"alg":[]}', ""),
        (b"[]", ""),
        (b"null", ""),
        (b"{", ""),
        (b"", ""),
        (b'{"typ":"JWT","alg":"\xff"}', "not-utf8"),
    ],
)
def test_there_is_one_spelling_of_the_header(
    craft: Craft, header: bytes, rule: str, request: pytest.FixtureRequest
) -> None:
    with pytest.raises(BadJwt) as caught:
        read_strict(craft(typed("user"), header=header))
    assert caught.value.rule == rule
    require_tolerated(craft(typed("user"), header=header), rule, request.node.callspec.id)


@pytest.mark.parametrize(
    ("payload", "path", "rule"),
    [
        pytest.param(b"", "", "", id="nothing"),
        pytest.param(b"null", "", "", id="null"),
        pytest.param(b"[]", "", "", id="a list"),
        pytest.param(b'"x"', "", "", id="text"),
        pytest.param(b"{}", "iss", "loose-base32", id="an empty object"),
        pytest.param(typed("user") | {"iss": ""}, "iss", "loose-base32", id="no issuer"),
        pytest.param(typed("user") | {"iss": 5}, "iss", "", id="a number as issuer"),
        pytest.param(
            typed("user") | {"iss": "A" * 55 + "B"}, "iss", "", id="an issuer with a wrong checksum"
        ),
        pytest.param(typed("user") | {"sub": 5}, "sub", "", id="a number as subject"),
        pytest.param(typed("user") | {"exp": 1.5}, "exp", "", id="half a second"),
        pytest.param(typed("user") | {"exp": 2**63}, "exp", "", id="a time beyond 64 bits"),
        pytest.param(typed("user") | {"aud": ["a"]}, "aud", "", id="a list as audience"),
        pytest.param(typed("user") | {"aud": None}, "aud", "null", id="null as audience"),
        pytest.param(typed("user") | {"SUB": "x"}, "SUB", "folded-name", id="a name in upper case"),
        pytest.param(typed("user") | {"type": ""}, "type", "empty-type", id="an empty top-level type"),
        pytest.param(typed("user") | {"type": None}, "type", "null", id="null as top-level type"),
        pytest.param(typed("user") | {"type": 5}, "type", "", id="a number as top-level type"),
        pytest.param({"NATS": {"a": 1}}, "NATS", "folded-name", id="NATS for nats"),
        pytest.param({"nats": {"a": 1}, "Type": "user"}, "Type", "folded-name", id="Type at the top level"),
        pytest.param({"nats": None}, "nats", "null", id="nats null"),
        pytest.param({"nats": []}, "nats", "", id="nats a list"),
        pytest.param({"nats": {"type": "cluster", "version": 2}}, "nats.type", "", id="cluster claims"),
        pytest.param({"nats": {"type": "server", "version": 2}}, "nats.type", "", id="server claims"),
        pytest.param({"nats": {"TYPE": "user"}}, "nats.TYPE", "folded-name", id="TYPE for type"),
        pytest.param({"nats": {"type": "user"}}, "nats.version", "", id="no version"),
        pytest.param({"nats": {"type": "user", "version": 0}}, "nats.version", "", id="version 0"),
        pytest.param({"nats": {"type": "user", "version": -1}}, "nats.version", "", id="version -1"),
        pytest.param({"nats": {"type": "user", "version": 3}}, "nats.version", "", id="version 3"),
        pytest.param({"nats": {"type": "user", "version": "2"}}, "nats.version", "", id="version as text"),
        pytest.param({"nats": {"type": "user", "version": 2.0}}, "nats.version", "", id="version 2.0"),
        pytest.param({"nats": {"type": "user", "version": True}}, "nats.version", "", id="version true"),
        pytest.param({"nats": {"type": "user", "version": None}}, "nats.version", "null", id="version null"),
        pytest.param(
            {"nats": {"type": "user", "version": 1}},
            "nats.version",
            "empty-type",
            id="version 1 without a type",
        ),
        pytest.param({"nats": V2 | {"Version": 2}}, "nats.Version", "folded-name", id="Version for version"),
        pytest.param(typed("user", tags="a"), "nats.tags", "", id="tags as text"),
        pytest.param(typed("user", tags=[None]), "nats.tags[0]", "null", id="null in a list"),
        pytest.param(typed("user", src=5), "nats.src", "", id="src a number"),
        pytest.param(typed("user", src=[5]), "nats.src[0]", "", id="src with a number"),
        pytest.param(typed("user", bearer_token=1), "nats.bearer_token", "", id="1 for true"),
        pytest.param(typed("user", resp={"ttl": "5s"}), "nats.resp.ttl", "", id="a span of time as text"),
        pytest.param(typed("activation", kind="bogus"), "nats.kind", "", id="an unknown kind"),
        pytest.param(typed("activation", kind=""), "nats.kind", "", id="an empty kind"),
        pytest.param(
            typed("account", exports=[{"type": ""}]), "nats.exports[0].type", "", id="an empty type"
        ),
        pytest.param(
            typed("account", exports=[{"service_latency": {"sampling": False}}]),
            "nats.exports[0].service_latency.sampling",
            "",
            id="false for a sampling",
        ),
        pytest.param(
            typed("account", mappings={"a": [{"weight": 256}]}),
            "nats.mappings.a[0].weight",
            "",
            id="weight 256",
        ),
        pytest.param(typed("account", mappings={"a": None}), "nats.mappings.a", "null", id="null in a map"),
        pytest.param(typed("account", signing_keys={}), "nats.signing_keys", "", id="signing keys an object"),
        pytest.param(
            typed("account", signing_keys=[{"key": "k"}]),
            "nats.signing_keys[0].kind",
            "",
            id="a scope of no kind",
        ),
        pytest.param(
            typed("account", signing_keys=[{"kind": "user_scope", "template": {"subs": 2**63 - 1}}]),
            "nats.signing_keys[0].template.subs",
            "",
            id="a limit of a scope beyond 64 bits after float64",
        ),
        pytest.param(
            typed("account", signing_keys=[{"kind": "user_scope", "template": {"resp": {"max": 2**63 - 1}}}]),
            "nats.signing_keys[0].template.resp.max",
            "",
            id="answers of a scope beyond 64 bits after float64",
        ),
        pytest.param(
            typed("account", signing_keys=[{"kind": "user_scope", "template": {"subs": 1.5}}]),
            "nats.signing_keys[0].template.subs",
            "",
            id="half a limit of a scope",
        ),
        pytest.param(
            b'{"nats":{"signing_keys":[1e400],"type":"account","version":2}}',
            "nats.signing_keys[0]",
            "",
            id="a number beyond float64 that is dropped",
        ),
        pytest.param(
            b'{"nats":{"signing_keys":[{"kind":"user_scope","x":1e400}],"type":"account","version":2}}',
            "nats.signing_keys[0].x",
            "",
            id="a number beyond float64 in an unknown member",
        ),
        pytest.param(
            b'{"nats":{"client_info":{"id":-0},"type":"authorization_request","version":2}}',
            "nats.client_info.id",
            "",
            id="minus zero without sign",
        ),
        pytest.param({"nats": {"a": 1}, "version": "x"}, "version", "", id="generic: top-level version text"),
        pytest.param({"nats": {"a": 1}, "tags": "x"}, "tags", "", id="generic: top-level tags text"),
        pytest.param({"nats": {"a": 1}, "TAGS": ["x"]}, "TAGS", "folded-name", id="generic: top-level TAGS"),
        pytest.param(b'{"nats":{"a":1e400}}', "nats.a", "", id="generic: a number beyond float64"),
        pytest.param(b'{"nats":{"a":1},"nats":{"b":1}}', "nats", "duplicate-name", id="nats twice"),
        pytest.param(b'{"nats":{"a":"\\ud800"}}', "nats.a", "not-utf8", id="half of a surrogate pair"),
        pytest.param(b'{"nats":' + b'{"a":' * 200 + b"1" + b"}" * 201, "", "too-deep", id="201 levels"),
    ],
)
def test_a_payload_that_is_refused_is_reported_with_path_and_rule(
    craft: Craft, payload: bytes | dict[str, Any], path: str, rule: str, request: pytest.FixtureRequest
) -> None:
    with pytest.raises(BadJwt) as caught:
        read_strict(craft(payload))
    assert (caught.value.path, caught.value.rule) == (path, rule)
    require_tolerated(craft(payload), rule, request.node.callspec.id)


@pytest.mark.parametrize(
    ("kind", "issuers"),
    [
        ("operator", {Role.OPERATOR}),
        ("account", {Role.OPERATOR, Role.ACCOUNT}),
        ("user", {Role.ACCOUNT}),
        ("activation", {Role.OPERATOR, Role.ACCOUNT}),
        ("authorization_request", {Role.SERVER}),
        ("authorization_response", {Role.ACCOUNT}),
        ("custom", {Role.OPERATOR, Role.ACCOUNT, Role.USER, Role.SERVER, Role.CLUSTER}),
    ],
)
def test_only_the_right_roles_are_believed_as_issuers(craft: Craft, kind: str, issuers: set[Role]) -> None:
    for role in set(Role) - {Role.CURVE}:
        text = craft(typed(kind), role)
        if role in issuers:
            assert read(text).issuer.role is role
        else:
            with pytest.raises(BadJwt, match=f"key cannot issue {kind} claims") as caught:
                read(text)
            assert caught.value.path == "iss"


@pytest.mark.parametrize(
    ("payload", "body"),
    [
        pytest.param(
            {"nats": {"version": 2, "type": "user", "subs": 0, "pub": {}, "tags": []}},
            User(),
            id="another order",
        ),
        pytest.param(
            b' {"nats" : {"type":"\\u0075ser", "version":2, "subs":-0} }\n', User(), id="blanks and escapes"
        ),
        pytest.param(typed("user", src="A, a ,B,,b"), User(src=("a", "b")), id="src as text"),
        pytest.param(typed("user", src=""), User(), id="src as empty text"),
        pytest.param(
            typed("user", src="\u0130\x1c, \u00a0\u0391\u03a3\u2003"),
            User(src=("i\x1c", "\u03b1\u03c3")),
            id="src as Go lowers it",
        ),
        pytest.param(typed("user", src=[" A ", "A"]), User(src=(" A ", "A")), id="src as list"),
        pytest.param(
            typed("account", signing_keys=["b", 5, True, ["x"], "a"]),
            Account(signing_keys=("b", "a")),
            id="signing keys of other types are dropped",
        ),
        pytest.param(
            b'{"nats":{"signing_keys":[{"kind":"user_scope","key":"k","template":{"subs":5.0,"data":1e3,'
            b'"resp":{"max":-0,"ttl":2E0}}}],"type":"account","version":2}}',
            Account(
                signing_keys=(
                    Scope(
                        key="k",
                        template=Template(subs=5, data=1000, resp={"max": 0, "ttl": 2}),  # type: ignore[arg-type]  # compared below
                    ),
                )
            ),
            id="numbers of a scope with fraction or exponent",
        ),
        pytest.param(
            typed("account", mappings={"a": [{}, {"subject": "b", "weight": 255}], "b": []}),
            Account(mappings={"a": (WeightedMapping(), WeightedMapping(subject="b", weight=255)), "b": ()}),
            id="mappings",
        ),
        pytest.param(typed("activation", kind="service"), Activation(import_type="service"), id="activation"),
        pytest.param({"nats": {"a": 1}}, Generic(data={"a": 1.0}), id="generic without type"),
        pytest.param({}, Generic(), id="generic without a body"),
        pytest.param({"nats": {}}, Generic(data={}), id="generic with an empty body"),
        pytest.param(
            {"nats": {"type": 5, "version": "x"}},
            Generic(data={"type": 5.0, "version": "x"}),
            id="type a number",
        ),
        pytest.param(
            {"nats": {"type": ["user"], "TYPE": ["user"]}},
            Generic(data={"type": ["user"], "TYPE": ["user"]}),
            id="type a list",
        ),
        pytest.param(
            {"nats": {"type": "User"}}, Generic(data={"type": "User"}), id="a kind in other letters"
        ),
        pytest.param(
            {"nats": {"type": None, "n": None}}, Generic(data={"type": None, "n": None}), id="null in generic"
        ),
    ],
)
def test_what_go_reads_is_read_with_its_meaning(
    craft: Craft, payload: bytes | dict[str, Any], body: object, keys: dict[Role, SoftwareKey]
) -> None:
    if isinstance(payload, bytes):
        payload = payload.replace(b"{", b'{"iss":"%s",' % str(keys[Role.ACCOUNT].public_key).encode(), 1)
    jwt = read(craft(payload))
    assert json.loads(json.dumps(_plain(jwt.claims.body))) == json.loads(json.dumps(_plain(body)))
    assert type(jwt.claims.body) is type(body)
    assert jwt.claims.version == 2


def _plain(body: object) -> Any:  # noqa: ANN401 - JSON
    import msgspec

    return msgspec.to_builtins(body)


@pytest.mark.parametrize("sampling", [0, "headers", "HEADERS"])
def test_a_sampling_of_zero_or_any_spelling_of_headers_is_headers(craft: Craft, sampling: object) -> None:
    text = craft(typed("account", exports=[{"service_latency": {"sampling": sampling, "results": "r"}}]))
    assert read(text).claims.body.exports[0].service_latency.sampling == "headers"


def test_a_canonical_sampling_of_zero_is_headers_too(craft: Craft, keys: dict[Role, SoftwareKey]) -> None:
    text = (
        f'{{"iss":"{keys[Role.ACCOUNT].public_key}","nats":{{"exports":[{{"service_latency":{{"sampling":0,'
        '"results":""}}],"limits":{},"default_permissions":{"pub":{},"sub":{}},"authorization":{},'
        '"type":"account","version":2}}'
    )
    assert read(craft(text)).claims.body.exports[0].service_latency.sampling == "headers"


@pytest.mark.parametrize(
    ("member", "told"),
    [
        (SCOPE, "9223372036854776000 is not between"),
        (
            '"exports":[{"account_token_position":18446744073709551616}]',
            "18446744073709551616 is not between 0 and",
        ),
    ],
    ids=["a limit of a scope", "a number without sign"],
)
def test_canonical_bytes_beyond_what_go_reads_are_refused(
    craft: Craft, keys: dict[Role, SoftwareKey], member: str, told: str
) -> None:
    before, after = (f"{member},", "") if member.startswith('"exports') else ("", f"{member},")
    text = (
        f'{{"iss":"{keys[Role.ACCOUNT].public_key}","nats":{{{before}"limits":{{}},{after}'
        '"default_permissions":{"pub":{},"sub":{}},"authorization":{},"type":"account","version":2}}'
    )
    with pytest.raises(BadJwt, match=told):
        read(craft(text))


@pytest.mark.parametrize("number", [2**63 - 1, -(2**63)])
def test_canonical_answers_of_a_scope_are_read_through_float64_too(
    craft: Craft, keys: dict[Role, SoftwareKey], number: int
) -> None:
    text = (
        f'{{"iss":"{keys[Role.ACCOUNT].public_key}","nats":{{"limits":{{}},"signing_keys":[{{"kind":"user_scope",'
        f'"key":"","role":"","template":{{"pub":{{}},"sub":{{}},"resp":{{"max":{number},"ttl":0}}}},'
        '"description":""}],"default_permissions":{"pub":{},"sub":{}},"authorization":{},'
        '"type":"account","version":2}}'
    )
    with pytest.raises(BadJwt) as caught:
        read(craft(text))
    assert caught.value.path == "nats.signing_keys[0].template.resp.max"


def test_a_canonical_client_id_beyond_64_bits_is_refused(craft: Craft, keys: dict[Role, SoftwareKey]) -> None:
    text = (
        f'{{"iss":"{keys[Role.SERVER].public_key}","nats":{{"server_id":{{"name":"","host":"","id":""}},'
        '"user_nkey":"","client_info":{"id":18446744073709551616},"connect_opts":{"protocol":0},'
        '"type":"authorization_request","version":2}}'
    )
    with pytest.raises(BadJwt) as caught:
        read(craft(text, Role.SERVER))
    assert caught.value.path == "nats.client_info.id"


def test_a_jwt_of_a_newer_library_is_reported_as_such(craft: Craft) -> None:
    with pytest.raises(BadJwt, match="the jwt has version 3, made by a newer library") as caught:
        read(craft({"nats": {"type": "user", "version": 3}}))
    assert caught.value.hint == "update seedless"


def test_unknown_members_are_reported_and_not_in_the_claims(craft: Craft) -> None:
    jwt = read(craft(typed("user", more=1, pub={"allow": ["a"], "x": {}}) | {"extra": [1.50]}))
    assert jwt.claims.body == User(pub=Permission(allow=("a",)))
    assert set(jwt.unknown) == {
        Unknown("extra", "[1.5]"),
        Unknown("nats.more", "1"),
        Unknown("nats.pub.x", "{}"),
    }


@pytest.mark.parametrize("sub", [SUB, "junk", ""])
def test_the_subject_is_not_judged(craft: Craft, sub: str) -> None:
    assert read(craft(typed("user") | {"sub": sub})).claims.sub == sub


def test_neither_times_nor_the_id_are_judged(craft: Craft) -> None:
    jwt = read(craft(typed("user") | {"exp": 1, "nbf": 2**62, "iat": -5, "jti": "wrong"}))
    assert (jwt.claims.exp, jwt.claims.nbf, jwt.issued_at, jwt.id) == (1, 2**62, -5, "wrong")


def test_tiered_and_flat_limits_are_both_kept_and_servers_drop_the_flat_ones(craft: Craft) -> None:
    limits = {
        "conn": 5,
        "mem_storage": 7,
        "max_bytes_required": True,
        "tiered_limits": {"R1": {"streams": 1}},
    }
    body = read(craft(typed("account", limits=limits))).claims.body
    assert (body.limits.mem_storage, body.limits.tiered_limits["R1"].streams) == (7, 1)
    assert effective(body).limits == Limits(conn=5, tiered_limits=body.limits.tiered_limits)


def test_in_a_template_absent_and_zero_stay_apart(craft: Craft) -> None:
    scopes = [{"kind": "user_scope", "key": "k", "template": {"subs": 0, "payload": 2**53 + 1}}]
    body = read(craft(typed("account", signing_keys=scopes))).claims.body
    template = body.signing_keys[0].template
    assert (template.subs, template.payload) == (0, 2**53 + 1)
    meant = effective(body).signing_keys[0].template
    assert (meant.subs, meant.data, meant.payload) == (0, -1, 2**53)


@pytest.mark.parametrize(
    ("payload", "body"),
    [
        pytest.param(
            {"type": "operator", "tags": ["t"], "nats": {"signing_keys": ["O"]}},
            Operator(signing_keys=("O",), tags=("t",)),
            id="operator",
        ),
        pytest.param({"type": "operator"}, Operator(), id="operator without a body"),
        pytest.param(
            {"type": "account", "nats": {"limits": {"conn": 1, "mem_storage": 5}, "description": "x"}},
            Account(limits=Limits(conn=1)),
            id="account",
        ),
        pytest.param(
            {"type": "user", "issuer_account": "A", "nats": {"subs": 5, "max": 7, "src": "10.0.0.0/8, ::/0"}},
            User(subs=5, data=-1, payload=-1, src=("10.0.0.0/8", "::/0"), issuer_account="A"),
            id="user",
        ),
        pytest.param(
            {
                "type": "activation",
                "issuer_account": "A",
                "nats": {"subject": "a", "type": "stream", "max": 5},
            },
            Activation(subject="a", import_type="stream", issuer_account="A"),
            id="activation",
        ),
        pytest.param(
            {"type": "custom", "tags": ["t"], "nats": {"a": 1}},
            Generic(data={"a": 1.0, "type": "custom", "tags": ["t"]}),
            id="generic",
        ),
        pytest.param({"type": "custom"}, Generic(), id="generic without a body"),
        pytest.param(
            {"type": "custom", "tags": [5], "nats": {}},
            Generic(data={"type": "custom"}),
            id="generic, odd tags",
        ),
    ],
)
def test_version_1_is_read_as_it_is_migrated_and_marked(
    craft: Craft, keys: dict[Role, SoftwareKey], payload: dict[str, Any], body: object
) -> None:
    role = Role.OPERATOR if payload["type"] == "operator" else Role.ACCOUNT
    jwt = read(craft(payload, role, version=1))
    assert jwt.claims.body == body
    assert jwt.claims.version == 1
    with pytest.raises(SeedlessError, match="can be read and not signed"):
        draft(jwt.claims, keys[role].public_key, 5)


def test_what_version_2_has_no_place_for_is_reported(craft: Craft) -> None:
    jwt = read(
        craft({"type": "user", "nats": {"max": 1, "bearer_token": True, "proxy_required": 5}}, version=1)
    )
    assert jwt.unknown == (Unknown("nats.proxy_required", "5"),)


@pytest.mark.parametrize(
    ("payload", "path", "rule"),
    [
        ({"type": "cluster", "nats": {}}, "type", ""),
        ({"type": "server", "nats": {}}, "type", ""),
        ({"type": "user", "nats": None}, "nats", "null"),
        ({"type": "custom", "nats": None}, "nats", "null"),
        ({"type": "user", "nats": []}, "nats", ""),
        ({"type": "user", "nats": {"tags": 5}}, "nats.tags", ""),
        ({"type": "user", "nats": {"type": 5}}, "nats.type", ""),
        ({"type": "custom", "nats": {"version": "x"}}, "nats.version", ""),
        ({"type": "user", "tags": "x", "nats": {}}, "tags", ""),
        ({"type": "operator", "issuer_account": 5, "nats": {}}, "issuer_account", ""),
        ({"type": "user", "ISSUER_ACCOUNT": "A", "nats": {}}, "ISSUER_ACCOUNT", "folded-name"),
        ({"type": "user", "nats": {"max": "5"}}, "nats.max", ""),
        ({"type": "user", "nats": {"Max": 5}}, "nats.Max", "folded-name"),
        ({"type": "user", "nats": {"SUBS": 5}}, "nats.SUBS", "folded-name"),
        ({"type": "activation", "nats": {"type": "bogus"}}, "nats.kind", ""),
        ({"type": "activation", "nats": {"payload": 1.5}}, "nats.payload", ""),
        ({"type": "activation", "nats": {"times": [{"start": 5}]}}, "nats.times[0].start", ""),
        ({"type": "account", "nats": {"signing_keys": [{"kind": "user_scope"}]}}, "nats.signing_keys[0]", ""),
        ({"type": "account", "nats": {"limits": {"CONN": 5}}}, "nats.limits.CONN", "folded-name"),
    ],
)
def test_version_1_that_go_refuses_or_that_is_spelled_oddly_is_refused(
    craft: Craft, payload: dict[str, Any], path: str, rule: str
) -> None:
    with pytest.raises(BadJwt) as caught:
        read_strict(craft(payload, version=1))
    assert (caught.value.path, caught.value.rule) == (path, rule)
    require_tolerated(craft(payload, version=1), rule)


def test_header_and_version_of_the_claims_have_to_agree(craft: Craft) -> None:
    old = {"type": "user", "nats": {}}
    header = b'{"typ":"JWT","alg":"ed25519-nkey"}'
    with pytest.raises(BadJwt) as caught:
        read_strict(craft(old, version=1, header=header))
    assert caught.value.rule == "v1-under-v2-header"
    require_tolerated(craft(old, version=1, header=header), "v1-under-v2-header")
    with pytest.raises(BadJwt) as caught:
        read_strict(craft(typed("user"), version=1))
    assert caught.value.rule == "header-spelling"
    with pytest.raises(BadSignature):  # the claims are of version 2, and so the header has to be signed
        read(craft(typed("user"), version=1))
    old_header = craft(typed("user"), header=b'{"typ":"jwt","alg":"ed25519"}')
    require_tolerated(old_header, "header-spelling")


def test_version_1_signs_the_payload_alone(craft: Craft) -> None:
    head, payload, _ = craft({"type": "user", "nats": {}}, version=1).split(".")
    signature = craft({"type": "user", "nats": {}}, version=2, header=b'{"typ":"jwt","alg":"ed25519"}').split(
        "."
    )[2]
    with pytest.raises(BadSignature):
        read(f"{head}.{payload}.{signature}")


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param({"nats": {"type": "authorization_request"}}, id="no version"),
        pytest.param({"nats": {"type": "authorization_request", "version": 1}}, id="version 1"),
        pytest.param({"nats": {"type": "authorization_request", "version": -7}}, id="version -7"),
        pytest.param({"type": "authorization_request", "nats": {}}, id="a top-level type"),
        pytest.param({"type": "authorization_request"}, id="a top-level type without a body"),
    ],
)
def test_a_callout_without_version_2_is_read_over_the_payload_and_marked(
    craft: Craft, payload: dict[str, Any]
) -> None:
    jwt = read(craft(payload, Role.SERVER, version=1))
    assert (jwt.claims.body, jwt.claims.version) == (AuthorizationRequest(), 1)


def test_the_payload_of_a_jwt_is_what_was_signed(good: Jwt[User]) -> None:
    part = good.text.split(".")[1]
    assert payload_of(good) == base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    assert json.loads(payload_of(good))["name"] == "u"
