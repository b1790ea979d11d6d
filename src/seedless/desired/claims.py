"""The claims that a file describes: its members, with names turned into keys, laid over the existing claims.

Members that a file does not have stay as they are. Named things and entries that it does not have stay too,
unless it is to be complete (pruned); lists are values and are replaced. Revocations only grow: neither a file
nor pruning gives access back.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from seedless import typed_json
from seedless.claims import (
    Account,
    JetStreamPermissions,
    Operator,
    Permission,
    Permissions,
    Scope,
    Template,
    User,
    signing_key,
)
from seedless.claims.canonical import canonical
from seedless.claims.jetstream import KINDS, allow
from seedless.delegation import is_delegated
from seedless.desired.current_state import KeyReference, account_key, account_named
from seedless.desired.read import Entries, NamedItems, Table, account_kind, file_kind
from seedless.desired.values import ValidityPeriod
from seedless.errors import BadClaims, UsageError
from seedless.jwt import Claims
from seedless.nkey import PublicKey
from seedless.plan import scope_of, system_account
from seedless.rules.guards import is_from_the_future
from seedless.trust import EVERYONE, carries_nothing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from seedless.jwt import Jwt


_SORTED = ("exports", "imports", "signing_keys")  # what `canonical` changes of these bodies
_HEAD = ("exp", "renew", "nbf", "aud")
_ELSEWHERE = (*_HEAD, "name", "public_key", "issuer", "signing_keys", "users")


class Writer(msgspec.Struct, frozen=True):
    """Makes claims: `keys` are those of all names, `users` those of the users by account and name."""

    keys: Mapping[KeyReference, PublicKey]
    users: Mapping[tuple[str, str], str]
    now: int
    prune: bool

    def operator(self, desired: Mapping[str, Any], current: Jwt[Operator] | None) -> Claims[Operator]:
        """Return the claims of the operator."""
        body = current.claims.body if current else Operator.new()
        members = _body(desired)
        named = members.get("system_account")
        if named and account_key(named) is None:
            members["system_account"] = account_named(self.keys, named, "operator.system_account")
        kind: Any = file_kind().members["operator"]
        body = with_members(body, members, kind, "operator", prune=self.prune)
        if "signing_keys" in desired:
            merged = self._made("", desired)
            kept = () if self.prune else body.signing_keys
            keys = dict.fromkeys((*kept, *(merged[name] for name in desired["signing_keys"])))
            body = msgspec.structs.replace(body, signing_keys=tuple(keys))
        name = current.claims.name if current else str(desired["name"])
        return self._head(str(self.keys["",]), name, body, desired, current)

    def account(
        self,
        name: str,
        desired: Mapping[str, Any],
        current: Jwt[Account] | None,
        *,
        where: str,
        is_system: bool,
    ) -> Claims[Account]:
        """Return the claims of the account *name*, which the file describes at *where*."""
        body = current.claims.body if current else (system_account() if is_system else Account.new())
        members = _body(desired)
        if "imports" in members:
            members["imports"] = [
                self._import(item, f"{where}.imports[{index}]")
                for index, item in enumerate(members["imports"])
            ]
        if "authorization" in members:
            members["authorization"] = self._authorization(name, members["authorization"], where)
        body = with_members(body, members, account_kind(), where, prune=self.prune)
        if "signing_keys" in desired:
            keys = self._made(name, desired)
            merged = signing_keys(
                body, desired["signing_keys"], keys, f"{where}.signing_keys", prune=self.prune
            )
            body = msgspec.structs.replace(body, signing_keys=merged)
        return self._head(
            str(self.keys[name,]), current.claims.name if current else name, body, desired, current
        )

    def _made(self, account: str, desired: Mapping[str, Any]) -> dict[str, str]:
        """Return the signing keys, as text, that *desired* names, of *account* (`""` is the operator)."""
        return {name: str(self.keys[account, name]) for name in desired["signing_keys"]}

    def user(
        self,
        address: tuple[str, str],
        desired: Mapping[str, Any],
        current: Jwt[User] | None,
        *,
        account: Claims[Account],
        issuer: PublicKey,
        was_scoped: bool,
        where: str,
    ) -> Claims[User]:
        """Return the claims of the user at *address*, who is to be signed by *issuer*, a key of *account*."""
        is_scoped = scope_of(account, issuer) is not None
        body = current.claims.body if current else (User() if is_scoped else User.new())
        if (is_scoped and not carries_nothing(body)) or (was_scoped and not is_scoped):
            body = msgspec.structs.replace(User() if is_scoped else User.new(), tags=body.tags)
        if current is None or current.issuer != issuer:
            owner = "" if str(issuer) == account.sub else account.sub
            body = msgspec.structs.replace(body, issuer_account=owner)
        kind: Any = account_kind().members["users"]
        body = with_members(body, _body(desired), kind.item, where, prune=self.prune)
        return self._head(
            self.users[address], current.claims.name if current else address[1], body, desired, current
        )

    def _head(self, sub: str, name: str, body: Any, desired: Mapping[str, Any], current: Any) -> Claims[Any]:  # noqa: ANN401 - any body
        """Return whole claims; a validity that still holds keeps its end, as long as nothing else changes."""
        before = current.claims if current else Claims(sub=sub, name=name, body=body)
        members = {member: desired[member] for member in ("exp", "nbf", "aud") if member in desired}
        until = members.pop("exp", before.exp)
        merged = msgspec.structs.replace(before, sub=sub, name=name, body=body, **members)
        if not isinstance(until, ValidityPeriod):
            return msgspec.structs.replace(merged, exp=until)
        if current and keeps(current, until, desired.get("renew", 0), self.now) and is_same(merged, before):
            return merged
        is_next = current is not None and not is_from_the_future(current.issued_at, self.now)
        at = max(self.now, current.issued_at + 1) if current and is_next else self.now
        return msgspec.structs.replace(merged, exp=until.end(at))

    def _import(self, item: Mapping[str, Any], where: str) -> dict[str, Any]:
        members = {name: value for name, value in item.items() if name != "from"}
        if ("from" in item) == ("account" in item):
            raise UsageError(
                f"{where}: expected from or account, one of them",
                "from is the name of an account, account its key",
            )
        if "from" in item:
            members["account"] = account_named(self.keys, item["from"], f"{where}.from")
        return members

    def _authorization(self, account: str, desired: Mapping[str, Any], where: str) -> dict[str, Any]:
        members = dict(desired)
        for index, text in enumerate(members.get("allowed_accounts", ())):
            if text != EVERYONE and account_key(text) is None:
                place = f"{where}.authorization.allowed_accounts[{index}]"
                members["allowed_accounts"] = [*members["allowed_accounts"]]
                members["allowed_accounts"][index] = account_named(self.keys, text, place)
        users = [self.users.get((account, text), text) for text in members.get("auth_users", ())]
        return members | ({"auth_users": users} if users else {})


def _body(desired: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in desired.items() if name not in _ELSEWHERE}


def is_same(current: Claims[object], other: Claims[object]) -> bool:
    """Return whether both would be signed as the same claims."""
    if current == other:
        return True
    if all(getattr(current.body, name, ()) == getattr(other.body, name, ()) for name in _SORTED):
        return False  # something else differs, which stays as it is
    parts = [msgspec.structs.replace(claims, body=canonical(claims.body)) for claims in (current, other)]
    return parts[0] == parts[1]


B = TypeVar("B")
_REVOKED = "revocations"
_JETSTREAM = "jetstream"


def with_members(body: B, desired: Mapping[str, object], kind: Table, path: str, *, prune: bool) -> B:
    """Return *body* with the members of *desired*, which are those of *kind* in the form of claims.

    Raise `UsageError` with the place, below *path*, of what claims cannot hold.
    """
    if _JETSTREAM in desired:
        desired = _with_jetstream(desired, path)
    existing = msgspec.to_builtins(body)
    merged = _part(existing, desired, kind, prune=prune)
    try:
        # Each value was read as its kind requires: this hardly ever fails, and `typed_json` names the place.
        return msgspec.convert(merged, type(body))
    except msgspec.ValidationError:
        try:
            return typed_json.fit(merged, type(body), path)[0]
        except BadClaims as error:
            raise UsageError(error.message, error.hint) from error


def _with_jetstream(desired: Mapping[str, Any], path: str) -> dict[str, Any]:
    """Return *desired* with the subjects of its JetStream permissions in place of these.

    Together with `pub.allow` and `sub.allow` beside it the table is all that is allowed, as a list is: what a
    permission that is removed needed does not stay.
    """
    sides: dict[str, Any] = {name: dict(desired.get(name, {})) for name in ("pub", "sub")}
    pub, sub = (Permission(allow=tuple(side.get("allow", ()))) for side in sides.values())
    place = f"{path}.{_JETSTREAM}"
    permissions = msgspec.convert(desired[_JETSTREAM], JetStreamPermissions)
    if not any(getattr(permissions, kind) for kind in KINDS):
        # A list of what is allowed that is empty would allow everything.
        raise UsageError(
            f"{place} names no stream or bucket", f"name them in {', '.join(KINDS)}, or leave it out"
        )
    try:
        allowed = allow(Permissions(pub=pub, sub=sub), permissions)
    except UsageError as error:
        raise UsageError(f"{place}: {error.message}", error.hint) from error
    for name, side in sides.items():
        side["allow"] = list(getattr(allowed, name).allow)
    return {name: value for name, value in desired.items() if name != _JETSTREAM} | sides


def _part(
    existing: Mapping[str, Any], desired: Mapping[str, Any], kind: Table, *, prune: bool
) -> dict[str, Any]:
    merged = dict(existing)
    for name, value in desired.items():
        member = kind.members.get(name)
        match member:
            case Table() if value is False:
                merged.pop(name, None)
            case Table():
                merged[name] = _part(existing.get(name) or {}, value, member, prune=prune)
            case NamedItems() if name == _REVOKED:
                merged[name] = latest(existing.get(name, {}), value)
            case NamedItems():
                merged[name] = _named(existing.get(name, {}), value, member, prune=prune)
            case Entries():
                merged[name] = _entries(existing.get(name, ()), value, member, prune=prune)
            case _:
                merged[name] = value
    return merged


def _named(
    existing: Mapping[str, Any], desired: Mapping[str, Any], kind: NamedItems, *, prune: bool
) -> dict[str, Any]:
    merged = {} if prune else dict(existing)
    for name, value in desired.items():
        item = kind.item
        merged[name] = (
            _part(existing.get(name, {}), value, item, prune=prune) if isinstance(item, Table) else value
        )
    return merged


def _entries(
    existing: Sequence[Mapping[str, Any]], desired: Sequence[Mapping[str, Any]], kind: Entries, *, prune: bool
) -> list[Any]:
    """Lay each desired entry over the first with its identity that no other has taken."""
    remaining = list(existing)
    merged = []
    for value in desired:
        identity = _identity(value, kind)
        current = next((entry for entry in remaining if _identity(entry, kind) == identity), None)
        if current is not None:
            remaining.remove(current)
        merged.append(_part(current or {}, value, kind.item, prune=prune))
    return merged if prune else [*remaining, *merged]


def _identity(value: Mapping[str, object], kind: Entries) -> tuple[object, ...]:
    return tuple(value.get(name, "") for name in kind.identity)


def latest(existing: Mapping[str, int], desired: Mapping[str, int]) -> dict[str, int]:
    """Return the revocations of both, of each key the later one."""
    return {**existing, **{key: max(time, existing.get(key, time)) for key, time in desired.items()}}


def signing_keys(
    account: Account,
    desired: Mapping[str, Mapping[str, Any]],
    keys: Mapping[str, str],
    path: str,
    *,
    prune: bool,
) -> tuple[Scope | str, ...]:
    """Return the signing keys of *account* with those of *desired*; *keys* has the key of each name."""
    entries = {signing_key(entry): entry for entry in account.signing_keys}
    # A delegated key is in no file: it ends by itself.
    merged = {key: entry for key, entry in entries.items() if not prune or is_delegated(entry)}
    signing_key_kind: Any = account_kind().members["signing_keys"]
    kind: Table = signing_key_kind.item.members["template"]
    for name, value in desired.items():
        key = keys[name]
        before = entries.get(key, key)
        if isinstance(before, str) and not value.keys() & {"role", "template", "description"}:
            merged[key] = key
            continue
        role = "" if name == key else name
        scope = before if isinstance(before, Scope) else Scope(key=key, role=role, template=Template.new())
        template = with_members(
            scope.template, value.get("template", {}), kind, f"{path}.{name}.template", prune=prune
        )
        rest = {member: value[member] for member in ("role", "description") if member in value}
        merged[key] = msgspec.structs.replace(scope, template=template, **rest)
    return tuple(merged.values())


def keeps(jwt: Jwt[object], desired: ValidityPeriod, renew: int, now: int) -> bool:
    """Return whether *jwt* holds no longer than *desired*, and for more than *renew* seconds from *now*."""
    start = max(now, jwt.issued_at)
    return renew < jwt.claims.exp - start and 0 < jwt.claims.exp <= desired.end(start)
