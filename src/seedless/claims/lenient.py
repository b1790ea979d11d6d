"""Payloads as the official library reads them: everything that Go's encoding/json forgives, with its meaning.

What is forgiven here is never written: each such place is a `Deviation`, named by the rule of `wire.RULES`
that `decoding`, the strict reader, refuses it by. The result is the same JSON in its plain spelling, which
that then reads; nothing is accepted here that it would not accept in that spelling.

Source: encoding/json of Go 1.27 (and 1.25, which behaves the same), tried with structs like those of
nats-io/jwt:

- names match exactly, or by ASCII case and the two letters that fold to ASCII (U+017F to s, U+212A to k);
- a repeated scalar replaces, a repeated struct merges, a repeated map gets the new entries, whole;
- the elements of a repeated list are read *into those of the list before*, and those beyond a shorter list
  come back when a longer one follows; an empty list, or null, forgets them;
- null empties lists, maps and pointers, and leaves everything else as it was;
- bytes that are not UTF-8, and escaped halves of surrogate pairs, are each read as U+FFFD.
"""

from __future__ import annotations

import codecs
import functools
import re
from typing import Any, Final

import msgspec
from msgspec import inspect

from seedless import typed_json, wire
from seedless.claims import decoding
from seedless.claims.bodies import Export, Import, Int64, Part, Scope
from seedless.claims.codec import KINDS, VERSION, Decoded, Standard
from seedless.deviations import Deviation, Unknown
from seedless.errors import BadClaims
from seedless.wire import Number, Pairs, at, join

_ZERO: Final = object()  # the zero value of Go: the member is left out
# encoding/json folds the case of names by simple folding, in which U+017F, the long s, is an s and U+212A,
# the Kelvin sign, a k.
_FOLDED = {0x17F: "s", 0x212A: "k"}
_ESCAPED_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
_SURROGATE = "[\ud800-\udfff]"
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
# Go replaces each wrong byte by U+FFFD, Python a whole wrong sequence by one: the name would be another.
_ERRORS = "seedless.one-for-each-byte"


class Lenient(msgspec.Struct, frozen=True, gc=False):
    """A payload that was read leniently, and how it deviates from what the official library writes."""

    decoded: Decoded
    deviations: tuple[Deviation, ...]
    is_generic: bool


class _Fields(Part, frozen=True, kw_only=True):
    """What the official library reads of a body before it knows the kind (decoder.go, `GenericFields`)."""

    tags: tuple[str, ...] = ()
    type: str = ""
    version: Int64 = 0


class _Identifier(Part, frozen=True, kw_only=True):
    """What it reads of the whole (decoder.go, `identifier`)."""

    type: str = ""
    nats: _Fields = msgspec.field(default_factory=_Fields)


class _Header(Part, frozen=True, kw_only=True):
    """A header; other members are ignored."""

    typ: str = ""
    alg: str = ""


# When a name occurs twice, Go reads the second value into the first: a shorter list keeps the elements
# behind it in its capacity, and a later, longer one shows them again.
class _Cells(list[Any]):
    """A list as Go's slices are: `used` elements, and after them those of a longer list before."""

    used: int = 0


class _Kind(msgspec.Struct, frozen=True):
    """The kind that a payload names; a top-level type (`is_v1`) makes it version 1."""

    name: str
    version: int
    is_v1: bool

    @property
    def is_typed(self) -> bool:
        return self.name in KINDS

    @property
    def is_generic(self) -> bool:
        return not self.is_v1 and self.name not in {*KINDS, *decoding.OLD}

    @property
    def is_callout(self) -> bool:
        return self.name in decoding.CALLOUT

    @property
    def is_unnamed_v1(self) -> bool:
        """Whether it is of version 1 though it has no top-level type."""
        return self.is_typed and not self.is_callout and not self.is_v1 and self.version == 1


def read(data: bytes) -> Lenient:
    """Read the payload *data* as the official library does; raise `BadClaims` where it refuses."""
    reading = _Reading()
    value = reading.parse(data)
    if not isinstance(value, Pairs):
        raise BadClaims("the payload is not a JSON object")
    kind = _identify(value)
    if not kind.is_generic:
        decoding.refuse_old(kind.name, "type" if kind.is_v1 else "nats.type")
    if kind.is_typed and not (
        kind.is_v1 or kind.is_unnamed_v1 or (kind.is_callout and kind.version < VERSION)
    ):
        decoding.require_version(kind.version)
    plain = reading.folded(value, _type_of(kind))
    return reading.result(_decoded(reading, kind, plain), is_generic=kind.is_generic)


def plain(data: bytes) -> bytes:
    """Return the payload *data*, which `read` has taken, as JSON in its plain spelling.

    Unknown members are left out.
    """
    reading = _Reading()
    value = reading.parse(data)
    return typed_json.text_of(reading.folded(value, _type_of(_identify(value)))).encode()


def _type_of(kind: _Kind) -> inspect.StructType:
    if kind.is_typed:
        is_old = (kind.is_v1 or kind.is_unnamed_v1) and not kind.is_callout
        return _payload(kind.name, is_v1=is_old)
    return _custom() if kind.is_generic else _custom(tags=Any)


def _decoded(reading: _Reading, kind: _Kind, members: dict[str, object]) -> Decoded:
    if not kind.is_typed:
        if not kind.is_generic:  # version 1 of a kind of one's own
            return decoding.version_1(members, kind.name)
        if members.pop("type", None) is not None:
            reading.note("empty-type", "type")
        return decoding.generic(members)
    members.setdefault("nats", {})
    top = members.pop("type", None)
    if kind.is_v1 or kind.is_unnamed_v1:
        if kind.is_unnamed_v1:
            reading.note("empty-type", "nats.version")
            reading.forget("nats.type", "nats.version")
        return decoding.version_1(members, kind.name)
    if top is not None:
        reading.note("empty-type", "type")
    decoded = decoding.typed(kind.name, members)
    return decoded if kind.version == VERSION else decoding.marked(decoded)


def marked(decoded: Decoded) -> Decoded:
    """Return *decoded*, generic claims under a header of version 1, which are read with its `tags`."""
    return decoding.marked(decoded)


def header(data: bytes) -> tuple[str, tuple[Deviation, ...]]:
    """Return the algorithm that the header *data* names; raise `BadClaims` unless a NATS jwt has it."""
    reading = _Reading()
    value = reading.parse(data)
    members = reading.folded(value, _struct_info(_Header))
    if members.get("typ", "").upper() != "JWT":
        raise BadClaims("the header is not the one of a NATS jwt", 'its typ is "JWT"')
    algorithm: str = members.get("alg", "")
    if decoding.lower(algorithm) not in {"ed25519", "ed25519-nkey"}:
        raise BadClaims("the header is not the one of a NATS jwt", 'its alg is "ed25519-nkey"')
    return algorithm, tuple(reading.deviations)


def _identify(value: Pairs) -> _Kind:
    """Return the kind that *value* names."""
    try:
        found = _Reading().folded(value, _struct_info(_Identifier))
    except BadClaims:
        top, kind = _text_of(value, "type"), _text_of(_last(value, "nats"), "type")
        if top or (isinstance(kind, str) and kind in {*KINDS, *decoding.OLD}):
            raise
        return _Kind("", 0, is_v1=False)  # DecodeGeneric does not look at it
    if found.get("type"):
        return _Kind(found["type"], 1, is_v1=True)
    nats = found.get("nats", {})
    return _Kind(nats.get("type", ""), nats.get("version", 0), is_v1=False)


def _text_of(members: object, name: str) -> object:
    value = _last(members, name)
    return None if isinstance(value, Number) else value


def _last(members: object, name: str) -> object:
    found = None
    for own, value in members if isinstance(members, Pairs) else ():
        found = value if _fold(own) == name else found
    return found


class _Reading:
    """One payload on its way to its plain spelling, and what was noticed on the way."""

    def __init__(self) -> None:
        self.deviations: dict[Deviation, None] = {}
        self._unknown: dict[str, Unknown] = {}

    def note(self, rule: str, path: str) -> None:
        self.deviations.setdefault(Deviation(rule, path))

    def forget(self, *paths: str) -> None:
        for path in paths:
            self._unknown.pop(path, None)

    def result(self, decoded: Decoded, *, is_generic: bool = False) -> Lenient:
        unknown = (*self._unknown.values(), *decoded.unknown)
        whole = Decoded(decoded.payload, decoded.version, unknown)
        return Lenient(whole, tuple(self.deviations), is_generic)

    def parse(self, data: bytes) -> Any:  # noqa: ANN401 - JSON
        text = data.decode("utf-8", _ERRORS)
        is_utf8 = _REPLACEMENT not in text or _is_utf8(data)
        value = wire.parse_pairs(data, text)
        if _ESCAPED_SURROGATE.search(data):
            value, is_whole = _mended(value)
            is_utf8 = is_utf8 and is_whole
        if not is_utf8:
            self.note("not-utf8", "")
        for path, item in wire.walk(value):
            if isinstance(item, Pairs) and (twice := item.twice()) is not None:
                self.note("duplicate-name", join(path, twice))
        decoding.refuse_escaped_headers(value, data)
        return value

    def folded(self, value: object, kind: inspect.StructType) -> dict[str, Any]:
        """Return *value*, an object of *kind*, in its plain spelling."""
        if value is None:
            self.note("null", "")
            return {}
        plain: dict[str, Any] = _settled(self._struct(value, kind, _ZERO, ""))
        return plain

    def _value(self, value: object, kind: inspect.Type, old: object, path: str) -> Any:  # noqa: ANN401 - JSON
        if value is None:
            self.note("null", path)
            return _nothing(kind, old, path)
        struct = kind if isinstance(kind, inspect.StructType) else _pointed(kind)
        if struct is not None:
            return self._struct(value, struct, old, path)
        match kind:
            case inspect.VarTupleType():
                return self._list(value, kind.item_type, old, path)
            case inspect.DictType():
                return self._map(value, kind.value_type, old, path)
            case inspect.AnyType():
                return plain_of(value)
        return typed_json.scalar(value, kind, path)

    def _struct(self, value: object, kind: inspect.StructType, old: object, path: str) -> dict[str, Any]:
        if not isinstance(value, Pairs):
            raise typed_json.mismatch(value, "an object", path)
        fields, folded = _fields(kind.cls)
        members = dict(old) if isinstance(old, dict) else {}
        for name, item in value:
            place = join(path, name)
            own = name if name in fields else folded.get(_fold(name))
            if own is None:
                self._unknown[place] = Unknown(place, typed_json.text_of(plain_of(item)))
                continue
            if own != name:
                self.note("folded-name", place)
            found = self._member(item, own, fields[own], members.get(own, _ZERO), join(path, own))
            if found is _ZERO:
                members.pop(own, None)
            else:
                members[own] = found
        return members

    def _member(self, item: object, name: str, kind: inspect.Type, old: object, path: str) -> Any:  # noqa: ANN401 - JSON
        """Return *item*, read into the member *name*, with the marshallers that some members have."""
        if isinstance(kind, inspect.VarTupleType):
            if isinstance(kind.item_type, inspect.UnionType):
                return self._signing_keys(item, old, path)
            # Old jwts have one text with commas here, which CIDRList reads; it is read anew each time and
            # not into what was there.
            if name == "src":  # it is read anew each time (types.go, `CIDRList`)
                is_text = isinstance(item, str) and not isinstance(item, Number)
                return item if is_text else self._value(item, kind, _ZERO, path)
        if name == "sampling" and isinstance(kind, inspect.UnionType):
            if item is None:
                self.note("null", path)
            return 0 if item is None else _sampling(item, kind, path)
        if name == "nats" and isinstance(kind, inspect.DictType):  # generic claims: any JSON, nulls kept
            return self._any(item, old, path)
        return self._value(item, kind, old, path)

    def _list(self, value: object, kind: inspect.Type, old: object, path: str) -> _Cells:
        if isinstance(value, Pairs) or not isinstance(value, list):
            raise typed_json.mismatch(value, "a list", path)
        cells = _Cells(old if isinstance(old, _Cells) and value else ())
        for index, item in enumerate(value):
            before = cells[index] if index < len(cells) else _ZERO
            found = self._value(item, kind, before, at(path, index))
            cells[index : index + 1] = [_zero(kind) if found is _ZERO else found]
        cells.used = len(value)
        return cells

    def _map(self, value: object, kind: inspect.Type, old: object, path: str) -> dict[str, Any]:
        if not isinstance(value, Pairs):
            raise typed_json.mismatch(value, "an object", path)
        members = dict(old) if isinstance(old, dict) else {}
        for name, item in value:
            place = join(path, name)
            found = self._value(item, kind, _ZERO, place)
            members[name] = _zero(kind) if found is _ZERO else found
        return members

    def _any(self, value: object, old: object, path: str) -> Any:  # noqa: ANN401 - JSON
        if value is None:
            self.note("null", path)
            return _ZERO
        if not isinstance(value, Pairs):
            raise typed_json.mismatch(value, "an object", path)
        # Two objects of one name are merged in Go, member by member.
        before = old if isinstance(old, dict) else {}
        return before | plain_of(value)

    def _signing_keys(self, value: object, old: object, path: str) -> Any:  # noqa: ANN401 - JSON
        """Read a list of keys and scopes, which is added to the one before (signingkeys.go)."""
        entries = list(old) if isinstance(old, list) else []
        if value is None:
            self.note("null", path)
            return entries
        if isinstance(value, Pairs) or not isinstance(value, list):
            raise typed_json.mismatch(value, "a list", path)
        for index, item in enumerate(value):
            place = at(path, index)
            if item is None:
                self.note("null", place)
            elif isinstance(item, Pairs):
                entries.append(self._scope(item, place))
            else:
                entries.append(plain_of(item))
        return entries

    def _scope(self, value: Pairs, path: str) -> dict[str, Any]:
        """Read a scope as Go does: as any JSON, written again with its names sorted, and then as a scope."""
        entry = plain_of(value)
        # Numbers in scopes pass through float64, since the library decodes them as any JSON first: 2^53+1
        # is rounded, and 2^63-1 ends in an error.
        decoding.floats(entry, path)  # for its errors
        decoding.require_scope_kind(entry, path)
        return self._struct(_sorted(decoding.through_floats(entry, path)), _struct_info(Scope), _ZERO, path)


def _struct_info(kind: object) -> inspect.StructType:
    """Return what msgspec knows of *kind*, a struct."""
    found = typed_json.info(kind)
    if not isinstance(found, inspect.StructType):
        raise TypeError(kind)
    return found


def _sampling(item: object, kind: inspect.UnionType, path: str) -> object:
    if isinstance(item, str) and not isinstance(item, Number) and item.lower() == "headers":
        return "headers"
    numbers = [choice for choice in kind.types if isinstance(choice, inspect.IntType)]
    return typed_json.scalar(item, numbers[0], path)


def _nothing(kind: inspect.Type, old: object, path: str) -> object:
    """Return what null leaves of *old*: nothing of lists, maps and pointers, and all of the rest."""
    if isinstance(kind, inspect.LiteralType):  # the marshaller of types of imports and exports is called
        raise BadClaims(f"{path}: expected a type, found null", "write stream or service", path=path)
    if isinstance(kind, inspect.StructType) and kind.cls in {Import, Export}:
        raise BadClaims(
            f"{path}: null is not an import or export",
            "servers refuse the account; sign it without",
            path=path,
            rule="null-entry",
        )
    if (
        isinstance(kind, inspect.VarTupleType | inspect.DictType | inspect.AnyType)
        or _pointed(kind) is not None
    ):
        return _ZERO
    return old


def _pointed(kind: inspect.Type) -> inspect.StructType | None:
    """Return the struct to which *kind* is a pointer."""
    if isinstance(kind, inspect.UnionType):
        structs = [choice for choice in kind.types if isinstance(choice, inspect.StructType)]
        if structs and any(isinstance(choice, inspect.NoneType) for choice in kind.types):
            return structs[0]
    return None


def _zero(kind: inspect.Type) -> object:
    """Return what null is as an element of a list, or as a value of a map."""
    match kind:
        case inspect.StructType():
            return {}
        case inspect.VarTupleType():
            return []
        case inspect.StrType():
            return ""
    return 0


def plain_of(value: object) -> Any:  # noqa: ANN401 - JSON
    """Return *value* as Go reads any JSON: of members with one name the last."""
    if isinstance(value, Pairs):
        return {name: plain_of(item) for name, item in value}
    if isinstance(value, list):
        return [plain_of(item) for item in value]
    return value


def _sorted(value: object) -> Any:  # noqa: ANN401 - JSON
    """Return *value* with its members in the order in which Go writes maps."""
    if isinstance(value, dict):
        return Pairs((name, _sorted(value[name])) for name in sorted(value))
    if isinstance(value, list):
        return [_sorted(item) for item in value]
    return value


def _settled(value: object) -> Any:  # noqa: ANN401 - JSON
    """Return *value* without what is beyond the end of a list."""
    if isinstance(value, dict):
        return {name: _settled(item) for name, item in value.items()}
    if isinstance(value, _Cells):
        return [_settled(item) for item in value[: value.used]]
    return value


def _mended(value: object) -> tuple[Any, bool]:
    """Return *value* with U+FFFD for each half of a surrogate pair, and whether there was none."""
    if isinstance(value, Number):
        return value, True
    if isinstance(value, str):
        text = re.sub(_SURROGATE, _REPLACEMENT, value)
        return text, text == value
    if isinstance(value, Pairs):
        names = [_mended(name) for name, _ in value]
        items = [_mended(item) for _, item in value]
        pairs = Pairs((name, item) for (name, _), (item, _) in zip(names, items, strict=True))
        return pairs, all(whole for _, whole in (*names, *items))
    if isinstance(value, list):
        items = [_mended(item) for item in value]
        return [item for item, _ in items], all(whole for _, whole in items)
    return value, True


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _fold(name: str) -> str:
    text = name if name.isascii() else name.translate(_FOLDED)
    return text.lower() if text.isascii() else text


@functools.cache
def _fields(struct: type) -> tuple[dict[str, inspect.Type], dict[str, str]]:
    """Return the members of *struct* with their types, and their names by what they fold to."""
    fields = {field.encode_name: field.type for field in _struct_info(struct).fields}
    return fields, {_fold(name): name for name in fields}


@functools.cache
def _payload(kind: str, *, is_v1: bool) -> inspect.StructType:
    """Return the type of a whole payload of *kind*, with `type` and `version` where Go reads them."""
    if is_v1:
        return _struct_info(decoding.payload(kind))
    head = [("type", str, ""), ("version", Int64, 0)]
    body = msgspec.defstruct("Body", head, bases=(KINDS[kind],), kw_only=True, frozen=True)
    return _struct_info(_whole(body))


@functools.cache
def _custom(tags: Any = tuple[str, ...]) -> inspect.StructType:  # noqa: ANN401 - a type
    top = [("tags", tags, ()), ("version", Int64 if tags is not Any else Any, 0)]
    return _struct_info(msgspec.defstruct("Custom", top, bases=(_whole(dict[str, Any]),), kw_only=True))


def _whole(body: Any) -> Any:  # noqa: ANN401 - types
    members = [("type", str, ""), ("nats", body, msgspec.UNSET)]
    return msgspec.defstruct("Whole", members, bases=(Standard,), kw_only=True)


codecs.register_error(_ERRORS, lambda error: (_REPLACEMENT, getattr(error, "start", 0) + 1))
