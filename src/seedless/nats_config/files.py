"""Read a configuration with the files that it includes and the variables that it uses.

As nats-server does: an include is looked up in the folder of the file that names it, even when it begins
with a slash; a variable is a key that stands earlier in an enclosing block of the same file, or else comes
from the environment; a word that begins with `$2a$` is a bcrypt hash. Refused beyond that: includes that come
back to themselves (a server reads until it is killed), more than 50 levels, more than 100,000 included keys.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from seedless.errors import StoreError
from seedless.nats_config.reader import Reader
from seedless.nats_config.source import Source
from seedless.nats_config.values import Configuration, Map, Scalar, Value
from seedless.store import atomic
from seedless.text import shown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from seedless.nats_config.values import Place

DEEPEST = 50
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
        self.used: set[Place] = set()
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
            raise StoreError(
                f"there is no file {shown(path)}", "servers look beside the file that includes it"
            )
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

    def variable(self, name: str, place: Place) -> Value | None:
        """Return the value that the environment has for *name*, read as servers read it; None without one."""
        if name not in self._variables:
            text = self.environment.get(name)
            self._variables[name] = None  # one that leads to itself has no value
            if text is not None:
                source = Source(f"{_ENVIRONMENT_KEY}={text}", f"${name}")
                found = Reader(source, self).top().find(_ENVIRONMENT_KEY)
                self._variables[name] = found.value if found else None
        value = self._variables[name]
        return Scalar(value.value, place) if isinstance(value, Scalar) else value
