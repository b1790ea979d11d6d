"""Comments in a configuration that waive a finding: `# seedless: allow S008 because guests may read`.

Such a comment counts for its own line when it is behind something, and for the next line that has something
when it has a line of its own. `allow-file` in its stead counts for the whole file that it is in. Codes are
separated by commas. What is waived is shown and counted; a seed (S006) and what cannot be read (S001) cannot
be waived.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from seedless.findings import Report, warning
from seedless.nats_config.values import Place
from seedless.text import shown

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from seedless.findings import Finding

NEVER = frozenset({"S001", "S006"})
"""Codes of rules for configurations whose findings nothing waives."""

_COMMENT = re.compile(
    r"(?:#|//)[ \t]*seedless:[ \t]*allow(?P<whole>-file)?[ \t]+"
    r"(?P<codes>[A-Z0-9]+(?:[ \t]*,[ \t]*[A-Z0-9]+)*)(?:[ \t]+because[ \t]+(?P<reason>.*?))?[ \t\r]*$"
)
_EMPTY = re.compile(r"[ \t\r]*(?:(?:#|//).*)?")


@dataclass(frozen=True, slots=True)
class Waiver:
    """A code that a comment at `place` waives, in the `lines` of its file, and why."""

    code: str
    reason: str
    place: Place
    lines: range


def waivers(files: Mapping[str, str]) -> tuple[Waiver, ...]:
    """Return what the comments in *files*, texts by their names, waive."""
    return tuple(waiver for name, text in files.items() for waiver in _in_file(name, text))


def _in_file(name: str, text: str) -> Iterator[Waiver]:
    if "seedless:" not in text:
        return
    lines = text.split("\n")
    for number, line in enumerate(lines, start=1):
        match = _COMMENT.search(line)
        if match is None:
            continue
        place = Place(name, number, match.start() + 1)
        reach = range(1, len(lines) + 1) if match["whole"] else range(number, _last(lines, number) + 1)
        for code in re.split(r"[ \t]*,[ \t]*", match["codes"]):
            yield Waiver(code, match["reason"] or "", place, reach)


def _last(lines: list[str], number: int) -> int:
    """Return the last line for which a comment in line *number* counts."""
    if not _EMPTY.fullmatch(lines[number - 1]):
        return number
    for later in range(number + 1, len(lines) + 1):
        if not _EMPTY.fullmatch(lines[later - 1]):
            return later
    return number


def waive(findings: Iterable[Finding], given: Collection[Waiver]) -> Report:
    """Return a report on *findings*, with those apart that a waiver is there for, each with its reason."""
    kept, waived = [], []
    for finding in findings:
        waiver = next((one for one in given if _is_for(one, finding)), None)
        if waiver is None:
            kept.append(finding)
        else:
            hint = f"waived at {waiver.place}" + (f": {waiver.reason}" if waiver.reason else "")
            waived.append(msgspec.structs.replace(finding, hint=hint))
    return msgspec.structs.replace(Report.of(kept), lifted=tuple(waived))


def _is_for(waiver: Waiver, finding: Finding) -> bool:
    if waiver.code != finding.code or waiver.code in NEVER:
        return False
    place, _, last = finding.where.rpartition(":")
    if not last.isdecimal():
        return False
    file, _, line = place.rpartition(":")
    if not line.isdecimal():  # a line without a column
        file, line = place, last
    return file == shown(waiver.place.file) and int(line) in waiver.lines


def s030_waivers_name_a_rule(given: Collection[Waiver], codes: Collection[str]) -> Iterator[Finding]:
    """A comment that waives names rules for configurations whose findings can be waived.

    Another has no effect.
    """
    for waiver in given:
        place = str(waiver.place)
        if waiver.code in NEVER:
            yield warning("S030", place, f"{waiver.code} cannot be waived", "take it out of the comment")
        elif waiver.code not in codes:
            text = f"no rule for configurations has the code {waiver.code}"
            yield warning("S030", place, text, "docs/reference/rules.md lists them")
