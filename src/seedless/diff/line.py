"""One line of a diff: what it does to access, what it is about, and the text, safe to print."""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping
from types import MappingProxyType

import msgspec
from msgspec import UNSET

from seedless.text import between_quotes, brief

_PLAIN_NAME = re.compile(r"[\w*>$-]+")
_MARKS = frozenset(",;()[]\"'")


class Effect(enum.StrEnum):
    """What a difference does to access, the most dangerous first."""

    WIDENS = "widens"
    CHANGES = "changes"
    NARROWS = "narrows"

    @property
    def opposite(self) -> Effect:
        """The effect of the same step taken back."""
        return _OPPOSITE[self]


_OPPOSITE = {
    Effect.WIDENS: Effect.NARROWS,
    Effect.CHANGES: Effect.CHANGES,
    Effect.NARROWS: Effect.WIDENS,
}


class Difference(msgspec.Struct, frozen=True):
    """One line of a diff.

    `label` names what it is about, `text` what it was and is; both are safe to print. `paths` are the members
    that it covers, `old` and `new` their values (of a group: objects). `details` are what the line sums up,
    for readers who need all of it.
    """

    effect: Effect
    label: str
    text: str
    paths: tuple[str, ...]
    old: object = None
    new: object = None
    details: tuple[str, ...] = ()

    @property
    def line(self) -> str:
        """The line without its effect."""
        return f"{self.label}: {self.text}"

    def data(self) -> dict[str, object]:
        """Return the line as JSON holds it."""
        return {
            "effect": str(self.effect),
            "label": self.label,
            "text": self.text,
            "paths": list(self.paths),
            "old": plain(self.old),
            "new": plain(self.new),
        }


class Wording(msgspec.Struct, frozen=True):
    """How lines are put: with the `names` of keys (`A…` → `account ORDERS`), without an old side when new."""

    names: Mapping[str, str] = msgspec.field(default_factory=lambda: MappingProxyType({}))
    is_new: bool = False

    def step(self, old: str, new: str) -> str:
        """Return `old -> new`, or only the new one of something new."""
        return new if self.is_new else f"{old} -> {new}"

    def added(self, text: str) -> str:
        """Return that *text* was added, or only *text* of something new."""
        return text if self.is_new else f"added {text}"

    def key(self, key: str) -> str:
        """Return a *key* with its name, where it is known: `account ORDERS (A…)`."""
        name = self.names.get(key)
        return f"{word(name)} ({word(key)})" if name else word(key)

    def keys(self, keys: tuple[str, ...]) -> str:
        """Return several keys, with commas."""
        return ", ".join(map(self.key, keys)) or "none"


def word(text: str) -> str:
    """Return *text* as one item of a list: in quotes when it could be taken for more than one."""
    shown = brief(text)
    # A name is chosen by who makes the jwt: one with an arrow or a comma in it could show a reviewer an old
    # value, or a second item, that does not exist.
    loose = not text or text != text.strip() or "  " in text or "->" in text or not _MARKS.isdisjoint(text)
    return f'"{between_quotes(text)}"' if loose and shown == text else shown


def words(texts: tuple[str, ...]) -> str:
    """Return several items, with commas."""
    return ", ".join(map(word, texts)) or "none"


def member(path: str, name: str) -> str:
    """Return the path of the member *name* of what is at *path*."""
    shown = name if _PLAIN_NAME.fullmatch(name) else _as_json(name)
    return f"{path}.{shown}" if path else shown


def _as_json(name: str) -> str:
    import json  # slow to load, and such names are rare

    return json.dumps(name)


def plain(value: object) -> object:
    """Return *value* (a part of claims) as JSON holds it."""
    return None if value is UNSET else msgspec.to_builtins(value)
