"""User claims, and the template of a scope, which replaces a user's permissions and limits."""

from __future__ import annotations

from typing import ClassVar

import msgspec
from msgspec import UNSET, UnsetType

from seedless.claims.common import NO_LIMIT, Int64, Part, Permission, ResponsePermission, TimeRange
from seedless.nkey import Role


class User(Part, frozen=True, kw_only=True):
    """The body of a user jwt (jwt v2.8.2, user_claims.go); `pub` and `sub` are always written."""

    kind: ClassVar[str] = "user"
    issuers: ClassVar[tuple[Role, ...]] = (Role.ACCOUNT,)
    subjects: ClassVar[tuple[Role, ...]] = (Role.USER,)

    pub: Permission = msgspec.field(default_factory=Permission)
    sub: Permission = msgspec.field(default_factory=Permission)
    resp: ResponsePermission | None = None
    src: tuple[str, ...] = ()
    times: tuple[TimeRange, ...] = ()
    times_location: str = ""
    subs: Int64 = 0
    data: Int64 = 0
    payload: Int64 = 0
    bearer_token: bool = False
    proxy_required: bool = False
    allowed_connection_types: tuple[str, ...] = ()
    issuer_account: str = ""
    tags: tuple[str, ...] = ()

    @classmethod
    def new(cls) -> User:
        """Return what the official constructor gives: no limits on subscriptions, data and payload."""
        return cls(subs=NO_LIMIT, data=NO_LIMIT, payload=NO_LIMIT)

    @classmethod
    def scoped(cls, issuer_account: str) -> User:
        """Return a user whose permissions and limits come from the scope that signs it: nothing set here."""
        return cls(issuer_account=issuer_account)


class Template(Part, frozen=True, kw_only=True):
    """What a scoped user gets: the members of `User`, but an absent limit means −1 and not 0.

    A limit of 0 is written as 0, which the official library reads and never writes.
    """

    pub: Permission = msgspec.field(default_factory=Permission)
    sub: Permission = msgspec.field(default_factory=Permission)
    resp: ResponsePermission | None = None
    src: tuple[str, ...] = ()
    times: tuple[TimeRange, ...] = ()
    times_location: str = ""
    subs: Int64 | UnsetType = UNSET
    data: Int64 | UnsetType = UNSET
    payload: Int64 | UnsetType = UNSET
    bearer_token: bool = False
    proxy_required: bool = False
    allowed_connection_types: tuple[str, ...] = ()

    @classmethod
    def new(cls) -> Template:
        """Return what the official constructor gives: no limits on subscriptions, data and payload."""
        return cls(subs=NO_LIMIT, data=NO_LIMIT, payload=NO_LIMIT)
