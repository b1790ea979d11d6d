"""A plan as a file: what was reviewed is what is signed, on another day or another machine.

The file is canonical JSON (RFC 8785) and one line end: members sorted, no blanks, one spelling; its SHA-256,
as `sha256sum` states it, is the digest of the plan. Drafts are their signing inputs, existing jwts are whole
jwts, so that whoever reads the file verifies all of it. Refused: text that is not the canonical one of what
it states, members that are missing or unknown, drafts that are not canonical themselves, jwts that do not
verify, and addresses that are not those of what is to lie there, each with the path.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any, TypeVar

import msgspec

from seedless import jwt, strict_json, wire
from seedless.change import Change, Statement, StoreWrite
from seedless.claims import Account, Operator, User
from seedless.errors import BadClaims, SeedlessError, UsageError
from seedless.signing_pipeline import Plan
from seedless.store.names import require_storable
from seedless.text import shown

__all__ = ["FORMAT", "canonical", "digest", "members_of", "parse", "plan_of", "strict", "to_bytes", "written"]

S = TypeVar("S")

FORMAT = "seedless plan 1"
_KINDS: tuple[type, ...] = (Operator, Account, User)  # by the length of the address
_USER = 2  # parts of the address of one


class _ChangeMembers(msgspec.Struct, frozen=True):
    address: tuple[Any, ...] | None
    draft: str
    reason: str
    replaces: str | None


class _StoreWriteMembers(msgspec.Struct, frozen=True):
    address: tuple[Any, ...]
    jwt: str | None
    reason: str
    replaces: str | None


class _PlanMembers(msgspec.Struct, frozen=True):
    """The members of the file."""

    format: str
    prepared_at: int
    around: tuple[str, ...]
    changes: tuple[_ChangeMembers, ...]
    placements: tuple[_StoreWriteMembers, ...]


def canonical(value: object) -> bytes:
    """Return *value* as canonical JSON (RFC 8785; of numbers only integers below 2**53 occur here)."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def digest(data: bytes) -> str:
    """Return the SHA-256 of *data* in hex."""
    return hashlib.sha256(data).hexdigest()


def written(plan: Plan) -> dict[str, object]:
    """Return *plan* as the members of its file."""
    return {
        "format": FORMAT,
        "prepared_at": plan.prepared_at,
        "around": [item.text for item in plan.around],
        "changes": [
            {
                "address": None if change.address is None else list(change.address),
                "draft": change.draft.signing_input.decode(),
                "reason": change.reason,
                "replaces": change.replaces.text if change.replaces else None,
            }
            for change in plan.changes
        ],
        "placements": [
            {
                "address": list(write.address),
                "jwt": write.jwt.text if write.jwt else None,
                "reason": write.reason,
                "replaces": write.replaces.text if write.replaces else None,
            }
            for write in plan.store_writes
        ],
    }


def to_bytes(plan: Plan) -> bytes:
    """Return the bytes of the file of *plan*: canonical JSON and one line end."""
    return canonical(written(plan)) + b"\n"


def parse(data: bytes) -> Plan:
    """Read a plan; raise `UsageError` that names the place of what is wrong."""
    return plan_of(strict(data), "plan")


def strict(data: bytes) -> object:
    """Return what canonical JSON and one line end state; raise `UsageError` for any other spelling."""
    text = data.removesuffix(b"\n")
    if text == data:
        raise UsageError("the plan does not end with the end of a line: it was cut off", _MADE)
    try:
        value = wire.parse(text)
    except BadClaims as error:
        raise UsageError(f"not the JSON of a plan: {error.message}", _MADE) from error
    if canonical(value) != text:
        raise UsageError("not canonical JSON: it has been edited or re-formatted", _MADE)
    return value


def plan_of(value: object, where: str) -> Plan:
    """Return the plan that *value*, parsed JSON, is; raise `UsageError` with the place below *where*."""
    members = members_of(value, _PlanMembers, where, _MADE)
    if members.format != FORMAT:
        raise UsageError(f"{where}.format is not {FORMAT!r}", "another version of seedless may read it")
    plan = Plan(
        tuple(_change(change, f"{where}.changes[{n}]") for n, change in enumerate(members.changes)),
        members.prepared_at,
        tuple(_jwt(text, f"{where}.around[{n}]") for n, text in enumerate(members.around)),
        tuple(
            _store_write(placement, f"{where}.placements[{n}]")
            for n, placement in enumerate(members.placements)
        ),
    )
    _require_own_accounts(plan, where)
    _require_one_each(plan, where)
    return plan


def members_of(value: object, kind: type[S], where: str, hint: str) -> S:
    """Return *value*, parsed JSON, as the Struct *kind*; raise `UsageError` with the place and *hint*."""
    try:
        return strict_json.read(value, kind, where)
    except BadClaims as error:
        raise UsageError(error.message, hint) from error


def _change(members: _ChangeMembers, where: str) -> Change:
    try:
        draft = jwt.read_draft(members.draft)
    except SeedlessError as error:
        raise UsageError(f"{where}.draft: {error.message}", error.hint) from error
    replaces = _optional(members.replaces, f"{where}.replaces")
    if replaces is not None and replaces.claims.sub != draft.claims.sub:
        raise UsageError(f"{where}.replaces is about another subject than the draft", _MADE)
    address = None if members.address is None else _address(members.address, where)
    if address is not None:
        _require_place(address, Statement.of(draft), where)
    return Change(draft, replaces, members.reason, address)


def _store_write(members: _StoreWriteMembers, where: str) -> StoreWrite:
    jwt_after = _optional(members.jwt, f"{where}.jwt")
    replaces = _optional(members.replaces, f"{where}.replaces")
    address = _address(members.address, where)
    for text in (jwt_after, replaces):
        if text is not None:
            _require_place(address, Statement.of(text), where)
    return StoreWrite(address, jwt_after, replaces, members.reason)


def _address(parts: tuple[Any, ...], where: str) -> tuple[str, ...]:
    if len(parts) > _USER or not all(isinstance(part, str) for part in parts):
        raise UsageError(f"{where}.address is not one of an operator, an account or a user", _MADE)
    for part in parts:
        try:
            require_storable(part)
        except UsageError as error:
            raise UsageError(f"{where}.address: {error.message}", _MADE) from error
    return tuple(parts)


def _require_place(address: tuple[str, ...], statement: Statement[Any], where: str) -> None:
    """Raise `UsageError` unless a store may have *statement* at *address*: its kind, under its name."""
    if not isinstance(statement.claims.body, _KINDS[len(address)]):
        raise UsageError(f"{where}.address is not a place for {statement.claims.body.kind} claims", _MADE)
    name = statement.claims.name.strip()
    if address and address[-1] != name:
        raise UsageError(f"{where}.address is {shown(address[-1])}, and the claims have {shown(name)}", _MADE)


def _require_own_accounts(plan: Plan, where: str) -> None:
    """Raise `UsageError` for a user that is to lie in the folder of another account than its own."""
    names = {sub: statement.name.strip() for sub, statement in plan.context.claims.items()}
    placed = [(f"changes[{n}]", change.address, change.statement) for n, change in enumerate(plan.changes)]
    placed += [
        (f"placements[{n}]", write.address, Statement.of(write.jwt))
        for n, write in enumerate(plan.store_writes)
        if write.jwt
    ]
    for place, address, statement in placed:
        if address is None or len(address) != _USER:
            continue
        own = names.get(statement.claims.body.issuer_account or statement.issuer, address[0])
        if own != address[0]:
            text = f"{where}.{place}.address is in the account {shown(address[0])}, and not in {shown(own)}"
            raise UsageError(text, _MADE)


def _require_one_each(plan: Plan, where: str) -> None:
    """Raise `UsageError` for two current jwts of one subject, two for one place, or no operator.

    Of two that are current one is older: whoever shows it as the predecessor has rolled the other back.
    """
    current: dict[str, jwt.Jwt[object]] = {}
    before = [*(change.replaces for change in plan.changes), *(write.replaces for write in plan.store_writes)]
    for jwt_after in (*plan.around, *filter(None, before)):
        if current.setdefault(jwt_after.claims.sub, jwt_after) != jwt_after:
            text = f"{where} holds two jwts of {shown(jwt_after.claims.name)} as current, and one can be"
            raise UsageError(text, _MADE)
    made = [change.address for change in plan.changes if change.address is not None]
    placed = [write.address for write in plan.store_writes]
    for addresses in (made, placed):
        if len(set(addresses)) < len(addresses):
            raise UsageError(f"{where} has one address twice", _MADE)
    if any(write.address == () and write.jwt is None for write in plan.store_writes) and () not in made:
        raise UsageError(f"{where} takes the operator away, and puts none in its place", _MADE)


def _optional(text: str | None, where: str) -> jwt.Jwt[object] | None:
    return None if text is None else _jwt(text, where)


def _jwt(text: str, where: str) -> jwt.Jwt[object]:
    try:
        found = jwt.read(text)  # an existing jwt may be spelled unusually; what is to be signed may not
    except SeedlessError as error:
        raise UsageError(f"{where}: {error.message}", error.hint) from error
    if found.text != text:
        raise UsageError(f"{where} is a jwt whose signature is not spelled as it is written", _MADE)
    return found


_MADE = "plans are written by --plan FILE; make it again"
