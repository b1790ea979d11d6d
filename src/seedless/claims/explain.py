"""The slow path of reading: what the official library accepts and does not write, read with its meaning.

Follows `Decode` for the six typed kinds and version 1, `DecodeGeneric` for the rest (nats-io/jwt v2.8.2,
decoder.go, genericlaims.go), and raises `BadClaims` with the path and, where we are stricter, the rule.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from seedless import shape, wire
from seedless.claims.codec import KINDS, PAYLOADS, VERSION, Decoded, Payload, Standard
from seedless.claims.effective import through_float
from seedless.claims.generic import Generic
from seedless.claims.legacy import migrate
from seedless.errors import BadClaims
from seedless.wire import Number

if TYPE_CHECKING:
    from collections.abc import Iterable

_INT64_MIN, _INT64_MAX = -(2**63), 2**63 - 1
_HEAD = {"type": None, "version": None, "tags": None}


def explain(data: bytes) -> Decoded:
    """Read the payload *data* by the official library's rules; raise `BadClaims` where it is refused."""
    value = _object(wire.parse(data), "the payload")
    shape.refuse_folded(value, dict.fromkeys((*Standard.__struct_fields__, "nats", "type")))
    top_type = value.get("type", ...)
    if top_type is None:
        raise BadClaims("type: null is not a value", "leave the member out", path="type", rule="null")
    if top_type == "":
        raise BadClaims("type: the top-level type is empty", path="type", rule="empty-type")
    if top_type is not ...:
        return _version_1(value, top_type)
    if "nats" in value and value["nats"] is None:
        raise BadClaims("nats: null is not a value", "leave the member out", path="nats", rule="null")
    nats = _object(value.get("nats", {}), "nats")
    kind = nats.get("type")
    if isinstance(kind, str) and kind in {"cluster", "server"}:
        raise BadClaims(f"nats.type: {kind} claims are from version 1 and no longer exist", path="nats.type")
    if isinstance(kind, str) and kind in KINDS:
        shape.refuse_folded(nats, _HEAD, "nats")
        _require_version(nats.get("version", 0))
        return _typed(kind, value | {"nats": nats})
    _refuse_folded_kind(nats)
    return _generic(value)


def _object(value: object, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise BadClaims(f"{what} is not a JSON object", path="nats" if what == "nats" else "")
    return value


def _version_1(value: dict[str, Any], kind: object) -> Decoded:
    if not isinstance(kind, str) or isinstance(kind, Number):
        raise BadClaims("type: the top-level type is not text", path="type")
    if kind in {"cluster", "server"}:
        raise BadClaims(f"type: {kind} claims are from version 1 and no longer exist", path="type")
    if kind in KINDS:
        return _marked(_typed(kind, migrate(kind, value)))
    body = dict(_object(value.get("nats", {}), "nats"))
    body |= {name: value[name] for name in ("type", "tags") if name in value}
    rest = {name: item for name, item in value.items() if name not in {"type", "tags"}}
    return _marked(_generic(rest | {"nats": body}))


def _marked(decoded: Decoded) -> Decoded:
    return Decoded(decoded.payload, version=1, unknown=decoded.unknown)


def _require_version(version: object) -> None:
    if not isinstance(version, int) or isinstance(version, bool):
        raise BadClaims(f"nats.version: {version!s:.40} is not a whole number", path="nats.version")
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


def _refuse_folded_kind(nats: dict[str, Any]) -> None:
    """Refuse `TYPE: account`: we would read generic claims, the official library an account."""
    for name, item in nats.items():
        if name != "type" and name.casefold() == "type" and item in {*KINDS, "cluster", "server"}:
            path = wire.join("nats", name)
            raise BadClaims(f"{path}: the name differs from type only in case", path=path, rule="folded-name")


def _typed(kind: str, value: dict[str, Any]) -> Decoded:
    nats = {name: item for name, item in value["nats"].items() if name not in {"type", "version"}}
    nats, dropped = relax(kind, nats)
    payload, unknown = shape.fit(value | {"nats": nats}, PAYLOADS[kind])
    return Decoded(payload, unknown=(*dropped, *unknown))


def _generic(value: dict[str, Any]) -> Decoded:
    standard = {name: item for name, item in value.items() if name != "nats"}
    head, unknown = shape.fit(standard, Standard)
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
        return [floats(item, f"{path}[{index}]") for index, item in enumerate(value)]
    return value


def relax(kind: str, nats: dict[str, Any]) -> tuple[dict[str, Any], tuple[shape.Unknown, ...]]:
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
    dropped: list[shape.Unknown] = []
    for index, entry in enumerate(nats["signing_keys"]):
        path = f"nats.signing_keys[{index}]"
        if isinstance(entry, dict):
            keys.append(_relax_scope(entry, path))
        elif entry is None or (isinstance(entry, str) and not isinstance(entry, Number)):
            keys.append(entry)
        else:
            dropped.append(shape.Unknown(path, json.dumps(entry)))
    return nats | {"signing_keys": keys}, tuple(dropped)


def _relax_src(members: dict[str, Any]) -> dict[str, Any]:
    src = members.get("src")
    if not isinstance(src, str) or isinstance(src, Number):
        return members
    parts: Iterable[str] = (part.strip() for part in src.lower().split(","))
    return members | {"src": list(dict.fromkeys(part for part in parts if part))}


def _relax_export(export: Any) -> Any:  # noqa: ANN401 - JSON
    if not isinstance(export, dict):
        return export
    latency = export.get("service_latency")
    if not isinstance(latency, dict):
        return export
    sampling = latency.get("sampling", "headers")
    if sampling == 0 or (isinstance(sampling, str) and sampling.lower() == "headers"):
        return export | {"service_latency": latency | {"sampling": "headers"}}
    return export


def require_scope_kind(scope: dict[str, Any], path: str) -> None:
    """Raise `BadClaims` unless *scope*, an entry of `signing_keys`, says that it is a `user_scope`."""
    kind = scope.get("kind")
    if kind != "user_scope":
        raise BadClaims(
            f"{path}.kind: {kind!s:.40} is no kind of scope", "write user_scope", path=f"{path}.kind"
        )


def _relax_scope(scope: dict[str, Any], path: str) -> dict[str, Any]:
    require_scope_kind(scope, path)
    template = scope.get("template")
    if not isinstance(template, dict):
        return scope
    for name in ("subs", "data", "payload"):
        number = template.get(name)
        if isinstance(number, int) and not _INT64_MIN <= through_float(number) <= _INT64_MAX:
            place = f"{path}.template.{name}"
            raise BadClaims(f"{place}: {number} is beyond what servers can read there", path=place)
    return scope | {"template": _relax_src(template)}
