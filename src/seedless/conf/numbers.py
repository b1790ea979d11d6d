"""Numbers, and what only begins like one: times, addresses, words (`conf/lex.go`, `conf/parse.go`)."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from seedless.conf.source import Source

_INTEGER = re.compile(r"(-?[0-9]+)([kKmMgGtTpPeE][bBiI]*)?(?=[\n\r}\];,\t ]|\Z)")
_FLOAT = re.compile(r"-?[0-9]+\.[0-9]+(?![0-9.])")
_ADDRESS = re.compile(r"[0-9]+\.[0-9]+\.[0-9.:-]*")
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")
_HALF = re.compile(r"-|[0-9]+[-.]")
_POWERS = {letter: power for power, letter in enumerate("kmgtpe", start=1)}
_INT64 = range(-(2**63), 2**63)
_MOST_DIGITS = 19


def number(source: Source) -> int | float | str | datetime | None:
    """Read a number, a time or an address; None for a word that only begins so. Raise `StoreError`."""
    start = source.at
    if text := source.take(_TIME):
        return _time(source, text, start)
    if text := source.take(_ADDRESS):
        return text
    if text := source.take(_FLOAT):
        return _float(source, text, start)
    match = _INTEGER.match(source.text, start)
    if match is not None:
        source.at = match.end()
        return _integer(source, match[1], (match[2] or "").lower(), start)
    if _HALF.match(source.text, start):
        source.refuse("what begins like a number is none", "put quotes around it")
    return None


def _time(source: Source, text: str, start: int) -> datetime:
    try:
        return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError:
        source.refuse("there is no such date or time", at=start)


def _float(source: Source, text: str, start: int) -> float:
    value = float(text)
    if not math.isfinite(value):
        source.refuse("the number is too large", at=start)
    return value


def _integer(source: Source, digits: str, suffix: str, start: int) -> int:
    short = len(digits.lstrip("-").lstrip("0")) <= _MOST_DIGITS
    value = int(digits) if short else _INT64.stop
    if value not in _INT64:
        source.refuse("the number does not fit into 64 bits", at=start)
    if not suffix:
        return value
    letter, rest = suffix[0], suffix[1:]
    if rest not in {"", "b", "i", "ib"}:
        source.refuse(
            f"{suffix} is no suffix of a number",
            "servers would leave the value out: write kb, mb or gb",
            at=start,
        )
    return int(value * (1024 if rest else 1000) ** _POWERS[letter])
