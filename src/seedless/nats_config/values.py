"""What a configuration says: scalars, arrays and maps, each with its place in a file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from seedless.text import shown

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands: a file, and line and column, both from 1 (columns are characters)."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{shown(self.file)}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class Scalar:
    """A string, a number (suffixes such as kb applied), a boolean or a time.

    A variable has the value that it stands for, and the place where it is used.
    """

    value: str | int | float | bool | datetime
    place: Place


@dataclass(frozen=True, slots=True)
class Array:
    """A list in brackets."""

    items: tuple[Value, ...]
    place: Place


@dataclass(frozen=True, slots=True)
class Member:
    """A key with its value; `place` is that of the key."""

    key: str
    value: Value
    place: Place


@dataclass(frozen=True, slots=True)
class Map:
    """Members as they stand, with those of included files; of a key that stands twice the last counts."""

    members: tuple[Member, ...]
    place: Place

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
    variables: frozenset[Place]
    environment: frozenset[str]
