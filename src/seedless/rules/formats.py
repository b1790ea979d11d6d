"""Texts as Go's standard library reads them: servers judge with it, so a rule must not judge otherwise.

Numbers (`strconv.Atoi`), networks (`net.ParseCIDR`), times of day (`time.Parse`, layout 15:04:05), time
zones (`time.LoadLocation`), keys; and texts cut and quoted for a finding.
"""

from __future__ import annotations

import ipaddress
import re

from seedless.errors import BadKey
from seedless.nkey import PublicKey, Role
from seedless.text import quoted

_NUMBER = r"[+-]?[0-9]+"  # as text: `re` compiles it when it is first needed
_INT64 = range(-(2**63), 2**63)
_TIME = r"([0-9]{1,2}):([0-9]{2}):([0-9]{2})([.,][0-9]+)?"  # likewise
_HOURS, _SIXTY = range(24), range(60)
_SHOWN = 80


def cited(text: str) -> str:
    """Return *text* quoted, safe to print, and cut."""
    return quoted(text if len(text) <= _SHOWN else text[:_SHOWN] + "…")


def is_key(text: str, role: Role) -> bool:
    """Report whether *text* is a public key of *role*, in its one spelling."""
    try:
        return PublicKey.parse(text).role is role
    except BadKey:
        return False


def number(text: str) -> int | None:
    """Return the number that *text* is, with or without a sign, or None; beyond int64 there is none."""
    if not re.fullmatch(_NUMBER, text):
        return None
    sign, digits = text.rstrip("0123456789"), text.lstrip("+-").lstrip("0") or "0"
    try:
        value = int(sign + digits)
    except ValueError:  # more digits than Python converts
        return None
    return value if value in _INT64 else None


def is_network(text: str) -> bool:
    """Report whether *text* is an address and the length of its prefix: `10.0.0.0/8`, without a zone."""
    address, _, length = text.partition("/")
    bits = number(length)
    if "%" in address or not length.isdecimal() or bits is None:
        return False
    try:
        return bits <= ipaddress.ip_address(address).max_prefixlen
    except ValueError:
        return False


def is_time_of_day(text: str) -> bool:
    """Report whether *text* is a time as `8:00:00`: the hour may have one digit, the second a fraction."""
    return second_of_day(text) is not None


def second_of_day(text: str) -> float | None:
    """Return how many seconds after midnight the time *text* is, or None if it is not a time of day."""
    match = re.fullmatch(_TIME, text)
    if match is None:
        return None
    hour, minute, second = (int(group) for group in match.groups()[:3])
    if hour not in _HOURS or minute not in _SIXTY or second not in _SIXTY:
        return None
    return hour * 3600 + minute * 60 + second + float(f"0.{(match[4] or '.0')[1:]}")


def is_time_zone(name: str) -> bool:
    """Report whether this machine's zone database has *name*, spelled so; empty, UTC and Local are known."""
    if name in {"", "UTC", "Local"}:
        return True
    if ".." in name or name.startswith(("/", "\\")):
        return False
    import zoneinfo  # slow to load, and few name a zone

    try:
        zoneinfo.ZoneInfo(name)
    except (OSError, ValueError, zoneinfo.ZoneInfoNotFoundError):
        return False
    return True
