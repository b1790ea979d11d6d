"""Hold JSON against the msgspec types that it should have: every error has a path and a sentence.

Refused: null, a wrong type, a number out of range, a known name in other letters. Unknown members are
taken out and reported; what to do about them is the caller's business.
"""

from __future__ import annotations

import functools
import json
from typing import TYPE_CHECKING, TypeVar, cast

import msgspec
from msgspec import inspect

from seedless.deviations import Unknown
from seedless.errors import BadClaims
from seedless.wire import Number, Pairs, at, encode, join

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping

S = TypeVar("S")

_INT64_MIN = -(2**63)
_UINT64_MAX = 2**64 - 1


class _Walk(msgspec.Struct):
    unknown: list[Unknown] = msgspec.field(default_factory=list)

    def check(self, value: object, kind: inspect.Type, path: str) -> object:
        if value is None:
            raise BadClaims(f"{path}: null is not a value", "leave the member out", path=path, rule="null")
        match kind:
            case inspect.StructType():
                return self._struct(value, kind, path)
            case inspect.VarTupleType():
                if not isinstance(value, list | tuple):
                    raise mismatch(value, "a list", path)
                items = enumerate(value)
                return [self.check(v, kind.item_type, at(path, i)) for i, v in items]
            case inspect.DictType():
                members: dict[str, object] = _expect(value, dict, "an object", path)
                for name in members:
                    _expect(name, str, "text as the name of a member", path)
                return {k: self.check(v, kind.value_type, join(path, k)) for k, v in members.items()}
            case inspect.UnionType():
                return self._union(value, kind, path)
            case _:
                return scalar(value, kind, path)

    def _struct(self, value: object, kind: inspect.StructType, path: str) -> dict[str, object]:
        if not isinstance(value, dict):
            raise mismatch(value, "an object", path)
        fields = {f.encode_name: f.type for f in kind.fields}
        refuse_folded(value, fields, path)
        known = {}
        for name, item in value.items():
            place = join(path, name)
            if name in fields:
                known[name] = self.check(item, fields[name], place)
            else:
                self.unknown.append(Unknown(place, text_of(item)))
        return known

    def _union(self, value: object, kind: inspect.UnionType, path: str) -> object:
        choices = [t for t in kind.types if not isinstance(t, inspect.NoneType)]
        structs = [t for t in choices if isinstance(t, inspect.StructType)]
        if isinstance(value, dict) and structs:
            return self._struct(value, structs[0], path)
        is_text = isinstance(value, str) and not isinstance(value, Number)
        for choice in choices:
            if choice not in structs and isinstance(choice, inspect.StrType | inspect.LiteralType) == is_text:
                return scalar(value, choice, path)
        if structs:
            raise mismatch(value, "text or an object", path)
        return scalar(value, choices[0], path)


def scalar(value: object, kind: inspect.Type, path: str) -> object:
    """Return *value*, which is not a list or object, as one of *kind*; raise `BadClaims`."""
    match kind:
        case inspect.StrType():
            return _expect(value, str, "text", path)
        case inspect.BoolType():
            return _expect(value, bool, "true or false", path)
        case inspect.LiteralType():
            if value == "" or value not in kind.values:  # empty is our word for absent
                choices = ", ".join(json.dumps(v) for v in kind.values if v != "")
                raise BadClaims(f"{path}: {_text(value)} is none of {choices}", path=path)
            return value
        case inspect.IntType():
            low = _INT64_MIN if kind.ge is None else kind.ge
            high = _UINT64_MAX if kind.le is None else kind.le  # msgspec cannot state this bound
            return _integer(value, int(low), int(high), path)
        case _:
            return value


def _integer(value: object, low: int, high: int, path: str) -> int:
    if isinstance(value, Number) and value == "-0" and low < 0:  # Go's ParseUint takes no sign
        return 0
    if isinstance(value, Number) and not value.lstrip("-").isdecimal():
        raise BadClaims(
            f"{path}: {value[:40]} is not a whole number",
            "write it without a fraction or exponent",
            path=path,
        )
    if isinstance(value, Number) or (
        isinstance(value, int) and not isinstance(value, bool) and not low <= value <= high
    ):
        raise BadClaims(f"{path}: {str(value)[:40]} is not between {low} and {high}", path=path)
    if not isinstance(value, int) or isinstance(value, bool):
        raise mismatch(value, "a whole number", path)
    return value


def _expect(value: object, kind: type[S], words: str, path: str) -> S:
    if not isinstance(value, kind) or isinstance(value, Number):
        raise mismatch(value, words, path)
    return value


def mismatch(value: object, words: str, path: str) -> BadClaims:
    """Return the error that *value* at *path* is not what the *words* name."""
    return BadClaims(f"{path or 'the claims'}: expected {words}, found {_text(value)}", path=path)


def _text(value: object) -> str:
    """Return *value* as JSON for an error: cut, for it may be large, and of any type."""
    try:
        text = text_of(value)
    except BadClaims:
        text = f"a {type(value).__name__}"
    return text if len(text) <= 200 else text[:200] + "…"  # noqa: PLR2004 - enough to recognise it


def text_of(value: object) -> str:
    """Return the JSON text of *value*, which `wire.parse` gave."""
    return encode(_plain(value)).decode()


def _plain(value: object) -> object:
    if isinstance(value, Number):
        return msgspec.Raw(value.encode())
    if isinstance(value, dict | Pairs):
        return {name: _plain(item) for name, item in (value.items() if isinstance(value, dict) else value)}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def refuse_folded(members: Mapping[str, object], names: Mapping[str, object], path: str = "") -> None:
    """Raise `BadClaims` when a member is one of *names*, or another member, but for upper and lower case.

    Go matches names without regard to case (encoding/json, `Unmarshal`), so such a member is read there.
    """
    seen: dict[str, str] = {name.casefold(): name for name in names}
    for name in members:
        other = seen.setdefault(name.casefold(), name)
        if other != name:
            place = join(path, name)
            raise BadClaims(
                f"{place}: the name differs from {other} only in upper and lower case",
                f"write {other}",
                path=place,
                rule="folded-name",
            )


@functools.cache
def info(kind: object) -> inspect.Type:
    """Return what msgspec knows of the type *kind*."""
    return inspect.type_info(kind)


def fit(value: object, kind: type[S], path: str = "") -> tuple[S, tuple[Unknown, ...]]:
    """Return *value* (parsed JSON) as *kind*, and the unknown members left out; raise `BadClaims`."""
    walk = _Walk()
    checked = walk.check(value, info(cast("Hashable", kind)), path)
    try:
        return msgspec.convert(checked, kind), tuple(walk.unknown)
    except msgspec.ValidationError as error:  # a rule of a single type, as in ClientInfo
        raise BadClaims(f"{path or 'the claims'}: {error}", path=path) from error
