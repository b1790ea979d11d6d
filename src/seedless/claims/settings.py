"""`--set PATH=VALUE` and `--unset PATH`: any member of a body, checked by the type of the member.

Paths are written as findings and reviews write them: `limits.conn`, `exports[0].name`,
`mappings."orders.*"[0].weight`. Refused are members that there are not, and values that do not fit.
"""

from __future__ import annotations

import itertools
import json
import re
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from seedless import typed_json, wire
from seedless.errors import BadClaims, UsageError
from seedless.text import quoted, shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

B = TypeVar("B")
Step = str | int

_DEEPEST = 20  # members of members
_STEP = re.compile(r'\.?(?:"((?:[^"\\]|\\.)*)"|\[(\d{1,6})\]|([^.\[\]"=]+))')
_NOTHING = wire.Number("0.5")
"""Fits nowhere: no member of any claims is a fraction."""
_LOOK = "look at seedless show --json"
_HOLDS = "seedless show --json shows what such a member holds; --unset takes it out"


def with_settings(body: B, settings: Sequence[str], removals: Sequence[str] = ()) -> B:
    """Return *body* without the members at the paths *removals*, and with *settings*, each `path=value`.

    A value is JSON, or text as it is where the member is text. Raise `UsageError`.
    """
    for path in removals:
        body = _unset(body, path)
    for setting in settings:
        body = _set(body, setting)
    return body


def steps_of(path: str) -> tuple[Step, ...]:
    """Return the names and indexes of *path*; raise `UsageError` when it is none."""
    steps, rest = _path(path)
    if rest or not steps:
        raise UsageError(f"{quoted(path)} is no path of a member", "as in limits.conn or exports[0].name")
    return steps


def _path(text: str) -> tuple[tuple[Step, ...], str]:
    """Return the steps that *text* begins with, and the rest of it."""
    try:
        text.encode()  # a path too: a name that is not UTF-8 could be set, and then never be written
    except UnicodeEncodeError:
        raise UsageError(f"{quoted(text)} is not UTF-8", "write it in UTF-8") from None
    text = text.removeprefix("nats.")
    steps: list[Step] = []
    position = 0
    while match := _STEP.match(text, position):
        name, index, word = match.groups()
        if name is not None:
            steps.append(re.sub(r"\\(.)", r"\1", name))
        else:
            steps.append(int(index) if index is not None else word)
        position = match.end()
    if len(steps) > _DEEPEST:
        raise UsageError(f"{shown(text[:80])}… goes {len(steps)} members deep", _LOOK)
    return tuple(steps), text[position:]


def _set(body: B, setting: str) -> B:
    steps, rest = _path(setting)
    if not steps or not rest.startswith("="):
        raise UsageError(f"--set {quoted(setting)} is not path=value", "as in --set limits.conn=10")
    problem: BadClaims | None = None
    for value in _readings(rest[1:], setting):
        members = _members(body)
        place = _place(members, steps, setting)
        if isinstance(place, list) and steps[-1] == len(place):
            place.append(value)
        else:
            place[steps[-1]] = value
        try:
            return _fitted(members, body, "--set")
        except BadClaims as error:
            problem = problem or error
    if problem is None:  # there is always a reading
        return body
    raise UsageError(f"--set {problem.message}", problem.hint or _HOLDS) from problem


def _readings(text: str, setting: str) -> Iterator[object]:
    """Yield what *text* may mean: JSON where it is that, then the text itself."""
    try:
        yield wire.parse(text.encode())
    except BadClaims as error:
        if text[:1] in {"{", "["}:
            raise UsageError(f"--set {quoted(setting)}: {error.message}", "write JSON") from error
    yield text


def _unset(body: B, path: str) -> B:
    steps = steps_of(path)
    members = _members(body)
    place: Any = members
    for step in steps[:-1]:
        place = _inside(place, step)
    if _inside(place, steps[-1]) is None:
        _require_known(body, steps, path)
        return body
    del place[steps[-1]]
    return _fitted(members, body, "--unset")


def _require_known(body: object, steps: tuple[Step, ...], path: str) -> None:
    """Raise `UsageError` unless there could be a member at *steps*, which has no value now."""
    if isinstance(steps[-1], int):
        raise UsageError(f"--unset {shown(path)}: the list has no such entry", _LOOK)
    members = _members(body)
    _place(members, steps, path)[steps[-1]] = _NOTHING
    try:
        _fitted(members, body, "--unset")
    except BadClaims:
        return


def _members(body: object) -> dict[str, object]:
    found: dict[str, object] = json.loads(msgspec.json.encode(body))
    return found


def _inside(place: object, step: Step) -> object:
    """Return what is at *step* of *place*, or None."""
    if isinstance(place, dict):
        return place.get(step)
    if isinstance(place, list) and isinstance(step, int) and step < len(place):
        return place[step]
    return None


def _place(members: dict[str, Any], steps: tuple[Step, ...], path: str) -> Any:  # noqa: ANN401 - what JSON holds
    """Return the object or list of the last of *steps*; objects and lists on the way are made."""
    place: Any = members
    for step, following in itertools.pairwise(steps):
        _require_holds(place, step, path)
        inner = _inside(place, step)
        if inner is None:
            inner = [] if isinstance(following, int) else {}
            if isinstance(place, list):
                place.append(inner)
            else:
                place[step] = inner
        place = inner
    _require_holds(place, steps[-1], path)
    return place


def _require_holds(place: object, step: Step, path: str) -> None:
    if isinstance(step, int):
        if not isinstance(place, list) or step > len(place):
            raise UsageError(f"{shown(path)}: there is no entry {step}", _LOOK)
    elif not isinstance(place, dict):
        raise UsageError(f"{shown(path)}: {shown(step)} has no place there", _LOOK)


def _fitted(members: dict[str, object], body: B, option: str) -> B:
    changed, unknown = typed_json.fit(members, type(body))
    if unknown:
        raise UsageError(f"{option} {unknown[0].path}: there is no such member", _LOOK)
    return changed
