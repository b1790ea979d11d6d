"""Claims of version 1, moved to where version 2 has them (nats-io/jwt v2.8.2, decoder_*.go).

`type` and `tags` move from the top level into the body; a user's `issuer_account` too; an activation's
`type` becomes `kind`; limits of a user that are absent become −1; `max` is dropped.
"""

from __future__ import annotations

import functools
from typing import Any

import msgspec

from seedless import typed_json
from seedless.claims.bodies import NO_LIMIT, ImportType, Int64, Limits, Part, TimeRange
from seedless.claims.codec import KINDS, Standard
from seedless.deviations import Unknown
from seedless.wire import join

_ACCOUNT_LIMITS = (
    "subs", "data", "payload", "imports", "exports", "wildcards", "disallow_bearer", "conn", "leaf",
)  # fmt: skip
_BODY = {
    "operator": ("signing_keys", "account_server_url", "operator_service_urls", "system_account"),
    "account": ("imports", "exports", "limits", "signing_keys", "revocations"),
    "user": (
        "pub", "sub", "resp", "src", "times", "times_location", "subs", "data", "payload", "bearer_token",
    ),
    "activation": ("subject", "type"),
}  # fmt: skip


class _Moved(Part, frozen=True, kw_only=True):
    """Members of the top level that version 2 has in the body."""

    type: str = ""
    tags: tuple[str, ...] = ()
    issuer_account: str = ""


class _Operator(Part, frozen=True, kw_only=True):
    """Nothing that version 2 reads otherwise."""


class _Account(Part, frozen=True, kw_only=True):
    """There were no scopes."""

    signing_keys: tuple[str, ...] = ()


class _User(Part, frozen=True, kw_only=True):
    """Read and dropped."""

    max: Int64 = 0


class _Activation(Part, frozen=True, kw_only=True):
    """Read and dropped."""

    max: Int64 = 0
    payload: Int64 = 0
    src: str = ""
    times: tuple[TimeRange, ...] = ()


_CHECKED: dict[str, Any] = {
    "operator": _Operator,
    "account": _Account,
    "user": _User,
    "activation": _Activation,
}


@functools.cache
def payload(kind: str) -> object:
    """Return the type of a whole payload of version 1 of *kind*, as far as the official library reads it."""
    known = {field.encode_name: field.type for field in _fields(KINDS[kind])}
    if kind == "account":
        limits = {field.encode_name: field.type for field in _fields(Limits)}
        known["limits"] = _struct("Limits", {name: limits[name] for name in _ACCOUNT_LIMITS})
    if kind == "activation":
        known["type"] = ImportType
    checked = {field.encode_name: field.type for field in _fields(_CHECKED[kind])}
    body = _struct("Body", {name: known[name] for name in _BODY[kind]} | checked)
    moved = {field.encode_name: field.type for field in _fields(_Moved)}
    return _struct("Payload", moved | {"nats": body}, Standard)


def _fields(kind: Any) -> tuple[msgspec.structs.FieldInfo, ...]:  # noqa: ANN401 - a type
    return msgspec.structs.fields(kind)


def _struct(name: str, members: dict[str, object], base: type[Part] = Part) -> type[msgspec.Struct]:
    fields = [(member, kind, None) for member, kind in members.items()]
    return msgspec.defstruct(name, fields, bases=(base,), kw_only=True, frozen=True)


def migrate(kind: str, value: dict[str, Any]) -> tuple[dict[str, Any], tuple[Unknown, ...]]:
    """Return the payload *value* of version 1 with the members of version 2, and what has no place there.

    *kind* is operator, account, user or activation, and `nats` an object; raise `BadClaims`.
    """
    old = value["nats"]
    moved = _pick(value, _Moved.__struct_fields__, "")
    typed_json.fit(moved, _Moved)
    checked = _CHECKED[kind]
    typed_json.fit(_pick(old, checked.__struct_fields__, "nats"), checked, "nats")
    body = _pick(old, _BODY[kind], "nats")
    dropped = [
        Unknown(join("nats", name), typed_json.text_of(item))
        for name, item in old.items()
        if name not in body and name not in checked.__struct_fields__
    ]
    if kind == "activation" and "type" in body:
        body["kind"] = body.pop("type")
    if kind == "user":
        body = dict.fromkeys(("subs", "data", "payload"), NO_LIMIT) | body
    if kind == "account" and isinstance(body.get("limits"), dict):
        body["limits"] = _pick(body["limits"], _ACCOUNT_LIMITS, "nats.limits")
    if "tags" in moved:
        body["tags"] = moved["tags"]
    if kind in {"user", "activation"} and "issuer_account" in moved:
        body["issuer_account"] = moved["issuer_account"]
    rest = {name: item for name, item in value.items() if name not in _Moved.__struct_fields__}
    return rest | {"nats": body}, tuple(dropped)


def _pick(members: dict[str, Any], names: tuple[str, ...], path: str) -> dict[str, Any]:
    """Return those of *members* that are *names*; refuse others that Go would take for one of them."""
    alike = {name.casefold() for name in names}
    typed_json.refuse_folded(
        {name: None for name in members if name.casefold() in alike}, dict.fromkeys(names), path
    )
    return {name: item for name, item in members.items() if name in names}
