from __future__ import annotations

import base64
import hashlib
from typing import Any

import pytest

from seedless.claims import (
    NO_LIMIT,
    Account,
    Activation,
    Generic,
    Operator,
    Scope,
    Template,
    User,
    hash_id,
    signing_key,
)
from seedless.claims.codec import KINDS, Payload, decode_canonical, encode, jti
from seedless.claims.decoding import decode as decode_slowly
from seedless.claims.effective import effective, effective_template, through_float
from seedless.errors import BadClaims


@pytest.mark.parametrize("kind", KINDS)
def test_both_ways_of_reading_give_the_same(kind: str) -> None:
    payload: Payload[Any] = Payload(sub="s", name="n", nats=KINDS[kind].new())
    data = encode(payload)
    fast = decode_canonical(data)
    assert fast is not None
    assert fast == decode_slowly(data)
    assert fast.payload == payload


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b'{"nats":{"a":1}}', id="generic"),
        pytest.param(b'{"sub":"s","nats":{"pub":{},"sub":{},"type":"user","version":1}}', id="version 1"),
        pytest.param(b'{"sub":"s","nats":{"sub":{},"pub":{},"type":"user","version":2}}', id="another order"),
        pytest.param(b'{"sub":"","nats":{"pub":{},"sub":{},"type":"user","version":2}}', id="empty"),
        pytest.param(b'{"sub":"s","x":1,"nats":{"pub":{},"sub":{},"type":"user","version":2}}', id="unknown"),
        pytest.param(
            b'{"sub":"s","sub":"s","nats":{"pub":{},"sub":{},"type":"user","version":2}}', id="twice"
        ),
        pytest.param(b'{"sub":"\xff","nats":{"pub":{},"sub":{},"type":"user","version":2}}', id="not UTF-8"),
        pytest.param(b'{"sub":"<","nats":{"pub":{},"sub":{},"type":"user","version":2}}', id="not escaped"),
        pytest.param(b'{"nats":{"pub":{},"sub":{},"subs":1.0,"type":"user","version":2}}', id="1.0"),
        pytest.param(
            b'{"exp":9223372036854775808,"nats":{"pub":{},"sub":{},"type":"user","version":2}}', id="2^63"
        ),
        pytest.param(b'{"nats":{"pub":{},"sub":{},"resp":null,"type":"user","version":2}}', id="null"),
        pytest.param(b' {"nats":{"pub":{},"sub":{},"type":"user","version":2}}', id="a blank"),
    ],
)
def test_bytes_that_are_not_what_we_would_write_take_the_slow_path(data: bytes) -> None:
    assert decode_canonical(data) is None


def test_the_id_is_base32_of_a_sha512_256_without_padding() -> None:
    # {"sub":"s"}, as Python's hashlib and base64 give it
    assert jti(Payload(sub="s", nats=User())) == "IFZPBACTLYLNILXT6Q7EIZUIVPCMXAYDRERGFTXGE44O4NRPOVHQ"
    assert jti(Payload(sub="s", jti="other", nats=Account())) == jti(Payload(sub="s", nats=User()))


@pytest.mark.parametrize(
    ("number", "read"),
    [
        (0, 0),
        (-1, -1),
        (2**53, 9007199254740992),
        (2**53 + 1, 9007199254740992),
        (-(2**53) - 1, -9007199254740992),
        (10**15 + 1, 1000000000000001),
        (2**62 + 1, 4611686018427388000),
        (2**63 - 1, 9223372036854776000),
    ],
)
def test_a_number_through_float64_is_its_shortest_decimal(number: int, read: int) -> None:
    assert through_float(number) == read


def test_servers_hold_signing_keys_once_and_sorted_with_limits_filled_in() -> None:
    body = Account(signing_keys=("b", Scope(key="a", template=Template(subs=0)), Scope(key="b"), "c"))
    assert effective(body).signing_keys == (
        Scope(key="a", template=Template(subs=0, data=NO_LIMIT, payload=NO_LIMIT)),
        Scope(key="b", template=Template.new()),
        "c",
    )
    assert effective_template(Template()) == Template.new()


def test_bodies_of_other_kinds_are_effective_as_they_are() -> None:
    for body in (User(), Operator(), Generic(data={})):
        assert effective(body) is body


def test_the_key_of_a_signing_key_is_known_with_and_without_scope() -> None:
    assert [signing_key("a"), signing_key(Scope(key="b"))] == ["a", "b"]


@pytest.mark.parametrize(
    ("subject", "covered"),
    [
        ("a.b", "a.b"), ("a.*", "a"), ("a.b.>", "a.b"), ("*", "_"), (">", "_"), ("*.a", "_"),
        ("a.*.b.>", "a"),
        ("a.b*", "a.b*"), (".*", ".*"), ("..>", "."), ("a.>b", "a.>b"),
    ],
)  # fmt: skip
def test_the_id_of_an_activation_covers_its_subject_up_to_a_wildcard(subject: str, covered: str) -> None:
    wanted = base64.b32encode(hashlib.sha256(f"I.S.{covered}".encode()).digest()).decode()
    assert hash_id("I", "S", subject) == wanted
    assert wanted.endswith("====")


@pytest.mark.parametrize("parts", [("", "S", "a"), ("I", "", "a"), ("I", "S", ""), ("I", "S", "\ud800")])
def test_an_activation_without_its_parts_has_no_id(parts: tuple[str, str, str]) -> None:
    with pytest.raises(BadClaims):
        hash_id(*parts)


def test_an_activation_names_the_kind_of_its_import() -> None:
    data = encode(Payload(sub="s", nats=Activation(import_type="stream")))
    assert data == b'{"sub":"s","nats":{"kind":"stream","type":"activation","version":2}}'
