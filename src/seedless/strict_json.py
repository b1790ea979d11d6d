"""Read JSON of our own files into Structs, strictly: every member is there, known, and exactly of its type.

Claims are read otherwise (`typed_json`): others write them too, and what is unknown in them is kept apart.
Here a file with a member more or less is not ours, or is damaged, and nothing is guessed. A member may be
absent where its field has a default. Accepted types of fields: text, integers, booleans, `Literal`,
`dict[str, …]`, `tuple[…, ...]`, Structs, each of these or null, and `Any`, which
whoever reads the file checks.
"""

from __future__ import annotations

import builtins
import functools
from collections.abc import Callable
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, Literal, TypeVar, cast, get_args, get_origin

import msgspec

from seedless import wire
from seedless.errors import BadClaims

if TYPE_CHECKING:
    from collections.abc import Hashable

S = TypeVar("S")
_Read = Callable[[Any], Any]

_WORDS: dict[Any, str] = {int: "an integer", str: "text", bool: "true or false"}


class _NotAsExpected(Exception):
    """What is not as expected, and the steps to it, the last one first: a path is made only for an error."""

    def __init__(self, sentence: str, *steps: str | int) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.steps = [*steps]


def read(value: object, kind: type[S], path: str = "") -> S:
    """Return *value*, as `wire.parse` gave it, as the Struct *kind*; raise `BadClaims` with the place.

    *path* is the place of *value* itself.
    """
    try:
        result: S = _reader(cast("Hashable", kind))(value)
    except _NotAsExpected as error:
        place = path
        for step in reversed(error.steps):
            place = wire.join(place, step) if isinstance(step, str) else wire.at(place, step)
        raise BadClaims(f"{place or 'it'} {error.sentence}", path=place) from None
    return result


def require_version(value: object, version: int) -> None:
    """Raise `BadClaims` for a file of another version: its other members may differ."""
    found = value.get("version") if isinstance(value, dict) else None
    if type(found) is int and found != version:
        raise BadClaims(f"it is of version {found}, this program reads {version}")


@functools.cache
def _reader(kind: Any) -> _Read:  # noqa: ANN401 - a type
    """Return what reads a value of *kind*."""
    if kind is Any:
        return lambda value: value
    if isinstance(kind, UnionType):
        return _of_union(kind)
    match get_origin(kind), get_args(kind):
        case builtins.dict, (_, item):
            return _of_object(_reader(item))
        case builtins.tuple, (item, _):
            return _of_list(_reader(item))
        case origin, choices if origin is Literal:
            return _of_choice(choices)
    return _of_struct(kind) if issubclass(kind, msgspec.Struct) else _of_scalar(kind)


def _of_scalar(kind: Any) -> _Read:  # noqa: ANN401 - a type
    sentence = f"is not {_WORDS[kind]}"

    def read_scalar(value: Any) -> Any:  # noqa: ANN401 - JSON
        # Not isinstance: true is an integer to Python, and a number that is none to Go is text to `wire`.
        if type(value) is not kind:
            raise _NotAsExpected(sentence)
        return value

    return read_scalar


def _of_choice(choices: tuple[Any, ...]) -> _Read:
    sentence = f"is none of {', '.join(map(str, choices))}"

    def read_choice(value: Any) -> Any:  # noqa: ANN401 - JSON
        if type(value) is bool or value not in choices:
            raise _NotAsExpected(sentence)
        return value

    return read_choice


def _of_union(kind: Any) -> _Read:  # noqa: ANN401 - a type
    (other,) = (option for option in get_args(kind) if option is not NoneType)
    read_other = _reader(other)

    def read_union(value: Any) -> Any:  # noqa: ANN401 - JSON
        return None if value is None else read_other(value)

    return read_union


def _of_object(read_item: _Read) -> _Read:
    def read_object(value: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
        if type(value) is not dict:
            raise _NotAsExpected("is not an object")
        items = {}
        for name, item in value.items():
            try:
                items[name] = read_item(item)
            except _NotAsExpected as error:
                error.steps.append(name)
                raise
        return items

    return read_object


def _of_list(read_item: _Read) -> _Read:
    def read_list(value: Any) -> tuple[Any, ...]:  # noqa: ANN401 - JSON
        if not isinstance(value, list):
            raise _NotAsExpected("is not a list")
        items = []
        for index, item in enumerate(value):
            try:
                items.append(read_item(item))
            except _NotAsExpected as error:
                error.steps.append(index)
                raise
        return tuple(items)

    return read_list


def _of_struct(kind: Any) -> _Read:  # noqa: ANN401 - a type
    fields = msgspec.structs.fields(kind)
    readers = {field.encode_name: (field.name, _reader(field.type)) for field in fields}
    required = frozenset(field.encode_name for field in fields if field.required)

    def read_struct(value: Any) -> Any:  # noqa: ANN401 - JSON
        if type(value) is not dict:
            raise _NotAsExpected("is not an object")
        members = {}
        for name, item in value.items():
            if name not in readers:
                raise _NotAsExpected("is not known", name)
            member, read_member = readers[name]
            try:
                members[member] = read_member(item)
            except _NotAsExpected as error:
                error.steps.append(name)
                raise
        if len(members) < len(readers) and (missing := required - value.keys()):
            raise _NotAsExpected("is missing", min(missing))
        return kind(**members)

    return read_struct
