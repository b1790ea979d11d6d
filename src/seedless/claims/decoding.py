"""The strict reader: what the official library takes in another order or with blanks, with its meaning.

What else it accepts is refused here by the rules of `wire.RULES`, and read by `lenient`. Follows `Decode`
for the six typed kinds and version 1, `DecodeGeneric` for the rest (nats-io/jwt v2.8.2, decoder.go,
genericlaims.go), and raises `BadClaims` with the path and, where we are stricter, the rule.

Claims of version 1, moved to where version 2 has them (nats-io/jwt v2.8.2, decoder_*.go).

`type` and `tags` move from the top level into the body; a user's `issuer_account` too; an activation's
`type` becomes `kind`; limits of a user that are absent become −1; `max` is dropped.
"""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, Any

import msgspec

from seedless import typed_json, wire
from seedless.claims.bodies import NO_LIMIT, Generic, ImportType, Int64, Limits, Part, TimeRange
from seedless.claims.codec import KINDS, PAYLOADS, VERSION, Decoded, Payload, Standard
from seedless.deviations import Unknown
from seedless.errors import BadClaims
from seedless.wire import Number, join

if TYPE_CHECKING:
    from collections.abc import Iterable


_HEAD = ("type", "version", "tags")
_TOP = (*Standard.__struct_fields__, "nats", "type")
OLD = frozenset({"cluster", "server"})
_INT64 = range(-(2**63), 2**63)
CALLOUT = frozenset({"authorization_request", "authorization_response"})
_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]*)")
_BLANKS = (  # what Go's strings.TrimSpace takes away
    "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)


class _Head(Part, frozen=True, kw_only=True):
    """What the official library reads before it knows the kind (decoder.go, `identifier`)."""

    tags: tuple[str, ...] = ()
    type: str = ""
    version: Int64 = 0


def decode(data: bytes) -> Decoded:
    """Read the payload *data* by the official library's rules; raise `BadClaims` where it is refused."""
    value = _object(wire.parse(data), "the payload")
    refuse_escaped_headers(value, data)
    typed_json.refuse_folded(value, dict.fromkeys(_TOP))
    top_type = value.get("type", ...)
    if top_type is None:
        raise BadClaims("type: null is not a value", "leave the member out", path="type", rule="null")
    if top_type == "":
        raise BadClaims("type: the top-level type is empty", path="type", rule="empty-type")
    if top_type is not ...:
        return version_1(value, top_type)
    nats = _body(value)
    kind = nats.get("type")
    if not isinstance(kind, str) or isinstance(kind, Number) or kind not in {*KINDS, *OLD}:
        _refuse_folded_kind(nats)
        return generic(value)
    refuse_old(kind, "nats.type")
    version = _head(nats).version
    if kind in CALLOUT and version < VERSION:
        return marked(typed(kind, value))  # its version is not looked at, but shows what was signed
    require_version(version)
    return typed(kind, value)


def _body(value: dict[str, object]) -> dict[str, object]:
    if "nats" in value and value["nats"] is None:
        raise BadClaims("nats: null is not a value", "leave the member out", path="nats", rule="null")
    return _object(value.get("nats", {}), "nats")


def _head(members: dict[str, object], path: str = "nats") -> _Head:
    """Return `type`, `version` and `tags` of *members*, checked; Go reads them before anything else."""
    typed_json.refuse_folded(
        {name: None for name in members if name.casefold() in _HEAD}, dict.fromkeys(_HEAD), path
    )
    head, _ = typed_json.fit({name: item for name, item in members.items() if name in _HEAD}, _Head, path)
    return head


def refuse_escaped_headers(value: object, data: bytes) -> None:
    """Raise `BadClaims` when the payload *data* spells the sampling `headers` with escapes.

    The official library compares its text as written in the JSON (exports.go), which *value* no longer has.
    """
    words = sum(
        isinstance(item, str) and item.lower() == "headers" and not isinstance(item, Number)
        for _, item in wire.walk(value)
    )
    if words and words > wire.count_text(data, "headers"):
        raise BadClaims("a sampling is spelled with escapes", 'write "headers"')


def refuse_old(kind: str, path: str) -> None:
    """Raise `BadClaims` for the kinds that only version 1 had."""
    if kind in OLD:
        raise BadClaims(f"{path}: {kind} claims are from version 1 and no longer exist", path=path)


def _object(value: object, what: str) -> dict[str, object]:
    if not isinstance(value, dict):
        raise BadClaims(f"{what} is not a JSON object", path="nats" if what == "nats" else "")
    return value


def version_1(value: dict[str, object], kind: object) -> Decoded:
    """Read *value*, whose top-level type is *kind*, as the official library migrates version 1."""
    if not isinstance(kind, str) or isinstance(kind, Number):
        raise BadClaims("type: the top-level type is not text", path="type")
    refuse_old(kind, "type")
    nats = _body(value)
    _head(nats)
    if kind in CALLOUT:
        rest = {name: item for name, item in value.items() if name != "type"}
        return marked(typed(kind, {"nats": nats} | rest))
    if kind in KINDS:
        migrated, dropped = migrate(kind, value | {"nats": nats})
        decoded = typed(kind, migrated)
        return marked(Decoded(decoded.payload, unknown=(*dropped, *decoded.unknown)))
    moved: dict[str, object] = {"type": kind}
    tags = value.get("tags")
    if isinstance(tags, list) and all(isinstance(t, str) and not isinstance(t, Number) for t in tags):
        moved["tags"] = tags
    rest = {name: item for name, item in value.items() if name not in moved}
    if "nats" in value:
        rest["nats"] = nats | moved
    return marked(_with_floats(rest))


def marked(decoded: Decoded) -> Decoded:
    """Return *decoded* as of version 1: its signature is over the payload alone."""
    return Decoded(decoded.payload, version=1, unknown=decoded.unknown)


def require_version(version: int) -> None:
    """Raise `BadClaims` unless typed claims of *version* without a top-level type are read."""
    if version == 1:
        raise BadClaims(
            "nats.version: version 1 has its type at the top level", path="nats.version", rule="empty-type"
        )
    if version > VERSION:
        raise BadClaims(
            f"nats.version: the jwt has version {version}, made by a newer library",
            "update seedless",
            path="nats.version",
        )
    if version != VERSION:
        raise BadClaims(f"nats.version: version {version} does not exist", path="nats.version")


def _refuse_folded_kind(nats: dict[str, object]) -> None:
    """Refuse `TYPE: account`: we would read generic claims, the official library an account."""
    for name, item in nats.items():
        if name != "type" and name.casefold() == "type" and isinstance(item, str) and item in {*KINDS, *OLD}:
            path = wire.join("nats", name)
            raise BadClaims(f"{path}: the name differs from type only in case", path=path, rule="folded-name")


def typed(kind: str, value: dict[str, Any]) -> Decoded:
    """Read *value*, whose `nats` is an object, as claims of *kind* of version 2."""
    nats = {name: item for name, item in value["nats"].items() if name not in {"type", "version"}}
    nats, dropped = relax(kind, nats)
    payload, unknown = typed_json.fit(value | {"nats": nats}, PAYLOADS[kind])
    return Decoded(payload, unknown=(*dropped, *unknown))


def generic(value: dict[str, object]) -> Decoded:
    """Read *value* as generic claims."""
    _head({name: item for name, item in value.items() if name not in _TOP}, "")
    return _with_floats(value)


def _with_floats(value: dict[str, Any]) -> Decoded:
    standard = {name: item for name, item in value.items() if name != "nats"}
    head, unknown = typed_json.fit(standard, Standard)
    data = value.get("nats")
    body = Generic(data=None if data is None else floats(_object(data, "nats"), "nats"))
    members = {name: getattr(head, name) for name in Standard.__struct_fields__}
    return Decoded(Payload(**members, nats=body), unknown=unknown)


def floats(value: Any, path: str) -> Any:  # noqa: ANN401 - JSON
    """Return *value* with every number as the float64 that Go makes of it."""
    if isinstance(value, Number) or (isinstance(value, int) and not isinstance(value, bool)):
        return wire.to_float(value, path)
    if isinstance(value, dict):
        return {name: floats(item, wire.join(path, name)) for name, item in value.items()}
    if isinstance(value, list):
        return [floats(item, wire.at(path, index)) for index, item in enumerate(value)]
    return value


def relax(kind: str, nats: dict[str, Any]) -> tuple[dict[str, Any], tuple[Unknown, ...]]:
    """Return *nats* in its usual spelling where the official library takes others, and what it drops.

    `src` as one text (types.go, `CIDRList`), `sampling` as any spelling of headers (exports.go), elements
    of `signing_keys` that are neither text nor object (signingkeys.go).
    """
    if kind == "user":
        return _relax_src(nats), ()
    if kind != "account":
        return nats, ()
    nats = dict(nats)
    if isinstance(nats.get("exports"), list):
        nats["exports"] = [_relax_export(export) for export in nats["exports"]]
    if not isinstance(nats.get("signing_keys"), list):
        return nats, ()
    keys: list[Any] = []
    dropped: list[Unknown] = []
    for index, entry in enumerate(nats["signing_keys"]):
        path = f"nats.signing_keys[{index}]"
        if isinstance(entry, dict):
            keys.append(_relax_scope(entry, path))
        elif entry is None or (isinstance(entry, str) and not isinstance(entry, Number)):
            keys.append(entry)
        else:
            floats(entry, path)  # for its errors: Go reads the whole list as any JSON first
            dropped.append(Unknown(path, typed_json.text_of(entry)))
    return nats | {"signing_keys": keys}, tuple(dropped)


def _relax_src(members: dict[str, Any]) -> dict[str, Any]:
    src = members.get("src")
    if not isinstance(src, str) or isinstance(src, Number):
        return members
    parts: Iterable[str] = (part.strip(_BLANKS) for part in lower(src).split(","))
    return members | {"src": list(dict.fromkeys(part for part in parts if part))}


def lower(text: str) -> str:
    """Return *text* as Go's strings.ToLower: each character by itself, and never two for one."""
    return "".join("i" if character == "\u0130" else character.lower() for character in text)


def _relax_export(export: Any) -> Any:  # noqa: ANN401 - JSON
    if not isinstance(export, dict):
        return export
    latency = export.get("service_latency")
    if not isinstance(latency, dict):
        return export
    sampling = latency.get("sampling", "headers")
    zero = sampling in (0, "-0") and not isinstance(sampling, bool)
    if zero or (isinstance(sampling, str) and sampling.lower() == "headers"):
        return export | {"service_latency": latency | {"sampling": "headers"}}
    return export


def require_scope_kind(scope: dict[str, Any], path: str) -> None:
    """Raise `BadClaims` unless *scope*, an entry of `signing_keys`, has the kind `user_scope`."""
    kind = scope.get("kind")
    if kind != "user_scope":
        raise BadClaims(
            f"{path}.kind: {kind!s:.40} is not a kind of scope", "write user_scope", path=f"{path}.kind"
        )


def _relax_scope(scope: dict[str, Any], path: str) -> dict[str, Any]:
    require_scope_kind(scope, path)
    scope = through_floats(scope, path)
    template = scope.get("template")
    return scope | {"template": _relax_src(template)} if isinstance(template, dict) else scope


def through_floats(value: Any, path: str) -> Any:  # noqa: ANN401 - JSON
    """Return *value* with its numbers spelled as after Go's way through float64: 5.0 becomes 5.

    Integers that lose digits there are kept (`claims.effective` has what they mean), unless they end beyond
    every range.
    """
    if isinstance(value, Number) or (isinstance(value, int) and not isinstance(value, bool)):
        text = wire.go_number(wire.to_float(value, path))
        if not _INTEGER.fullmatch(text):
            return Number(text)
        return int(text) if isinstance(value, Number) or int(text) not in _INT64 else value
    if isinstance(value, dict):
        return {name: through_floats(item, wire.join(path, name)) for name, item in value.items()}
    if isinstance(value, list):
        return [through_floats(item, wire.at(path, index)) for index, item in enumerate(value)]
    return value


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
