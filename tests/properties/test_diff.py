from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from seedless import wire
from seedless.claims.codec import KINDS, Payload, encode
from seedless.diff import diff
from seedless.diff.members import member
from seedless.jwt import Claims

Strategies = Any  # tests/properties/conftest.py: Strategies
ALL = [*KINDS, "generic"]


def claims(strategies: Strategies, kind: str, data: st.DataObject) -> Claims[Any]:
    text, number = strategies.text, strategies.int64
    body = data.draw(strategies.bodies[kind])
    return Claims(
        sub=data.draw(text), name=data.draw(text), aud=data.draw(text), exp=data.draw(number),
        nbf=data.draw(number), body=body,
    )  # fmt: skip


def written(held: Claims[Any]) -> bytes:
    """Return all that *held* says, as it would be signed."""
    registered = {name: getattr(held, name) for name in ("sub", "name", "aud", "exp", "nbf")}
    return encode(Payload(**registered, nats=held.body))


@pytest.mark.parametrize("kind", ALL)
@settings(max_examples=15)
@given(data=st.data())
def test_claims_do_not_differ_from_themselves(kind: str, strategies: Strategies, data: st.DataObject) -> None:
    held = claims(strategies, kind, data)
    assert diff(held, held) == ()
    assert diff(held, msgspec.structs.replace(held)) == ()


@pytest.mark.parametrize("kind", ALL)
@settings(max_examples=25)
@given(data=st.data())
def test_claims_that_would_be_signed_differently_differ_in_lines_that_can_be_printed(
    kind: str, strategies: Strategies, data: st.DataObject
) -> None:
    old, new = claims(strategies, kind, data), claims(strategies, kind, data)
    for one, other in ((old, new), (new, old), (None, new)):
        lines = [difference.line for difference in diff(one, other)]
        assert all(line.isprintable() for line in lines)
        assert bool(lines) or one is None or written(one) == written(other)


@pytest.mark.parametrize("kind", ALL)
@settings(max_examples=25)
@given(data=st.data())
def test_every_member_that_changes_is_covered_by_a_line(
    kind: str, strategies: Strategies, data: st.DataObject
) -> None:
    old, new = claims(strategies, kind, data), claims(strategies, kind, data)
    covered = [path for line in diff(old, new) for path in line.paths]
    was, now = (json.loads(written(held)) for held in (old, new))
    for side, path in ((was, ""), (now, ""), (was.get("nats", {}), "nats"), (now.get("nats", {}), "nats")):
        for name in sorted(side.keys() - {"nats"}):
            before, after = (held.get("nats", {}) if path else held for held in (was, now))
            if not _is_same(before.get(name), after.get(name)):
                assert any(one.startswith(member(path, name)) for one in covered), name


@pytest.mark.parametrize("kind", ["operator", "account", "user", "activation"])
@settings(max_examples=25)
@given(data=st.data())
def test_two_different_changes_of_the_same_claims_are_not_shown_alike(
    kind: str, strategies: Strategies, data: st.DataObject
) -> None:
    old, one = claims(strategies, kind, data), claims(strategies, kind, data)
    members = [name for name in one.body.__struct_fields__ if getattr(one.body, name)]
    assume(members)
    name = data.draw(st.sampled_from(members))
    default = getattr(type(one.body)(), name)
    other = msgspec.structs.replace(one, body=msgspec.structs.replace(one.body, **{name: default}))
    assume(written(one) != written(other))
    assert [line.line for line in diff(old, one)] != [line.line for line in diff(old, other)]


def _is_same(one: object, other: object) -> bool:
    return (one is None) == (other is None) and wire.encode(one) == wire.encode(other)
