"""What several kinds of claims share: number ranges, permissions, limits of a user.

Member names and their order are those of the official library (nats-io/jwt v2.8.2), since the order is
part of what is signed. A member with its zero value is not written, unless it is marked so here.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

Int64 = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
UInt8 = Annotated[int, msgspec.Meta(ge=0, le=2**8 - 1)]
UInt64 = Annotated[int, msgspec.Meta(ge=0)]  # msgspec cannot state the upper bound: `shape` does

NO_LIMIT = -1
"""A limit of −1 is none; a limit of 0, which is the same as an absent one, lets nothing through."""


ImportType = Literal["", "stream", "service"]


class Part(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A frozen value whose zero members are not written; claims hold no cycles to collect."""


class Permission(Part, frozen=True, kw_only=True):
    """Subjects that may and may not be used; of subscriptions, `subject queue` names a queue."""

    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()


class ResponsePermission(Part, frozen=True, kw_only=True):
    """Permission to respond: `max` messages within `ttl` nanoseconds; both are always written."""

    max: Int64 = msgspec.field(default_factory=int)
    ttl: Int64 = msgspec.field(default_factory=int)


class Permissions(Part, frozen=True, kw_only=True):
    """What may be published and subscribed; `pub` and `sub` are always written."""

    pub: Permission = msgspec.field(default_factory=Permission)
    sub: Permission = msgspec.field(default_factory=Permission)
    resp: ResponsePermission | None = None


class TimeRange(Part, frozen=True, kw_only=True):
    """A daily span of time, `15:04:05`; a start after the end wraps midnight."""

    start: str = ""
    end: str = ""
