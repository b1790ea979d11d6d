"""The configuration of an auth callout: a TOML file, read strictly, whose secrets are elsewhere.

    servers = ["nats://127.0.0.1:4222"]
    creds = "/etc/seedless/callout.creds"
    mode = "operator"
    account = "AB…"                                   # the callout account
    signing-key = "file:/etc/seedless/callout.nk"     # signs the answers
    curve-key = "env:CALLOUT_XKEY"

    [accounts.ORDERS]
    key = "AC…"
    roles = { clerk = "file:/etc/seedless/clerk.nk" }

    [backends.staff]
    kind = "users"
    file = "/etc/seedless/users.toml"

    [[rules]]
    when = { backends = ["staff"] }
    account = "ORDERS"
    role = "clerk"

Whoever writes the file decides who logs in: it is refused where others than its owner can write it. Seeds are
in files that the owner alone can read, in variables of the environment, or on a token, and never in it.

The configuration of an issuer: a TOML file, read strictly, whose secrets are elsewhere.

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

import os
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, Protocol, TypeVar

import msgspec
from msgspec import Meta

from seedless import pin, strict_json
from seedless.config import require_owned
from seedless.errors import BadClaims, BadKey, InvalidValue, PinError, StoreError, UsageError, WrongFile
from seedless.nkey import PublicKey, Role
from seedless.pkcs11.uri import KeyUri
from seedless.seeds import SoftwareKey
from seedless.serve.backends import Settings
from seedless.serve.bounds import Bounds
from seedless.serve.rules import Rule, Span
from seedless.store import atomic
from seedless.strict_json import ABSOLUTE_PATH, Parsed
from seedless.text import holds_seed, quoted, shown

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "ENDPOINTS",
    "AccountKeys",
    "CalloutConfig",
    "Delegation",
    "IssuerConfig",
    "IssuerRule",
    "KeySource",
    "SoftwareKeys",
    "Tls",
    "delegated_roles",
    "load",
    "load_issuer",
    "read_file",
    "require_address",
    "software_key",
]


DELEGATED = "delegated"
_EXAMPLE = "seedless docs reference/callout lists its members"
_REASON = "it decides who logs in"


class KeySource(msgspec.Struct, frozen=True):
    """Where a private key is: a file or a variable that holds a seed, a token, or made at the start.

    `kind` is `file`, `env`, `pkcs11` or `delegated`; `place` is the path, the name or the URI.
    """

    kind: Literal["file", "env", "pkcs11", "delegated"]
    place: str = ""


def _key_source(text: str) -> KeySource:
    kind, colon, place = text.partition(":")
    if text == DELEGATED:
        return KeySource("delegated")
    if kind == "pkcs11":
        KeyUri.parse(text)
        return KeySource("pkcs11", text)
    if not colon or not place or "\0" in place or kind not in {"file", "env"}:
        # Never quoted: it may be a seed.
        raise InvalidValue("is not a place of a key: write file:/path, env:NAME or pkcs11:…")
    return KeySource("file" if kind == "file" else "env", place)


Source = Annotated[KeySource, Parsed("file:/path, env:NAME or pkcs11:…", _key_source)]
File = Annotated[Path, ABSOLUTE_PATH]


class Tls(msgspec.Struct, frozen=True, kw_only=True, rename="kebab"):
    """TLS of the service's own connection."""

    ca: Annotated[
        File | None, Meta(description="certificates of authorities, PEM; else those of the system")
    ] = None
    cert: Annotated[File | None, Meta(description="the client certificate, PEM")] = None
    key: Annotated[File | None, Meta(description="its key, PEM")] = None


class AccountKeys(msgspec.Struct, frozen=True, kw_only=True, rename="kebab"):
    """An account that users may be placed in, and the keys that sign them; no keys in configuration mode."""

    key: Annotated[str, Meta(description="the public key of the account")] = ""
    signing_key: Annotated[
        Source | None, Meta(description="signs users with permissions: a signing key without a scope")
    ] = None
    roles: Annotated[
        dict[str, Source],
        Meta(description="the scoped signing key of each role; `delegated` ones are made at the start"),
    ] = {}


class Delegation(msgspec.Struct, frozen=True, kw_only=True, rename="kebab"):
    """How keys are delegated: the token adds them to the accounts at the start, and before they end."""

    span: Annotated[Span, Meta(description="how long a delegated key is used")] = msgspec.field(name="for")
    context: Annotated[
        str,
        Meta(description="a context of the configuration: store, operator, token, source of the PIN, policy"),
    ] = ""


class CalloutConfig(msgspec.Struct, frozen=True, kw_only=True, rename="kebab"):
    """An auth callout service."""

    servers: Annotated[
        tuple[str, ...], Meta(description="URLs of servers: `nats://`, `tls://`, `ws://`, `wss://`")
    ]
    mode: Annotated[
        Literal["operator", "configuration"],
        Meta(description="how the servers authenticate: jwts, or their file"),
    ]
    account: Annotated[
        str, Meta(description="the callout account: its public key, or in configuration mode its name")
    ]
    signing_key: Annotated[
        Source,
        Meta(description="signs the answers: a key of the callout account; in configuration mode the issuer"),
    ]
    accounts: Annotated[
        dict[str, AccountKeys], Meta(description="the accounts that users may be placed in, by their names")
    ]
    backends: Annotated[dict[str, Settings], Meta(description="who proves identities, asked in this order")]
    rules: Annotated[tuple[Rule, ...], Meta(description="what an identity gets: the first rule that matches")]
    creds: Annotated[File | None, Meta(description="the creds file of the service's own user")] = None
    nkey: Annotated[
        File | None, Meta(description="the file with the seed of its key, where it logs in with a bare nkey")
    ] = None
    system_creds: Annotated[
        File | None,
        Meta(description="creds of a user of the system account, which lists the servers that are answered"),
    ] = None
    system_nkey: Annotated[
        File | None,
        Meta(description="likewise, the seed of a bare nkey of the system account"),
    ] = None
    listen: Annotated[str, Meta(description="`host:port` of metrics and health; none if it is empty")] = ""
    tls: Annotated[Tls, Meta(description="TLS of the service's own connection")] = Tls()
    curve_key: Annotated[
        Source | None, Meta(description="the curve key of the account; then requests have to be encrypted")
    ] = None
    validity: Annotated[Span, Meta(description="how long users are valid, where a rule states nothing")] = (
        3600
    )
    delegation: Annotated[Delegation | None, Meta(description="how `delegated` keys are made")] = None
    bounds: Annotated[Bounds, Meta(description="how much is done at once")] = Bounds()

    def check(self) -> None:
        """Raise `InvalidValue` with the place for values that do not go with each other."""
        for place in ("servers", "accounts", "backends", "rules"):
            if not getattr(self, place):
                raise InvalidValue("is empty", place)
        for place in Bounds.__struct_fields__:
            if getattr(self.bounds, place) <= 0:
                raise InvalidValue("is not above 0", f"bounds.{place.replace('_', '-')}")
        require_address(self.listen)
        if self.mode == "operator":
            self._check_operator_mode()
        else:
            self._check_configuration_mode()
        for index, rule in enumerate(self.rules):
            try:
                rule.check()
                self._check_rule(rule)
            except InvalidValue as error:
                raise InvalidValue(str(error), ".".join((f"rules[{index}]", error.path))) from error

    def _check_operator_mode(self) -> None:
        _require_account_key(self.account, "account")
        if self.signing_key.kind == "delegated":
            raise InvalidValue("is delegated, and only keys of roles are", "signing-key")
        for name, keys in self.accounts.items():
            place = f"accounts.{quoted(name) if not name.isalnum() else name}"
            _require_account_key(keys.key, f"{place}.key")
            if keys.key == self.account:
                raise InvalidValue(
                    "is the callout account: users in it could read the passwords of others", place
                )
            if keys.signing_key is None and not keys.roles:
                raise InvalidValue("has no signing-key and no roles", place)
            if keys.signing_key is not None and keys.signing_key.kind == "delegated":
                raise InvalidValue("is delegated, and only keys of roles are", f"{place}.signing-key")
            if self.delegation is None and any(source.kind == "delegated" for source in keys.roles.values()):
                raise InvalidValue("has delegated keys, and there is no [delegation]", f"{place}.roles")

    def _check_configuration_mode(self) -> None:
        for name, keys in self.accounts.items():
            if keys != AccountKeys():
                raise InvalidValue(
                    "has keys: in configuration mode signing-key signs all users", f"accounts.{name}"
                )
            if name == self.account:
                raise InvalidValue(
                    "is the callout account: users in it could read the passwords of others",
                    f"accounts.{name}",
                )
        if self.signing_key.kind == "delegated" or self.delegation is not None:
            raise InvalidValue(
                "is not possible in configuration mode: there are no account jwts", "delegation"
            )

    def _check_rule(self, rule: Rule) -> None:
        for name in rule.when.backends:
            if name not in self.backends:
                raise InvalidValue(f"has {quoted(name)}, and there is no such backend", "when.backends")
        if rule.role and self.mode == "configuration":
            raise InvalidValue("is given in configuration mode, where there are no scopes", "role")
        if rule.account and "{{" not in rule.account:
            if rule.account not in self.accounts:
                raise InvalidValue(f"is {quoted(rule.account)}, which is not among accounts", "account")
            keys = self.accounts[rule.account]
            if rule.role and "{{" not in rule.role and rule.role not in keys.roles:
                raise InvalidValue(f"is {quoted(rule.role)}, which is not a role of that account", "role")
            if rule.permissions is not None and self.mode == "operator" and keys.signing_key is None:
                raise InvalidValue("are given, and the account has no signing-key", "permissions")


def _require_account_key(text: str, place: str) -> None:
    try:
        is_account = PublicKey.parse(text).role is Role.ACCOUNT
    except BadKey as error:
        raise InvalidValue(f"is not a public key: {error.message}", place) from error
    if not is_account:
        raise InvalidValue("is not the public key of an account", place)


def require_address(listen: str) -> None:
    """Raise `InvalidValue` unless *listen* is empty, or `host:port`."""
    host, _, port = listen.rpartition(":")
    if listen and (not host or not port.isdecimal()):
        raise InvalidValue("is not an address: write host:port, as 127.0.0.1:9100", "listen")


def delegated_roles(accounts: Mapping[str, AccountKeys]) -> tuple[tuple[str, str], ...]:
    """Return the accounts and roles, by name, whose keys are delegated."""
    return tuple(
        (name, role)
        for name, keys in accounts.items()
        for role, source in keys.roles.items()
        if source.kind == DELEGATED
    )


def load(path: Path) -> CalloutConfig:
    """Read the configuration at *path*; raise `WrongFile` with the place of what is not right."""
    return read_file(path, CalloutConfig, _REASON, _EXAMPLE)


class _Configuration(Protocol):
    def check(self) -> None:
        """Raise `InvalidValue` with the place for values that do not go with each other."""


C = TypeVar("C", bound=_Configuration)


def read_file(path: Path, kind: type[C], reason: str, example: str) -> C:
    """Read the configuration of a service at *path*, of a *kind*.

    Raise `WrongFile` with the place of what is not right, and the hint *example*; for a file that others can
    write with the *reason* why that is refused.
    """
    data = atomic.read(path)
    if data is None:
        raise UsageError(f"there is no file {shown(path)}", example)
    require_owned(path, reason)
    if holds_seed(data.decode("utf-8", "replace")):
        raise WrongFile(
            f"{shown(path)} holds a seed", "put it into a file with mode 0600, and name that: file:/path"
        )
    try:
        config = strict_json.read_toml(data, kind)
        config.check()
    except BadClaims as error:
        raise WrongFile(f"{shown(path)}: {error.message}", example) from error
    except InvalidValue as error:
        raise WrongFile(f"{shown(path)}: {error.path.rstrip('.')} {error}", example) from error
    return config


class SoftwareKeys:
    """Keys whose seeds are in files, which are read anew each time, or in variables, which are kept.

    A variable is taken out of the environment when it is read.
    """

    def __init__(self) -> None:
        """Begin without any."""
        self._kept: dict[KeySource, SoftwareKey] = {}

    def read(self, source: KeySource, role: Role) -> SoftwareKey:
        """Return the key at *source*, of a *role*; raise `StoreError`."""
        if source.kind == "file" or source not in self._kept:
            self._kept[source] = software_key(source, role)
        return self._kept[source]


def software_key(
    source: KeySource, *roles: Role, environment: Mapping[str, str] | None = None
) -> SoftwareKey:
    """Return the key whose seed is at *source*, a file or a variable; raise `StoreError`.

    The variable is taken out of the environment of this process, unless another *environment* is given.
    """
    place = f"{source.kind}:{source.place}"
    try:
        if source.kind == "file":
            text = pin.file_pin(Path(source.place), what="seed").pin("", "")
        else:
            variables = os.environ if environment is None else dict(environment)
            text = pin.environment_pin(source.place, variables, what="seed").pin("", "")
        key = SoftwareKey.parse((text or "").strip())
    except PinError as error:
        raise StoreError(error.message, error.hint) from error
    except BadKey as error:
        raise StoreError(f"{shown(place)} holds no seed: {error.message}", error.hint) from error
    if key.public_key.role not in roles:
        wanted = " or ".join(role.name.lower() for role in roles)
        raise StoreError(
            f"{shown(place)} holds the seed of another kind of key", f"it must be of an {wanted}"
        )
    return key


_ISSUER_EXAMPLE = "seedless docs reference/issuer lists its members"
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
            if any(source.kind == "pkcs11" for source in keys.roles.values()):
                raise InvalidValue("names a token, which signs a few jwts a second", f"accounts.{name}")


def load_issuer(path: Path) -> IssuerConfig:
    """Read the configuration at *path*; raise `WrongFile` with the place of what is not right."""
    return read_file(path, IssuerConfig, "it decides who has users issued", _ISSUER_EXAMPLE)
