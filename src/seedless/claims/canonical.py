"""What the official library's Encode does and refuses before it writes (nats-io/jwt v2.8.2, claims.go)."""

from __future__ import annotations

import re
from typing import Any, TypeVar

import msgspec

from seedless.claims.account import Account, Export, signing_key
from seedless.claims.codec import KINDS, VERSION
from seedless.claims.generic import Generic
from seedless.claims.operator import Operator
from seedless.errors import BadClaims, BadKey
from seedless.nkey import PublicKey, Role

B = TypeVar("B")

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:(//(?P<authority>[^/?#]*))?(?P<rest>.*)", re.DOTALL)
_AUTHORITY = re.compile(
    r"(?:[^@\s\\^`{|}]*@)?(?:\[[^\[\]\s]*\](?::[0-9]*)?|[^:\s\\^`{|}\[\]]*|[^\s\\^`{|}\[\]]*:[0-9]*)"
)
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})|[\x00-\x20\x7f]")
_MAX_SAMPLING = 100


def require_encodable(body: Any, sub: str, issuer: PublicKey, version: int) -> None:  # noqa: ANN401 - any body
    """Raise `BadClaims` unless *issuer* may issue this kind of claims for *sub*."""
    if version != VERSION:
        raise BadClaims(
            f"claims of version {version} can be read and not signed",
            "have them upgraded first: nsc upgrade-jwt",
        )
    if issuer.role is Role.CURVE:
        raise BadClaims(f"{issuer} is a curve key: it encrypts and cannot sign", path="iss")
    if issuer.role not in body.issuers:
        roles = " or ".join(role.name.lower() for role in body.issuers)
        raise BadClaims(f"{body.kind} claims are issued by an {roles} key, not by {issuer}", path="iss")
    _require_subject(body, sub)
    if isinstance(body, Operator) and body.account_server_url:
        _require_url(body.account_server_url)
    if isinstance(body, Generic) and body.data and body.data.get("type") in {*KINDS, "cluster", "server"}:
        raise BadClaims(
            f"generic claims may not say that they are {body.data['type']} claims",
            "servers would read them as those",
            path="nats.type",
            rule="generic-names-typed",
        )


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
    path = "nats.account_server_url"
    match = _URL.fullmatch(url)
    if match is None:
        raise BadClaims(
            f"{path}: {url!a} has no protocol", "write nats://host:4222 or https://host/jwt/v1", path=path
        )
    authority = match["authority"]
    if _BAD_ESCAPE.search(url) or (authority is not None and not _AUTHORITY.fullmatch(authority)):
        raise BadClaims(f"{path}: {url!a} is no URL", path=path)


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
    keys = {signing_key(entry): entry for entry in body.signing_keys}
    exports = tuple(_export(export, index) for index, export in enumerate(body.exports))
    return msgspec.structs.replace(
        body,
        imports=tuple(sorted(body.imports, key=lambda item: item.subject)),
        exports=tuple(sorted(exports, key=lambda item: item.subject)),
        signing_keys=tuple(keys[key] for key in sorted(keys)),
    )


def _export(export: Export, index: int) -> Export:
    if export.service_latency is None or export.service_latency.sampling == "headers":
        return export
    sampling = export.service_latency.sampling
    if sampling == 0:
        latency = msgspec.structs.replace(export.service_latency, sampling="headers")
        return msgspec.structs.replace(export, service_latency=latency)
    if not 1 <= sampling <= _MAX_SAMPLING:
        path = f"nats.exports[{index}].service_latency.sampling"
        raise BadClaims(f"{path}: {sampling} is no percentage", "write 1 to 100, or headers", path=path)
    return export
