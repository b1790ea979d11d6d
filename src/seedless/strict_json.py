"""Read JSON of our own files into Structs, strictly: every member is there, known, and exactly of its type.

Claims are read otherwise (`typed_json`): others write them too, and what is unknown in them is kept apart.
Here a file with a member more or less is not ours, or is damaged, and nothing is guessed. A member may be
absent where its field has a default. Accepted types of fields: text, integers, booleans, floats of TOML,
`Literal`, `dict[str, …]`, `tuple[…, ...]`, Structs, unions of these and null, and `Any`, which whoever reads
the file checks. Of a union of Structs the member `tag_field` names the one; `Annotated[…, Parsed(…)]` is
text that becomes another value.
"""

from __future__ import annotations

import builtins
import functools
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar, Union, cast, get_args, get_origin

import msgspec

from seedless import wire
from seedless.errors import BadClaims, InvalidValue, SeedlessError
from seedless.text import printable

if TYPE_CHECKING:
    from collections.abc import Hashable

S = TypeVar("S")
_Read = Callable[[Any], Any]

_OBJECT = "is not an object"
_WORDS: dict[Any, str] = {int: "an integer", float: "a number", str: "text", bool: "true or false"}


class Parsed(msgspec.Struct, frozen=True):
    """Text in the file that becomes another value: *words* name it for people, *parse* makes it.

    What `parse` refuses (`ValueError`, `SeedlessError`) is reported with the words; the sentence of an
    `InvalidValue` follows the place as it is.
    """

    words: str
    parse: Callable[[str], Any]

    def read(self, value: object) -> object:
        """Return what the text *value* becomes."""
        if type(value) is not str:
            raise _NotAsExpected(f"is not {self.words}")
        try:
            return self.parse(value)
        except InvalidValue as error:
            raise _NotAsExpected(str(error)) from error
        except (ValueError, SeedlessError) as error:
            raise _NotAsExpected(f"is not {self.words}: {printable(str(error))}") from error


def _absolute_path(text: str) -> Path:
    path = Path(text)
    if not path.is_absolute() or not text.isprintable():
        raise InvalidValue("is not an absolute path")
    return path


ABSOLUTE_PATH = Parsed("an absolute path", _absolute_path)


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


def read_toml(data: bytes, kind: type[S]) -> S:
    """Return the TOML *data* as the Struct *kind*, as strictly; raise `BadClaims` with the place."""
    values = toml_values(data)
    try:
        return read(values, kind)
    except BadClaims as error:  # what is an object in JSON is a table in TOML
        raise BadClaims(error.message.replace(_OBJECT, "is not a table"), path=error.path) from error


def toml_values(data: bytes) -> dict[str, Any]:
    """Return what the TOML *data* holds; raise `BadClaims` with the line and column of what is wrong."""
    import tomllib  # few files are TOML

    try:
        return tomllib.loads(data.decode("utf-8"))
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise BadClaims(f"not UTF-8: byte 0x{data[error.start]:02x} (at line {line})") from error
    except (ValueError, RecursionError) as error:
        reason = str(error)
        raise BadClaims(f"{reason[:1].lower()}{reason[1:]}") from error


def require_version(value: object, version: int) -> None:
    """Raise `BadClaims` for a file of another version: its other members may differ."""
    found = value.get("version") if isinstance(value, dict) else None
    if type(found) is int and found != version:
        raise BadClaims(f"it is of version {found}, this program reads {version}")


@functools.cache
def _reader(kind: Any) -> _Read:  # noqa: ANN401, PLR0911 - a type, and one return for each kind of it
    """Return what reads a value of *kind*."""
    if kind is Any:
        return lambda value: value
    if isinstance(kind, UnionType) or get_origin(kind) is Union:  # the second with Annotated in it
        return _of_union(kind)
    match get_origin(kind), get_args(kind):
        case origin, (inner, *notes) if origin is Annotated:
            parsed = next((note for note in notes if isinstance(note, Parsed)), None)
            return _reader(inner) if parsed is None else parsed.read
        case builtins.dict, (_, item):
            return _of_object(_reader(item))
        case builtins.tuple, (item, _):
            return _of_list(_reader(item))
        case origin, choices if origin is Literal:
            return _of_choice(choices)
    if issubclass(kind, StrEnum):
        return _of_enum(kind)
    return _of_struct(kind) if issubclass(kind, msgspec.Struct) else _of_scalar(kind)


def _of_scalar(kind: object) -> _Read:
    sentence = f"is not {_WORDS[kind]}"

    def read_scalar(value: object) -> object:
        # Not isinstance: true is an integer to Python, and a number that is none to Go is text to `wire`.
        if type(value) is not kind and not (kind is float and type(value) is int):
            raise _NotAsExpected(sentence)
        return value

    return read_scalar


def _of_choice(choices: tuple[object, ...]) -> _Read:
    sentence = f"is none of {', '.join(map(str, choices))}"

    def read_choice(value: object) -> object:
        if type(value) is bool or value not in choices:
            raise _NotAsExpected(sentence)
        return value

    return read_choice


def _of_enum(kind: type[StrEnum]) -> _Read:
    read_choice = _of_choice(tuple(map(str, kind)))
    return lambda value: kind(read_choice(value))


def _of_union(kind: object) -> _Read:
    options = [option for option in get_args(kind) if option is not NoneType]
    has_null = len(options) < len(get_args(kind))
    read_other = _of_options(options)

    def read_union(value: object) -> object:
        return None if value is None and has_null else read_other(value)

    return read_union


def _of_options(options: list[object]) -> _Read:
    """Return what reads a value of one of *options*: tagged Structs, or a list and something else."""
    if len(options) == 1:
        return _reader(options[0])
    if all(getattr(option, "__struct_config__", None) for option in options):
        return _of_tagged(options)
    lists = [option for option in options if get_origin(option) is builtins.tuple]
    (read_list,), (read_other,) = (
        map(_reader, group) for group in (lists, [option for option in options if option not in lists])
    )
    return lambda value: read_list(value) if isinstance(value, list) else read_other(value)


def _of_tagged(options: list[Any]) -> _Read:
    (name,) = {option.__struct_config__.tag_field for option in options}
    readers = {option.__struct_config__.tag: _reader(option) for option in options}

    def read_tagged(value: Any) -> Any:  # noqa: ANN401 - JSON
        if type(value) is not dict:
            raise _NotAsExpected(_OBJECT)
        if name not in value:
            raise _NotAsExpected("is missing", name)
        tag = value[name]
        if type(tag) is not str or tag not in readers:
            raise _NotAsExpected(f"is none of {', '.join(readers)}", name)
        return readers[tag]({member: item for member, item in value.items() if member != name})

    return read_tagged


def _of_object(read_item: _Read) -> _Read:
    def read_object(value: object) -> dict[str, object]:
        if type(value) is not dict:
            raise _NotAsExpected(_OBJECT)
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
    def read_list(value: object) -> tuple[object, ...]:
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
            raise _NotAsExpected(_OBJECT)
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
