"""Payloads as bytes: written as the official library writes them, and read back.

Reading has two paths. The fast one decodes straight into the claims and encodes them again: the same
bytes mean that nothing was unknown, repeated, folded, spaced or reordered. Everything else takes the
slow path (`explain`), which says what is wrong and where, or reads it as the official library does.
"""

from __future__ import annotations

import functools
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeVar
from typing import Generic as Parametric

import msgspec
from msgspec import UNSET

from seedless import wire
from seedless.claims.account import Account, Scope
from seedless.claims.activation import Activation
from seedless.claims.authorization import AuthorizationRequest, AuthorizationResponse
from seedless.claims.common import Int64, Part
from seedless.claims.generic import Generic
from seedless.claims.operator import Operator
from seedless.claims.user import User
from seedless.errors import BadClaims
from seedless.nkey import base32

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seedless.nkey import Role
    from seedless.shape import Unknown

VERSION = 2
_UINT64 = range(2**64)
_EXACT = 2**53  # the integers up to here are float64s


class Body(Protocol):
    """What every kind of claims has in common."""

    kind: ClassVar[str]
    issuers: ClassVar[tuple[Role, ...]]
    subjects: ClassVar[tuple[Role, ...]]


B = TypeVar("B")


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


_REGISTERED = Standard.__struct_fields__


class Payload(Standard, Parametric[B], frozen=True, kw_only=True):
    """A whole payload: the registered claims and the body, which is written as `nats`."""

    nats: B


KINDS: dict[str, type[Any]] = {
    body.kind: body
    for body in (Operator, Account, User, Activation, AuthorizationRequest, AuthorizationResponse)
}
"""The six typed kinds; everything else is generic."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """A payload that was read: its kind's version, and the members that we do not know."""

    payload: Payload[Any]
    version: int = VERSION
    unknown: tuple[Unknown, ...] = ()


def _tail(kind: str) -> bytes:
    return f'"type":"{kind}","version":{VERSION}}}}}'.encode()


PAYLOADS: dict[str, Any] = {kind: Payload[body] for kind, body in KINDS.items()}  # type: ignore[valid-type]  # made at run time
"""The type of a whole payload of each typed kind, for `msgspec` and `shape.fit`."""

_TAILS = {kind: _tail(kind) for kind in KINDS}
_DECODERS: dict[str, Any] = {kind: msgspec.json.Decoder(payload) for kind, payload in PAYLOADS.items()}


def encode(payload: Payload[Any]) -> bytes:
    """Return the bytes of *payload* as the official library writes them, `type` and `version` included."""
    body = payload.nats
    if isinstance(body, Generic):
        return _encode_generic(payload, body)
    data = wire.encode(payload)
    comma = b"" if data.endswith(b'"nats":{}}') else b","
    return data[:-2] + comma + _TAILS[body.kind]


def _encode_generic(payload: Payload[Any], body: Generic) -> bytes:
    head = wire.encode(standard(payload))
    if body.data is None:
        return head
    try:
        nats = wire.encode(wire.generic(body.data, "nats"))
    except RecursionError:
        raise BadClaims("nats is nested without an end", path="nats", rule="too-deep") from None
    return head[:-1] + (b"," if head != b"{}" else b"") + b'"nats":' + nats + b"}"


def standard(payload: Payload[Any], **changes: str) -> Standard:
    """Return the registered claims of *payload* alone."""
    members = {name: getattr(payload, name) for name in _REGISTERED}
    return Standard(**members | changes)


def jti(payload: Payload[Any]) -> str:
    """Return the id of *payload*: base32 of the SHA-512/256 of its registered claims without `jti`.

    The body is not covered (nats-io/jwt v2.8.2, claims.go `hash`): it is no content hash.
    """
    digest = _sha512_256().copy()
    digest.update(wire.encode(standard(payload, jti="")))
    return base32(digest.digest())


@functools.cache
def _sha512_256() -> Any:  # noqa: ANN401 - hashlib names no type
    """Return the digest of nothing: OpenSSL takes longer to find the algorithm than to run it."""
    return hashlib.new("sha512_256")


def decode_canonical(data: bytes) -> Decoded | None:
    """Return what *data* says, or None unless encoding it again gives the same bytes."""
    decoder = next((_DECODERS[kind] for kind, tail in _TAILS.items() if data.endswith(tail)), None)
    if decoder is None:
        return None
    try:
        payload = decoder.decode(data)
        same = encode(payload) == data
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, BadClaims):
        return None
    return Decoded(payload) if same and _is_plain(payload.nats) else None


def _is_plain(body: object) -> bool:
    """Tell whether *body* holds only what servers read as it is written; `explain` knows the rest.

    Numbers of a scope pass through float64 there, a sampling of 0 is spelled headers, and numbers without
    sign end at 64 bits, which msgspec cannot state.
    """
    if isinstance(body, AuthorizationRequest):
        return body.client_info.id in _UINT64
    if not isinstance(body, Account):
        return True
    # Loops, for generators would take half of the time that decoding takes.
    for entry in body.signing_keys:
        if isinstance(entry, Scope) and any(abs(number) > _EXACT for number in _numbers(entry)):
            return False
    for export in body.exports:
        latency = export.service_latency
        if export.account_token_position not in _UINT64 or (latency is not None and latency.sampling == 0):
            return False
    return True


def _numbers(scope: Scope) -> Iterator[int]:
    template = scope.template
    yield from (n for n in (template.subs, template.data, template.payload) if n is not UNSET)
    if template.resp:
        yield from (template.resp.max, template.resp.ttl)
