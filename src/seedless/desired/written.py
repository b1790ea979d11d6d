"""A desired-state file from what stands: applying it to the same store changes nothing.

Each member is said that is not what a new account, user or operator has, in its usual unit; accounts, users
and scopes are called by their names where these are theirs alone, else by their keys.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from msgspec import UNSET

from seedless.claims import Account, Operator, Scope, Template, User
from seedless.desired.format import Entries, Many, Named, Part, account_kind, file_kind
from seedless.desired.keys import account_key, as_key
from seedless.desired.values import UNTIL, Value
from seedless.nkey import Role
from seedless.plan import scope_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from seedless.desired.format import Kind
    from seedless.jwt import Claims, Jwt

_OWN = ("signing_keys", "imports", "authorization", "system_account", "issuer_account")


@dataclass(frozen=True, slots=True)
class _Names:
    """What to call accounts: their names by key."""

    accounts: Mapping[str, str]

    def account(self, key: str) -> str:
        """Return the name of the account with *key*; the key, where there is none or it looks like a key."""
        name = self.accounts.get(key, key)
        return name if account_key(name) is None else key


def written(
    operator: Jwt[Operator],
    accounts: Mapping[str, Jwt[Account]],
    users: Mapping[tuple[str, str], Jwt[User]],
) -> dict[str, Any]:
    """Return the members of the file that says all of *operator*, *accounts* and *users*, by their names."""
    names = _Names({jwt.claims.sub: name for name, jwt in accounts.items()})
    return {
        "operator": _operator(operator, names),
        "accounts": {
            name: _account(
                jwt, names, {user: held for (account, user), held in users.items() if account == name}
            )
            for name, jwt in accounts.items()
        },
    }


def has_header(path: tuple[str, ...]) -> bool:
    """Tell whether the table at *path* has a header of its own in TOML: operator, accounts and users have."""
    match path:
        case (_,) | ("accounts", _) | ("accounts", _, "users") | ("accounts", _, "users", _):
            return True
    return False


def _operator(jwt: Jwt[Operator], names: _Names) -> dict[str, Any]:
    body = jwt.claims.body
    made = {"name": jwt.claims.name.strip(), **_head(jwt.claims), **_body(body, Operator.new(), "operator")}
    if body.system_account:
        made["system_account"] = names.account(body.system_account)
    if body.signing_keys:
        made["signing_keys"] = {key: {} for key in body.signing_keys}
    return made


def _account(jwt: Jwt[Account], names: _Names, users: Mapping[str, Jwt[User]]) -> dict[str, Any]:
    body = jwt.claims.body
    made = {**_head(jwt.claims), **_body(body, Account.new(), "account")}
    if body.imports:
        made["imports"] = [_import(one, names) for one in body.imports]
    authorization = _authorization(body, names, users)
    if authorization:
        made["authorization"] = authorization
    keys = _signing_keys(body.signing_keys)
    if keys:
        made["signing_keys"] = dict(keys.values())
    called = {key: name for key, (name, _) in keys.items()}
    if users:
        made["users"] = {name: _user(held, jwt.claims, called) for name, held in users.items()}
    return made


def _user(jwt: Jwt[User], account: Claims[Account], keys: Mapping[str, str]) -> dict[str, Any]:
    is_scoped = scope_of(account, jwt.issuer) is not None
    made = {**_head(jwt.claims), **_body(jwt.claims.body, User() if is_scoped else User.new(), "user")}
    return made | ({"issuer": keys[str(jwt.issuer)]} if is_scoped else {})


def _head(claims: Claims[Any]) -> dict[str, Any]:
    said: dict[str, Any] = {"public_key": claims.sub}
    times = {"exp": claims.exp, "nbf": claims.nbf}
    said |= {name: UNTIL.show(time) for name, time in times.items() if time}
    return said | ({"aud": claims.aud} if claims.aud else {})


def _body(body: Any, new: Any, kind: str) -> dict[str, Any]:  # noqa: ANN401 - any body
    account: Any = account_kind()
    parts = {"operator": file_kind().members["operator"], "account": account}
    part: Any = parts.get(kind) or account.members["users"].item
    return _part(body, new, Part({name: one for name, one in part.members.items() if name not in _OWN}))


def _part(value: Any, new: Any, kind: Part) -> dict[str, Any]:  # noqa: ANN401 - a Struct
    made = {}
    for name, member in kind.members.items():
        held = getattr(value, name, UNSET)
        before = getattr(new, name, UNSET)
        if held is UNSET or held == before or held is None:
            continue
        made[name] = _said(held, before, member)
    return made


def _said(held: Any, before: Any, kind: Kind) -> Any:  # noqa: ANN401 - any member
    match kind:
        case Value():
            return kind.show(held)
        case Part():
            return _part(held, before if isinstance(before, type(held)) else type(held)(), kind)
        case Named():
            return {name: _said(item, None, kind.item) for name, item in held.items()}
        case Many() | Entries():
            return [_said(item, None, kind.item) for item in held]
        case _:
            return held


def _import(one: Any, names: _Names) -> dict[str, Any]:  # noqa: ANN401 - an Import
    imports: Any = account_kind().members["imports"]
    said = _part(one, type(one)(), imports.item)
    name = names.account(one.account)
    if name != one.account:
        del said["account"]
        return {"from": name, **said}
    return {"account": one.account, **said}


def _authorization(body: Account, names: _Names, users: Mapping[str, Jwt[User]]) -> dict[str, Any]:
    called = {jwt.claims.sub: name for name, jwt in users.items()}
    said = body.authorization
    made = {
        "auth_users": [called.get(key, key) for key in said.auth_users],
        "allowed_accounts": [names.account(key) for key in said.allowed_accounts],
        "xkey": said.xkey,
    }
    return {name: value for name, value in made.items() if value}


def _signing_keys(entries: Sequence[Scope | str]) -> dict[str, tuple[str, dict[str, Any]]]:
    """Return name and table of each signing key, by its key: the role of a scope where it is its alone."""
    roles = Counter(entry.role for entry in entries if isinstance(entry, Scope))
    kind: Any = account_kind().members["signing_keys"]
    made: dict[str, tuple[str, dict[str, Any]]] = {}
    for entry in entries:
        if not isinstance(entry, Scope):
            made[entry] = (entry, {})
            continue
        is_named = bool(entry.role) and roles[entry.role] == 1 and as_key(entry.role, Role.ACCOUNT) is None
        said: dict[str, Any] = {"key": entry.key} if is_named else {"role": entry.role}
        said["template"] = _part(entry.template, Template.new(), kind.item.members["template"])
        said |= {"description": entry.description} if entry.description else {}
        made[entry.key] = (entry.role if is_named else entry.key, said)
    return made
