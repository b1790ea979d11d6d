"""Numbers as people read and write them: bytes, counts, limits, durations, times.

The one parser of the command line, the desired state, policies and templates. Values are read as nsc 2.13
reads them: `10G` and `10GB` are 10^10, `KiB`, `MiB`, `GiB` and `TiB` are powers of 1024, `1.5G` and `2K` are
numbers, `M` and `y` after a count of time are calendar months and years. (In nats-server.conf `k` is 1000 and
`kb` 1024: another language, which `nats_config` reads.)
Exact or not at all: 1536 bytes are 1.5 KiB to nobody, they are 1536 B.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

NO_LIMIT = -1
LARGEST_FILE = 512 * 1024**2
"""Bytes of the largest file that is read, and so of the largest that is written.

100,000 users are some 30 MB in an inventory, 20 in a ledger, 300 in the request of a ceremony. It is in this
one place, for a reader with a lower limit than a writer makes files that are lost.
"""

_BYTES = (
    ("TiB", 1024**4), ("TB", 1000**4), ("GiB", 1024**3), ("GB", 1000**3),
    ("MiB", 1024**2), ("MB", 1000**2), ("KiB", 1024), ("kB", 1000),
)  # fmt: skip
_NANOSECONDS = (("h", 3600 * 10**9), ("m", 60 * 10**9), ("s", 10**9), ("ms", 10**6), ("us", 10**3), ("ns", 1))
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
# A policy that allows `1y` must allow what `--expiry 1y` signs, also in a leap year; one that requires
# `1M` must be met in February.
_LONGEST = _SECONDS | {"M": 31 * 86400, "y": 366 * 86400}
_SHORTEST = _SECONDS | {"M": 28 * 86400, "y": 365 * 86400}
# datetime ends there, and claims hold any number.
_LAST_SECOND = 253_402_300_799  # of the year 9999
_INT64_MAX = 2**63 - 1
# Patterns as text: `re` compiles them when they are first needed, and few commands need them.
SPAN_PATTERN = r"(\d{1,6})([smhdwMy])"
NUMBER_PATTERN = r"(-?)(\d{1,19})(?:\.(\d{1,18}))? ?([kKmMgGtT]?)([iI]?)([bB]?)"
DURATION_PATTERN = r"(?:\d{1,19}(?:\.\d{1,18})?(?:ns|us|µs|ms|s|m|h))+"
_DURATION_PART = r"(\d+)(?:\.(\d+))?(ns|us|µs|ms|s|m|h)"
_SECONDS_SINCE_1970 = r"[1-9]\d{8,11}"  # from 1973 on: eight digits are a date, as in 20270131
_NSC_TIME = r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) UTC"
_POWERS = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4}


def size(count: int) -> str:
    """Return *count* bytes in the largest unit that is exact: `10 GB`, `1 GiB`, `1536 B`."""
    unit, factor = next(
        ((unit, factor) for unit, factor in _BYTES if count and count % factor == 0), ("B", 1)
    )
    return f"{count // factor} {unit}"


def limit(number: int, *, in_bytes: bool = False) -> str:
    """Return a limit: −1 is `unlimited`, 0 is `none`."""
    if number == NO_LIMIT:
        return "unlimited"
    if number == 0:
        return "none"
    return size(number) if in_bytes else str(number)


def duration(nanoseconds: int) -> str:
    """Return *nanoseconds* as Go writes durations, but whole: `500ms`, `1h30m`, `2s`."""
    if nanoseconds == 0:
        return "0s"
    parts, rest = [], abs(nanoseconds)
    for unit, factor in _NANOSECONDS:
        whole, rest = divmod(rest, factor)
        if whole:
            parts.append(f"{whole}{unit}")
    return ("-" if nanoseconds < 0 else "") + "".join(parts)


def moment(seconds: int) -> str:
    """Return Unix *seconds* as a date and time for people, in UTC."""
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (OverflowError, ValueError, OSError):
        return f"{seconds} seconds since 1970"


def span(seconds: int) -> str:
    """Return *seconds* in the largest unit that is exact, as `parse_span` reads it: `30d`, `12h`, `90s`."""
    units = ((unit, _SECONDS[unit]) for unit in ("d", "h", "m"))
    unit, factor = next(((u, f) for u, f in units if seconds and seconds % f == 0), ("s", 1))
    return f"{seconds // factor}{unit}"


def is_span(text: str) -> bool:
    """Report whether *text* is a span of time: `90s`, `15m`, `12h`, `30d`, `2w`, `6M`, `1y`."""
    return re.fullmatch(SPAN_PATTERN, text, re.ASCII) is not None


def after(text: str, start: int) -> int:
    """Return the Unix seconds a span *text* after *start*; `M` and `y` are those of the calendar (UTC).

    A day that the month does not have runs over, as in Go and nsc: a month after 31 January is in March.
    Raise ValueError for what is not a span, or ends after 9999.
    """
    count, unit = _span_parts(text)
    if unit not in "My":
        end = start + count * _SECONDS[unit]
    else:
        begin = datetime.fromtimestamp(start, UTC)
        months = begin.month - 1 + (count if unit == "M" else 12 * count)
        try:
            first = begin.replace(year=begin.year + months // 12, month=months % 12 + 1, day=1)
            end = int((first + timedelta(days=begin.day - 1)).timestamp())
        except (ValueError, OverflowError) as error:
            raise ValueError(f"{text!a} ends after 9999") from error
    if end > _LAST_SECOND:
        raise ValueError(f"{text!a} ends after 9999")
    return end


def parse_span(text: str) -> int:
    """Return the most seconds that *text* can have: a month of 31 days, a year of 366; raise ValueError."""
    count, unit = _span_parts(text)
    return count * _LONGEST[unit]


def parse_shortest_span(text: str) -> int:
    """Return the fewest seconds that *text* can have: a month of 28 days, a year of 365; raise ValueError."""
    count, unit = _span_parts(text)
    return count * _SHORTEST[unit]


def _span_parts(text: str) -> tuple[int, str]:
    match = re.fullmatch(SPAN_PATTERN, text, re.ASCII)
    if not match:
        raise ValueError(f"{text!a} is not a span of time: write 12h, 30d, 6M, 1y")
    return int(match[1]), match[2]


def parse_moment(text: str) -> int:
    """Return the Unix seconds of a date, a time (UTC unless it states so), or of Unix seconds themselves.

    `2050-01-01 00:00:00 UTC` is how nsc writes a time. Raise ValueError for anything else, and for a time
    before 1970: servers take 0 and less for never.
    """
    if re.fullmatch(_SECONDS_SINCE_1970, text, re.ASCII):
        return int(text)
    match = re.fullmatch(_NSC_TIME, text, re.ASCII)
    return seconds_of(datetime.fromisoformat(match[1] if match else text))


def seconds_of(time: datetime) -> int:
    """Return the Unix seconds of *time*, in UTC unless it states so; raise ValueError before 1970."""
    seconds = int((time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp())
    if seconds <= 0:
        raise ValueError(f"{time} is before 1970, and claims know no such time")
    return seconds


def parse_duration(text: str) -> int:
    """Return the nanoseconds of `500ms`, `1.5s`, `1h30m`, as Go writes durations; raise ValueError."""
    if not re.fullmatch(DURATION_PATTERN, text, re.ASCII):
        raise ValueError(f"{text!a} is not a duration: write 500ms, 2s, 1h30m")
    factors = dict(_NANOSECONDS) | {"µs": 1000}
    parts = re.findall(_DURATION_PART, text)
    return _in_64_bits(text, sum(_scaled(text, whole, part, factors[unit]) for whole, part, unit in parts))


def parse_number(text: str) -> int:
    """Return the number that *text* is: `512`, `2K`, `10GB`, `4MiB`, `1.5G`, `-1`; raise ValueError.

    Bytes and counts are read alike; what no limit is has the form `-1`, without a unit.
    """
    match = re.fullmatch(NUMBER_PATTERN, text, re.ASCII)
    if not match or (match[5] and not match[4]) or (match[1] and (match[4] or match[6])):
        raise ValueError(f"{text!a} is not a number: write 512, 10K, 4MiB, 1.5G or -1 for no limit")
    sign, whole, part, unit, binary, _ = match.groups()
    factor: int = (1024 if binary else 1000) ** _POWERS[unit.upper()]
    number = _scaled(text, whole, part or "", factor)
    return _in_64_bits(text, -number if sign else number)


def _scaled(text: str, whole: str, part: str, factor: int) -> int:
    """Return *whole*.*part* times *factor*; raise ValueError unless it is whole."""
    number, rest = divmod(int(whole + part) * factor, int("1" + "0" * len(part)))
    if rest:
        raise ValueError(f"{text!a} is not a whole number")
    return number


def _in_64_bits(text: str, number: int) -> int:
    if abs(number) > _INT64_MAX:
        raise ValueError(f"{text!a} is beyond 64 bits")
    return number
