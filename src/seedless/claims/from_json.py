"""Claims that a person or a file wrote: read strictly, so that a slip is found before it is signed.

Refused beyond what `decoding` refuses: unknown members, other spellings, a signing key that occurs twice,
limits of a template that servers would read differently.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import UNSET
from msgspec.structs import replace as _with

from seedless import typed_json, wire
from seedless.claims.bodies import NO_LIMIT, Account, Generic, Scope, signing_key
from seedless.claims.codec import KINDS, PAYLOADS, VERSION, Payload, Standard
from seedless.claims.decoding import floats, require_scope_kind
from seedless.claims.effective import through_float
from seedless.errors import BadClaims

if TYPE_CHECKING:
    from seedless.claims.bodies import Template
    from seedless.deviations import Unknown

_SHOWN = 5
_TEMPLATE_LIMITS = ("subs", "data", "payload")


def from_json(kind: str | None, data: bytes) -> Payload[object]:
    """Read the JSON *data* as claims of *kind* (None: the one in `nats.type`); raise `BadClaims`.

    `iss`, `iat` and `jti` may be there and mean nothing: a draft sets them. Absent limits of a template
    become −1, as the official constructor has it.
    """
    value = wire.parse(data)
    if not isinstance(value, dict):
        raise BadClaims("the claims are not a JSON object", "write {…} with sub and nats")
    nats = value.get("nats", {} if kind != Generic.kind else None)
    named = nats.get("type") if isinstance(nats, dict) else None
    kind = _kind(kind, named)
    if kind == Generic.kind:
        return _generic(value, nats)
    value = {"nats": {}} | value
    if isinstance(nats, dict):
        _require_version(nats)
        _require_scopes(nats.get("signing_keys"))
        value = value | {
            "nats": {name: item for name, item in nats.items() if name not in {"type", "version"}}
        }
    payload: Payload[object]
    payload, unknown = typed_json.fit(value, PAYLOADS[kind])
    _refuse(unknown)
    if isinstance(payload.nats, Account):
        payload = _with(payload, nats=_account(payload.nats))
    return payload


def _kind(kind: str | None, named: object) -> str:
    if kind is not None and kind not in {*KINDS, Generic.kind}:
        raise BadClaims(f"there are no {kind} claims", f"one of {', '.join([*KINDS, Generic.kind])}")
    if kind is None:
        if not isinstance(named, str):
            raise BadClaims(
                "nats.type: the claims do not name their kind",
                f"one of {', '.join(KINDS)}",
                path="nats.type",
            )
        return named if named in KINDS else Generic.kind
    if kind != Generic.kind and named is not None and named != kind:
        raise BadClaims(
            f"nats.type: expected {kind}, found {named!s:.40}", "leave it out or correct it", path="nats.type"
        )
    return kind


def _require_version(nats: dict[str, object]) -> None:
    version = nats.get("version", VERSION)
    if version != VERSION:
        raise BadClaims(
            f"nats.version: only version {VERSION} is written, not {version!s:.40}", path="nats.version"
        )


def _require_scopes(entries: object) -> None:
    for index, entry in enumerate(entries if isinstance(entries, list) else ()):
        if isinstance(entry, dict):
            require_scope_kind(entry, f"nats.signing_keys[{index}]")


def _refuse(unknown: tuple[Unknown, ...]) -> None:
    if unknown:
        places = ", ".join(member.path for member in unknown[:_SHOWN]) + ("…" if unknown[_SHOWN:] else "")
        raise BadClaims(
            f"{places}: no such member",
            "check its spelling: seedless docs reference/claims lists the members",
            path=unknown[0].path,
        )


def _generic(value: dict[str, object], nats: object) -> Payload[object]:
    head, unknown = typed_json.fit({name: item for name, item in value.items() if name != "nats"}, Standard)
    _refuse(unknown)
    if nats is not None and not isinstance(nats, dict):
        raise BadClaims("nats is not a JSON object", path="nats")
    body = Generic(data=None if nats is None else floats(nats, "nats"))
    return Payload(**{name: getattr(head, name) for name in Standard.__struct_fields__}, nats=body)


def _account(account: Account) -> Account:
    seen: set[str] = set()
    entries: list[Scope | str] = []
    for index, entry in enumerate(account.signing_keys):
        path = f"nats.signing_keys[{index}]"
        if signing_key(entry) in seen:
            raise BadClaims(f"{path}: {signing_key(entry)} occurs twice", "keep one", path=path)
        seen.add(signing_key(entry))
        entries.append(_scope(entry, path) if isinstance(entry, Scope) else entry)
    return _with(account, signing_keys=tuple(entries))


def _scope(scope: Scope, path: str) -> Scope:
    limits: dict[str, int] = {}
    _require_exact(scope.template, f"{path}.template")
    for name in _TEMPLATE_LIMITS:
        number = getattr(scope.template, name)
        place = f"{path}.template.{name}"
        if number == 0:
            raise BadClaims(
                f"{place}: 0 in a scope is lost when other tools write it again, and then means no limit",
                "write 1, or deny the subjects",
                path=place,
            )
        limits[name] = NO_LIMIT if number is UNSET else number
    return _with(scope, template=_with(scope.template, **limits))


def _require_exact(template: Template, path: str) -> None:
    """Refuse numbers that a server, for which all numbers of a scope are float64s, would read differently."""
    numbers: dict[str, object] = {name: getattr(template, name) for name in _TEMPLATE_LIMITS}
    if template.resp:
        numbers |= {"resp.max": template.resp.max, "resp.ttl": template.resp.ttl}
    for name, number in numbers.items():
        if isinstance(number, int) and through_float(number) != number:
            place = f"{path}.{name}"
            raise BadClaims(f"{place}: servers would read {number} as {through_float(number)}", path=place)
