"""Values of options: times, sizes, durations, and the permissions and limits that they make."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime

import click

from seedless import units
from seedless.claims import TimeRange
from seedless.text import quoted

_SIZE = re.compile(r"(-?\d{1,19})\s*(|[KMGT](?:i?B)?|B)", re.IGNORECASE)
_FACTORS = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4}
_GO_DURATION = re.compile(r"(?:(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h))+")
_GO_PART = re.compile(r"(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)")
_NANOSECONDS = {
    "ns": 1,
    "us": 10**3,
    "µs": 10**3,
    "ms": 10**6,
    "s": 10**9,
    "m": 60 * 10**9,
    "h": 3600 * 10**9,
}
_INT64_MAX = 2**63 - 1
_LAST = 253_402_300_799  # the last second of 9999


@dataclass(frozen=True, slots=True)
class Moment:
    """A time as it was written: a span from now, a date, or 0 for none."""

    text: str

    def at(self, now: int) -> int:
        """Return Unix seconds; a span counts from *now* (Unix seconds)."""
        if self.text == "0":
            return 0
        if units.is_span(self.text):
            seconds = now + units.parse_span(self.text)
            if seconds > _LAST:
                raise ValueError("after 9999")
            return seconds
        moment = datetime.fromisoformat(self.text)
        seconds = int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
        if seconds <= 0:
            # Claims know no such time: servers take 0 and less for never.
            raise ValueError("before 1970")
        return seconds


class MomentType(click.ParamType):  # type: ignore[type-arg]  # generic in new versions of click only
    """`30d`, `12h`, `1y`, a date or time (UTC unless it says so), or 0 for none."""

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


class SizeType(click.ParamType):  # type: ignore[type-arg]  # generic in new versions of click only
    """A count of bytes: `512`, `10K`, `4M`, `1GiB` (powers of 1024), or -1 for no limit."""

    name = "bytes"

    def convert(self, value: str | int, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the number."""
        if isinstance(value, int):
            return value
        match = _SIZE.fullmatch(value.strip())
        if not match:
            self.fail(f"{quoted(value)} is no size: write 512, 10K, 4M, 1G or -1 for no limit", param, ctx)
        size: int = int(match[1]) * 1024 ** _FACTORS[match[2][:1].upper().replace("B", "")]
        if abs(size) > _INT64_MAX:
            self.fail(f"{quoted(value)} is beyond 64 bits", param, ctx)
        return size


class DurationType(click.ParamType):  # type: ignore[type-arg]  # generic in new versions of click only
    """A duration as Go writes it, `1h30m` or `500ms`, in nanoseconds."""

    name = "duration"

    def convert(self, value: str | int, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return nanoseconds."""
        if isinstance(value, int):
            return value
        if not _GO_DURATION.fullmatch(value):
            self.fail(f"{quoted(value)} is no duration: write 500ms, 2s, 1h30m", param, ctx)
        total = sum(float(n) * _NANOSECONDS[u] for n, u in _GO_PART.findall(value))
        if total > _INT64_MAX:
            self.fail(f"{quoted(value)} is beyond 64 bits", param, ctx)
        return int(total)


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
SIZE = SizeType()
DURATION = DurationType()
TIME_RANGE = TimeRangeType()
