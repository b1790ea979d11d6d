"""Numbers as people read and write them: bytes, limits, durations, times.

Exact or not at all: 1536 bytes are 1.5 KiB to nobody, they are 1536 B.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

NO_LIMIT = -1
LARGEST_FILE = 512 * 1024**2
"""Bytes of the largest file that is read, and so of the largest that is written.

100,000 users are some 30 MB in an inventory, 20 in a ledger, 300 in the request of a ceremony. It is in this
one place, for a reader with a lower limit than a writer makes files that are lost.
"""

_BYTES = (("TiB", 1024**4), ("GiB", 1024**3), ("MiB", 1024**2), ("KiB", 1024))
_NANOSECONDS = (("h", 3600 * 10**9), ("m", 60 * 10**9), ("s", 10**9), ("ms", 10**6), ("us", 10**3), ("ns", 1))
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400, "M": 30 * 86400, "y": 365 * 86400}
# Patterns as text: `re` compiles them when they are first wanted, and few commands want them.
_SPAN = r"(\d{1,6})([smhdwMy])"
_SIZE = r"(\d{1,19}) ?(|[KMGT]i?B?|B)"
_DURATION = r"(?:\d{1,19}(?:ns|us|µs|ms|s|m|h))+"
_DURATION_PART = r"(\d+)(ns|us|µs|ms|s|m|h)"
_POWERS = {"": 0, "B": 0, "K": 1, "M": 2, "G": 3, "T": 4}


def size(count: int) -> str:
    """Return *count* bytes in the largest unit that is exact: `10 GiB`, `1536 B`."""
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


def written_span(seconds: int) -> str:
    """Return *seconds* in the largest unit of all that is exact, so that `parse_span` reads it again.

    It reads six digits: what it has read never needs more of the largest unit than of the one that was typed.
    """
    units = sorted(_SECONDS.items(), key=lambda item: -item[1])
    unit, factor = next((unit, factor) for unit, factor in units if seconds % factor == 0)
    return f"{seconds // factor}{unit}"


def is_span(text: str) -> bool:
    """Tell whether *text* is a span that `parse_span` reads."""
    return re.fullmatch(_SPAN, text) is not None


def parse_span(text: str) -> int:
    """Return the seconds of `90s`, `15m`, `12h`, `30d`, `2w`, `6M` (of 30 days) or `1y`; raise ValueError."""
    match = re.fullmatch(_SPAN, text)
    if not match:
        raise ValueError(f"{text!a} is no span of time: write 12h, 30d, 1y")
    return int(match[1]) * _SECONDS[match[2]]


def parse_duration(text: str) -> int:
    """Return the nanoseconds of `500ms`, `2s`, `1h30m`, as `duration` writes them; raise ValueError."""
    if not re.fullmatch(_DURATION, text):
        raise ValueError(f"{text!a} is no duration: write 500ms, 2s, 1h30m")
    factors = dict(_NANOSECONDS) | {"µs": 1000}
    return sum(int(count) * factors[unit] for count, unit in re.findall(_DURATION_PART, text))


def parse_size(text: str) -> int:
    """Return the bytes of `512`, `10K`, `4MiB`, `1 GiB` (powers of 1024); raise ValueError."""
    match = re.fullmatch(_SIZE, text)
    if not match:
        raise ValueError(f"{text!a} is no size: write 512, 10K, 4MiB, 1G")
    factor: int = 1024 ** _POWERS[match[2][:1]]
    return int(match[1]) * factor
