"""Values of a desired-state file: how each unit is written, read, shown, and described to editors.

A number in its plain unit is always taken (bytes, nanoseconds, Unix seconds), and the way people write it
too: `"10G"`, `"500ms"`, `2027-01-31`, `"30d"`. Refused is what cannot be exact, and what moves with the clock
where that would change a jwt each time: a span of time is a validity, which counts from the signature.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import msgspec

from seedless import units
from seedless.errors import BadKey, InvalidValue
from seedless.nkey import PublicKey, Role
from seedless.text import quoted
from seedless.wire import Number

INT64_MAX = 2**63 - 1
LAST_SECOND = 253_402_300_799  # of the year 9999
_DAY = 86400
_LONGEST = 60


class ValidityPeriod(msgspec.Struct, frozen=True):
    """A validity, `30d` or `1y`, which counts from the signature."""

    span: str

    def end(self, start: int) -> int:
        """Return the Unix seconds of the end of what is signed at *start*."""
        return units.after(self.span, start)


class Value(msgspec.Struct, frozen=True):
    """One value: how it is read from what TOML or JSON gave, how it is shown there, and its JSON Schema."""

    read: Callable[[Any], Any]
    show: Callable[[Any], Any]
    schema: dict[str, Any]


def _same(value: object) -> object:
    return value


def shown_value(value: object) -> str:
    """Return *value* as an error quotes it: cut, and of any type."""
    match value:
        case Number() | float():
            return str(value)[:_LONGEST]
        case bool():
            return "true" if value else "false"
        case str():
            return quoted(value[:_LONGEST]) + ("…" if value[_LONGEST:] else "")
        case int() | dt.date() | dt.time():
            return str(value)[:_LONGEST]
        case None:
            return "null"
        case _:
            return "a table" if isinstance(value, dict) else "a list"


def _text(value: object) -> str:
    if not isinstance(value, str) or isinstance(value, Number):
        raise InvalidValue(f"expected text, found {shown_value(value)}")
    return value


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise InvalidValue(f"expected true or false, found {shown_value(value)}")
    return value


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


TEXT = Value(_text, _same, {"type": "string"})
FLAG = Value(_flag, _same, {"type": "boolean"})


def number(low: int = -(2**63), high: int = INT64_MAX) -> Value:
    """Return a whole number from *low* to *high*."""

    def read(value: Any) -> int:  # noqa: ANN401 - what a file holds
        if not _is_whole(value):
            raise InvalidValue(f"expected a whole number, found {shown_value(value)}")
        if not low <= value <= high:
            raise InvalidValue(f"{value} is not between {low} and {high}")
        return int(value)

    return Value(read, _same, {"type": "integer", "minimum": low, "maximum": high})


def choice(*words: str) -> Value:
    """Return one of *words*."""

    def read(value: object) -> str:
        if value not in words or not isinstance(value, str):
            raise InvalidValue(f"{shown_value(value)} is none of {', '.join(words)}")
        return value

    return Value(read, _same, {"enum": list(words)})


def key(role: Role) -> Value:
    """Return the public key of *role*, as text."""

    def read(value: object) -> str:
        text = _text(value)
        try:
            parsed = PublicKey.parse(text)
        except BadKey as error:
            raise InvalidValue(f"{shown_value(value)} is not a public key: {error.message}") from error
        if parsed.role is not role:
            raise InvalidValue(f"{shown_value(value)} is not the key of an {role.name.lower()}")
        return text  # a key has one spelling

    return Value(read, _same, {"type": "string", "pattern": f"^{role.value}[A-Z2-7]{{55}}$"})


def _parsed(value: object, parse: Callable[[str], int]) -> int:
    """Return what *parse* makes of the text *value*."""
    text = _text(value)
    try:
        return parse(text)
    except ValueError as error:
        raise InvalidValue(str(error)) from None


def _in_64_bits(value: Any, parse: Callable[[str], int]) -> int:  # noqa: ANN401 - what a file holds
    """Return *value*, a whole number or what *parse* makes of its text."""
    count = value if _is_whole(value) else _parsed(value, parse)
    if not -(2**63) <= count <= INT64_MAX:
        raise InvalidValue(f"{shown_value(value)} is beyond 64 bits")
    return int(count)


def _number(value: object) -> int:
    if not _is_whole(value) and not isinstance(value, str):
        raise InvalidValue(f"expected a whole number, found {shown_value(value)}")
    return _in_64_bits(value, units.parse_number)


def _shown_size(count: int) -> int | str:
    text = units.size(count).replace(" ", "")
    return count if count < 0 or text == f"{count}B" else text


_NUMBER_SCHEMA: dict[str, Any] = {
    "type": ["integer", "string"],
    "pattern": r"^(-?\d{1,19}|\d{1,19}(\.\d{1,18})? ?([kKmMgGtT][iI]?)?[bB]?)$",
}
SIZE = Value(
    _number,
    _shown_size,
    _NUMBER_SCHEMA
    | {"description": "bytes: 512, 10K (10,000), 4MiB (powers of 1024), 1.5G, or -1 for no limit"},
)
COUNT = Value(
    _number, _same, _NUMBER_SCHEMA | {"description": "a count: 512, 10K (10,000), 1.5M, or -1 for no limit"}
)


DURATION = Value(
    lambda value: _in_64_bits(value, units.parse_duration),
    lambda count: units.duration(count) if count > 0 else count,
    {
        "type": ["integer", "string"],
        "pattern": rf"^{units.DURATION_PATTERN}$",
        "description": "nanoseconds, or 500ms, 2s, 1h30m",
    },
)

_NO_MOMENT = "is not a time: write 2027-01-31, 2027-01-31T12:00:00Z, Unix seconds, or 0 for none"
_NO_UNTIL = "is not a time: write 30d, 2027-01-31, 2027-01-31T12:00:00Z, Unix seconds, or 0 for none"


def _moment(value: Any, *, wrong: str = _NO_MOMENT) -> int:  # noqa: ANN401 - what a file holds
    if _is_whole(value):
        if not -(2**63) <= value <= INT64_MAX:
            raise InvalidValue(f"{value} is beyond 64 bits")
        return int(value)
    if isinstance(value, str) and not isinstance(value, Number):
        try:
            return units.parse_moment(value)
        except ValueError as error:
            raise InvalidValue(
                str(error) if "1970" in str(error) else f"{shown_value(value)} {wrong}"
            ) from None
    # A datetime is a date to Python, and TOML has both.
    if isinstance(value, dt.date) and not isinstance(value, dt.datetime):
        value = dt.datetime.combine(value, dt.time())
    if not isinstance(value, dt.datetime):
        raise InvalidValue(f"{shown_value(value)} {wrong}")
    try:
        return units.seconds_of(value)
    except ValueError as error:
        raise InvalidValue(str(error)) from None


def _shown_moment(seconds: int) -> int | str:
    """Return *seconds* as a time in UTC where it is one that people write, else as it is."""
    if not 0 < seconds <= LAST_SECOND:
        return seconds
    return dt.datetime.fromtimestamp(seconds, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


_MOMENT_SCHEMA: dict[str, Any] = {
    "type": ["integer", "string"],
    "pattern": r"^(\d{4}-\d\d-\d\d|[1-9]\d{8,11}$)",
    "description": "a date or a time (UTC unless it names a zone), Unix seconds, or 0 for none",
}
MOMENT = Value(_moment, _shown_moment, _MOMENT_SCHEMA)


SPAN = Value(
    lambda value: _parsed(value, units.parse_span),
    units.span,
    {"type": "string", "pattern": r"^\d{1,6}[smhdwMy]$", "description": "a span of time: 12h, 30d, 1y"},
)


def _until(value: object) -> int | ValidityPeriod:
    if isinstance(value, str) and units.is_span(value):
        if not 0 < units.parse_span(value) <= LAST_SECOND:
            raise InvalidValue(f"{shown_value(value)} is no validity: write 12h, 30d, 1y")
        return ValidityPeriod(value)
    return _moment(value, wrong=_NO_UNTIL)


UNTIL = Value(
    _until,
    _shown_moment,
    {
        "type": ["integer", "string"],
        "pattern": r"^(\d{4}-\d\d-\d\d|\d{1,6}[smhdwMy]$|[1-9]\d{8,11}$)",
        "description": "expiry: a date, a time, a validity from the signature as 30d, or 0 for no expiry",
    },
)


def _sampling(value: Any) -> int | str:  # noqa: ANN401 - what a file holds
    if value == "headers":
        return "headers"
    if not _is_whole(value) or not 1 <= value <= 100:  # noqa: PLR2004 - percent
        raise InvalidValue(f"{shown_value(value)} is not a percentage: write 1 to 100, or headers")
    return int(value)


SAMPLING = Value(
    _sampling, _same, {"anyOf": [{"type": "integer", "minimum": 1, "maximum": 100}, {"const": "headers"}]}
)
