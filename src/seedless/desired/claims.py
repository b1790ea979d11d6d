"""The claims that a file wants, with names turned into keys, laid over those that stand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from seedless.claims import Account, Operator, User
from seedless.claims.canonical import canonical
from seedless.desired.format import account_kind, file_kind
from seedless.desired.keys import account_key, account_named
from seedless.desired.merge import keeps, signing_keys, with_members
from seedless.desired.values import Lasting
from seedless.errors import UsageError
from seedless.jwt import Claims
from seedless.plan import scope_of, system_account
from seedless.rules.guards import is_from_the_future
from seedless.trust import EVERYONE, carries_nothing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from seedless.desired.keys import Slot
    from seedless.jwt import Jwt
    from seedless.nkey import PublicKey

_SORTED = ("exports", "imports", "signing_keys")  # what `canonical` changes of these bodies
_HEAD = ("exp", "renew", "nbf", "aud")
_ELSEWHERE = (*_HEAD, "name", "public_key", "issuer", "signing_keys", "users")


@dataclass(frozen=True, slots=True)
class Writer:
    """Makes claims: `keys` are those of all names, `users` those of the users by account and name."""

    keys: Mapping[Slot, PublicKey]
    users: Mapping[tuple[str, str], str]
    now: int
    prune: bool

    def operator(self, said: Mapping[str, Any], there: Jwt[Operator] | None) -> Claims[Operator]:
        """Return the claims of the operator."""
        body = there.claims.body if there else Operator.new()
        members = _body(said)
        named = members.get("system_account")
        if named and account_key(named) is None:
            members["system_account"] = account_named(self.keys, named, "operator.system_account")
        kind: Any = file_kind().members["operator"]
        body = with_members(body, members, kind, "operator", prune=self.prune)
        if "signing_keys" in said:
            made = self._made("", said)
            kept = () if self.prune else body.signing_keys
            keys = dict.fromkeys((*kept, *(made[name] for name in said["signing_keys"])))
            body = msgspec.structs.replace(body, signing_keys=tuple(keys))
        name = there.claims.name if there else str(said["name"])
        return self._head(str(self.keys["",]), name, body, said, there)

    def account(
        self, name: str, said: Mapping[str, Any], there: Jwt[Account] | None, *, where: str, is_system: bool
    ) -> Claims[Account]:
        """Return the claims of the account *name*, which the file says at *where*."""
        body = there.claims.body if there else (system_account() if is_system else Account.new())
        members = _body(said)
        if "imports" in members:
            members["imports"] = [
                self._import(item, f"{where}.imports[{index}]")
                for index, item in enumerate(members["imports"])
            ]
        if "authorization" in members:
            members["authorization"] = self._authorization(name, members["authorization"], where)
        body = with_members(body, members, account_kind(), where, prune=self.prune)
        if "signing_keys" in said:
            keys = self._made(name, said)
            made = signing_keys(body, said["signing_keys"], keys, f"{where}.signing_keys", prune=self.prune)
            body = msgspec.structs.replace(body, signing_keys=made)
        return self._head(str(self.keys[name,]), there.claims.name if there else name, body, said, there)

    def _made(self, account: str, said: Mapping[str, Any]) -> dict[str, str]:
        """Return the signing keys, as text, that *said* names, of *account* (`""` is the operator)."""
        return {name: str(self.keys[account, name]) for name in said["signing_keys"]}

    def user(
        self,
        address: tuple[str, str],
        said: Mapping[str, Any],
        there: Jwt[User] | None,
        *,
        account: Claims[Account],
        issuer: PublicKey,
        was_scoped: bool,
        where: str,
    ) -> Claims[User]:
        """Return the claims of the user at *address*, who is to be signed by *issuer*, a key of *account*."""
        is_scoped = scope_of(account, issuer) is not None
        body = there.claims.body if there else (User() if is_scoped else User.new())
        if (is_scoped and not carries_nothing(body)) or (was_scoped and not is_scoped):
            body = msgspec.structs.replace(User() if is_scoped else User.new(), tags=body.tags)
        if there is None or there.issuer != issuer:
            owner = "" if str(issuer) == account.sub else account.sub
            body = msgspec.structs.replace(body, issuer_account=owner)
        kind: Any = account_kind().members["users"]
        body = with_members(body, _body(said), kind.item, where, prune=self.prune)
        return self._head(self.users[address], there.claims.name if there else address[1], body, said, there)

    def _head(self, sub: str, name: str, body: Any, said: Mapping[str, Any], there: Any) -> Claims[Any]:  # noqa: ANN401 - any body
        """Return whole claims; a validity that still holds keeps its end, as long as nothing else changes."""
        before = there.claims if there else Claims(sub=sub, name=name, body=body)
        members = {member: said[member] for member in ("exp", "nbf", "aud") if member in said}
        until = members.pop("exp", before.exp)
        made = msgspec.structs.replace(before, sub=sub, name=name, body=body, **members)
        if not isinstance(until, Lasting):
            return msgspec.structs.replace(made, exp=until)
        if there and keeps(there, until, said.get("renew", 0), self.now) and is_same(made, before):
            return made
        is_next = there is not None and not is_from_the_future(there.issued_at, self.now)
        at = max(self.now, there.issued_at + 1) if there and is_next else self.now
        return msgspec.structs.replace(made, exp=until.end(at))

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

    def _authorization(self, account: str, said: Mapping[str, Any], where: str) -> dict[str, Any]:
        members = dict(said)
        for index, text in enumerate(members.get("allowed_accounts", ())):
            if text != EVERYONE and account_key(text) is None:
                place = f"{where}.authorization.allowed_accounts[{index}]"
                members["allowed_accounts"] = [*members["allowed_accounts"]]
                members["allowed_accounts"][index] = account_named(self.keys, text, place)
        users = [self.users.get((account, text), text) for text in members.get("auth_users", ())]
        return members | ({"auth_users": users} if users else {})


def _body(said: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in said.items() if name not in _ELSEWHERE}


def is_same(one: Claims[Any], other: Claims[Any]) -> bool:
    """Tell whether both would be signed as the same claims."""
    if one == other:
        return True
    if all(getattr(one.body, name, ()) == getattr(other.body, name, ()) for name in _SORTED):
        return False  # something else differs, which stays as it is
    parts = [msgspec.structs.replace(claims, body=canonical(claims.body)) for claims in (one, other)]
    return parts[0] == parts[1]
