"""How a policy is written: read strictly from TOML or from its canonical bytes, and written as these.

The keys are the rows of a table (`keys`); here is how a row is read, and what kinds of values there are.
Whatever no row describes, or is not of its kind, is an error with its place, and all errors are reported at
once. An empty list is refused: it could mean all or none.

The canonical form is JSON without blanks: names and lists sorted, spans in seconds, sizes in bytes, what has
its default left out. The digest of a policy is the SHA-256 of it: comments and spelling do not count.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, TypeVar

import msgspec

from seedless import units
from seedless.change import Change, Context
from seedless.errors import BadKey, InvalidValue
from seedless.findings import Finding
from seedless.nkey import PublicKey, Role
from seedless.text import quoted

T = TypeVar("T")
Texts = tuple[str, ...]
Check = Callable[[object], T]
"""Returns a value as the policy contains it, or raises `InvalidValue`."""
Reader = Callable[["Reading", str, object], Any]
"""Returns what is at a place of the file; reports what is invalid, and then returns what is valid of it."""
Description = Iterator[tuple[str, str]]

_SHA256 = re.compile(r"[0-9a-f]{64}")
_INT64_MAX = 2**63 - 1


class PolicyKey(msgspec.Struct, frozen=True):
    """A key of a policy file, or a table of keys.

    `path` is its place in the file, `field` that in `Policy`. `read` returns its value. `describe` yields
    sentences for a value that is not the default, each with the end of its place. `rules` find what a change
    has against such a policy; `codes` are those of their findings, each with the end of the place.
    """

    path: str
    field: str
    read: Reader
    describe: Callable[[Any], Description]
    codes: Mapping[str, str] = MappingProxyType({})
    rules: tuple[Callable[[Any, Change, Context], Iterator[Finding]], ...] = ()


class Reading:
    """Gathers what is invalid in one file."""

    def __init__(self) -> None:
        """Begin with no errors."""
        self.errors: list[str] = []

    def fields(self, rows: Sequence[PolicyKey], values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the fields of `Policy` that *values* give, by the *rows* of the table."""
        self.known("", values, [row.path.partition(".")[0] for row in rows])
        tables: dict[str, dict[str, Any]] = {}
        fields: dict[str, Any] = {}
        for row in rows:
            first, _, name = row.path.rpartition(".")
            if first and first not in tables:
                names = [key.path.rpartition(".")[2] for key in rows if key.path.startswith(f"{first}.")]
                tables[first] = self.table(first, values.get(first, {}), names)
            held = tables[first] if first else values
            if name in held:
                fields[row.field] = row.read(self, row.path, held[name])
        return {field: value for field, value in fields.items() if value is not None}

    def known(self, place: str, values: Mapping[str, object], names: Sequence[str]) -> None:
        """Report the members of *values* that are none of *names*."""
        names = list(dict.fromkeys(names))
        for name in values:
            if name not in names:
                near = difflib.get_close_matches(name, names, n=1)
                meant = f", did you mean {near[0]}?" if near else f": there are {', '.join(names)}"
                self.errors.append(f"{_join(place, name)} is not a key of a policy{meant}")

    def table(self, place: str, value: object, names: Sequence[str]) -> dict[str, object]:
        """Return those members of the table *value* that are *names*."""
        if not isinstance(value, dict):
            self.errors.append(f"{place} is not a table: write [{place}]")
            return {}
        self.known(place, value, names)
        return {name: item for name, item in value.items() if name in names}


def one(check: Check[T]) -> Reader:
    """Return the reader of one value."""

    def read(reading: Reading, place: str, value: object) -> T | None:
        try:
            return check(value)
        except InvalidValue as error:
            reading.errors.append(f"{place} {error}")
            return None

    return read


def many(check: Check[str]) -> Reader:
    """Return the reader of a list with at least one value."""

    def read(reading: Reading, place: str, value: object) -> Texts:
        if not isinstance(value, list) or not value:
            reading.errors.append(f"{place} is not a list with something in it")
            return ()
        texts = [one(check)(reading, f"{place}[{index}]", item) for index, item in enumerate(value)]
        return tuple(text for text in texts if text is not None)

    return read


def table(readers: Mapping[str, Reader]) -> Reader:
    """Return the reader of a table whose members have these *readers*; one that is invalid is left out."""

    def read(reading: Reading, place: str, value: object) -> Mapping[str, object]:
        held = reading.table(place, value, tuple(readers))
        members = {name: readers[name](reading, f"{place}.{name}", item) for name, item in held.items()}
        return MappingProxyType({name: member for name, member in members.items() if member is not None})

    return read


def plain(value: object) -> object:
    """Return *value*, of a policy, as its canonical form contains it."""
    if isinstance(value, tuple):
        return sorted(set(value))
    if isinstance(value, Mapping):
        return {name: plain(item) for name, item in value.items()}
    if isinstance(value, msgspec.Struct):
        return {
            field.name: plain(member)
            for field in msgspec.structs.fields(value)
            if (member := getattr(value, field.name)) != field.default
        }
    return value


def _join(place: str, name: str) -> str:
    shown = name if name.isprintable() and " " not in name else quoted(name)
    return f"{place}.{shown}" if place else shown


def text(value: object) -> str:
    """Return text that is not empty."""
    if not isinstance(value, str) or not value:
        raise InvalidValue("is not text")
    return value


def flag(value: object) -> bool:
    """Return true or false."""
    if not isinstance(value, bool):
        raise InvalidValue("is not true or false")
    return value


def count(value: object) -> int:
    """Return a number from 0 on, of 63 bits."""
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _INT64_MAX:
        raise InvalidValue("is not a number from 0 on; leave it out for no limit")
    return value


def limit(value: object) -> int:
    """Return a limit: a number, or text with a unit."""
    if not isinstance(value, str):
        return count(value)
    try:
        return count(units.parse_number(value))
    except InvalidValue:
        raise
    except ValueError as error:
        raise InvalidValue(f"is not a number: {error}") from error


def longest(value: object) -> int:
    """Return the most seconds that a span can have."""
    return _seconds(value, units.parse_span)


def shortest(value: object) -> int:
    """Return the fewest seconds that a span can have."""
    return _seconds(value, units.parse_shortest_span)


def _seconds(value: object, parse: Callable[[str], int]) -> int:
    """Return the seconds of a span, or a number of them, which is how a canonical policy contains them."""
    if not isinstance(value, str):
        return count(value)
    try:
        return parse(value)
    except ValueError as error:
        raise InvalidValue(f"is not a span: {error}") from error


def subject(value: object) -> str:
    """Return a subject, with or without wildcards."""
    words = text(value)
    if not all(words.split(".")) or any(mark.isspace() for mark in words):
        raise InvalidValue(f"is not a subject: {quoted(words)}")
    return words


def digest(value: object) -> str:
    """Return a SHA-256 in hexadecimal."""
    words = text(value)
    if not _SHA256.fullmatch(words):
        raise InvalidValue(
            f"is not a SHA-256 of a certificate's DER, 64 hex digits in lower case: {quoted(words)}"
        )
    return words


def choice(*names: str) -> Check[str]:
    """Return the check for one of *names*."""

    def check(value: object) -> str:
        word = text(value)
        if word not in names:
            raise InvalidValue(f"is {quoted(word)}, not one of {', '.join(names)}")
        return word

    return check


def public_key(*roles: Role) -> Check[str]:
    """Return the check for a public key, as text, with one of *roles*."""

    def check(value: object) -> str:
        words = text(value)
        wanted = " or ".join(role.name.lower() for role in roles)
        try:
            key = PublicKey.parse(words)
        except BadKey as error:
            raise InvalidValue(f"is not a public key: {error.message}") from error
        if key.role not in roles:
            raise InvalidValue(f"is not the public key of an {wanted}")
        return words

    return check


def account_or_any(value: object) -> str:
    """Return the public key of an account, or `*`."""
    return "*" if value == "*" else public_key(Role.ACCOUNT)(value)
