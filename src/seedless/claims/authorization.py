"""Auth callout: what a server asks, and what is answered (jwt v2.8.2, authorization_claims.go)."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from seedless.claims.common import Int64, Part, UInt64
from seedless.nkey import Role


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
