"""The configuration of an issuer: a TOML file, read strictly, whose secrets are elsewhere.

    servers = ["nats://127.0.0.1:4222"]
    creds = "/etc/seedless/issuer.creds"
    stream = "ISSUED"

    [delegation]
    for = "12h"
    context = "acme"

    [accounts.ORDERS]
    key = "AC…"
    roles = { service = "delegated" }

    [[rules]]
    from = ["AB…"]                   # the accounts that may ask
    endpoints = ["user", "info"]
    accounts = ["ORDERS"]
    roles = ["service"]
    longest = "1h"

Whoever writes the file decides who may have users issued: it is refused where others than its owner can write
it.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
from msgspec import Meta

from seedless.errors import InvalidValue
from seedless.serve.config import (
    AccountKeys,
    Delegation,
    File,
    Tls,
    delegated_roles,
    read_file,
    require_address,
)
from seedless.serve.rules import Span

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["ENDPOINTS", "IssuerConfig", "IssuerRule", "load"]

_EXAMPLE = "seedless docs reference/issuer lists its members"
Endpoint = Literal["user", "account", "revoke", "info"]
ENDPOINTS: tuple[Endpoint, ...] = ("user", "account", "revoke", "info")


class IssuerRule(msgspec.Struct, frozen=True, kw_only=True, rename="kebab"):
    """Who may ask for what: each list holds what is allowed, by patterns such as `web-*`."""

    requesters: Annotated[
        tuple[str, ...], Meta(description="accounts (public keys) that may ask; `*` is any account")
    ] = msgspec.field(name="from")
    endpoints: Annotated[tuple[Endpoint, ...], Meta(description="what they may ask")]
    users: Annotated[
        tuple[str, ...],
        Meta(description="users of these accounts that may ask (public keys of their jwts); none is all"),
    ] = ()
    accounts: Annotated[tuple[str, ...], Meta(description="patterns of the accounts that it is about")] = ()
    roles: Annotated[tuple[str, ...], Meta(description="patterns of the roles that users may have")] = ()
    longest: Annotated[
        Span,
        Meta(
            description="how long a user is valid at most; no more than half of `delegation.for`, when a key "
            "is replaced"
        ),
    ] = 3600

    def is_for(self, requester: str, user: str) -> bool:
        """Report whether *user* of the account *requester* (key text) is one of those who may ask."""
        is_named = any(pattern in {"*", requester} for pattern in self.requesters)
        return is_named and (not self.users or user in self.users)

    def allows(self, endpoint: str, account: str, role: str | None = None) -> bool:
        """Report whether it may be asked about *account*, for users in *role*."""
        return (
            endpoint in self.endpoints
            and _fits(account, self.accounts)
            and (role is None or _fits(role, self.roles))
        )


def _fits(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


class IssuerConfig(msgspec.Struct, frozen=True, kw_only=True, rename="kebab"):
    """An issuing service."""

    servers: Annotated[tuple[str, ...], Meta(description="URLs of servers")]
    accounts: Annotated[
        dict[str, AccountKeys], Meta(description="the accounts that users are issued in, by their names")
    ]
    rules: Annotated[tuple[IssuerRule, ...], Meta(description="who may ask for what")]
    creds: Annotated[File | None, Meta(description="the creds file of the service's own user")] = None
    tls: Annotated[Tls, Meta(description="TLS of the service's own connection")] = Tls()
    listen: Annotated[str, Meta(description="`host:port` of metrics and health; none if it is empty")] = ""
    subject: Annotated[str, Meta(description="the subjects begin with it")] = "issuer"
    stream: Annotated[str, Meta(description="the JetStream stream of what was issued")] = "ISSUED"
    stream_subject: Annotated[str, Meta(description="the subjects of its entries begin with it")] = "issued"
    replicas: Annotated[int, Meta(description="servers that have the stream, where it is created")] = 1
    validity: Annotated[Span, Meta(description="how long a user is valid where nothing is asked for")] = 3600
    concurrency: Annotated[int, Meta(description="requests that are handled at once; others are refused")] = (
        256
    )
    delegation: Annotated[Delegation | None, Meta(description="how `delegated` keys are made")] = None

    def check(self) -> None:
        """Raise `InvalidValue` with the place for values that do not go with each other."""
        for place in ("servers", "accounts", "rules"):
            if not getattr(self, place):
                raise InvalidValue("is empty", place)
        for place in ("replicas", "concurrency", "validity"):
            if getattr(self, place) <= 0:
                raise InvalidValue("is not above 0", place)
        require_address(self.listen)
        self._check_accounts()
        for index, rule in enumerate(self.rules):
            if self.delegation is not None and rule.longest > self.delegation.span // 2:
                # A key is replaced at half of its time, and a user expires before the key that signed it.
                what = "is longer than half of the time of a delegation"
                raise InvalidValue(what, f"rules[{index}].longest")
            if self.delegation is None and {"account", "revoke"} & set(rule.endpoints):
                what = "requires a token: [delegation] context names it"
                raise InvalidValue(what, f"rules[{index}].endpoints")

    def _check_accounts(self) -> None:
        for name, keys in self.accounts.items():
            if not keys.key or keys.signing_key is not None:
                raise InvalidValue("has a key and roles, and no signing-key", f"accounts.{name}")
            if self.delegation is None and delegated_roles({name: keys}):
                raise InvalidValue("has delegated keys, and there is no [delegation]", f"accounts.{name}")
            if any(one.kind == "pkcs11" for one in keys.roles.values()):
                raise InvalidValue("names a token, which signs a few jwts a second", f"accounts.{name}")


def load(path: Path) -> IssuerConfig:
    """Read the configuration at *path*; raise `StoreError` with the place of what is not right."""
    return read_file(path, IssuerConfig, "it decides who has users issued", _EXAMPLE)
