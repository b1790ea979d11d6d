"""Jwts: drafted in canonical bytes, completed by a signature, read back. A `Jwt` has been verified.

What is shown is what is signed: a draft exists only if decoding its bytes and encoding them again gives
the same bytes. `read` takes what the official library takes, and reports how it deviates from what that
writes; `read_strict` refuses what `seedless.wire.RULES` lists. What was read either way is signed again in
canonical bytes.
"""

from __future__ import annotations

import math
from datetime import datetime  # noqa: TC003 - hints of `draft` can be looked up
from typing import Any, Generic, TypeVar

import msgspec

from seedless import base64url, wire
from seedless.claims.bodies import Int64
from seedless.claims.canonical import canonical, require_encodable, settled, well_typed
from seedless.claims.codec import Decoded, Payload, decode_canonical, encode, jti
from seedless.deviations import Deviation, Unknown
from seedless.errors import BadClaims, BadJwt, BadKey, UsageError
from seedless.nkey import PublicKey

__all__ = [
    "MAX_SIZE",
    "Claims",
    "Draft",
    "Jwt",
    "bare",
    "claims_from_json",
    "draft",
    "payload_of",
    "plain_payload",
    "read",
    "read_draft",
    "read_strict",
]

B = TypeVar("B")
B_co = TypeVar("B_co", covariant=True)

MAX_SIZE = 1024 * 1024
"""Bytes of the longest text that is read (nats-io/jwt v2.8.2, `MaxTokenSize`)."""

_DASHES = "---"
# 64 bytes are 86 letters without padding.
_SIGNATURE = 87  # characters: a dot, and 64 bytes in base64url

# Compared as text: a header is one of two constants in every jwt that the library wrote, and only others
# are worth decoding.
_HEADERS = {
    base64url.encode(b'{"typ":"JWT","alg":"ed25519-nkey"}'): 2,
    base64url.encode(b'{"typ":"jwt","alg":"ed25519"}'): 1,
}
_HEADER, _HEADER_1 = _HEADERS


class Claims(msgspec.Struct, Generic[B_co], frozen=True, kw_only=True, gc=False):
    """What a jwt states, as it states it: keys as text, times as Unix seconds (0: none), and the body.

    Who issues it and when is not part of it: that is fixed by `draft`. `version` 1 marks claims that were
    read from a jwt of version 1; they can be read and never signed.
    """

    sub: str
    body: B_co
    name: str = ""
    aud: str = ""
    exp: Int64 = 0
    nbf: Int64 = 0
    version: int = 2


class Jwt(msgspec.Struct, Generic[B_co], frozen=True, gc=False):
    """A jwt whose signature has been verified; made by `read`, `read_strict` and `Draft.complete` only.

    Verified is not trusted: the signature proves only that `issuer` signed it. `unknown` are the members
    that we do not know; they are not in `claims`. `deviations` are what only `read` takes: how the text
    deviates from what the official library writes. The claims have the meaning that they have for servers.
    """

    text: str
    claims: Claims[B_co]
    issuer: PublicKey
    issued_at: int
    id: str
    unknown: tuple[Unknown, ...] = ()
    deviations: tuple[Deviation, ...] = ()


class Draft(msgspec.Struct, Generic[B_co], frozen=True, gc=False):
    """Claims with issuer and time fixed.

    `signing_input` is the ASCII bytes over which the signature goes: header, dot, payload, in base64url.
    """

    claims: Claims[B_co]
    issuer: PublicKey
    issued_at: int
    id: str
    signing_input: bytes

    @property
    def payload(self) -> bytes:
        """The JSON bytes of the claims."""
        return base64url.decode(self.signing_input.decode("ascii").partition(".")[2], "payload")

    def complete(self, signature: bytes) -> Jwt[B_co]:
        """Return the jwt with *signature* (64 bytes); raise `BadSignature` unless it verifies."""
        message = self.signing_input
        self.issuer.verify(signature, message)
        text = f"{message.decode('ascii')}.{base64url.encode(signature)}"
        return Jwt(text, self.claims, self.issuer, self.issued_at, self.id)


def draft(claims: Claims[B], issuer: PublicKey, now: datetime | int) -> Draft[B]:
    """Fix issuer and time of *claims*; *now* is an aware datetime, or Unix seconds.

    Raise `BadClaims` for what the official library's Encode refuses: a subject or an issuer of the wrong
    role, an account server URL that is none, a sampling out of range; for claims of version 1; and for more
    than `read` reads.
    """
    at = _seconds(now)
    as_given = Payload(
        aud=claims.aud,
        exp=claims.exp,
        iat=at,
        iss=str(issuer),
        name=claims.name,
        nbf=claims.nbf,
        sub=claims.sub,
        nats=claims.body,
    )
    ready = settled(as_given)
    payload = ready[0].payload if ready else well_typed(as_given)
    require_encodable(payload.nats, payload.sub, issuer, claims.version)
    again, data = ready or _made_canonical(payload)
    signing_input = f"{_HEADER}.{base64url.encode(data)}".encode("ascii")
    if len(signing_input) > MAX_SIZE - _SIGNATURE:
        # Such a jwt can be signed, and nobody could read it: no server, no other tool, and not this one.
        raise BadClaims(
            f"the jwt would have {len(signing_input) + _SIGNATURE} characters, at most {MAX_SIZE} are read",
            "put less into it: fewer revocations, mappings, exports, imports",
        )
    return Draft(_claims(again), issuer, at, again.payload.jti, signing_input)


def read(text: str | bytes) -> Jwt[Any]:
    """Read and verify *text* as servers do; raise `BadJwt` with path and rule, or `BadSignature`.

    What the official library reads and does not write is read with its meaning, and is in `deviations`; only
    the rules of `wire.ALWAYS_REFUSED` are stricter. Version 1 is read as the library migrates it, and marked.
    Times are not judged, nor whether the issuer is to be trusted.
    """
    try:
        return read_strict(text)
    except BadJwt as error:
        if not error.rule or error.rule in wire.ALWAYS_REFUSED or isinstance(text, bytes):
            raise
    return _read_lenient(text)


def _read_lenient(text: str) -> Jwt[object]:
    from seedless.claims import lenient  # only for what the official library does not write

    head, payload, signature = _parts(text)
    found: dict[Deviation, None] = {}
    try:
        algorithm, deviation = lenient.header(_bytes(head, "header", found))
        if head not in _HEADERS:
            found.setdefault(Deviation("header-spelling", "header"))
        found |= dict.fromkeys(deviation)
        reading = lenient.read(_bytes(payload, "payload", found))
        decoded = reading.decoded
        issuer = _issuer(decoded.payload)
    except BadClaims as error:
        raise BadJwt(error.message, error.hint, path=error.path, rule=error.rule) from error
    if reading.is_generic and algorithm == "ed25519":
        decoded = lenient.marked(decoded)  # DecodeGeneric goes by the header, the others by the claims
    found |= dict.fromkeys(reading.deviations)
    if _HEADERS.get(head, decoded.version) != decoded.version:
        rule = "v1-under-v2-header" if decoded.version == 1 else "header-spelling"
        found.setdefault(Deviation(rule, "header"))
    raw = _bytes(signature, "signature", found)
    signed = payload if decoded.version == 1 else f"{head}.{payload}"
    issuer.verify(raw, signed.encode("ascii"))
    _require_issuer(issuer, decoded.payload)
    # A signature has many spellings, and none of them is signed: the usual one is kept.
    spelled = f"{head}.{payload}.{base64url.encode(raw)}"
    return _jwt(spelled, decoded, issuer, tuple(found))


def _bytes(part: str, what: str, found: dict[Deviation, None]) -> bytes:
    """Return what the official library reads from *part*; add to *found* how it is spelled, if unusually."""
    data = base64url.decode_lenient(part, what)
    if base64url.encode(data) != part:
        found.setdefault(Deviation("loose-base64", what))
    return data


def read_strict(text: str | bytes) -> Jwt[Any]:
    """Read and verify *text*; raise `BadJwt` with path and rule, or `BadSignature`.

    Refused is everything in `wire.RULES`: for what was signed here, such as results of ceremonies and
    receipts.
    """
    if isinstance(text, bytes):
        raise BadJwt("a jwt is text, these are bytes")
    version, data, signature, signed = _split(text)
    try:
        decoded = _decode(data)
        if decoded.version != version:
            _refuse_header(decoded.version)
        issuer = _issuer(decoded.payload)
        issuer.verify(signature, signed)
    except BadClaims as error:
        raise BadJwt(error.message, error.hint, path=error.path, rule=error.rule) from error
    _require_issuer(issuer, decoded.payload)
    return _jwt(text, decoded, issuer)


def _require_issuer(issuer: PublicKey, payload: Payload[Any]) -> None:
    if issuer.role not in payload.nats.issuers:
        raise BadJwt(f"an {issuer.role.name.lower()} key cannot issue {payload.nats.kind} claims", path="iss")


def _jwt(
    text: str, decoded: Decoded, issuer: PublicKey, deviations: tuple[Deviation, ...] = ()
) -> Jwt[object]:
    payload = decoded.payload
    return Jwt(text, _claims(decoded), issuer, payload.iat, payload.jti, decoded.unknown, deviations)


def read_draft(text: str) -> Draft[object]:
    """Read the signing input of a draft: header, dot, payload.

    Raise `BadJwt` unless drafting what it states again gives the same bytes.
    """
    header, dot, payload = text.partition(".")
    if not dot or _HEADERS.get(header) != 2:  # noqa: PLR2004 - the version
        raise BadJwt("a draft is the header of a NATS jwt, a dot, and the payload")
    try:
        decoded = _decode(base64url.decode(payload, "payload"))
        issuer = _issuer(decoded.payload)
        again = draft(_claims(decoded), issuer, decoded.payload.iat)
    except BadClaims as error:
        raise BadJwt(error.message, error.hint, path=error.path, rule=error.rule) from error
    if again.signing_input != text.encode("ascii"):
        raise BadJwt("the draft is not as its claims are written: bytes were changed")
    return again


def bare(text: str) -> str:
    """Return the jwt in *text*: all of it, or what is in its first block, as in a creds file."""
    if _DASHES in text:
        from seedless.decorated import find_jwt  # only for what is between lines of dashes

        text = find_jwt(text)
    return text.strip()


def claims_from_json(kind: str | None, data: bytes | str) -> Claims[object]:
    """Read claims that a person or a file wrote, strictly; raise `BadClaims` with the path.

    *kind* is operator, account, user, activation, authorization_request, authorization_response or
    generic; None takes what `nats.type` states. Unknown members are refused.
    """
    from seedless.claims.from_json import from_json  # only for claims that come as JSON

    try:
        raw = data.encode() if isinstance(data, str) else data
    except UnicodeEncodeError:
        raise BadClaims("the text holds half of a surrogate pair", rule="not-utf8") from None
    return _claims(Decoded(from_json(kind, raw)))


def payload_of(jwt: Jwt[object]) -> bytes:
    """Return the payload of *jwt* as it was signed: JSON bytes, spelled as its issuer spelled them."""
    return base64url.decode_lenient(jwt.text.split(".")[1], "payload")


def plain_payload(jwt: Jwt[object]) -> bytes:
    """Return the payload of *jwt* as JSON: as it was signed, or as servers read it where that deviates."""
    if not jwt.deviations:
        return payload_of(jwt)
    from seedless.claims import lenient  # as in `_read_lenient`

    return lenient.plain(payload_of(jwt))


def _made_canonical(payload: Payload[Any]) -> tuple[Decoded, bytes]:
    """Return *payload* as Encode would change it, with its id: read from its bytes, and these."""
    payload = msgspec.structs.replace(payload, nats=canonical(payload.nats))
    payload = msgspec.structs.replace(payload, jti=jti(payload))
    data = encode(payload)
    again = _decode(data)
    if encode(again.payload) != data or again.unknown:
        raise BadClaims("these claims do not survive being written and read again")
    return again, data


def _decode(data: bytes) -> Decoded:
    decoded = decode_canonical(data)
    if decoded is None:
        from seedless.claims.decoding import decode  # only for what is not canonical

        decoded = decode(data)
    return decoded


def _claims(decoded: Decoded) -> Claims[Any]:
    payload = decoded.payload
    return Claims(
        sub=payload.sub,
        body=payload.nats,
        name=payload.name,
        aud=payload.aud,
        exp=payload.exp,
        nbf=payload.nbf,
        version=decoded.version,
    )


def _seconds(now: datetime | int) -> int:
    if isinstance(now, int):
        return now
    try:
        zone = now.tzinfo
    except AttributeError:
        raise UsageError(f"the time of a draft is a datetime or seconds, not {now!a:.40}") from None
    if zone is None:
        raise UsageError("the time of a draft needs a time zone", "give datetime.now(timezone.utc)")
    return math.floor(now.timestamp())


def _split(text: str) -> tuple[int, bytes, bytes, bytes]:
    """Return version of the header, payload, signature and the bytes that were signed."""
    header, payload, signature = _parts(text)
    version = _HEADERS.get(header)
    if version is None:
        raise _bad_header(header)
    data = base64url.decode(payload, "payload")
    signed = payload if version == 1 else text[: -len(signature) - 1]  # version 1 signs no header
    return version, data, base64url.decode(signature, "signature"), signed.encode("ascii")


def _parts(text: str) -> tuple[str, str, str]:
    # Before anything is copied. The library has the same bar for typed claims and none for generic ones;
    # here it holds for both.
    if len(text) > MAX_SIZE:
        raise BadJwt(f"the jwt has {len(text)} characters, at most {MAX_SIZE} are read")
    # The two ends first: a jwt of a megabyte is not divided at each of its dots, and one with more dots
    # than two is found by the payload.
    header, _, rest = text.partition(".")  # to split or count takes as long as to decode
    payload, dot, signature = rest.rpartition(".")
    if not dot or "." in payload:
        raise BadJwt(f"a jwt has three parts divided by dots, this has {text.count('.') + 1}")
    return header, payload, signature


def _bad_header(header: str) -> BadJwt:
    """Distinguish a header that the official library takes, in its leniency, from one that nobody takes."""
    from seedless.claims import lenient  # only for headers that the library does not write

    try:
        wire.parse(base64url.decode(header, "header"))
        lenient.header(base64url.decode(header, "header"))
    except (BadClaims, BadJwt) as error:
        message = error.message
        if not message.startswith("the header is"):
            message = f"the header cannot be read: {message}"
        return BadJwt(message, error.hint, rule=error.rule)
    return BadJwt(
        "the header is not spelled as in a NATS jwt",
        'it is {"typ":"JWT","alg":"ed25519-nkey"}, written exactly so',
        rule="header-spelling",
    )


def _refuse_header(version: int) -> None:
    if version == 1:
        raise BadClaims("the claims are of version 1, the header is of version 2", rule="v1-under-v2-header")
    raise BadClaims("the header is of version 1, the claims are not", rule="header-spelling")


def _issuer(payload: Payload[Any]) -> PublicKey:
    try:
        return PublicKey.parse(payload.iss)
    except BadKey as error:
        rule = "loose-base32" if error.reason in {"length", "alphabet"} else ""
        raise BadClaims(f"iss: {error.message}", error.hint, path="iss", rule=rule) from error
