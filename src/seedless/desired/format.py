"""What a desired-state file may say: a table of members, made from the claims themselves.

Members are called as in the claims, and are of the types that they have there; this table only says which
have a unit, which are named instead of listed, and what a file says beyond claims: names, keys, who issues.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from msgspec import inspect

from seedless.claims import Account, Export, Import, Operator, Scope, User
from seedless.claims.fields import ROWS, limit_rows
from seedless.desired import values
from seedless.desired.values import (
    COUNT,
    DURATION,
    FLAG,
    MOMENT,
    SAMPLING,
    SIZE,
    SPAN,
    TEXT,
    UNTIL,
    Value,
    key,
    number,
)
from seedless.nkey import Role

if TYPE_CHECKING:
    from collections.abc import Mapping

_UINT64_MAX = 2**64 - 1


@dataclass(frozen=True, slots=True)
class Many:
    """A list, which is a value: who says it says all of it."""

    item: Kind


@dataclass(frozen=True, slots=True)
class Part:
    """A table with these members; what it does not say is left as it stands.

    `required` are members that each one has. `optional`: it may be false, which means that there is none.
    """

    members: Mapping[str, Kind]
    required: tuple[str, ...] = ()
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Named:
    """A table of named things; those that it does not name are left as they stand, or pruned."""

    item: Kind
    what: str = "name"


@dataclass(frozen=True, slots=True)
class Entries:
    """A list of things that are told apart by the members of their `identity`; else as `Named`."""

    item: Part
    identity: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Anything:
    """What is held against the table later, once a template has its variables."""


Kind = Value | Many | Part | Named | Entries | Anything

_UNITS: dict[str, dict[str, Value]] = {  # by the name of the Struct
    **{
        struct: {member: SIZE if row.in_bytes else COUNT for member, row in limit_rows(rows).items()}
        for struct, rows in ROWS.items()
    },
    "ResponsePermission": {"ttl": DURATION},
    "Export": {"response_threshold": DURATION},
    "ServiceLatency": {"sampling": SAMPLING},
}
_HEAD: dict[str, Kind] = {"exp": UNTIL, "renew": SPAN, "nbf": MOMENT, "aud": TEXT}
_ISSUED: dict[str, Kind] = {"issuer": TEXT, **_HEAD}


def _members(struct: Any, *without: str) -> dict[str, Kind]:  # noqa: ANN401 - a Struct
    info = inspect.type_info(struct)
    assert isinstance(info, inspect.StructType)  # noqa: S101 - for the types
    units = _UNITS.get(struct.__name__, {})
    return {
        member.encode_name: units.get(member.encode_name) or _kind(member.type)
        for member in info.fields
        if member.encode_name not in without
    }


def _kind(info: inspect.Type) -> Kind:  # noqa: PLR0911 - one for each type
    match info:
        case inspect.StrType():
            return TEXT
        case inspect.BoolType():
            return FLAG
        case inspect.IntType(ge=low, le=high):
            return number(-(2**63) if low is None else int(low), _UINT64_MAX if high is None else int(high))
        case inspect.LiteralType(values=words):
            return values.choice(*(str(word) for word in words if word))
        case inspect.VarTupleType(item_type=item):
            return Many(_kind(item))
        case inspect.DictType(value_type=item):
            return Named(_kind(item))
        case inspect.StructType(cls=struct):
            return Part(_members(struct))
        case inspect.UnionType(types=types):
            return _union(types)
    raise TypeError(info)


def _union(types: tuple[inspect.Type, ...]) -> Kind:
    """Return what a member holds that may be absent too."""
    (there,) = (one for one in types if not isinstance(one, inspect.NoneType))
    kind = _kind(there)
    return Part(kind.members, optional=True) if isinstance(kind, Part) else kind


def _import() -> Part:
    return Part({"from": TEXT, **_members(Import), "account": key(Role.ACCOUNT)}, ("subject", "type"))


def _export() -> Part:
    return Part(
        {**_members(Export), "revocations": Named(MOMENT, "key of an account, or *")}, ("subject", "type")
    )


def _account() -> Part:
    scope = {**_members(Scope, "kind"), "key": key(Role.ACCOUNT)}
    user = Part({"public_key": key(Role.USER), **_ISSUED, **_members(User, "issuer_account")})
    return Part(
        {
            "public_key": key(Role.ACCOUNT),
            **_ISSUED,
            **_members(Account, "signing_keys"),
            "imports": Entries(_import(), ("type", "account", "subject")),
            "exports": Entries(_export(), ("type", "subject")),
            "signing_keys": Named(Part(scope), "role, or public key"),
            "revocations": Named(MOMENT, "key of a user, or *"),
            "users": Named(user, "name of a user"),
        }
    )


@functools.cache
def file_kind() -> Part:
    """Return the whole file."""
    signing_key = Part({"key": key(Role.OPERATOR)})
    operator = Part(
        {
            "name": TEXT,
            "public_key": key(Role.OPERATOR),
            **_HEAD,
            **_members(Operator),
            "signing_keys": Named(signing_key, "name, or public key"),
        }
    )
    tenants = Part(
        {
            "template": TEXT,
            "name": TEXT,
            "names": Many(TEXT),
            "vars": Named(Anything(), "name of a variable"),
        },
        ("template",),
    )
    return Part(
        {
            "$schema": TEXT,
            "operator": operator,
            "accounts": Named(account_kind(), "name of an account"),
            "templates": Named(Anything(), "name of a template"),
            "tenants": Many(tenants),
        }
    )


@functools.cache
def account_kind() -> Part:
    """Return the table of one account."""
    return _account()
