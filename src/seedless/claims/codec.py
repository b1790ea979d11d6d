"""Payloads as bytes: written as the official library writes them, and read back.

Reading has two paths. The fast one decodes straight into the claims and encodes them again: the same
bytes mean that nothing was unknown, repeated, folded, spaced or reordered. Everything else takes the
slow path (`decoding`), which reports what is invalid and where, or reads it as the official library does.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeVar
from typing import Generic as Parametric

import msgspec
from msgspec import UNSET

from seedless import wire
from seedless.claims.bodies import (
    Account,
    Activation,
    AuthorizationRequest,
    AuthorizationResponse,
    Generic,
    Int64,
    Operator,
    Part,
    Scope,
    User,
)
from seedless.deviations import Unknown
from seedless.errors import BadClaims
from seedless.nkey import base32

if TYPE_CHECKING:
    from seedless.claims.bodies import Template
    from seedless.nkey import Role

VERSION = 2
_UINT64_MAX = 2**64 - 1
# Scopes are read through `map[string]interface{}` (signingkeys.go:144-175), in which each number is a
# float64.
_EXACT = 2**53  # the integers up to here are float64s


class Body(Protocol):
    """What every kind of claims has in common."""

    kind: ClassVar[str]
    issuers: ClassVar[tuple[Role, ...]]
    subjects: ClassVar[tuple[Role, ...]]


B_co = TypeVar("B_co", covariant=True)


class Standard(Part, frozen=True, kw_only=True):
    """The registered claims, in the order in which they are written; times in Unix seconds."""

    aud: str = ""
    exp: Int64 = 0
    jti: str = ""
    iat: Int64 = 0
    iss: str = ""
    name: str = ""
    nbf: Int64 = 0
    sub: str = ""


class Payload(Standard, Parametric[B_co], frozen=True, kw_only=True):
    """A whole payload: the registered claims and the body, which is written as `nats`."""

    nats: B_co


KINDS: dict[str, type[Any]] = {
    body.kind: body
    for body in (Operator, Account, User, Activation, AuthorizationRequest, AuthorizationResponse)
}
"""The six typed kinds; everything else is generic."""


class Decoded(msgspec.Struct, frozen=True, gc=False):
    """A payload that was read: its kind's version, and the members that we do not know."""

    payload: Payload[Any]
    version: int = VERSION
    unknown: tuple[Unknown, ...] = ()


PAYLOADS: dict[str, Any] = {kind: Payload[body] for kind, body in KINDS.items()}  # type: ignore[valid-type]  # made at run time
"""The type of a whole payload of each typed kind, for `msgspec` and `shape.fit`."""

_TAILS = {kind: f'"type":"{kind}","version":{VERSION}}}}}'.encode() for kind in KINDS}


def encode(payload: Payload[Any]) -> bytes:
    """Return the bytes of *payload* as the official library writes them, `type` and `version` included."""
    body = payload.nats
    if isinstance(body, Generic):
        return _encode_generic(payload, body)
    data = wire.encode(payload)
    tail = _TAILS[body.kind]
    # `type` and `version` are the last members of every body, and are written here as bytes: as members
    # of the Structs somebody could set them.
    return data[:-2] + (tail if data.endswith(b'"nats":{}}') else b"," + tail)


def _encode_generic(payload: Payload[object], body: Generic) -> bytes:
    head = wire.encode(standard(payload))
    if body.data is None:
        return head
    try:
        nats = wire.encode(wire.generic(body.data, "nats"))
    except RecursionError:
        raise BadClaims("nats is nested without an end", path="nats", rule="too-deep") from None
    return head[:-1] + (b"," if head != b"{}" else b"") + b'"nats":' + nats + b"}"


def standard(payload: Payload[object]) -> Standard:
    """Return the registered claims of *payload* alone."""
    return Standard(**{name: getattr(payload, name) for name in Standard.__struct_fields__})


def jti(payload: Payload[Any]) -> str:
    """Return the id of *payload*: base32 of the SHA-512/256 of its registered claims without `jti`.

    The body is not covered (nats-io/jwt v2.8.2, claims.go `hash`): it is not a content hash.
    """
    digest = _sha512_256().copy()
    head = Standard(
        aud=payload.aud,
        exp=payload.exp,
        iat=payload.iat,
        iss=payload.iss,
        name=payload.name,
        nbf=payload.nbf,
        sub=payload.sub,
    )
    digest.update(wire.encode(head))
    return base32(digest.digest())


@functools.cache
def _sha512_256() -> Any:  # noqa: ANN401 - hashlib names no type
    """Return the digest of nothing: OpenSSL takes longer to find the algorithm than to run it."""
    import hashlib  # OpenSSL is slow to load, and reading does without

    return hashlib.new("sha512_256")


def decode_canonical(data: bytes) -> Decoded | None:
    """Return the claims in *data*, or None unless encoding it again gives the same bytes."""
    kind = _kind(data)
    if kind is None:
        return None
    try:
        payload = _decoder(kind).decode(data)
        # The one test of canonical: no list of rules could be as complete as writing it again.
        same = encode(payload) == data
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, BadClaims):
        return None
    return Decoded(payload) if same and _is_plain(payload.nats) else None


def _kind(data: bytes) -> str | None:
    for kind, tail in _TAILS.items():
        # By its end and without parsing: what is canonical ends in its kind, and all else is read the
        # long way, which decides.
        if data.endswith(tail):
            return kind
    return None


@functools.cache
def _decoder(kind: str) -> msgspec.json.Decoder[Any]:
    """Return the decoder of one kind: each takes a while to make, and few programs need all."""
    return msgspec.json.Decoder(PAYLOADS[kind])


def _is_plain(body: object) -> bool:
    """Return whether *body* holds only what servers read as it is written; `decoding` reads the rest.

    Numbers of a scope pass through float64 there, a sampling of 0 is spelled headers, and numbers without
    sign end at 64 bits, which msgspec cannot state.
    """
    if isinstance(body, AuthorizationRequest):
        return body.client_info.id <= _UINT64_MAX
    if not isinstance(body, Account):
        return True
    # Loops, for generators would take half of the time that decoding takes.
    for entry in body.signing_keys:
        if isinstance(entry, Scope) and not _is_exact(entry.template):
            return False
    for export in body.exports:
        if export.account_token_position > _UINT64_MAX:
            return False
        if export.service_latency is not None and export.service_latency.sampling == 0:
            return False
    return True


def _is_exact(template: Template) -> bool:
    """Return whether all numbers of *template* are the same as float64s."""
    for number in (template.subs, template.data, template.payload):
        if number is not UNSET and abs(number) > _EXACT:
            return False
    resp = template.resp
    return resp is None or (abs(resp.max) <= _EXACT and abs(resp.ttl) <= _EXACT)
