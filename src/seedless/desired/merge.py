"""What a file says, laid over what stands: members that it does not say stay as they are.

Named things and entries that it does not say stay too, unless it is to be complete (pruned); lists are values
and are replaced. Revocations only grow: neither a file nor pruning gives access back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from seedless import typed_json
from seedless.claims import Account, Scope, Template, signing_key
from seedless.desired.format import Entries, Named, Part, account_kind
from seedless.errors import BadClaims, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from seedless.desired.values import Lasting
    from seedless.jwt import Jwt

B = TypeVar("B")
_REVOKED = "revocations"


def with_members(body: B, said: Mapping[str, Any], kind: Part, path: str, *, prune: bool) -> B:
    """Return *body* with the members that are *said*, which are those of *kind* in the form of claims.

    Raise `UsageError` with the place, below *path*, of what claims cannot hold.
    """
    have = msgspec.to_builtins(body)
    made = _part(have, said, kind, prune=prune)
    try:
        # Each value was read as its kind wants it: this hardly ever fails, and `typed_json` says where.
        return msgspec.convert(made, type(body))
    except msgspec.ValidationError:
        try:
            return typed_json.fit(made, type(body), path)[0]
        except BadClaims as error:
            raise UsageError(error.message, error.hint) from error


def _part(have: Mapping[str, Any], said: Mapping[str, Any], kind: Part, *, prune: bool) -> dict[str, Any]:
    made = dict(have)
    for name, value in said.items():
        member = kind.members.get(name)
        match member:
            case Part() if value is False:
                made.pop(name, None)
            case Part():
                made[name] = _part(have.get(name) or {}, value, member, prune=prune)
            case Named() if name == _REVOKED:
                made[name] = latest(have.get(name, {}), value)
            case Named():
                made[name] = _named(have.get(name, {}), value, member, prune=prune)
            case Entries():
                made[name] = _entries(have.get(name, ()), value, member, prune=prune)
            case _:
                made[name] = value
    return made


def _named(have: Mapping[str, Any], said: Mapping[str, Any], kind: Named, *, prune: bool) -> dict[str, Any]:
    made = {} if prune else dict(have)
    for name, value in said.items():
        item = kind.item
        made[name] = _part(have.get(name, {}), value, item, prune=prune) if isinstance(item, Part) else value
    return made


def _entries(
    have: Sequence[Mapping[str, Any]], said: Sequence[Mapping[str, Any]], kind: Entries, *, prune: bool
) -> list[Any]:
    """Lay each that is said over the first that it can be, which no other has taken."""
    left = list(have)
    made = []
    for value in said:
        identity = _identity(value, kind)
        there = next((one for one in left if _identity(one, kind) == identity), None)
        if there is not None:
            left.remove(there)
        made.append(_part(there or {}, value, kind.item, prune=prune))
    return made if prune else [*left, *made]


def _identity(value: Mapping[str, Any], kind: Entries) -> tuple[Any, ...]:
    return tuple(value.get(name, "") for name in kind.identity)


def latest(have: Mapping[str, int], said: Mapping[str, int]) -> dict[str, int]:
    """Return the revocations of both, of each key the later one."""
    return {**have, **{key: max(time, have.get(key, time)) for key, time in said.items()}}


def signing_keys(
    account: Account,
    said: Mapping[str, Mapping[str, Any]],
    keys: Mapping[str, str],
    path: str,
    *,
    prune: bool,
) -> tuple[Scope | str, ...]:
    """Return the signing keys of *account* with those that are *said*; *keys* has the key of each name."""
    entries = {signing_key(entry): entry for entry in account.signing_keys}
    made: dict[str, Scope | str] = {} if prune else dict(entries)
    signing_key_kind: Any = account_kind().members["signing_keys"]
    kind: Part = signing_key_kind.item.members["template"]
    for name, value in said.items():
        key = keys[name]
        before = entries.get(key, key)
        if isinstance(before, str) and not value.keys() & {"role", "template", "description"}:
            made[key] = key
            continue
        role = "" if name == key else name
        scope = before if isinstance(before, Scope) else Scope(key=key, role=role, template=Template.new())
        template = with_members(
            scope.template, value.get("template", {}), kind, f"{path}.{name}.template", prune=prune
        )
        rest = {member: value[member] for member in ("role", "description") if member in value}
        made[key] = msgspec.structs.replace(scope, template=template, **rest)
    return tuple(made.values())


def keeps(jwt: Jwt[Any], said: Lasting, renew: int, now: int) -> bool:
    """Tell whether *jwt* holds for no longer than is *said*, and for more than *renew* seconds from *now*."""
    start = max(now, jwt.issued_at)
    return renew < jwt.claims.exp - start and 0 < jwt.claims.exp <= said.end(start)
