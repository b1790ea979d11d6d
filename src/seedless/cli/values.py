"""Values of options: times, sizes, durations, and the permissions and limits that they make."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from seedless import units
from seedless.claims import TimeRange
from seedless.text import quoted

if TYPE_CHECKING:
    from collections.abc import Callable


class Moment(msgspec.Struct, frozen=True):
    """A time as it was written: a span from now, a date, Unix seconds, or 0 for none."""

    text: str

    def at(self, now: int) -> int:
        """Return Unix seconds; a span counts from *now* (Unix seconds). Raise ValueError for no time."""
        if self.text == "0":
            return 0
        if units.is_span(self.text):
            return units.after(self.text, now)
        return units.parse_moment(self.text)


def moment(text: str) -> Moment:
    """Read `30d`, `12h`, `1y`, a date or time (UTC unless it names a zone), Unix seconds, or 0 for none."""
    found = Moment(text)
    try:
        found.at(0)
    except (ValueError, OverflowError):
        raise ValueError(
            f"{quoted(text)} is not a time: write 30d, 12h, 1y, 2027-01-31 or 0 for none"
        ) from None
    return found


def time_range(text: str) -> TimeRange:
    """Read a daily span of time, `08:00:00-18:00:00`; whether servers can read it is a rule's business."""
    start, dash, end = (part.strip() for part in text.partition("-"))
    if not (start and dash and end) or "-" in end:
        raise ValueError(f"{quoted(text)} is not a span of a day: write 08:00:00-18:00:00")
    return TimeRange(start=start, end=end)


class ParsedType(click.ParamType):  # type: ignore[type-arg]  # generic in new versions of click only
    """What *parse* reads, which raises ValueError with a sentence for what it cannot."""

    def __init__(self, name: str, parse: Callable[[str], object]) -> None:
        """Take what it is, for the help, and how it is read."""
        self.name = name
        self._parse = parse

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Any:  # noqa: ANN401 - click's
        """Return what *value* is; a default may have been read already."""
        if not isinstance(value, str):
            return value
        try:
            return self._parse(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


MOMENT = ParsedType("time", moment)
SIZE = ParsedType("bytes", units.parse_number)
"""`512`, `10K`, `4MiB`, `1.5G`, or -1 for no limit."""
COUNT = ParsedType("count", units.parse_number)
DURATION = ParsedType("duration", units.parse_duration)
"""As Go writes it, `1h30m` or `500ms`, in nanoseconds."""
SPAN = ParsedType("span", units.parse_span)
"""`90s`, `12h`, `30d`, `1y`, in seconds: the most that it can be."""
TIME_RANGE = ParsedType("time range", time_range)
PATH = click.Path(path_type=Path)


def output_option(help: str = "Write it here (0600).") -> Callable[[Any], Any]:  # noqa: A002 - click's
    """Return the option --output FILE, with *help*."""
    return click.option("--output", "-o", type=PATH, metavar="FILE", help=help)
