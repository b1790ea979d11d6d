"""Jwts in other spellings: read with the same claims, and written again in canonical bytes."""

from __future__ import annotations

import json
import random
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seedless import base64url
from seedless.claims.codec import KINDS
from seedless.errors import BadJwt, BadSignature
from seedless.jwt import Claims, draft, read, read_draft
from seedless.nkey import Role

Strategies = Any  # tests/properties/conftest.py: Strategies
SUBJECTS = {"operator": Role.OPERATOR, "account": Role.ACCOUNT, "user": Role.USER, "activation": Role.ACCOUNT}
ISSUERS = {"operator": Role.OPERATOR, "account": Role.OPERATOR, "authorization_request": Role.SERVER}
HEADERS = [
    '{"typ":"JWT","alg":"ed25519-nkey"}',
    '{"typ":"JWT", "alg":"ed25519-nkey"}',
    '{"alg":"ED25519","typ":"jwt"}',
]
BLANKS = ["", " ", "\t", "\r\n", "  "]
HALF = 0.5
NOT_NULL = {"kind", "type", "version"}  # the types of activations, and what says which claims these are
MALFORMED = ["1.0", "1e2", '"1"', "01", "9223372036854775808", "true", "[]", "{}", "+1", "0x1", "NaN", "1_0"]


class Speller:
    """Writes JSON as programs do that are not the official library."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)  # noqa: S311 - nothing secret

    def value(self, value: object) -> str:
        blank = self.chance.choice(BLANKS)
        if isinstance(value, dict):
            members = self.chance.sample(list(value.items()), len(value))
            inside = ",".join(f"{blank}{self.text(name)}{blank}:{self.value(item)}" for name, item in members)
            return f"{blank}{{{inside}{blank}}}"
        if isinstance(value, list):
            return f"[{blank}{','.join(map(self.value, value))}]{blank}"
        return self.text(value) if isinstance(value, str) else f"{blank}{json.dumps(value)}{blank}"

    def text(self, text: str) -> str:
        if text == "headers" or self.chance.random() < HALF:  # the library compares `headers` as it stands
            return json.dumps(text, ensure_ascii=False)
        units = text.encode("utf-16-be")
        return '"' + "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2)) + '"'


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=40)
@given(data=st.data())
def test_another_spelling_has_the_same_claims_and_is_written_canonically(
    kind: str, strategies: Strategies, data: st.DataObject
) -> None:
    issuer = strategies.keys[ISSUERS.get(kind, Role.ACCOUNT)]
    subject = str(strategies.keys[SUBJECTS.get(kind, Role.USER)].public_key)
    speller = Speller(data.draw(st.integers(0, 2**32)))
    name = data.draw(strategies.text)
    claims: Claims[Any] = Claims(sub=subject, name=name, body=data.draw(strategies.bodies[kind]))
    made = draft(claims, issuer.public_key, 1_700_000_000)
    payload = json.loads(made.payload)
    members = {field.encode_name for field in msgspec.structs.fields(claims.body)}
    nulls = members - {*payload["nats"], *NOT_NULL}
    payload["nats"] |= dict.fromkeys(name for name in sorted(nulls) if speller.chance.random() < HALF)
    head = base64url.encode(speller.chance.choice(HEADERS).encode())
    signed = f"{head}.{base64url.encode(speller.value(payload).encode())}"

    found = read(f"{signed}.{base64url.encode(issuer.sign(signed.encode()))}")

    again = read_draft(made.signing_input.decode()).claims
    assert found.claims == again
    assert found.unknown == ()
    assert draft(found.claims, issuer.public_key, found.issued_at).payload == made.payload


@pytest.mark.parametrize("number", MALFORMED)
@pytest.mark.parametrize("beside", ["", ',"aud":null', ',"NAME":"x"'], ids=["alone", "null", "folded"])
def test_what_the_official_library_refuses_stays_refused_beside_what_is_tolerated(
    strategies: Strategies, number: str, beside: str
) -> None:
    key = strategies.keys[Role.ACCOUNT]
    nats = '"nats":{"type":"user","version":2}'
    subject = strategies.keys[Role.USER].public_key
    text = f'{{"iss":"{key.public_key}","sub":"{subject}","iat":{number}{beside},{nats}}}'
    signed = f"{base64url.encode(HEADERS[1].encode())}.{base64url.encode(text.encode())}"
    with pytest.raises((BadJwt, BadSignature)):
        read(f"{signed}.{base64url.encode(key.sign(signed.encode()))}")
