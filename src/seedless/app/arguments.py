"""Arguments of programs, checked: a value of another type ends in a sentence, where it is given."""

from __future__ import annotations

import os
from collections.abc import Iterable
from datetime import datetime, timedelta
from os import PathLike

from seedless import units
from seedless.errors import UsageError
from seedless.nkey import PublicKey
from seedless.pin import PinSource
from seedless.store.names import check_name
from seedless.text import quoted

__all__ = [
    "Time",
    "check_new_name",
    "count",
    "data",
    "key",
    "keys",
    "pins",
    "seconds",
    "text",
    "texts",
    "wrong_type",
]

Time = datetime | timedelta | int | str
"""An aware datetime, a span from now, Unix seconds (0: never), or text as in `30d` or `2027-01-31`."""


def wrong_type(name: str, value: object, accepted: str) -> UsageError:
    """Return the error of an argument *name* whose *value* is not of a type that is *accepted*, in words."""
    return UsageError(f"{name} is of the type {type(value).__name__}", f"give {accepted}")


def text(name: str, value: object, *others: type) -> str | None:
    """Return *value* as text; raise `UsageError` unless it is text, None, or one of the *others*."""
    if value is None or isinstance(value, str):
        return value
    if not isinstance(value, others):
        raise wrong_type(name, value, " or ".join(("text", *(other.__name__ for other in others))))
    return str(os.fspath(value)) if isinstance(value, PathLike) else str(value)


def texts(name: str, values: object) -> tuple[str, ...]:
    """Return several texts; raise `UsageError` for one text alone, whose letters would be meant."""
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise wrong_type(name, values, f'several, as in {name}=["…"]')
    found = tuple(values)
    for value in found:
        if not isinstance(value, str):
            raise wrong_type(f"an entry of {name}", value, "text")
    return found


def data(name: str, value: object) -> bytes:
    """Return *value*, what a file holds; raise `UsageError` for text, which may be its name."""
    if not isinstance(value, bytes):
        raise wrong_type(name, value, "the bytes of the file")
    return value


def key(name: str, value: object) -> PublicKey:
    """Return *value* as a public key; raise `UsageError` or `BadKey`."""
    if isinstance(value, PublicKey):
        return value
    if not isinstance(value, str):
        raise wrong_type(name, value, "a public key, or its text")
    return PublicKey.parse(value)


def keys(name: str, values: object) -> tuple[str, ...]:
    """Return public keys as text; raise `UsageError` or `BadKey`."""
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise wrong_type(name, values, f'several, as in {name}=["A…"]')
    return tuple(str(value if isinstance(value, PublicKey) else PublicKey.parse(value)) for value in values)


def pins(value: str | PinSource | None) -> PinSource | None:
    """Return *value* where it is a source itself, and not its text."""
    if value is None or isinstance(value, str):
        return None
    if not callable(getattr(value, "pin", None)):
        raise wrong_type("pin_source", value, "text, as in env:PIN, or a PinSource")
    return value


def count(name: str, value: object) -> int | None:
    """Return *value*, a number from 1 on, or None."""
    if value is None or (isinstance(value, int) and value >= 1 and not isinstance(value, bool)):
        return value
    raise wrong_type(name, value, "a number, 1 or more")


def seconds(name: str, value: Time, now: int) -> int:
    """Return *value* in Unix seconds; a span counts from *now* (Unix seconds). Raise `UsageError`."""
    if isinstance(value, bool) or not isinstance(value, Time):
        raise wrong_type(name, value, "a datetime, a timedelta, Unix seconds, or text as in 30d")
    try:
        match value:
            case int():
                return value
            case timedelta():
                return now + int(value.total_seconds())
            case datetime():
                if value.tzinfo is None:
                    raise UsageError(f"{name} has no time zone", "give datetime.now(timezone.utc) + …")
                return units.seconds_of(value)
        if value == "0":
            return 0
        return units.after(value, now) if units.is_span(value) else units.parse_moment(value)
    except (ValueError, OverflowError) as error:
        raise UsageError(f"{name}: {error}", "write 30d, 12h, 1y, 2027-01-31 or 0 for none") from error


def check_new_name(name: str) -> None:
    """Raise `UsageError` unless *name* can be one of a file and all of it can be seen."""
    check_name(name)
    if not name.isprintable():
        raise UsageError(
            f"the name {quoted(name)} holds a character that cannot be seen",
            "choose another, such as orders or node-7",
        )
