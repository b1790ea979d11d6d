"""What the official library's Encode does and refuses before it writes (nats-io/jwt v2.8.2, claims.go)."""

from __future__ import annotations

import datetime as dt
import decimal
import uuid
from typing import Any, TypeVar

import msgspec

from seedless.claims.bodies import Account, Export, Generic, Operator, ServiceLatency, signing_key
from seedless.claims.codec import (
    KINDS,
    PAYLOADS,
    VERSION,
    Decoded,
    Payload,
    Standard,
    decode_canonical,
    encode,
    jti,
    standard,
)
from seedless.errors import BadClaims, BadKey, UsageError
from seedless.nkey import PublicKey, Role

B = TypeVar("B")

_TYPED = frozenset(KINDS.values())
_MAX_SAMPLING = 100
# A datetime in a tag would be signed as text that nobody wrote; these are handed to the reader as they
# are, which refuses them by their path.
_NOT_JSON = (
    bytes, bytearray, memoryview, dt.datetime, dt.date, dt.time, dt.timedelta,
    decimal.Decimal, uuid.UUID,
)  # fmt: skip
"""What msgspec would turn into text without a word."""


def require_encodable(body: Any, sub: str, issuer: PublicKey, version: int) -> None:  # noqa: ANN401 - any body
    """Raise `BadClaims` unless *issuer* may issue this kind of claims for *sub*."""
    if version != VERSION:
        raise BadClaims(
            f"claims of version {version} can be read and not signed",
            "--upgrade signs them again, as version 2",
        )
    # nkeys answers `curve key is not valid for sign/verify`; here it ends before a token is asked.
    if issuer.role is Role.CURVE:
        raise BadClaims(f"{issuer} is a curve key: it encrypts and cannot sign", path="iss")
    # The library checks the prefix of the issuer when it encodes and when it decodes (claims.go), so such
    # a jwt could be read by nobody.
    if issuer.role not in body.issuers:
        roles = " or ".join(role.name.lower() for role in body.issuers)
        raise BadClaims(f"{body.kind} claims are issued by an {roles} key, not by {issuer}", path="iss")
    _require_subject(body, sub)
    if isinstance(body, Operator) and body.account_server_url:
        _require_url(body.account_server_url)
    name = body.data.get("type") if isinstance(body, Generic) and body.data else None
    if isinstance(name, str) and name in {*KINDS, "cluster", "server"}:
        raise BadClaims(
            f"generic claims must not have the type of {name} claims",
            "servers would read them as those",
            path="nats.type",
            rule="generic-names-typed",
        )


def settled(payload: Payload[object]) -> tuple[Decoded, bytes] | None:
    """Return *payload* with its id, as read from its bytes, and these; None unless it is canonical already.

    This is the short way, which nearly all claims can go: what comes back from the bytes is what went into
    them, so every member is of its type, and writing that again gives the same bytes.
    """
    if type(payload.nats) not in _TYPED:
        return None
    try:
        payload = msgspec.structs.replace(payload, jti=jti(payload))
        data = encode(payload)
    except BadClaims:
        return None
    decoded = decode_canonical(data)
    # What is signed must come back from its bytes. Anything else goes the long way, which names the
    # member.
    if decoded is None or decoded.payload != payload or not _is_canonical(decoded.payload.nats):
        return None
    return decoded, data


def _is_canonical(body: object) -> bool:
    """Return whether `canonical` would leave *body*, which is of the right types, as it is."""
    if not isinstance(body, Account):
        return True
    for export in body.exports:
        if export.service_latency is not None and not _is_percentage(export.service_latency):
            return False
    imports = [item.subject for item in body.imports]
    exports = [item.subject for item in body.exports]
    keys = [signing_key(entry) for entry in body.signing_keys]
    return imports == sorted(imports) and exports == sorted(exports) and keys == sorted(set(keys))


def well_typed(payload: Payload[Any]) -> Payload[Any]:
    """Return *payload* with every member of its type, or raise `BadClaims` with the path.

    Whoever makes claims in Python can put anything into them: types are only checked where claims are read.
    """
    body: Any = payload.nats
    if isinstance(body, Generic):
        if body.data is not None and not isinstance(body.data, dict):
            raise BadClaims("nats is not a JSON object", path="nats")
        head = _fitted(standard(payload), Standard)
        return Payload(**{name: getattr(head, name) for name in Standard.__struct_fields__}, nats=body)
    if type(body) not in _TYPED:
        raise UsageError(
            f"a {type(body).__name__} is not a body of claims", "give an Operator, Account, User, …"
        )
    fitted: Payload[Any] = _unchanged(payload) or _fitted(payload, PAYLOADS[body.kind])
    return fitted


def _unchanged(payload: Payload[object]) -> Payload[object] | None:
    """Return *payload* when it comes back the same from JSON, and so has nothing of a wrong type."""
    try:
        decoded = decode_canonical(encode(payload))
    except BadClaims:
        return None
    return decoded.payload if decoded and decoded.payload == payload else None


def _fitted(value: object, kind: Any) -> Any:  # noqa: ANN401 - a type, and a value of it
    try:
        plain = msgspec.to_builtins(value, builtin_types=_NOT_JSON)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise BadClaims(f"these claims hold what JSON cannot: {error}") from error
    from seedless import typed_json  # only for claims that nobody has read yet

    fitted, unknown = typed_json.fit(plain, kind)
    if unknown:
        raise BadClaims(f"{unknown[0].path}: no such member", path=unknown[0].path)
    return fitted


def _require_subject(body: Any, sub: str) -> None:  # noqa: ANN401 - any body
    if not sub:
        raise BadClaims("sub: the subject is not set", path="sub")
    if not body.subjects:
        return
    roles = " or ".join(role.name.lower() for role in body.subjects)
    try:
        role = PublicKey.parse(sub).role
    except BadKey as error:
        raise BadClaims(
            f"sub: {error.message}", f"{body.kind} claims are about an {roles} key", path="sub"
        ) from error
    if role not in body.subjects:
        raise BadClaims(f"sub: {body.kind} claims are about an {roles} key, not about {sub}", path="sub")


def _require_url(url: str) -> None:
    """Refuse what Go's net/url cannot parse, or what has no scheme."""
    from seedless.claims.url import is_url  # few operators have one

    path = "nats.account_server_url"
    if not is_url(url):
        raise BadClaims(
            f"{path}: {url!a:.200} is not a URL", "write nats://host:4222 or https://host/jwt/v1", path=path
        )


def canonical(body: B) -> B:
    """Return *body* as Encode writes it: exports and imports sorted by subject, signing keys by key.

    Of two entries for one signing key the later is kept.
    """
    if isinstance(body, Generic):
        return msgspec.structs.replace(
            body, data=None if body.data is None else body.data | {"version": VERSION}
        )
    if not isinstance(body, Account):
        return body
    # A map in the library: of two entries with one key the later wins when it is read, so the earlier
    # would be signed for nothing.
    keys = {signing_key(entry): entry for entry in body.signing_keys}
    exports = tuple(_export(export, index) for index, export in enumerate(body.exports))
    return msgspec.structs.replace(
        body,
        # As Encode does it (account_claims.go), by subject alone: Python's sort is stable, and two of one
        # subject keep their order.
        imports=tuple(sorted(body.imports, key=lambda item: item.subject)),
        exports=tuple(sorted(exports, key=lambda item: item.subject)),
        signing_keys=tuple(keys[key] for key in sorted(keys)),
    )


def _export(export: Export, index: int) -> Export:
    if export.service_latency is None or _is_percentage(export.service_latency):
        return export
    sampling = export.service_latency.sampling
    # 0 is `headers` for the library, which writes the word.
    if sampling == 0:
        latency = msgspec.structs.replace(export.service_latency, sampling="headers")
        return msgspec.structs.replace(export, service_latency=latency)
    path = f"nats.exports[{index}].service_latency.sampling"
    raise BadClaims(f"{path}: {sampling} is not a percentage", "write 1 to 100, or headers", path=path)


def _is_percentage(latency: ServiceLatency) -> bool:
    return latency.sampling == "headers" or 1 <= latency.sampling <= _MAX_SAMPLING
