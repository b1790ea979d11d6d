"""What a desired-state file may contain, made from the claims themselves, and its JSON Schema for editors.

Members have the names and types that they have in claims, and limits the units of `claims.fields`; here is
which others have a unit, which are named instead of listed, and what is not in claims: names, keys, issuers.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import inspect

from seedless.claims import Account, Export, Import, JetStreamPermissions, Operator, Scope, Template, User
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

_UINT64_MAX = 2**64 - 1


class ListOf(msgspec.Struct, frozen=True):
    """A list, which is a value: a file that has it has all of it."""

    item: Kind


class Table(msgspec.Struct, frozen=True):
    """A table with these members; what it does not have is left as it is.

    `required` are members that each one has. `optional`: it may be false, which means that there is none.
    """

    members: Mapping[str, Kind]
    required: tuple[str, ...] = ()
    optional: bool = False


class NamedItems(msgspec.Struct, frozen=True):
    """A table of named things; those that it does not name are left as they are, or pruned."""

    item: Kind
    what: str = "name"


class Entries(msgspec.Struct, frozen=True):
    """A list of things that are distinguished by the members of their `identity`; else as `Named`."""

    item: Table
    identity: tuple[str, ...]


class Anything(msgspec.Struct, frozen=True):
    """What is held against the table later, once a template has its variables."""


Kind = Value | ListOf | Table | NamedItems | Entries | Anything

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
            return ListOf(_kind(item))
        case inspect.DictType(value_type=item):
            return NamedItems(_kind(item))
        case inspect.StructType(cls=struct):
            return Table(_members(struct))
        case inspect.UnionType(types=types):
            return _union(types)
    raise TypeError(info)


def _union(types: tuple[inspect.Type, ...]) -> Kind:
    """Return what a member holds that may be absent too."""
    (there,) = (one for one in types if not isinstance(one, inspect.NoneType))
    kind = _kind(there)
    return Table(kind.members, optional=True) if isinstance(kind, Table) else kind


def _import() -> Table:
    return Table({"from": TEXT, **_members(Import), "account": key(Role.ACCOUNT)}, ("subject", "type"))


def _export() -> Table:
    return Table(
        {**_members(Export), "revocations": NamedItems(MOMENT, "key of an account, or *")},
        ("subject", "type"),
    )


def _account() -> Table:
    jetstream = {"jetstream": Table(_members(JetStreamPermissions))}
    template = Table({**_members(Template), **jetstream})
    scope = {**_members(Scope, "kind"), "key": key(Role.ACCOUNT), "template": template}
    user = Table({"public_key": key(Role.USER), **_ISSUED, **_members(User, "issuer_account"), **jetstream})
    return Table(
        {
            "public_key": key(Role.ACCOUNT),
            **_ISSUED,
            **_members(Account, "signing_keys"),
            "imports": Entries(_import(), ("type", "account", "subject")),
            "exports": Entries(_export(), ("type", "subject")),
            "signing_keys": NamedItems(Table(scope), "role, or public key"),
            "revocations": NamedItems(MOMENT, "key of a user, or *"),
            "users": NamedItems(user, "name of a user"),
        }
    )


@functools.cache
def file_kind() -> Table:
    """Return the whole file."""
    signing_key = Table({"key": key(Role.OPERATOR)})
    operator = Table(
        {
            "name": TEXT,
            "public_key": key(Role.OPERATOR),
            **_HEAD,
            **_members(Operator),
            "signing_keys": NamedItems(signing_key, "name, or public key"),
        }
    )
    tenants = Table(
        {
            "template": TEXT,
            "name": TEXT,
            "names": ListOf(TEXT),
            "vars": NamedItems(Anything(), "name of a variable"),
        },
        ("template",),
    )
    return Table(
        {
            "$schema": TEXT,
            "operator": operator,
            "accounts": NamedItems(account_kind(), "name of an account"),
            "templates": NamedItems(Anything(), "name of a template"),
            "tenants": ListOf(tenants),
        }
    )


@functools.cache
def account_kind() -> Table:
    """Return the table of one account."""
    return _account()


_VARIABLE = {"type": "string", "pattern": r"\{\{.*\}\}"}
_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema() -> dict[str, Any]:
    """Return the schema of a whole file."""
    whole = _schema(file_kind(), in_template=False)
    parts = whole["properties"]
    parts["accounts"]["additionalProperties"] = {"$ref": "#/$defs/account"}
    parts["templates"]["additionalProperties"] = {"$ref": "#/$defs/template"}
    scalar = {"type": ["string", "number", "boolean"]}
    parts["tenants"]["items"]["properties"]["vars"]["additionalProperties"] = scalar
    return {
        "$schema": _DIALECT,
        "title": "Desired state of operator, accounts and users, as seedless apply reads it",
        **whole,
        "$defs": {
            "account": _schema(account_kind(), in_template=False),
            "template": _schema(account_kind(), in_template=True),
        },
    }


def schema_text() -> str:
    """Return the schema as its file contains it."""
    import json  # slow to load, and reading does without

    return json.dumps(schema(), indent=2, ensure_ascii=True) + "\n"


def _schema(kind: Kind, *, in_template: bool) -> dict[str, Any]:
    match kind:
        case Value():
            return {"anyOf": [kind.schema, _VARIABLE]} if in_template else dict(kind.schema)
        case ListOf():
            return {"type": "array", "items": _schema(kind.item, in_template=in_template)}
        case Entries():
            description = f"distinguished by {', '.join(kind.identity)}"
            items = _schema(kind.item, in_template=in_template)
            return {"type": "array", "description": description, "items": items}
        case NamedItems():
            items = _schema(kind.item, in_template=in_template)
            return {"type": "object", "description": f"by {kind.what}", "additionalProperties": items}
        case Table():
            return _part(kind, in_template=in_template)
        case Anything():
            return {}


def _part(kind: Table, *, in_template: bool) -> dict[str, object]:
    members = {name: _schema(member, in_template=in_template) for name, member in kind.members.items()}
    table: dict[str, object] = {"type": "object", "properties": members, "additionalProperties": False}
    if kind.required:
        table["required"] = list(kind.required)
    return {"anyOf": [table, {"const": False}]} if kind.optional else table
