"""What a text contains beside its claims: members that are not known, and spellings that nobody writes.

A module of its own, since `Jwt` names both types, and the readers that find them are loaded for few jwts.
"""

from __future__ import annotations

import msgspec

__all__ = ["Deviation", "Unknown"]


class Unknown(msgspec.Struct, frozen=True, gc=False):
    """A member that we do not know: its path and its value as JSON text."""

    path: str
    text: str


class Deviation(msgspec.Struct, frozen=True, gc=False):
    """A place that the official library reads and never writes: the rule of `wire.RULES`, and the path."""

    rule: str
    path: str = ""
