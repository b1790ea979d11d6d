"""What a configuration states about who is let in: logins, operators, preloaded accounts, the system account.

It reads, and judges nothing. An operator that is named by a file is read as servers do, from the folder in
which they are started, which here is the current one; or else beside the configuration.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seedless import jwt
from seedless.claims import Operator
from seedless.decorated import parse_jwt
from seedless.errors import SeedlessError, StoreError
from seedless.nats_config import Array, Map, Scalar
from seedless.store import atomic
from seedless.text import shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seedless.jwt import Jwt
    from seedless.nats_config import Configuration, Member, SourcePlace

OPERATOR = ("operator", "operators", "roots", "root", "root_operators", "root_operator")
TRUSTED = ("trusted", "trusted_keys")
RESOLVER = ("resolver", "account_resolver", "accounts_resolver")
SYSTEM = ("system_account", "system")
USER = ("user", "username")
PASSWORD = ("pass", "password")
_LISTENERS = (
    ("leafnode", ("leafnodes", "leaf")),
    ("route", ("cluster",)),
    ("gateway", ("gateway",)),
    ("websocket client", ("websocket", "ws")),
    ("MQTT client", ("mqtt",)),
)


@dataclass(frozen=True, slots=True)
class ConfiguredLogin:
    """One entry that lets somebody in; *who* is what logs in with it, as `client` or `leafnode`.

    `by_certificate` states that names are taken from TLS certificates and not from what clients state.
    """

    who: str
    entry: Map
    place: SourcePlace
    by_certificate: bool = False

    def text(self, *names: str) -> str | None:
        """Return the string under one of *names*, None if there is none."""
        return text_of(self.entry.find(*names))

    def place_of(self, *names: str) -> SourcePlace:
        """Return the place of one of *names*, or of the entry."""
        member = self.entry.find(*names)
        return member.place if member else self.place


@dataclass(frozen=True, slots=True)
class ConfiguredJwt:
    """A jwt that a configuration gives under *key*, verified; or the reason why it cannot be read."""

    key: str
    place: SourcePlace
    jwt: Jwt[Any] | None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class ServerConfiguration:
    """What one configuration states."""

    configuration: Configuration
    now: int
    logins: tuple[ConfiguredLogin, ...]
    operators: tuple[ConfiguredJwt, ...]
    preload: tuple[ConfiguredJwt, ...]

    def find(self, *names: str) -> Member | None:
        """Return the member of the top that counts under one of *names*."""
        return self.configuration.root.find(*names)

    @property
    def trusts(self) -> bool:
        """Whether accounts come from jwts."""
        return bool(self.operators or self.trusted_keys)

    @property
    def trusted_keys(self) -> tuple[str, ...]:
        """The operator keys that are trusted without an operator jwt."""
        return tuple(text for text, _ in strings(self.find(*TRUSTED)))

    @property
    def resolver(self) -> str:
        """The type of the resolver, in upper case; MEM for memory; empty without one.

        A single operator whose jwt names an account server (`account_server_url`) brings a resolver by URL,
        when the configuration names none.
        """
        member = self.find(*RESOLVER)
        if member is None and len(self.operators) == 1:
            jwt = self.operators[0].jwt
            return "URL" if jwt and jwt.claims.body.account_server_url else ""
        if member is not None and isinstance(member.value, Map):
            member = member.value.find("type")
            return (text_of(member) or "").upper()
        kind = (text_of(member) or "").upper()
        return next((name for name in ("MEM", "URL") if name in kind), kind)

    @property
    def system_account(self) -> str:
        """The key of the system account: of the configuration, or else of a single operator."""
        named = text_of(named_system(self.configuration.root))
        claimed = self.claimed_system_accounts if len(self.operators) == 1 else ()
        return named or next(iter(claimed), "")

    @property
    def claimed_system_accounts(self) -> tuple[str, ...]:
        """The system accounts that the operators name."""
        named = (configured.jwt.claims.body.system_account for configured in self.operators if configured.jwt)
        return tuple(key for key in named if key)


def read_server(configuration: Configuration, now: int) -> ServerConfiguration:
    """Return what *configuration* states; *now* is Unix seconds."""
    root = configuration.root
    return ServerConfiguration(
        configuration,
        now,
        tuple(_logins(root)),
        tuple(_operators(root)),
        tuple(_preload(root)),
    )


def named_system(root: Map) -> Member | None:
    """Return the member that names the system account; only of its words servers do not fold the case."""
    members = {member.key: member for member in root.members}
    return next((members[word] for word in SYSTEM if word in members), None)


def text_of(member: Member | None) -> str | None:
    """Return the string that *member* has, None if it has another value or is None."""
    if member is None or not isinstance(member.value, Scalar) or not isinstance(member.value.value, str):
        return None
    return member.value.value


def strings(member: Member | None) -> Iterator[tuple[str, SourcePlace]]:
    """Yield the strings of *member*, which has one or an array of them, with their places."""
    if member is not None:
        values = member.value.items if isinstance(member.value, Array) else (member.value,)
        for value in values:
            if isinstance(value, Scalar) and isinstance(value.value, str):
                yield value.value, value.place


def block(parent: Map, *names: str) -> Map | None:
    """Return the map under one of *names*, None if there is none."""
    member = parent.find(*names)
    return member.value if member and isinstance(member.value, Map) else None


def _logins(root: Map) -> Iterator[ConfiguredLogin]:
    yield from _authorization("client", root)
    accounts = block(root, "accounts")
    for account in accounts.each() if accounts else ():
        if isinstance(account.value, Map):
            yield from _users("client", account.value, by_certificate=_maps_certificates(root))
    for who, names in _LISTENERS:
        listener = block(root, *names)
        if listener is not None:
            yield from _authorization(who, listener)


def _authorization(who: str, parent: Map) -> Iterator[ConfiguredLogin]:
    """Yield the single login of an `authorization` block and those of its list."""
    authorization = block(parent, "authorization")
    if authorization is None:
        return
    mapped = _maps_certificates(parent)
    if authorization.find(*USER, "nkey"):
        yield ConfiguredLogin(who, authorization, authorization.place, mapped)
    yield from _users(who, authorization, by_certificate=mapped)


def _users(who: str, parent: Map, *, by_certificate: bool) -> Iterator[ConfiguredLogin]:
    users = parent.find("users")
    if users is not None and isinstance(users.value, Array):
        for entry in users.value.items:
            if isinstance(entry, Map):
                yield ConfiguredLogin(who, entry, entry.place, by_certificate)


def is_true(member: Member | None) -> bool:
    """Report whether *member* is a switch that is on."""
    return member is not None and isinstance(member.value, Scalar) and member.value.value is True


def _maps_certificates(parent: Map) -> bool:
    tls = block(parent, "tls")
    return tls is not None and is_true(tls.find("verify_and_map"))


def _operators(root: Map) -> Iterator[ConfiguredJwt]:
    for text, place in strings(root.find(*OPERATOR)):
        yield _configured_jwt("", text, place, Operator)


def _preload(root: Map) -> Iterator[ConfiguredJwt]:
    entries = block(root, "resolver_preload")
    for entry in entries.each() if entries else ():
        text = text_of(entry)
        if text is None:
            yield ConfiguredJwt(entry.key, entry.place, None, "its value is not text")
        else:
            yield _configured_jwt(entry.key, text, entry.place, None)


def _configured_jwt(key: str, text: str, place: SourcePlace, body: type | None) -> ConfiguredJwt:
    try:
        found = jwt.read(_jwt_text(text, place) if body else text)
    except SeedlessError as error:
        return ConfiguredJwt(key, place, None, error.message)
    if body is not None and not isinstance(found.claims.body, body):
        return ConfiguredJwt(key, place, None, f"these are {found.claims.body.kind} claims")
    return ConfiguredJwt(key, place, found)


def _jwt_text(text: str, place: SourcePlace) -> str:
    """Return the jwt that *text* is, or that the file of this name holds."""
    if text.startswith("eyJ"):
        return text
    for folder in (Path(), Path(place.file).parent):
        data = atomic.read(folder / text)
        if data is not None:
            return parse_jwt(data.decode("utf-8", "replace")).strip()
    raise StoreError(f"there is no file {shown(text)}")
