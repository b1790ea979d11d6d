"""What a configuration states: scalars, arrays and maps, each with its place in a file.

The text of one file, and the smallest things in it: blanks, comments, strings, numbers.

It follows the lexer of nats-server (`conf/lex.go`), whose oddities are kept where servers accept them: a `'`
ends a bare word, escapes work in bare words too, a block ends at a `)` that is alone on its line. Refused
beyond that: zero characters, and halves of surrogate pairs.
"""

from __future__ import annotations

import bisect
import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NoReturn

from seedless.errors import StoreError
from seedless.text import quoted, shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


@dataclass(frozen=True, slots=True)
class SourcePlace:
    """Where something is: a file, and line and column, both from 1 (columns are characters)."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{shown(self.file)}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class Scalar:
    """A string, a number (suffixes such as kb applied), a boolean or a time.

    A variable has the value that it represents, and the place where it is used.
    """

    value: str | int | float | bool | datetime
    place: SourcePlace


@dataclass(frozen=True, slots=True)
class Array:
    """A list in brackets."""

    items: tuple[Value, ...]
    place: SourcePlace


@dataclass(frozen=True, slots=True)
class Member:
    """A key with its value; `place` is that of the key."""

    key: str
    value: Value
    place: SourcePlace


@dataclass(frozen=True, slots=True)
class Map:
    """Members as they are, with those of included files; of a key that occurs twice the last counts."""

    members: tuple[Member, ...]
    place: SourcePlace

    def find(self, *names: str) -> Member | None:
        """Return the member that counts under one of *names*; servers fold the case of keys."""
        found = [member for member in self.members if member.key.lower() in names]
        return found[-1] if found else None

    def each(self) -> tuple[Member, ...]:
        """Return the members that count, each key once."""
        return tuple({member.key: member for member in self.members}.values())


Value = Scalar | Array | Map


@dataclass(frozen=True, slots=True)
class Configuration:
    """A whole configuration: its top, the text of each file by its name, and its variables.

    The first file includes the others. `variables` are the places of the keys that are used as variables,
    `environment` the names that were looked up there.
    """

    root: Map
    files: Mapping[str, str]
    variables: frozenset[SourcePlace]
    environment: frozenset[str]


# What Go's unicode.IsSpace takes; Python's \s would take U+001C to U+001F as well.
_BLANKS = "\t\n\v\f\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
_SPACE = re.compile(f"[{_BLANKS}]*")
_TOP_SPACE = re.compile(f"[{_BLANKS}{{]*")
_INDENT = re.compile(r"[\t ]*")
_COMMENT = re.compile(r"(?:#|//)[^\r\n]*")
_KEY = re.compile(f"(?s:.)[^{_BLANKS}=:]*")
# Up to what ends a bare word in conf/lex.go; a `#` within a word is part of it.
_BARE = re.compile(r"[^\n\r;,\]}\t '\\]*")
_FILE = re.compile(r"[^\n\r;}\t ']*")
_QUOTED = re.compile(r'[^"\\]*')
_ESCAPES = {"t": "\t", "n": "\n", "r": "\r", '"': '"', "\\": "\\"}
_HEX = re.compile("[0-9a-fA-F]{2}")
_BLOCK_END = re.compile(r"\n\)(?=\n|\Z)")
_NO_TEXT = re.compile("[\0\ud800-\udc7f\udd00-\udfff]")  # what represents a byte (PEP 383) may be there
# What looks like a seed is not quoted in an error, even where its checksum is wrong: it may be a seed
# with a typing error.
_SECRET = re.compile("[SP][A-Z2-7]{30,}")
_SHOWN = 40
_INTEGER = re.compile(r"(-?[0-9]+)([kKmMgGtTpPeE][bBiI]*)?(?=[\n\r}\];,\t ]|\Z)")
_FLOAT = re.compile(r"-?[0-9]+\.[0-9]+(?![0-9.])")
_ADDRESS = re.compile(r"[0-9]+\.[0-9]+\.[0-9.:-]*")
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")
_HALF = re.compile(r"-|[0-9]+[-.]")
_POWERS = {letter: power for power, letter in enumerate("kmgtpe", start=1)}
_INT64 = range(-(2**63), 2**63)
_MOST_DIGITS = 19


class Source:
    """A text and how far it has been read."""

    __slots__ = ("at", "lines", "name", "open_braces", "text")

    def __init__(self, text: str, name: str) -> None:
        """Take the *text* and the *name* of its file; raise `StoreError` for a text that is none."""
        self.text = text
        self.name = name
        self.at = 0
        self.open_braces = 0
        self.lines = [0, *(match.end() for match in re.finditer("\n", text))]
        stray = _NO_TEXT.search(text)
        if stray:
            what = "a zero character" if stray[0] == "\0" else "half of a surrogate pair"
            self.refuse(f"{what} is here", "this is not a text file", at=stray.start())

    def place(self, at: int | None = None) -> SourcePlace:
        """Return the place of the offset *at*, by default of what is next."""
        offset = self.at if at is None else at
        line = bisect.bisect_right(self.lines, offset)
        return SourcePlace(self.name, line, offset - self.lines[line - 1] + 1)

    def refuse(self, what: str, hint: str = "", at: int | None = None) -> NoReturn:
        """Raise `StoreError` with the place of *at*, by default of what is next."""
        raise StoreError(f"{self.place(at)}: {what}", hint)

    @property
    def next(self) -> str:
        """The next character, empty at the end."""
        return self.text[self.at : self.at + 1]

    @property
    def upcoming(self) -> str:
        """The next character, for a sentence."""
        return quoted(self.next) if self.next else "the end of the file"

    def take(self, pattern: re.Pattern[str]) -> str:
        """Read what *pattern*, which may be empty, matches here."""
        match = pattern.match(self.text, self.at)
        found = match[0] if match else ""
        self.at += len(found)
        return found

    def skip(self) -> None:
        """Skip blanks and ends of lines."""
        self.take(_SPACE)

    def skip_indent(self) -> None:
        """Skip tabs and spaces."""
        self.take(_INDENT)

    def skip_to_key(self, *, top: bool) -> None:
        """Skip blanks and comments; at the *top* opening braces too, which are counted."""
        blank = _TOP_SPACE if top else _SPACE
        while (skipped := self.take(blank)) or self.take(_COMMENT):
            self.open_braces += skipped.count("{")

    def skip_comment(self) -> bool:
        """Skip a comment to the end of its line, and report whether there was one."""
        return bool(self.take(_COMMENT))

    def key(self) -> tuple[str, bool]:
        """Read a key; report whether it was in quotes."""
        if self.next in {"=", ":"}:
            self.refuse(f"a key is missing before {self.upcoming}")
        if self.next in {"'", '"'}:
            return self._until(self.next), True
        return self.take(_KEY), False

    def include_name(self) -> str:
        """Read the bare name of a file; a quote ends it as it ends a bare word."""
        found = self.take(_FILE)
        if self.next == "'":
            self.at += 1
        return found

    def single(self) -> str:
        """Read a string in single quotes, in which nothing is special."""
        return self._until("'")

    def _until(self, mark: str) -> str:
        end = self.text.find(mark, self.at + 1)
        if end < 0:
            self.refuse(f"the quote {mark} is never closed")
        found = self.text[self.at + 1 : end]
        self.at = end + 1
        return found

    def double(self) -> str:
        """Read a string in double quotes, its escapes replaced."""
        start = self.at
        self.at += 1
        found = b"".join(self._pieces(_QUOTED))
        if self.next != '"':
            self.refuse('the quote " is never closed', at=start)
        self.at += 1
        return _text(found)

    def bare(self) -> tuple[str, bool]:
        """Read a bare word; report whether it is plain: neither escapes nor a quote at its end."""
        start = self.at
        found = _text(b"".join(self._pieces(_BARE)))
        plain = "\\" not in self.text[start : self.at]
        if self.next == "'":
            self.at += 1
            plain = False
        return found, plain

    def _pieces(self, plain: re.Pattern[str]) -> Iterator[bytes]:
        """Yield what *plain* matches, and escapes, as bytes: an escape may be half of a character."""
        yield self.take(plain).encode("utf-8", "surrogateescape")
        while self.next == "\\":
            yield self._escape()
            yield self.take(plain).encode("utf-8", "surrogateescape")

    def _escape(self) -> bytes:
        mark = self.text[self.at + 1 : self.at + 2]
        digits = _HEX.match(self.text, self.at + 2) if mark == "x" else None
        if digits:
            self.at = digits.end()
            return bytes.fromhex(digits[0])
        if mark not in _ESCAPES:
            self.refuse(
                "no such escape", r"there are \t \n \r \" \\ and \xHH; in single quotes nothing is special"
            )
        self.at += 2
        return _ESCAPES[mark].encode()

    def block(self) -> str:
        """Read a block in parentheses, whose end is alone on its line."""
        end = _BLOCK_END.search(self.text, self.at + 1)
        if end is None:
            self.refuse("the block is never closed", "its ) is alone at the beginning of a line")
        found = self.text[self.at + 1 : end.start() + 1]
        self.at = end.end()
        return found


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def named(key: str) -> str:
    """Return *key* for a sentence: quoted, cut, and not at all when it may be a secret."""
    if _SECRET.search(key):
        return "a key that looks like a seed"
    return quoted(key if len(key) <= _SHOWN else key[:_SHOWN] + "…")


def number(source: Source) -> int | float | str | datetime | None:
    """Read a number, a time or an address; None for a word that only begins so. Raise `StoreError`."""
    start = source.at
    if text := source.take(_TIME):
        return _time(source, text, start)
    if text := source.take(_ADDRESS):
        return text
    if text := source.take(_FLOAT):
        return _float(source, text, start)
    match = _INTEGER.match(source.text, start)
    if match is not None:
        source.at = match.end()
        return _integer(source, match[1], (match[2] or "").lower(), start)
    if _HALF.match(source.text, start):
        source.refuse("what begins like a number is none", "put quotes around it")
    return None


def _time(source: Source, text: str, start: int) -> datetime:
    try:
        return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError:
        source.refuse("there is no such date or time", at=start)


def _float(source: Source, text: str, start: int) -> float:
    value = float(text)
    if not math.isfinite(value):
        source.refuse("the number is too large", at=start)
    return value


def _integer(source: Source, digits: str, suffix: str, start: int) -> int:
    short = len(digits.lstrip("-").lstrip("0")) <= _MOST_DIGITS
    value = int(digits) if short else _INT64.stop
    if value not in _INT64:
        source.refuse("the number does not fit into 64 bits", at=start)
    if not suffix:
        return value
    letter, rest = suffix[0], suffix[1:]
    if rest not in {"", "b", "i", "ib"}:
        source.refuse(
            f"{suffix} is not a suffix of a number",
            "servers would leave the value out: write kb, mb or gb",
            at=start,
        )
    return int(value * (1024 if rest else 1000) ** _POWERS[letter])
