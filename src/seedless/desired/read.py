"""What a desired-state file may contain, made from the claims themselves, and its JSON Schema for editors.

Members have the names and types that they have in claims, and limits the units of `claims.fields`; here is
which others have a unit, which are named instead of listed, and what is not in claims: names, keys, issuers.

Read a desired-state file, TOML or JSON, strictly: all that is invalid is reported, each with its place.

Refused: unknown members (with the one that was meant), values that are not of their unit, names that cannot
be names, accounts that are there twice, unknown templates and variables.

A template is the table of an account with `{{variables}}` in its strings, for many accounts alike. A string
that is one variable and nothing else takes its value as it is, a number too. What ends with parentheses, as
`{{name()}}`, is a function of servers and is left as it is. Refused: variables without a value, and those
that the template never uses.
"""

from __future__ import annotations

import difflib
import functools
import re
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import inspect

from seedless import units, wire
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
    ValidityPeriod,
    Value,
    key,
    number,
    shown_value,
)
from seedless.errors import InvalidValue, SeedlessError, UsageError
from seedless.nkey import Role
from seedless.store.names import require_storable
from seedless.strict_json import toml_values
from seedless.text import printable, quoted

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
    (there,) = (item for item in types if not isinstance(item, inspect.NoneType))
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


_VARIABLE_SCHEMA = {"type": "string", "pattern": r"\{\{.*\}\}"}
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
            return {"anyOf": [kind.schema, _VARIABLE_SCHEMA]} if in_template else dict(kind.schema)
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


_SHOWN = 5
_HINT = "seedless docs howto/desired-state shows what a file may contain"


class Desired(msgspec.Struct, frozen=True):
    """What a file contains, its values read: each account by its name, those of templates among them.

    `operator` and `accounts` hold only what is in the file. `where` is the place of each account in the file.
    `lists_accounts`: the file has accounts or tenants, so that pruning removes others.
    """

    file: str
    operator: Mapping[str, Any] = msgspec.field(default_factory=dict)
    accounts: Mapping[str, Mapping[str, Any]] = msgspec.field(default_factory=dict)
    where: Mapping[str, str] = msgspec.field(default_factory=dict)
    lists_accounts: bool = False


def read(data: bytes, file: str) -> Desired:
    """Return what the TOML or JSON in *data* describes; raise `UsageError` with all that is wrong.

    *file* is what errors call it.
    """
    reading = _DocumentReading()
    desired = reading.desired(_parsed(data, file), file)
    if reading.wrong:
        more = f"; and {len(reading.wrong) - _SHOWN} more" if reading.wrong[_SHOWN:] else ""
        raise UsageError(f"{file}: {printable('; '.join(reading.wrong[:_SHOWN]))}{more}", _HINT)
    return desired


def _parsed(data: bytes, file: str) -> object:
    try:
        return wire.parse(data) if data.lstrip()[:1] == b"{" else toml_values(data)
    except SeedlessError as error:
        hint = error.hint or "a desired-state file is TOML or JSON, in UTF-8"
        raise UsageError(f"{file}: {error.message}", hint) from error


class _DocumentReading:
    """One walk over the values, which gathers what is wrong."""

    def __init__(self) -> None:
        self.wrong: list[str] = []
        self.accounts: dict[str, Mapping[str, Any]] = {}
        self.where: dict[str, str] = {}
        self.whose = ""  # the tenant that a template is expanded for

    def desired(self, data: Any, file: str) -> Desired:  # noqa: ANN401 - what a file holds
        values = self.take(data, file_kind(), ())
        self.accounts |= values.get("accounts", {})
        self.where |= {name: wire.join("accounts", name) for name in self.accounts}
        for index, tenant in enumerate(values.get("tenants", ())):
            self._tenants(values.get("templates", {}), tenant, ("tenants", index))
        if "name" in values.get("operator", {}):
            self._named(values["operator"]["name"], "operator.name")
        for name, account in self.accounts.items():
            self._named(name, self.where[name])
            for user in account.get("users", {}):
                self._named(user, f"{self.where[name]}.users")
        lists_accounts = "accounts" in values or "tenants" in values
        return Desired(file, values.get("operator", {}), self.accounts, self.where, lists_accounts)

    def take(self, value: Any, kind: Kind, place: Place) -> Any:  # noqa: ANN401 - what a file holds
        """Return *value* as *kind* reads it; of a table only the members that are right."""
        match kind:
            case Value():
                return self._value(value, kind, place)
            case Table():
                return self._part(value, kind, place)
            case NamedItems():
                members = self._table(value, place)
                return {n: self.take(v, kind.item, (*place, n)) for n, v in members.items()}
            case ListOf() | Entries():
                if not isinstance(value, list):
                    self._wrong(place, f"expected a list, found {shown_value(value)}")
                    return []
                return [self.take(v, kind.item, (*place, n)) for n, v in enumerate(value)]
            case Anything():
                return value

    def _value(self, value: Any, kind: Value, place: Place) -> Any:  # noqa: ANN401 - what a file holds
        try:
            return kind.read(value)
        except InvalidValue as error:
            self._wrong(place, str(error))
        return None

    def _part(self, value: Any, kind: Table, place: Place) -> dict[str, Any] | bool:  # noqa: ANN401 - likewise
        if kind.optional and value is False:
            return False
        members = self._table(value, place)
        for name in kind.required:
            if name not in members:
                self._wrong((*place, name), "is missing")
        taken = {}
        for name, item in members.items():
            if name in kind.members:
                taken[name] = self.take(item, kind.members[name], (*place, name))
            else:
                self._wrong((*place, name), f"nothing is known by this name{_meant(name, kind.members)}")
        if taken.get("renew") is not None and ("exp" not in taken or taken["exp"] is not None):
            self._renewal(taken["renew"], taken.get("exp"), place)
        return taken

    def _renewal(self, seconds: int, until: object, place: Place) -> None:
        if not isinstance(until, ValidityPeriod):
            self._wrong((*place, "renew"), 'goes with a validity, as in exp = "30d"')
        elif seconds >= units.parse_shortest_span(until.span):
            self._wrong((*place, "renew"), "is not shorter than exp: each run would sign it again")

    def _table(self, value: object, place: Place) -> dict[str, object]:
        if isinstance(value, dict):
            return value
        self._wrong(place, f"expected a table, found {shown_value(value)}")
        return {}

    def _wrong(self, place: Place, sentence: str) -> None:
        self._not(wire.path_of(place), sentence)

    def _not(self, path: str, sentence: str) -> None:
        self.wrong.append(f"{path or 'the file'}{self.whose}: {sentence}")

    def _named(self, name: object, path: str) -> None:
        if not isinstance(name, str):  # which has been reported
            return
        try:
            require_storable(name)
        except UsageError as error:
            self._not(path, error.message)

    def _tenants(self, templates: Mapping[str, Any], tenant: Mapping[str, Any], place: Place) -> None:
        if ("name" in tenant) == ("names" in tenant):
            self._wrong(place, "expected name or names, one of them")
        wanted = tenant.get("template")
        if not isinstance(wanted, str):  # which has been reported
            return
        if wanted not in templates:
            text = f"there is no template {quoted(wanted)}{_meant(wanted, templates)}"
            self._wrong((*place, "template"), text)
            return
        for name in (*tenant.get("names", ()), tenant.get("name")):
            if isinstance(name, str) and name in self.accounts:
                self._wrong(place, f"account {quoted(name)} occurs twice, in {self.where[name]} too")
            elif isinstance(name, str):
                variables = tenant.get("vars", {})
                self._tenant(name, templates[wanted], variables, ("templates", wanted))

    def _tenant(self, name: str, template: Any, variables: Mapping[str, Any], place: Place) -> None:  # noqa: ANN401 - likewise
        self.whose = f" (for {name})"
        self.where[name] = wire.path_of(place) + self.whose
        try:
            table = expand(template, {**variables, "tenant": name}, place)
            self.accounts[name] = self.take(table, account_kind(), place)
        except InvalidValue as error:
            self._not(error.path, str(error))
        self.whose = ""


def _meant(name: str, known: Mapping[str, object]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    if near:
        return f", did you mean {near[0]}?"
    return f": there are {', '.join(known)}" if len(known) <= _SHOWN else ""


Place = tuple[str | int, ...]
"""Names and indices from the file down to a value: a path, which is text, is made only for errors."""

_VARIABLE = re.compile(r"\{\{\s*([A-Za-z_][A-Za-z0-9_-]*)\s*\}\}")


def expand(template: Any, variables: Mapping[str, Any], place: Place) -> Any:  # noqa: ANN401 - what a file holds
    """Return *template* with its *variables*; raise `Wrong` with the path at or below its *place*."""
    for name, value in variables.items():
        if isinstance(value, dict | list) or value is None:
            raise InvalidValue(
                f"the variable {name} is {shown_value(value)}, and not one value", wire.path_of(place)
            )
    used = {"tenant"}
    made = _expanded(template, variables, place, used)
    unused = [name for name in variables if name not in used]
    if unused:
        raise InvalidValue(f"the template has no variable {unused[0]}", wire.path_of(place))
    return made


def _expanded(value: Any, variables: Mapping[str, Any], place: Place, used: set[str]) -> Any:  # noqa: ANN401 - likewise
    if isinstance(value, str):
        return _text(value, variables, place, used) if "{{" in value else value
    if isinstance(value, dict):
        made: dict[str, Any] = {}
        for name, item in value.items():
            inside = (*place, name)
            written = str(_text(name, variables, inside, used)) if "{{" in name else name
            if written in made:
                raise InvalidValue("occurs twice", wire.path_of((*place, written)))
            made[written] = _expanded(item, variables, inside, used)
        return made
    if isinstance(value, list):
        return [_expanded(item, variables, (*place, n), used) for n, item in enumerate(value)]
    return value


def _text(text: str, variables: Mapping[str, Any], place: Place, used: set[str]) -> Any:  # noqa: ANN401 - likewise
    def value_of(match: re.Match[str]) -> Any:  # noqa: ANN401 - likewise
        name = match[1]
        if name not in variables:
            near = difflib.get_close_matches(name, variables, n=1)
            meant = f", did you mean {near[0]}?" if near else ""
            raise InvalidValue(f"nobody gives the variable {name}{meant}", wire.path_of(place))
        used.add(name)
        return variables[name]

    whole = _VARIABLE.fullmatch(text)
    return value_of(whole) if whole else _VARIABLE.sub(lambda match: str(value_of(match)), text)
