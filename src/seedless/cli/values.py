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


class MomentType(click.ParamType):  # type: ignore[type-arg]  # generic in new versions of click only
    """`30d`, `12h`, `6M`, `1y`, a date or time (UTC unless it names a zone), Unix seconds, or 0 for none."""

    name = "time"

    def convert(
        self, value: str | Moment, param: click.Parameter | None, ctx: click.Context | None
    ) -> Moment:
        """Check that *value* can be read."""
        moment = value if isinstance(value, Moment) else Moment(value)
        try:
            moment.at(0)
        except (ValueError, OverflowError):
            self.fail(
                f"{quoted(moment.text)} is no time: write 30d, 12h, 1y, 2027-01-31 or 0 for none", param, ctx
            )
        return moment


class ParsedType(click.ParamType):  # type: ignore[type-arg]  # generic in new versions of click only
    """A whole number with units, read by *parse*, which raises ValueError for what is none."""

    def __init__(self, name: str, parse: Callable[[str], int]) -> None:
        """Take what it is, for the help, and how it is read."""
        self.name = name
        self._parse = parse

    def convert(self, value: str | int, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the number."""
        if isinstance(value, int):
            return value
        try:
            return self._parse(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class TimeRangeType(click.ParamType):  # type: ignore[type-arg]  # generic in new versions of click only
    """A daily span of time, `08:00:00-18:00:00`; whether servers can read it is a rule's business."""

    name = "time range"

    def convert(
        self, value: str | TimeRange, param: click.Parameter | None, ctx: click.Context | None
    ) -> TimeRange:
        """Return start and end."""
        if isinstance(value, TimeRange):
            return value
        start, dash, end = (part.strip() for part in value.partition("-"))
        if not (start and dash and end) or "-" in end:
            self.fail(f"{quoted(value)} is no span of a day: write 08:00:00-18:00:00", param, ctx)
        return TimeRange(start=start, end=end)


MOMENT = MomentType()
SIZE = ParsedType("bytes", units.parse_number)
"""`512`, `10K`, `4MiB`, `1.5G`, or -1 for no limit."""
COUNT = ParsedType("count", units.parse_number)
DURATION = ParsedType("duration", units.parse_duration)
"""As Go writes it, `1h30m` or `500ms`, in nanoseconds."""
SPAN = ParsedType("span", units.parse_span)
"""`90s`, `12h`, `30d`, `1y`, in seconds: the most that it can be."""
TIME_RANGE = TimeRangeType()
PATH = click.Path(path_type=Path)


def output_option(help: str = "Write it here (0600).") -> Callable[[Any], Any]:  # noqa: A002 - click's
    """Return the option --output FILE, with *help*."""
    return click.option("--output", "-o", type=PATH, metavar="FILE", help=help)
