from __future__ import annotations

import contextlib
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seedless import wire
from seedless.claims.codec import KINDS, Payload, decode_canonical, encode
from seedless.claims.decoding import decode as decode_slowly
from seedless.errors import BadClaims, BadKey, SeedlessError
from seedless.jwt import Claims, claims_from_json, draft, read
from seedless.nkey import PublicKey, Role, pack, unpack
from seedless.seeds import SoftwareKey

Strategies = Any  # tests/properties/conftest.py: Strategies
ALL = [*KINDS, "generic"]
SUBJECTS = {"operator": Role.OPERATOR, "account": Role.ACCOUNT, "user": Role.USER, "activation": Role.ACCOUNT}
ISSUERS = {"operator": Role.OPERATOR, "account": Role.OPERATOR, "authorization_request": Role.SERVER}
HEADER = "eyJ0eXAiOiJKV1QiLCJhbGciOiJlZDI1NTE5LW5rZXkifQ"


@pytest.mark.parametrize("kind", ALL)
@settings(max_examples=60)
@given(data=st.data())
def test_what_is_drafted_and_signed_reads_back_as_the_same_claims(
    kind: str, strategies: Strategies, data: st.DataObject
) -> None:
    subject = strategies.keys[SUBJECTS.get(kind, Role.USER)]
    issuer = strategies.keys[ISSUERS.get(kind, Role.ACCOUNT)]
    registered = {name: data.draw(strategies.text) for name in ("name", "aud")}
    times = {name: data.draw(strategies.int64) for name in ("exp", "nbf")}
    body = data.draw(strategies.bodies[kind])
    claims: Claims[Any] = Claims(sub=str(subject.public_key), body=body, **registered, **times)

    made = draft(claims, issuer.public_key, data.draw(st.integers(1, 2**40)))
    jwt = made.complete(issuer.sign(made.signing_input))

    assert read(jwt.text) == jwt
    assert jwt.claims.name == claims.name
    assert (jwt.claims.exp, jwt.claims.nbf) == (claims.exp, claims.nbf)
    assert draft(jwt.claims, jwt.issuer, jwt.issued_at).payload == made.payload
    assert _told(jwt.claims.body) == _told(body)


def _told(body: Any) -> object:  # noqa: ANN401 - any body
    """Return *body* without what a draft changes: order of lists, keys that stand twice, the version."""
    plain: Any = msgspec.to_builtins(body)
    if body.kind == "generic":
        return None if plain.get("data") is None else json.loads(json.dumps(plain["data"] | {"version": 2.0}))
    if body.kind == "account":
        plain |= {name: sorted(map(_subject, plain.get(name, ()))) for name in ("imports", "exports")}
        keys = {key if isinstance(key, str) else key["key"] for key in plain.get("signing_keys", ())}
        plain["signing_keys"] = sorted(keys)
    return plain


def _subject(item: dict[str, Any]) -> str:
    return json.dumps({"subject": item.get("subject", "")} | item, sort_keys=True)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=60)
@given(data=st.data())
def test_decoding_what_was_encoded_gives_the_same_both_ways(
    kind: str, strategies: Strategies, data: st.DataObject
) -> None:
    payload: Payload[Any] = Payload(
        sub=data.draw(strategies.text),
        exp=data.draw(strategies.int64),
        name=data.draw(strategies.text),
        nats=data.draw(strategies.bodies[kind]),
    )
    encoded = encode(payload)
    fast = decode_canonical(encoded)
    assert fast is not None
    assert fast.payload == payload
    assert decode_slowly(encoded) == fast


@pytest.mark.parametrize("kind", ALL)
@settings(max_examples=40)
@given(data=st.data())
def test_a_payload_with_one_member_spoiled_is_read_or_refused_by_our_errors(
    kind: str, strategies: Strategies, data: st.DataObject
) -> None:
    payload: Payload[Any] = Payload(sub="s", nats=data.draw(strategies.bodies[kind]))
    value = json.loads(encode(payload))
    for _ in range(data.draw(st.integers(1, 3))):
        _spoil(value, data, strategies)
    text = json.dumps(value).encode()
    for action in (
        lambda: decode_slowly(text),
        lambda: claims_from_json(kind, text),
        lambda: claims_from_json(None, text),
    ):
        with contextlib.suppress(SeedlessError):
            action()


def _spoil(value: Any, data: st.DataObject, strategies: Strategies) -> None:  # noqa: ANN401 - JSON
    while True:
        places = list(value) if isinstance(value, dict) else list(range(len(value)))
        if not places:
            return
        place = data.draw(st.sampled_from(places))
        if isinstance(value[place], dict | list) and value[place] and data.draw(st.booleans()):
            value = value[place]
            continue
        value[place] = data.draw(strategies.json | st.integers())
        return


@settings(max_examples=200)
@given(
    st.text(max_size=80)
    | st.text("SOAUNCXP234567BDEFG=\n ", min_size=50, max_size=64)
    | st.binary(max_size=80)
    | st.builds(pack, st.binary(min_size=1, max_size=40))
)
def test_no_text_or_bytes_make_the_parsers_of_keys_raise_anything_else(text: str) -> None:
    for parse in (PublicKey.parse, SoftwareKey.parse):
        with contextlib.suppress(BadKey):
            found = parse(text)
            assert text == (str(found) if isinstance(found, PublicKey) else found.reveal())


@settings(max_examples=200)
@given(
    st.text(max_size=80)
    | st.binary(max_size=80)
    | st.lists(st.text("eyJ0-_=. \n\xe9", max_size=8), min_size=2, max_size=4).map(".".join)
    | st.text("abcXYZ019-_", max_size=40).map(lambda end: f"{HEADER}.{end}.{end}")
)
def test_no_text_or_bytes_make_reading_a_jwt_raise_anything_else(text: str) -> None:
    with pytest.raises(SeedlessError):
        read(text)


LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
MEMBERS = st.sampled_from(["sub", "nats", "type", "exp", "exports", "limits", "x", "signing_keys", "kind"])


def _nested(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return inner | st.lists(inner, max_size=3) | st.dictionaries(MEMBERS, inner, max_size=4)


@settings(max_examples=300)
@given(
    st.text(max_size=60)
    | st.binary(max_size=60)
    | st.text('{}[]":,\\u0dD8natsub1e-+. \n', max_size=40)
    | _nested(_nested(LEAVES)).map(json.dumps),
    st.sampled_from([*ALL, None, "cluster", ""]),
)
def test_no_text_or_bytes_make_reading_claims_raise_anything_else(
    data: str | bytes, kind: str | None
) -> None:
    with contextlib.suppress(BadClaims):
        assert isinstance(claims_from_json(kind, data), Claims)


@settings(max_examples=60)
@given(seed=st.binary(min_size=32, max_size=32), role=st.sampled_from(Role))
def test_keys_round_trip_as_text(seed: bytes, role: Role) -> None:
    key = SoftwareKey(role, seed)
    again = SoftwareKey.parse(key.reveal())
    assert (again.public_key, again.reveal_raw()) == (key.public_key, seed)
    assert PublicKey.parse(str(key.public_key)) == key.public_key


@given(st.binary(min_size=1, max_size=60))
def test_packing_round_trips(data: bytes) -> None:
    assert unpack(pack(data)) == (data[0], data[1:])


@settings(max_examples=300)
@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_float_is_written_as_the_shortest_decimal_in_one_of_two_forms(number: float) -> None:
    text = wire.go_number(number)
    assert float(text) == number
    assert text.startswith("-") == (str(number)[0] == "-")
    digits, _, power = text.lstrip("-").partition("e")
    if number == 0 or 1e-6 <= abs(number) < 1e21:
        assert not power
        assert not digits.startswith("0") or digits == "0" or digits.startswith("0.")
    else:
        assert power[0] in "+-"
        assert power[1] != "0"
        assert len(digits.partition(".")[0]) == 1
    assert not (("." in digits) and digits.endswith("0"))
    shortest = repr(abs(number)).partition("e")[0].replace(".", "").strip("0")
    assert digits.replace(".", "").strip("0") == shortest


@settings(max_examples=200)
@given(st.data())
def test_json_is_escaped_sorted_and_without_blanks(strategies: Strategies, data: st.DataObject) -> None:
    value = data.draw(strategies.json)
    written = wire.encode(wire.generic(value))
    text = written.decode()
    assert json.loads(text, parse_int=float) == json.loads(json.dumps(value), parse_int=float)
    assert not any(character in text for character in "<>&\u2028\u2029")
    assert text == _reference(value)


def _reference(value: Any) -> str:  # noqa: ANN401 - JSON
    """Write *value* by the rules, one by one, with nothing of ours."""
    if isinstance(value, dict):
        items = sorted(value.items(), key=lambda item: item[0].encode())
        return "{" + ",".join(f"{_reference(name)}:{_reference(item)}" for name, item in items) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_reference, value)) + "]"
    if isinstance(value, str):
        text = json.dumps(value, ensure_ascii=False)
        return "".join(f"\\u{ord(c):04x}" if c in "<>&\u2028\u2029" else c for c in text)
    if isinstance(value, float):
        return wire.go_number(value)
    return json.dumps(value)
