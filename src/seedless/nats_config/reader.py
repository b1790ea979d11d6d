"""Keys and values of one file.

Read a configuration with the files that it includes and the variables that it uses.

As nats-server does: an include is looked up in the folder of the file that names it, even when it begins
with a slash; a variable is a key that is earlier in an enclosing block of the same file, or else comes
from the environment; a word that begins with `$2a$` is a bcrypt hash. Refused beyond that: includes that come
back to themselves (a server reads until it is killed), more than 50 levels, more than 100,000 included keys.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from seedless.errors import StoreError
from seedless.nats_config.source import (
    Array,
    Configuration,
    Map,
    Member,
    Scalar,
    Source,
    Value,
    named,
    number,
)
from seedless.store import atomic
from seedless.text import shown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from seedless.nats_config.source import SourcePlace


# nats-server, conf/lex.go: these words, in any case, and only bare. In quotes they are text.
_BOOLEANS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
# conf/parse.go: `$2a$…` is the hash of a password and no variable.
_BCRYPT = "2a$"
_LINE_ENDS = frozenset("\r\n")
_DIGITS = frozenset("0123456789")


class Reader:
    """Reads one source; *files* gives what it includes and keeps what is used."""

    __slots__ = ("files", "scopes", "source")

    def __init__(self, source: Source, files: Files) -> None:
        """Take the *source*, of which nothing is read yet."""
        self.source = source
        self.files = files
        # A variable is looked for in the blocks around its place, from the inside out, then in the
        # environment: a key that comes later in the file is not found.
        self.scopes: list[dict[str, Member]] = []

    def top(self) -> Map:
        """Read all of the source, which is a map without braces, or with."""
        source = self.source
        place = source.place()
        members = self._members(top=True)
        return Map(tuple(members), place)

    def _members(self, *, top: bool) -> list[Member]:
        """Read keys and values up to the end: of the source at the *top*, else a closing brace."""
        source, members = self.source, []
        scope: dict[str, Member] = {}
        self.files.enter(source)
        self.scopes.append(scope)
        while self._goes_on(top=top):
            for member in self._entries(top=top):
                members.append(member)
                scope[member.key] = member
            if not self._separated(top=top):
                break
        self.scopes.pop()
        self.files.leave()
        return members

    def _goes_on(self, *, top: bool) -> bool:
        """Skip what is before a key, and report whether there is one."""
        source = self.source
        source.skip_to_key(top=top)
        if top:
            return bool(source.next)
        if not source.next:
            source.refuse("a brace { is never closed")
        if source.next == "]":
            source.refuse("a bracket ] is where a key should be")
        if source.next == "}":
            source.at += 1
            return False
        return True

    def _separated(self, *, top: bool) -> bool:
        """Skip what ends a value; report whether the map goes on."""
        source = self.source
        while True:
            source.skip_indent()
            if source.skip_comment():
                continue
            # Servers accept more than they document. What they accept has to be read here, or a
            # configuration that runs could not be linted.
            if source.next == "/":  # servers skip a lone one
                source.at += 1
                if not top:
                    return True
            elif source.next in _LINE_ENDS or source.next in {",", ";"}:
                source.at += 1
                return True
            elif source.next == "}":
                source.at += 1
                source.open_braces = max(source.open_braces - top, 0)
                return top
            elif top and not source.next and source.open_braces:  # servers take one where a line ends here
                source.refuse("a brace { is never closed")
            elif top and not source.next:
                return False
            else:
                source.refuse(f"a value should end here, and {source.upcoming} follows", "begin a new line")

    def _entries(self, *, top: bool) -> list[Member]:
        """Read a key and its value, or an include: the members of the other file."""
        source = self.source
        start = source.at
        key, in_quotes = source.key()
        # A key in quotes is a key: `"include": x` includes nothing.
        if not in_quotes and key.lower() == "include" and source.next and source.next not in {"=", ":"}:
            found = self.files.include(source, self._include_name(), start)
            return list(found.each())
        source.skip()
        if source.next and source.next in {"=", ":"}:
            source.at += 1
            if not top:
                source.skip()
        elif top and not source.next:
            if key == "}":  # of a { at the beginning
                source.open_braces = max(source.open_braces - 1, 0)
                return []
            source.refuse(f"{named(key)} has no value", at=start)
        if not top and (not source.next or source.next in {",", "}"}):
            source.refuse(f"{named(key)} has no value", at=start)
        return [Member(key, self._value(), source.place(start))]

    def _include_name(self) -> str:
        source = self.source
        source.skip_indent()
        if source.next in {"'", '"'}:
            return source.key()[0]
        if not source.next or source.next in _LINE_ENDS | _DIGITS | frozenset("[{(-\\"):
            source.refuse("the name of a file should follow include")
        return source.include_name()

    def _value(self) -> Value:
        source = self.source
        source.skip_indent()
        place = source.place()
        match source.next:
            case "[":
                return self._array(place)
            case "{":
                source.at += 1
                return Map(tuple(self._members(top=False)), place)
            case "'":
                return Scalar(source.single(), place)
            case '"':
                return Scalar(source.double(), place)
            case "(":
                return Scalar(source.block(), place)
            case ".":
                source.refuse("a number begins with a digit")
            case "\n" | "\r":
                source.refuse("a value should be on this line")
        return self._word(place)

    def _word(self, place: SourcePlace) -> Value:
        """Read a number, a boolean, a variable or a bare word."""
        source = self.source
        if source.next and (source.next in _DIGITS or source.next == "-"):
            found = number(source)
            if found is not None:
                return Scalar(found, place)
        start = source.at
        word, plain = source.bare()
        if plain and word.lower() in _BOOLEANS:
            return Scalar(_BOOLEANS[word.lower()], place)
        if plain and word.startswith("$"):
            return self._variable(word[1:], place, start)
        return Scalar(word, place)

    def _variable(self, name: str, place: SourcePlace, start: int) -> Value:
        if name.startswith(_BCRYPT):
            return Scalar(f"${name}", place)
        for scope in reversed(self.scopes):
            if name in scope:
                member = scope[name]
                self.files.used.add(member.place)
                return Scalar(member.value.value, place) if isinstance(member.value, Scalar) else member.value
        value = self.files.variable(name, place)
        if value is None:
            self.source.refuse(
                f"there is no variable {named(name)}",
                "define it before this place, in a block around this one, or in the environment",
                at=start,
            )
        return value

    def _array(self, place: SourcePlace) -> Array:
        source, items = self.source, []
        self.files.enter(source)
        source.at += 1
        while True:
            source.skip_to_key(top=False)
            if source.next == "]":
                source.at += 1
                break
            if not source.next or source.next in {",", "/"}:
                source.refuse(f"a value is missing before {source.upcoming}")
            items.append(self._value())
            if not self._another():
                break
        self.files.leave()
        return Array(tuple(items), place)

    def _another(self) -> bool:
        """Skip what is between two values of an array; report whether another may follow."""
        source = self.source
        while True:
            source.skip_indent()
            if source.skip_comment():
                continue
            if source.next == "]":
                source.at += 1
                return False
            if source.next and (source.next in _LINE_ENDS or source.next in {",", "/"}):
                source.at += 1
                return True
            source.refuse(
                f"a value of an array should end here, and {source.upcoming} follows", "write a comma"
            )


# Configurations have five or six levels. Without a bar a file of ten thousand braces would end in
# RecursionError.
DEEPEST = 50
# Twenty files that include one another twice each are a million keys.
_MOST_INCLUDED = 100_000
_ENVIRONMENT_KEY = "pk"


def load(path: Path, environment: Mapping[str, str]) -> Configuration:
    """Read the file *path*; variables may come from *environment*. Raise `StoreError` with the place."""
    files = Files(environment)
    return files.configuration(files.file(os.path.normpath(path)))


def parse(text: str, name: str, environment: Mapping[str, str]) -> Configuration:
    """Read *text* as if it were the file *name*, from whose folder it includes; raise `StoreError`."""
    files = Files(environment)
    return files.configuration(files.map(text, name))


class Files:
    """The files of one configuration, each read once."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        """Take the *environment*; nothing is read yet."""
        self.environment = environment
        self.used: set[SourcePlace] = set()
        self._texts: dict[str, str] = {}
        self._maps: dict[str, Map] = {}
        self._variables: dict[str, Value | None] = {}
        self._open: list[str] = []
        self._depth = 0
        self._included = 0

    def configuration(self, root: Map) -> Configuration:
        """Return what has been read, with *root* as its top."""
        return Configuration(root, dict(self._texts), frozenset(self.used), frozenset(self._variables))

    def file(self, path: str) -> Map:
        """Read the file *path*, or return what it was when it was read before."""
        if path not in self._maps:
            text = self._text(path)
            self._open.append(path)
            self._maps[path] = self.map(text, path)
            self._open.pop()
        return self._maps[path]

    def include(self, source: Source, name: str, at: int) -> Map:
        """Return what the file *name* holds, which *source* includes at the offset *at*."""
        # Also for an absolute name: Go's Join makes it relative to the folder, which is what servers
        # read.
        path = os.path.normpath(f"{Path(source.name).parent}/{name}")  # as Go's filepath.Join
        if path not in self._maps:
            try:
                self._text(path)
            except StoreError as error:
                raise StoreError(f"{source.place(at)}: {error.message}", error.hint) from error
        found = self.file(path)
        self._included += len(found.members)
        if self._included > _MOST_INCLUDED:
            source.refuse(f"more than {_MOST_INCLUDED} keys are included", at=at)
        return found

    def _text(self, path: str) -> str:
        if path in self._open:
            chain = " → ".join(map(shown, [*self._open[self._open.index(path) :], path]))
            raise StoreError(f"the configuration includes itself: {chain}", "take one include out")
        data = atomic.read(Path(path))
        if data is None:
            beside = "servers look beside the file that includes it" if self._open else ""
            raise StoreError(f"there is no file {shown(path)}", beside)
        # Servers read bytes. What is not UTF-8 is found where it matters, with its place, and not by
        # refusing the file.
        return data.decode("utf-8", "surrogateescape")

    def map(self, text: str, name: str) -> Map:
        """Read *text* of the file *name*."""
        self._texts[name] = text
        return Reader(Source(text, name), self).top()

    def enter(self, source: Source) -> None:
        """Go one level deeper; raise `StoreError` when that is too deep."""
        self._depth += 1
        if self._depth > DEEPEST:
            source.refuse(f"there are more than {DEEPEST} levels")

    def leave(self) -> None:
        """Come back from a level."""
        self._depth -= 1

    def variable(self, name: str, place: SourcePlace) -> Value | None:
        """Return the value that the environment has for *name*, read as servers read it; None without one."""
        if name not in self._variables:
            text = self.environment.get(name)
            # Set before it is read: a variable whose value is its own name would be looked up for ever.
            self._variables[name] = None  # one that leads to itself has no value
            if text is not None:
                source = Source(f"{_ENVIRONMENT_KEY}={text}", f"${name}")
                found = Reader(source, self).top().find(_ENVIRONMENT_KEY)
                self._variables[name] = found.value if found else None
        value = self._variables[name]
        return Scalar(value.value, place) if isinstance(value, Scalar) else value
