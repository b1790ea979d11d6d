"""Lines of a diff: what one does to access, what it is about, its text; and those of each shape of members.

Members are values, switches, limits, lists, and lists that open when they are empty. Text is safe to print.
"""

from __future__ import annotations

import enum
import itertools
import re
from collections import Counter
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, cast

import msgspec
from msgspec import UNSET, UnsetType

from seedless import units
from seedless.claims.bodies import TimeRange
from seedless.claims.fields import AllowList, Flag, Limit, Text, TextList
from seedless.text import between_quotes, brief

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence

    from seedless.claims.fields import Row

    Covered = Callable[[Sequence[Hashable]], Callable[[object], bool]]

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


_ENDLESS = float("inf")


def value(
    wording: Wording,
    path: str,
    label: str,
    sides: tuple[str, str],
    *,
    effect: Effect = Effect.CHANGES,
    show: Callable[[str], str] = word,
) -> Iterator[Difference]:
    """Yield the line of a text that differs between both *sides*; an empty one is `none`."""
    old, new = sides
    if old != new:
        texts = [show(side) if side else "none" for side in sides]
        yield Difference(effect, label, wording.step(*texts), (path,), old, new)


def switch(
    wording: Wording,
    path: str,
    label: str,
    sides: tuple[bool, bool],
    *,
    on: Effect,
    words: tuple[str, str] = ("off", "on"),
) -> Iterator[Difference]:
    """Yield the line of a switch; *on* is what turning it on does."""
    old, new = sides
    if old != new:
        text = wording.step(words[old], words[new])
        yield Difference(on if new else on.opposite, label, text, (path,), old, new)


def members(
    wording: Wording, path: str, table: Iterable[Row], sides: tuple[object, object], label: str = ""
) -> Iterator[Difference]:
    """Yield the lines of the members that the rows of *table* describe, in its order; *label* precedes each.

    Limits that follow each other are one group when something is new.
    """
    for is_limits, group in itertools.groupby(table, lambda row: isinstance(row, Limit)):
        rows = list(group)
        if is_limits:
            yield from _limits(wording, path, cast("list[Limit]", rows), sides, label)
        else:
            for row in rows:
                yield from _member(wording, path, row, sides, label)


def _member(
    wording: Wording, path: str, row: Row, sides: tuple[object, object], label: str
) -> Iterator[Difference]:
    both: Any = tuple(getattr(side, row.member) for side in sides)
    place, name = f"{path}.{row.member}", label + row.label
    match row:
        case Flag():
            on = Effect.WIDENS if row.widens else Effect.NARROWS
            yield from switch(wording, place, name, both, on=on, words=row.words)
        case Text():
            yield from value(wording, place, name, both)
        case TextList():
            yield from items(wording, place, name, both)
        case AllowList() if any(both):
            yield from allow_list(wording, place, name, both, empty=(row.anything, row.anything), show=_entry)


def _entry(item: object) -> str:
    return f"{word(item.start)} to {word(item.end)}" if isinstance(item, TimeRange) else word(str(item))


def _limit(
    wording: Wording, path: str, row: Limit, sides: tuple[int | UnsetType, int | UnsetType], label: str
) -> Iterator[Difference]:
    old, new = sides
    if old != new:
        effect = compared(_rank(old, row), _rank(new, row))
        text = wording.step(_limit_text(old, row), _limit_text(new, row))
        yield Difference(effect, label + row.label, text, (f"{path}.{row.member}",), old, new)


def _limit_text(number: int | UnsetType, row: Limit) -> str:
    if isinstance(number, UnsetType) or (number == 0 and row.zero_is_unlimited):
        return "unlimited by default"
    return units.limit(number, in_bytes=row.in_bytes)


def _rank(number: int | UnsetType, row: Limit) -> float:
    return _ENDLESS if isinstance(number, UnsetType) or row.is_unlimited(number) else number


def rank(number: int) -> float:
    """Return how much a number lets through of which 0, and less, is no limit."""
    return number if number > 0 else _ENDLESS


def compared(old: float, new: float) -> Effect:
    """Return what the step from *old* to *new* does, when more lets more through."""
    if old == new:
        return Effect.CHANGES
    return Effect.WIDENS if new > old else Effect.NARROWS


def _limits(
    wording: Wording, path: str, rows: Sequence[Limit], sides: tuple[object, object], label: str
) -> Iterator[Difference]:
    """Yield the lines of several limits; of something new: the unlimited ones, those of 0, the others."""
    old, new = sides
    if not wording.is_new:
        for row in rows:
            both = (getattr(old, row.member), getattr(new, row.member))
            yield from _limit(wording, path, row, both, label)
        return
    groups: dict[str, list[str]] = {"limits": [], "unlimited": [], "none": []}
    for row in rows:
        number = getattr(new, row.member)
        if number == 0 and row.zero_is_unlimited:
            continue
        text = _limit_text(number, row)
        if text in groups:
            groups[text].append(row.label)
        else:
            groups["limits"].append(f"{row.label} {text}")
    values = {row.member: getattr(new, row.member) for row in rows}
    for title, entries in groups.items():
        if entries:
            paths = tuple(f"{path}.{row.member}" for row in rows)
            effect = Effect.NARROWS if title == "none" else Effect.WIDENS
            yield Difference(effect, label + title, ", ".join(entries), paths, None, values)


def items(
    wording: Wording,
    path: str,
    label: str,
    sides: tuple[Sequence[Hashable], Sequence[Hashable]],
    *,
    added: Effect = Effect.CHANGES,
    show: Callable[[object], str] = lambda item: word(str(item)),
    covered: Covered = lambda _others: lambda _item: False,
) -> Iterator[Difference]:
    """Yield the lines of a list: what was added, what was removed, and the order if only that differs.

    *added* is what adding an item does. An item that is *covered* by the other side, before or after, gives
    and takes nothing.
    """
    old, new = sides
    if old == new:
        return  # as most lists of a change are, and counting takes ten times as long
    came, went = (
        list((Counter(new) - Counter(old)).elements()),
        list((Counter(old) - Counter(new)).elements()),
    )
    for verb, moved, others, effect in (
        ("added", came, old, added),
        ("removed", went, new, added.opposite),
    ):
        is_covered = covered(others)
        for within in (False, True):
            some = [item for item in moved if is_covered(item) is within]
            if some:
                text = ", ".join(map(show, some))
                text = text if wording.is_new else f"{verb} {text}"
                yield Difference(Effect.CHANGES if within else effect, label, text, (path,), old, new)
    if list(old) != list(new) and not came and not went:
        text = "order now " + ", ".join(map(show, new))
        yield Difference(Effect.CHANGES, label, text, (path,), old, new)


def allow_list(
    wording: Wording,
    path: str,
    label: str,
    sides: tuple[Sequence[Hashable], Sequence[Hashable]],
    *,
    empty: tuple[str, str],
    show: Callable[[object], str] = lambda item: word(str(item)),
    covered: Covered = lambda _others: lambda _item: False,
) -> Iterator[Difference]:
    """Yield the lines of a list that lets everything through when it is empty.

    *empty* is what an empty list means, before and after.
    """
    old, new = sides
    if wording.is_new and not new:
        yield Difference(Effect.WIDENS, label, empty[1], (path,), (), ())
    elif bool(old) == bool(new) or wording.is_new:
        yield from items(wording, path, label, sides, added=Effect.WIDENS, show=show, covered=covered)
    else:
        texts = [", ".join(map(show, side)) or nothing for side, nothing in zip(sides, empty, strict=True)]
        effect = Effect.NARROWS if new else Effect.WIDENS
        yield Difference(effect, label, wording.step(*texts), (path,), old, new)


def facts(old: Mapping[str, str], new: Mapping[str, str]) -> str:
    """Return which facts differ, `response Stream -> Chunked; advertised no -> yes`."""
    names = [*new, *(name for name in old if name not in new)]
    return "; ".join(
        f"{name} {old.get(name, 'none')} -> {new.get(name, 'none')}"
        for name in names
        if old.get(name) != new.get(name)
    )


def together(effects: Sequence[Effect]) -> Effect:
    """Return the most dangerous of several effects."""
    return min(effects, key=list(Effect).index, default=Effect.CHANGES)
