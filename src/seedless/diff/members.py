"""Lines for the shapes that members have: values, switches, limits, lists, lists that open when empty."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from msgspec import UNSET, UnsetType

from seedless import units
from seedless.diff.line import Difference, Effect, Wording, word

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence

    Covered = Callable[[Sequence[Hashable]], Callable[[object], bool]]

Lines = "Iterator[Difference]"
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


def amount(
    wording: Wording, path: str, label: str, sides: tuple[int | UnsetType, int | UnsetType], kind: str = ""
) -> Iterator[Difference]:
    """Yield the line of a limit; *kind* is as in `amount_text`."""
    old, new = sides
    if old != new:
        effect = compared(amount_rank(old, kind), amount_rank(new, kind))
        text = wording.step(amount_text(old, kind), amount_text(new, kind))
        yield Difference(effect, label, text, (path,), old, new)


def amount_text(number: int | UnsetType, kind: str = "") -> str:
    """Return a limit for people; *kind* holds `bytes`, and `open` where 0 is no limit either."""
    if isinstance(number, UnsetType):
        return "unlimited by default"
    if number == 0 and "open" in kind:
        return "unlimited by default"
    return units.limit(number, in_bytes="bytes" in kind)


def amount_rank(number: int | UnsetType, kind: str = "") -> float:
    """Return how much a limit lets through."""
    if isinstance(number, UnsetType) or number < 0 or (number == 0 and "open" in kind):
        return _ENDLESS
    return number


def compared(old: float, new: float) -> Effect:
    """Return what the step from *old* to *new* does, when more lets more through."""
    if old == new:
        return Effect.CHANGES
    return Effect.WIDENS if new > old else Effect.NARROWS


def amounts(
    wording: Wording,
    path: str,
    members: Mapping[str, tuple[str, str]],
    sides: tuple[object, object],
    label: str = "",
) -> Iterator[Difference]:
    """Yield the lines of several limits: *members* maps names to label and kind.

    Of something new they stand together: the unlimited ones, the ones of 0, the others.
    """
    old, new = sides
    if not wording.is_new:
        for name, (what, kind) in members.items():
            both = (getattr(old, name), getattr(new, name))
            yield from amount(wording, f"{path}.{name}", label + what, both, kind)
        return
    groups: dict[str, list[str]] = {"limits": [], "unlimited": [], "none": []}
    for name, (what, kind) in members.items():
        text = amount_text(getattr(new, name), kind)
        if "open" in kind and getattr(new, name) == 0:
            continue
        if text in groups:
            groups[text].append(what)
        else:
            groups["limits"].append(f"{what} {text}")
    values = {name: getattr(new, name) for name in members}
    for title, found in groups.items():
        if found:
            paths = tuple(f"{path}.{name}" for name in members)
            effect = Effect.NARROWS if title == "none" else Effect.WIDENS
            yield Difference(effect, label + title, ", ".join(found), paths, None, values)


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


def gate(
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


__all__ = [
    "UNSET",
    "amount",
    "amount_rank",
    "amount_text",
    "amounts",
    "compared",
    "facts",
    "gate",
    "items",
    "switch",
    "together",
    "value",
]
