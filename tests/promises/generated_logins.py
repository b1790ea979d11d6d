"""A store whose users are let in or refused for every reason that there is, made by chance from a seed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

from seedless.claims import (
    Account,
    Operator,
    Permission,
    Permissions,
    Scope,
    Template,
    TimeRange,
    User,
    WeightedMapping,
)
from seedless.jwt import Claims, Jwt, draft
from seedless.nkey import Role
from seedless.seeds import SoftwareKey

if TYPE_CHECKING:
    from random import Random

_DAY = 86400
_SOURCES = (
    (),
    (),
    (),
    ("127.0.0.0/8",),
    ("10.0.0.0/8",),
    ("10.0.0.0/8", "127.0.0.1/32"),
    ("::1/128",),
    ("127.0.0.1",),
)
_TYPES = ((), (), (), ("STANDARD",), ("standard",), ("WEBSOCKET",), ("MQTT", "STANDARD"), ("CARRIER-PIGEON",))
_TYPES += (("CARRIER-PIGEON", "STANDARD"),)
_ZONES = (
    "",
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Asia/Kolkata",
    "Asia/Tokyo",
    "Pacific/Apia",
    "Nowhere/Land",
)
_NAMES = ("app", "a.b", "*", "x y")
_ENTRIES = (
    "orders.>",
    "own.{{name()}}",
    "t.{{tag(x)}}",
    "{{nmae()}}",
    "b q1",
    "a..b",
    "a b c",
    ">.a",
    "",
    "a\tb",
)


@dataclass(frozen=True)
class Login:
    """Somebody who logs in: where its jwt is in the store, and its key."""

    account: str
    name: str
    key: SoftwareKey
    jwt: Jwt[User]


@dataclass
class Logins:
    """An operator, accounts and users; *now* is Unix seconds."""

    random: Random
    now: int
    strict: bool
    jwts: dict[tuple[str, ...], Jwt[Any]] = field(default_factory=dict)
    users: list[Login] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._operator, self._signing, self._stranger = (
            SoftwareKey.generate(Role.OPERATOR) for _ in range(3)
        )
        body = Operator(signing_keys=(str(self._signing.public_key),), strict_signing_key_usage=self.strict)
        self.jwts[()] = self._signed(self._operator, self._operator, "ACME", body)

    def add(self, number: int, users: int) -> None:
        """Add an account with *users*."""
        name = f"A{number}"
        key, plain, scope, removed = (SoftwareKey.generate(Role.ACCOUNT) for _ in range(4))
        issuer = self._some((self._signing,) * 7 + (self._operator, self._stranger))
        users_keys = [SoftwareKey.generate(Role.USER) for _ in range(users)]
        entries = (str(plain.public_key), self._scope(scope))
        body = self._account([str(one.public_key) for one in users_keys], entries)
        self.jwts[name,] = self._signed(issuer, key, name, body, **self._times(0.9))
        names = [*_NAMES, *(f"u{index}" for index in range(users))]
        for called, user in zip(self.random.sample(names, users), users_keys, strict=True):
            by = self._some((key, plain, plain, plain, scope, scope, scope, removed))
            self._user(name, called, user, by, key, is_scoped=by is scope)

    def _account(self, users: list[str], entries: tuple[str | Scope, ...]) -> Account:
        revocations = {
            key: self.now + self._some((-2000, -500, -10, 0, 30))
            for key in [*users, "*"]
            if self._by_chance(0.12 if key != "*" else 0.06)
        }
        limits = msgspec.structs.replace(Account.new().limits, disallow_bearer=self._by_chance(0.3))
        broken = {"a": (WeightedMapping(subject="b", weight=101),)} if self._by_chance(0.04) else {}
        defaults = Permissions(pub=Permission(allow=("orders.>",))) if self._by_chance(0.3) else Permissions()
        return msgspec.structs.replace(
            Account.new(),
            limits=limits,
            revocations=revocations,
            signing_keys=entries,
            mappings=broken,
            default_permissions=defaults,
        )

    def _scope(self, key: SoftwareKey) -> Scope:
        allow, deny = (tuple(self._some(_ENTRIES) for _ in range(self._some((0, 0, 1)))) for _ in range(2))
        template = msgspec.structs.replace(
            Template.new(),
            sub=Permission(allow=allow, deny=deny),
            **self._doors(),
            bearer_token=self._by_chance(0.3),
        )
        return Scope(key=str(key.public_key), role="r", template=template)

    def _user(
        self,
        account: str,
        name: str,
        key: SoftwareKey,
        by: SoftwareKey,
        owner: SoftwareKey,
        *,
        is_scoped: bool,
    ) -> None:
        named = "" if by is owner and self._by_chance(0.7) else str(owner.public_key)
        if self._by_chance(0.04):
            named = self._some(("", str(SoftwareKey.generate(Role.ACCOUNT).public_key)))
        if is_scoped and self._by_chance(0.9):
            body = User.scoped(named)
        else:
            held = Permission(allow=(self._some(("a.>", "a.>", "a.>", "b", "a..b", "a b c")),))
            body = msgspec.structs.replace(
                User.new(),
                **self._doors(),
                sub=held,
                bearer_token=self._by_chance(0.2),
                issuer_account=named,
                subs=self._some((-1, -1, -1, 5)),
            )
        body = msgspec.structs.replace(body, tags=self._some(((), ("x:a",), ("x:*",), ("x:",))))
        times = self._times(0.7)
        iat = self.now - self._some((10, 10, 400, 1500, 100_000))
        jwt = self._signed(by, key, name, body, iat=iat, **times)
        self.jwts[account, name] = jwt
        self.users.append(Login(account, name, key, jwt))

    def _doors(self) -> dict[str, Any]:
        """Return from where, when and how a user may connect: mostly anyhow."""
        kind = self._some(("", "", "src", "times", "types", "proxy"))
        if kind == "src":
            return {"src": self._some(_SOURCES)}
        if kind == "types":
            return {"allowed_connection_types": self._some(_TYPES)}
        if kind == "proxy":
            return {"proxy_required": self._by_chance(0.5)}
        if kind == "times":
            spans = tuple(self._span() for _ in range(self._some((1, 1, 2))))
            return {"times": spans, "times_location": self._some(_ZONES)}
        return {}

    def _span(self) -> TimeRange:
        """Return a span that neither begins nor ends while the tests run, in whichever zone."""
        if self._by_chance(0.05):
            return TimeRange(start=self._some(("", "25:00:00", "8 o'clock")), end="10:00:00")
        minute = (self.now // 60 + 15) % 60  # zones differ by hours, or halves of one
        start, end = (self._some((0, 1, 6, 11, 12, 18, 23)) for _ in range(2))
        return TimeRange(start=f"{start:02}:{minute:02}:00", end=f"{end:02}:{minute:02}:30")

    def _times(self, always: float) -> dict[str, int]:
        if self._by_chance(always):
            return {}
        return self._some(
            (
                {"exp": self.now - 100},
                {"exp": self.now + _DAY},
                {"nbf": self.now + _DAY},
                {"nbf": self.now - 9},
            )
        )

    def _signed(
        self,
        issuer: SoftwareKey,
        subject: SoftwareKey,
        name: str,
        body: Any,  # noqa: ANN401 - a body of claims
        *,
        iat: int = 0,
        **times: int,
    ) -> Jwt[Any]:
        claims = Claims(sub=str(subject.public_key), name=name, body=body, **times)
        made = draft(claims, issuer.public_key, iat or self.now - 300)
        return made.complete(issuer.sign(made.signing_input))

    def _some(self, values: Any) -> Any:  # noqa: ANN401 - one of what is given
        return self.random.choice(values)

    def _by_chance(self, share: float) -> bool:
        return self.random.random() < share


def admits_this_client(doors: User | Template) -> bool:
    """Tell whether *doors* let in a plain client on loopback, as far as the client is concerned."""
    sources = not doors.src or any(source.startswith("127.") for source in doors.src)
    types = {kind.upper() for kind in doors.allowed_connection_types}
    return sources and (not types or "STANDARD" in types) and not doors.proxy_required
