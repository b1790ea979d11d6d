"""The backend `oidc`: an ID or access token of an OpenID provider, a jwt that its keys verify.

The token comes in the connect option `token`, or as the password of clients that have no other (MQTT). A text
that is not a jwt, or one of another issuer, is left to other backends; everything else about it is a refusal.

Keys are a JWKS (RFC 7517) from a file or an URL, by default the one that the issuer's discovery document
names. They are kept; a `kid` that is not among them has them fetched again, at most once a minute, so that
nobody can make this service ask the provider at every login. Algorithms are those of the settings, all of
them asymmetric: with a symmetric one the public key would be the secret (RFC 8725, section 2.1).
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

import jwt as pyjwt
import msgspec
from msgspec import Meta

from seedless import units, wire
from seedless.base64url import decode
from seedless.config import require_owned
from seedless.errors import (
    BackendError,
    BadClaims,
    InvalidValue,
    Refused,
    SeedlessError,
    ServerError,
    StoreError,
)
from seedless.serve.backends.certificate import without_suffix
from seedless.serve.login import Identity, Login
from seedless.store import atomic
from seedless.strict_json import ABSOLUTE_PATH, Parsed
from seedless.text import brief, printable, shown

__all__ = ["OidcProvider", "OidcSettings", "read_jwks"]

Algorithm = Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
_KEY_TYPES = {"RS": "RSA", "PS": "RSA", "ES": "EC", "Ed": "OKP"}
_LONGEST = 16 * 1024  # characters of a token
_LARGEST = 1024**2  # bytes of a JWKS
_TIMEOUT = 5.0
_AGAIN = 60.0  # seconds between two fetches
_REFRESH, _OLDEST = 3600.0, 86400.0  # keys are fetched again, and dropped without success
_LEAST_RSA_BITS = 2048
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_log = logging.getLogger(__name__)


def _url(text: str) -> str:
    """Return *text* if it is an https URL; http only where it does not leave the machine."""
    parts = urlsplit(text)
    if parts.scheme == "https" and parts.hostname:
        return text
    if parts.scheme == "http" and parts.hostname in _LOOPBACK:
        return text
    raise InvalidValue("is not an https URL")


def _jwks(text: str) -> str | Path:
    if text.startswith("file:"):
        path = Path(text.removeprefix("file:"))
        if not path.is_absolute():
            raise InvalidValue("is not file: with an absolute path")
        return path
    return _url(text)


class ClaimNames(msgspec.Struct, frozen=True, kw_only=True, rename="kebab"):
    """Which claims of a token become what; `a.b` is the member `b` of the claim `a`."""

    name: Annotated[str, Meta(description="the claim that names the identity")] = "sub"
    account: Annotated[str, Meta(description="the claim with the account")] = ""
    role: Annotated[str, Meta(description="the claim with the role")] = ""
    tags: Annotated[
        dict[str, str], Meta(description="tags `x:value`: for each `x` the claim with the value")
    ] = {}
    attributes: Annotated[
        dict[str, str], Meta(description="for each attribute, which rules look at, the claim with its values")
    ] = {}


class OidcSettings(msgspec.Struct, frozen=True, kw_only=True, rename="kebab", tag_field="kind", tag="oidc"):
    """Tokens of an OpenID provider."""

    issuer: Annotated[str, Parsed("an https URL", _url), Meta(description="the `iss` of the tokens")]
    audience: Annotated[tuple[str, ...], Meta(description="who the tokens are for: one of these in `aud`")]
    jwks: Annotated[
        str | Path | None,
        Parsed("an https URL, or file:/path", _jwks),
        Meta(description="the keys: an `https` URL or `file:/path`; else what the issuer's discovery names"),
    ] = None
    algorithms: Annotated[tuple[Algorithm, ...], Meta(description="the algorithms that are accepted")] = (
        "RS256",
        "ES256",
        "EdDSA",
    )
    claims: Annotated[ClaimNames, Meta(description="which claims become what")] = ClaimNames()
    suffix: Annotated[
        str, Meta(description="the end that every name has, and that is taken off, as `@example.com`")
    ] = ""
    leeway: Annotated[
        int,
        Parsed("a span of time, as 30s", units.parse_span),
        Meta(description="by how much the clocks may differ"),
    ] = 0
    ca: Annotated[
        Path | None,
        ABSOLUTE_PATH,
        Meta(description="certificates of authorities, PEM; else those of the system"),
    ] = None


class _ProviderKeys(msgspec.Struct, frozen=True):
    """The keys of a provider by their `kid`, and when they were read."""

    keys: Mapping[str, pyjwt.PyJWK]
    read: float


class OidcProvider:
    """A backend of tokens of one provider."""

    def __init__(
        self,
        name: str,
        settings: OidcSettings,
        *,
        clock: Callable[[], float] = time.time,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take the *settings*; keys in a file are read here. Raise `StoreError`.

        *clock* gives Unix seconds, which times in tokens are compared with; of *timer* differences count.
        """
        self._name = name
        self._settings = settings
        self._clock = clock
        self._timer = timer
        self._lock = asyncio.Lock()
        self._tried: float | None = None
        self._keys: _ProviderKeys | None = None
        if not settings.audience:
            raise StoreError(f"backends.{name}.audience is empty", "tokens for anybody would be accepted")
        if isinstance(settings.jwks, Path):
            self._keys = _ProviderKeys(read_jwks(_file(settings.jwks)), timer())

    def __repr__(self) -> str:
        return f"OidcProvider({self._name!r}, {self._settings.issuer!r})"

    async def identify(self, login: Login) -> Identity | None:
        """Return who the token is of, None where there is no token of this issuer."""
        token = next((text for text in (login.token, login.password) if _looks_like_jwt(text)), "")
        header, unverified = (_object(part) for part in token.split(".")[:2]) if token else ({}, {})
        if unverified.get("iss") != self._settings.issuer:
            return None
        claims = await self._verified(token, header)
        self._require_time(claims)
        return self._identity(claims)

    async def _verified(self, token: str, header: Mapping[str, object]) -> Mapping[str, object]:
        """Return the claims of *token*; raise `Refused` unless a key of the provider signed it for us."""
        import jwt as pyjwt

        algorithm = header.get("alg")
        if algorithm not in self._settings.algorithms:
            raise Refused(f"the token's algorithm {brief(str(algorithm))} is not accepted")
        if "crit" in header:
            raise Refused("the token has critical headers, and none is known")
        key = await self._key(header.get("kid"))
        if not _fits(key, str(algorithm)):
            raise Refused(f"the token's algorithm {algorithm} is not that of its key")
        try:
            claims: Mapping[str, object] = pyjwt.decode(
                token,
                key.key,
                algorithms=[str(algorithm)],
                audience=self._settings.audience,
                issuer=self._settings.issuer,
                options={  # times are compared with our clock
                    "require": ["exp", "iat", "iss", "aud"],
                    "verify_exp": False,
                    "verify_nbf": False,
                    "verify_iat": False,
                },
            )
        except (pyjwt.PyJWTError, ValueError, TypeError, RecursionError) as error:
            # Its text names a claim, and never a value of it but the algorithm.
            raise Refused(f"the token is refused: {printable(str(error))}") from None
        return claims

    def _require_time(self, claims: Mapping[str, object]) -> None:
        now, leeway = self._clock(), self._settings.leeway
        expires = _seconds(claims, "exp")
        first = max(_seconds(claims, "iat"), _seconds(claims, "nbf") if "nbf" in claims else 0)
        if expires + leeway <= now:
            raise Refused(f"the token expired {units.moment(expires)}")
        if first - leeway > now:
            raise Refused(f"the token is not valid before {units.moment(first)}")

    def _identity(self, claims: Mapping[str, object]) -> Identity:
        names = self._settings.claims
        tags = tuple(f"{tag}:{value}" for tag, claim in names.tags.items() for value in _texts(claims, claim))
        attributes: dict[str, str | tuple[str, ...]] = {
            name: values for name, claim in names.attributes.items() if (values := _texts(claims, claim))
        }
        return Identity(
            backend=self._name,
            name=without_suffix(_single(claims, names.name), self._settings.suffix),
            account=_single(claims, names.account) if names.account else "",
            role=_single(claims, names.role) if names.role else "",
            tags=tags,
            attributes=attributes,
            expires=_seconds(claims, "exp") + self._settings.leeway,
        )

    async def _key(self, kid: object) -> pyjwt.PyJWK:
        """Return the key *kid*; raise `Refused`, or `BackendError` while there are no keys at all."""
        keys = await self._current()
        found = _find(keys, kid)
        if found is None and await self._fetched_again():
            found = _find(self._keys.keys if self._keys else {}, kid)
        if found is None:
            raise Refused(f"the provider has no key {brief(str(kid))}")
        return found

    async def _current(self) -> Mapping[str, pyjwt.PyJWK]:
        now = self._timer()
        is_file = isinstance(self._settings.jwks, Path)
        if self._keys is None or (not is_file and now - self._keys.read > _REFRESH):
            await self._fetched_again()
        if self._keys is None or (not is_file and now - self._keys.read > _OLDEST):
            raise BackendError(f"there are no keys of {self._settings.issuer}")
        return self._keys.keys

    async def _fetched_again(self) -> bool:
        """Fetch the keys, unless that was tried within a minute; report whether there are new ones."""
        before = self._keys
        async with self._lock:
            if self._keys is not before:
                return True
            now = self._timer()
            if self._tried is not None and now - self._tried < _AGAIN:
                return False
            self._tried = now
            try:
                keys = await asyncio.to_thread(self._fetch)
            except (SeedlessError, OSError) as error:
                _log.error("backend %s: no keys of %s: %s", self._name, self._settings.issuer, error)
                return False
            self._keys = _ProviderKeys(keys, now)
            return True

    def _fetch(self) -> Mapping[str, pyjwt.PyJWK]:
        place = self._settings.jwks
        if isinstance(place, Path):
            return read_jwks(_file(place))
        if place is None:
            url = f"{self._settings.issuer.rstrip('/')}/.well-known/openid-configuration"
            document = _json(_get(url, self._settings.ca), url)
            # OpenID Connect Discovery 1.0, section 4.3: the issuer in it must be the one that was asked.
            if document.get("issuer") != self._settings.issuer:
                raise ServerError(f"{shown(url)} is of another issuer")
            try:
                place = _url(str(document.get("jwks_uri", "")))
            except (InvalidValue, ValueError) as error:
                raise ServerError(f"{shown(url)} has a jwks_uri that is not an https URL") from error
        return read_jwks(_get(place, self._settings.ca))


def _looks_like_jwt(text: str) -> bool:
    return text.isascii() and text.startswith("eyJ") and text.count(".") == 2 and len(text) <= _LONGEST  # noqa: PLR2004 - its three parts


def _object(part: str) -> Mapping[str, object]:
    """Return header or payload of a token before it is verified, nothing where that is not an object."""
    try:
        value = msgspec.json.decode(decode(part, "the token"))
    except (SeedlessError, msgspec.DecodeError, ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _seconds(claims: Mapping[str, object], name: str) -> int:
    """Return a time of the token; RFC 7519 allows fractions, which count for nothing here."""
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 2**53:
        raise Refused(f"the token has no time {name}")
    return int(value)


def _fits(key: pyjwt.PyJWK, algorithm: str) -> bool:
    """Report whether *key* is of the type, and if it states one of the algorithm, of *algorithm*."""
    stated = key._jwk_data.get("alg")  # noqa: SLF001 - PyJWK.algorithm_name has a guess where none is stated
    return key.key_type == _KEY_TYPES.get(algorithm[:2]) and stated in {None, algorithm}


def _find(keys: Mapping[str, pyjwt.PyJWK], kid: object) -> pyjwt.PyJWK | None:
    """Return the key *kid*; a token without one is of the only key."""
    if kid is None:
        return next(iter(keys.values())) if len(keys) == 1 else None
    return keys.get(kid) if isinstance(kid, str) else None


def _claim(claims: Mapping[str, object], path: str) -> object:
    """Return the claim of the name *path*, or the member that its dots lead to."""
    if path in claims:
        return claims[path]
    value: object = claims
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _texts(claims: Mapping[str, object], path: str) -> tuple[str, ...]:
    """Return the values of a claim as text; objects are left out."""
    value = _claim(claims, path)
    values = value if isinstance(value, list) else [value]
    return tuple(_text(item) for item in values if isinstance(item, str | int) and item != "")


def _text(value: str | int) -> str:
    return ("true" if value else "false") if isinstance(value, bool) else str(value)


def _single(claims: Mapping[str, object], path: str) -> str:
    values = _texts(claims, path)
    if len(values) != 1:
        raise Refused(f"the token has {len(values)} values of {brief(path)}, and one is required")
    return values[0]


def _file(path: Path) -> bytes:
    data = atomic.read(path)
    if data is None:
        raise StoreError(
            f"there is no file {shown(path)}", "it is to hold a JWKS, the public keys of the provider"
        )
    require_owned(path, "it decides who logs in")
    return data


def _json(data: bytes, where: str) -> dict[str, object]:
    try:
        value = wire.parse(data)
    except BadClaims as error:
        raise ServerError(f"{shown(where)}: {error.message}") from error
    if not isinstance(value, dict):
        raise ServerError(f"{shown(where)} is not a JSON object")
    return value


def read_jwks(data: bytes) -> Mapping[str, pyjwt.PyJWK]:
    """Return the signature keys of a JWKS that can be used; raise `ServerError` where there is none."""
    import jwt as pyjwt

    entries = _json(data, "the JWKS").get("keys")
    keys = {}
    for index, entry in enumerate(entries if isinstance(entries, list) else ()):
        # A symmetric key has no business among public ones.
        if not isinstance(entry, dict) or entry.get("kty") not in ("RSA", "EC", "OKP"):
            continue
        if entry.get("use", "sig") != "sig":
            continue
        try:
            key = pyjwt.PyJWK({name: value for name, value in entry.items() if name != "d"})
        except (pyjwt.PyJWTError, ValueError, TypeError, KeyError):
            continue  # of a curve or algorithm that is not known here
        if key.key_type != "RSA" or key.key.key_size >= _LEAST_RSA_BITS:
            keys[str(entry.get("kid", f"#{index}"))] = key
    if not keys:
        raise ServerError("the JWKS has no key that can verify a token")
    return keys


def _get(url: str, ca: Path | None) -> bytes:
    """Return what is at *url*; raise `ServerError`. No redirects: an https URL would not stay one."""
    import ssl
    import urllib.error
    import urllib.request

    class NoRedirects(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *_: object) -> None:
            return None

    context = ssl.create_default_context(cafile=None if ca is None else str(ca))
    opener = urllib.request.build_opener(NoRedirects, urllib.request.HTTPSHandler(context=context))
    try:
        with opener.open(url, timeout=_TIMEOUT) as response:
            data: bytes = response.read(_LARGEST + 1)
    except (urllib.error.URLError, OSError, ValueError) as error:
        if isinstance(error, urllib.error.HTTPError):
            error.close()  # it is the response, too
        raise ServerError(f"{shown(url)} cannot be read: {printable(str(error))}") from error
    if len(data) > _LARGEST:
        raise ServerError(f"{shown(url)} has more than {_LARGEST} bytes")
    return data
