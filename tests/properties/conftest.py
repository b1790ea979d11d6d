from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import msgspec
import pytest
from hypothesis import strategies as st
from msgspec import inspect

from seedless import claims
from seedless.nkey import Role
from seedless.seeds import SoftwareKey

# Characters that JSON, Go's HTML escaping or UTF-16 order treat apart are drawn more often.
_ODD = '<>&\u2028\u2029"\\/\0\x1f\x7f\n\ufeff\uff21\U0001f600é.*> '
_CHARACTERS = st.sampled_from(_ODD) | st.characters(exclude_categories=["Cs"])
TEXT = st.text(_CHARACTERS, max_size=8)
INT64 = st.integers(-(2**63), 2**63 - 1) | st.sampled_from([0, -1, 1, 2**63 - 1, -(2**63), 2**53 + 1])
UINT64 = st.integers(0, 2**64 - 1) | st.sampled_from([0, 2**64 - 1])
EXACT = st.integers(-(2**53), 2**53)  # what survives the way through float64 in a scope
TEXTS = st.lists(TEXT, max_size=3).map(tuple)
IMPORT_TYPE = st.sampled_from(["", "stream", "service"])
LEAF = st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | TEXT
# By hand, since `st.recursive` counts leaves across draws and was seen to end in FlakyStrategyDefinition.
NESTED = LEAF | st.lists(LEAF, max_size=3) | st.dictionaries(TEXT, LEAF, max_size=3)
JSON = NESTED | st.lists(NESTED, max_size=3) | st.dictionaries(TEXT, NESTED, max_size=3)


def _by_type(kind: Any) -> st.SearchStrategy[Any]:  # noqa: ANN401, PLR0911 - a case for each type of msgspec
    match kind:
        case inspect.StructType():
            return parts(kind.cls)
        case inspect.VarTupleType():
            return st.lists(_by_type(kind.item_type), max_size=3).map(tuple)
        case inspect.DictType():
            return st.dictionaries(TEXT, _by_type(kind.value_type), max_size=3)
        case inspect.UnionType():
            return st.one_of(*(_by_type(choice) for choice in kind.types))
        case inspect.LiteralType():
            return st.sampled_from(kind.values)
        case inspect.IntType():
            return UINT64 if kind.le is None else INT64 if kind.le > 255 else st.integers(0, 255)
        case _:
            return _PLAIN[type(kind)]


_PLAIN = {inspect.NoneType: st.none(), inspect.BoolType: st.booleans(), inspect.StrType: TEXT}


def parts(cls: type[Any]) -> st.SearchStrategy[Any]:
    """Return a strategy for a part of claims: every member is drawn, or left at its default."""
    special = _SPECIAL.get(cls, {})
    fields = cast("inspect.StructType", inspect.type_info(cls)).fields
    members = {f.name: special[f.name] if f.name in special else _by_type(f.type) for f in fields}
    return st.fixed_dictionaries({}, optional=members).map(lambda drawn: cls(**drawn))


_LIMIT = st.just(msgspec.UNSET) | EXACT
_TEMPLATE = {
    "resp": st.none() | st.builds(claims.ResponsePermission, max=EXACT, ttl=EXACT),
    "subs": _LIMIT,
    "data": _LIMIT,
    "payload": _LIMIT,
}
_NAME = TEXT.filter(lambda name: name.casefold() != "type")
_SPECIAL: dict[type[Any], dict[str, st.SearchStrategy[Any]]] = {
    claims.Operator: {"account_server_url": st.sampled_from(["", "nats://h:1", "https://h/a b?<&>"])},
    claims.ServiceLatency: {"sampling": st.just("headers") | st.integers(1, 100)},
    claims.Template: _TEMPLATE,
    claims.Generic: {"data": st.none() | st.dictionaries(_NAME, JSON)},
}
BODIES: dict[str, type[Any]] = {
    cls.kind: cls
    for cls in (
        claims.Operator,
        claims.Account,
        claims.User,
        claims.Activation,
        claims.AuthorizationRequest,
        claims.AuthorizationResponse,
        claims.Generic,
    )
}


@dataclass(frozen=True)
class Strategies:
    """What the property tests share: strategies, and a key of each role."""

    bodies: dict[str, st.SearchStrategy[Any]]
    keys: dict[Role, SoftwareKey]
    text: st.SearchStrategy[str]
    int64: st.SearchStrategy[int]
    json: st.SearchStrategy[Any]


@pytest.fixture(scope="session")
def strategies() -> Strategies:
    """Strategies for the bodies of claims of every kind."""
    return Strategies(
        {kind: parts(cls) for kind, cls in BODIES.items()},
        {role: SoftwareKey(role, bytes([number]) * 32) for number, role in enumerate(Role, start=1)},
        TEXT,
        INT64,
        JSON,
    )
