"""What jwts contain: one body for each of the seven kinds of claims, and its parts.

Member names and their order are those of the official library (nats-io/jwt v2.8.2), since the order is
part of what is signed. A member with its zero value is not written, unless it is marked so here.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

import msgspec
from msgspec import UNSET, UnsetType

from seedless.errors import BadClaims
from seedless.nkey import Role, base32

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


class Generic(Part, frozen=True, kw_only=True):
    """The body of a generic jwt (jwt v2.8.2, genericlaims.go); None is a jwt without a body.

    An object that is given gets a `version` of 2 when it is drafted.
    """

    kind: ClassVar[str] = "generic"
    issuers: ClassVar[tuple[Role, ...]] = tuple(role for role in Role if role is not Role.CURVE)
    subjects: ClassVar[tuple[Role, ...]] = ()

    data: dict[str, Any] | None = None

    @classmethod
    def new(cls) -> Generic:
        """Return what the official constructor gives: an empty object."""
        return cls(data={})


class Operator(Part, frozen=True, kw_only=True):
    """The body of an operator jwt (jwt v2.8.2, operator_claims.go)."""

    kind: ClassVar[str] = "operator"
    issuers: ClassVar[tuple[Role, ...]] = (Role.OPERATOR,)
    subjects: ClassVar[tuple[Role, ...]] = (Role.OPERATOR,)

    signing_keys: tuple[str, ...] = ()
    account_server_url: str = ""
    operator_service_urls: tuple[str, ...] = ()
    system_account: str = ""
    assert_server_version: str = ""
    strict_signing_key_usage: bool = False
    tags: tuple[str, ...] = ()

    @classmethod
    def new(cls) -> Operator:
        """Return what the official constructor gives: nothing set."""
        return cls()


class Activation(Part, frozen=True, kw_only=True):
    """The body of an activation jwt (jwt v2.8.2, activation_claims.go).

    `import_type` is written as `kind`.
    """

    kind: ClassVar[str] = "activation"
    issuers: ClassVar[tuple[Role, ...]] = (Role.ACCOUNT, Role.OPERATOR)
    subjects: ClassVar[tuple[Role, ...]] = (Role.ACCOUNT,)

    subject: str = ""
    import_type: ImportType = msgspec.field(default="", name="kind")
    issuer_account: str = ""
    tags: tuple[str, ...] = ()

    @classmethod
    def new(cls) -> Activation:
        """Return what the official constructor gives: nothing set."""
        return cls()


def hash_id(issuer: str, importer: str, subject: str) -> str:
    """Return the id under which an activation is looked up: base32 with padding of a SHA-256.

    It covers *issuer* and *importer* (key texts) and *subject* up to its first wildcard.
    """
    if not (issuer and importer and subject):
        raise BadClaims("an activation without issuer, importing account and subject has no id")
    import hashlib  # OpenSSL is slow to load, and few programs need this id

    text = f"{issuer}.{importer}.{_without_wildcards(subject)}"
    try:
        digest = hashlib.sha256(text.encode()).digest()
    except UnicodeEncodeError:
        raise BadClaims("the activation holds half of a surrogate pair", rule="not-utf8") from None
    return f"{base32(digest)}===="


def _without_wildcards(subject: str) -> str:
    tokens = subject.split(".")
    first = next((index for index, token in enumerate(tokens) if token in {"*", ">"}), None)
    if first == 0:
        return "_"
    return ".".join(tokens[:first]) or subject


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


class ServerId(Part, frozen=True, kw_only=True):
    """The server that asks; `name`, `host` and `id` are always written."""

    name: str = msgspec.field(default_factory=str)
    host: str = msgspec.field(default_factory=str)
    id: str = msgspec.field(default_factory=str)
    version: str = ""
    cluster: str = ""
    tags: tuple[str, ...] = ()
    xkey: str = ""


class ClientInfo(Part, frozen=True, kw_only=True):
    """The client that connects, as the server knows it; `id` is a 64-bit number without sign."""

    host: str = ""
    id: UInt64 = 0
    user: str = ""
    name: str = ""
    tags: tuple[str, ...] = ()
    name_tag: str = ""
    kind: str = ""
    type: str = ""
    mqtt_id: str = ""
    nonce: str = ""


class ConnectOptions(Part, frozen=True, kw_only=True):
    """What the client sent to log in; `protocol` is always written."""

    jwt: str = ""
    nkey: str = ""
    sig: str = ""
    auth_token: str = ""
    user: str = ""
    password: str = msgspec.field(default="", name="pass")
    name: str = ""
    lang: str = ""
    version: str = ""
    protocol: Int64 = msgspec.field(default_factory=int)


class ClientTLS(Part, frozen=True, kw_only=True):
    """The client's TLS session, certificates as PEM."""

    version: str = ""
    cipher: str = ""
    certs: tuple[str, ...] = ()
    verified_chains: tuple[tuple[str, ...], ...] = ()


class AuthorizationRequest(Part, frozen=True, kw_only=True):
    """The body of an auth callout request; the first four members are always written."""

    kind: ClassVar[str] = "authorization_request"
    issuers: ClassVar[tuple[Role, ...]] = (Role.SERVER,)
    subjects: ClassVar[tuple[Role, ...]] = ()

    server_id: ServerId = msgspec.field(default_factory=ServerId)
    user_nkey: str = msgspec.field(default_factory=str)
    client_info: ClientInfo = msgspec.field(default_factory=ClientInfo)
    connect_opts: ConnectOptions = msgspec.field(default_factory=ConnectOptions)
    client_tls: ClientTLS | None = None
    request_nonce: str = ""
    tags: tuple[str, ...] = ()

    @classmethod
    def new(cls) -> AuthorizationRequest:
        """Return what the official constructor gives: nothing set."""
        return cls()


class AuthorizationResponse(Part, frozen=True, kw_only=True):
    """The body of an auth callout answer: a user jwt, or an error."""

    kind: ClassVar[str] = "authorization_response"
    issuers: ClassVar[tuple[Role, ...]] = (Role.ACCOUNT,)
    subjects: ClassVar[tuple[Role, ...]] = ()

    jwt: str = ""
    error: str = ""
    issuer_account: str = ""
    tags: tuple[str, ...] = ()

    @classmethod
    def new(cls) -> AuthorizationResponse:
        """Return what the official constructor gives: nothing set."""
        return cls()
