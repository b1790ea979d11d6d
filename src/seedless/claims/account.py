"""Account claims: limits, exports and imports, signing keys and scopes, revocations, mappings."""

from __future__ import annotations

from typing import ClassVar, Literal

import msgspec

from seedless.claims.common import (
    NO_LIMIT,
    ImportType,
    Int64,
    Part,
    Permissions,
    UInt8,
    UInt64,
)
from seedless.claims.user import Template
from seedless.nkey import Role


class Import(Part, frozen=True, kw_only=True):
    """A subject of another account, made available here; `to` is deprecated for `local_subject`."""

    name: str = ""
    subject: str = ""
    account: str = ""
    token: str = ""
    to: str = ""
    local_subject: str = ""
    type: ImportType = ""
    share: bool = False
    allow_trace: bool = False


class ServiceLatency(Part, frozen=True, kw_only=True):
    """Where latency samples go: a percentage, 1 to 100, or when `headers` ask for it. Both always written."""

    sampling: Int64 | Literal["headers"] = msgspec.field(default_factory=lambda: "headers")
    results: str = msgspec.field(default_factory=str)


class Export(Part, frozen=True, kw_only=True):
    """A subject that other accounts may import; `response_threshold` is in nanoseconds."""

    name: str = ""
    subject: str = ""
    type: ImportType = ""
    token_req: bool = False
    revocations: dict[str, Int64] = msgspec.field(default_factory=dict)
    response_type: str = ""
    response_threshold: Int64 = 0
    service_latency: ServiceLatency | None = None
    account_token_position: UInt64 = 0
    advertise: bool = False
    allow_trace: bool = False
    description: str = ""
    info_url: str = ""


class JetStreamLimits(Part, frozen=True, kw_only=True):
    """Storage of one tier: bytes and counts; −1 is no limit, 0 of both storages turns JetStream off."""

    mem_storage: Int64 = 0
    disk_storage: Int64 = 0
    streams: Int64 = 0
    consumer: Int64 = 0
    max_ack_pending: Int64 = 0
    mem_max_stream_bytes: Int64 = 0
    disk_max_stream_bytes: Int64 = 0
    max_bytes_required: bool = False


class Limits(Part, frozen=True, kw_only=True):
    """The limits that the operator gives an account; −1 is no limit, 0 lets nothing through."""

    subs: Int64 = 0
    data: Int64 = 0
    payload: Int64 = 0
    imports: Int64 = 0
    exports: Int64 = 0
    wildcards: bool = False
    disallow_bearer: bool = False
    conn: Int64 = 0
    leaf: Int64 = 0
    mem_storage: Int64 = 0
    disk_storage: Int64 = 0
    streams: Int64 = 0
    consumer: Int64 = 0
    max_ack_pending: Int64 = 0
    mem_max_stream_bytes: Int64 = 0
    disk_max_stream_bytes: Int64 = 0
    max_bytes_required: bool = False
    tiered_limits: dict[str, JetStreamLimits] = msgspec.field(default_factory=dict)


class Scope(Part, frozen=True, kw_only=True):
    """A signing key whose users get the permissions and limits of `template`. All members always written."""

    kind: Literal["user_scope"] = msgspec.field(default_factory=lambda: "user_scope")
    key: str = msgspec.field(default_factory=str)
    role: str = msgspec.field(default_factory=str)
    template: Template = msgspec.field(default_factory=Template)
    description: str = msgspec.field(default_factory=str)


class WeightedMapping(Part, frozen=True, kw_only=True):
    """Where a mapped subject goes; a weight of 0 means 100. `subject` is always written."""

    subject: str = msgspec.field(default_factory=str)
    weight: UInt8 = 0
    cluster: str = ""


class ExternalAuthorization(Part, frozen=True, kw_only=True):
    """Auth callout: the users that do it, the accounts they may place users in, the curve key for secrecy."""

    auth_users: tuple[str, ...] = ()
    allowed_accounts: tuple[str, ...] = ()
    xkey: str = ""


class MessageTrace(Part, frozen=True, kw_only=True):
    """Where trace messages go; a sampling of 0 means 100 percent."""

    dest: str = ""
    sampling: Int64 = 0


class Account(Part, frozen=True, kw_only=True):
    """The body of an account jwt (jwt v2.8.2, account_claims.go).

    `limits`, `default_permissions` and `authorization` are always written. Tiered and flat JetStream
    limits are both kept, though servers drop the flat ones where there are tiers.
    """

    kind: ClassVar[str] = "account"
    issuers: ClassVar[tuple[Role, ...]] = (Role.ACCOUNT, Role.OPERATOR)
    subjects: ClassVar[tuple[Role, ...]] = (Role.ACCOUNT,)

    imports: tuple[Import, ...] = ()
    exports: tuple[Export, ...] = ()
    limits: Limits = msgspec.field(default_factory=Limits)
    signing_keys: tuple[Scope | str, ...] = ()
    revocations: dict[str, Int64] = msgspec.field(default_factory=dict)
    default_permissions: Permissions = msgspec.field(default_factory=Permissions)
    mappings: dict[str, tuple[WeightedMapping, ...]] = msgspec.field(default_factory=dict)
    authorization: ExternalAuthorization = msgspec.field(default_factory=ExternalAuthorization)
    trace: MessageTrace | None = None
    cluster_traffic: str = ""
    description: str = ""
    info_url: str = ""
    tags: tuple[str, ...] = ()

    @classmethod
    def new(cls) -> Account:
        """Return what the official constructor gives: no limits, wildcard exports allowed, no JetStream."""
        return cls(
            limits=Limits(
                subs=NO_LIMIT,
                data=NO_LIMIT,
                payload=NO_LIMIT,
                imports=NO_LIMIT,
                exports=NO_LIMIT,
                wildcards=True,
                conn=NO_LIMIT,
                leaf=NO_LIMIT,
            )
        )


def signing_key(entry: Scope | str) -> str:
    """Return the public key text of one entry of `Account.signing_keys`."""
    return entry.key if isinstance(entry, Scope) else entry
