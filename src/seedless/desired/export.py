"""The desired-state file of a store, as members and as TOML 1.0: applying it to that store changes nothing.

Each member is in it that a new account, user or operator does not have, in its usual unit; accounts, users
and scopes are called by their names where these are theirs alone, else by their keys.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import UNSET
from msgspec.structs import replace

from seedless.claims import Account, Operator, Permission, Scope, Template, User
from seedless.claims.jetstream import INBOX, allow, recognised
from seedless.delegation import is_delegated
from seedless.desired.current_state import account_key, as_key
from seedless.desired.read import Entries, ListOf, NamedItems, Table, account_kind, file_kind
from seedless.desired.values import UNTIL, Value
from seedless.nkey import Role
from seedless.plan import scope_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from seedless.desired.read import Kind
    from seedless.jwt import Claims, Jwt

    Path = tuple[str, ...]


_OWN = ("signing_keys", "imports", "authorization", "system_account", "issuer_account")


class _NamesByKey(msgspec.Struct, frozen=True):
    """What to call accounts: their names by key."""

    accounts: Mapping[str, str]

    def account(self, key: str) -> str:
        """Return the name of the account with *key*; the key, where there is none or it looks like a key."""
        name = self.accounts.get(key, key)
        return name if account_key(name) is None else key


def export_state(
    operator: Jwt[Operator],
    accounts: Mapping[str, Jwt[Account]],
    users: Mapping[tuple[str, str], Jwt[User]],
) -> dict[str, object]:
    """Return the members of the file that describes *operator*, *accounts* and *users*, by their names."""
    names = _NamesByKey({jwt.claims.sub: name for name, jwt in accounts.items()})
    return {
        "operator": _operator(operator, names),
        "accounts": {
            name: _account(
                jwt, names, {user: value for (account, user), value in users.items() if account == name}
            )
            for name, jwt in accounts.items()
        },
    }


def has_header(path: tuple[str, ...]) -> bool:
    """Return whether the table at *path* has a header of its own in TOML: operator, accounts, users have."""
    match path:
        case (_,) | ("accounts", _) | ("accounts", _, "users") | ("accounts", _, "users", _):
            return True
    return False


def _operator(jwt: Jwt[Operator], names: _NamesByKey) -> dict[str, object]:
    body = jwt.claims.body
    made = {"name": jwt.claims.name.strip(), **_head(jwt.claims), **_body(body, Operator.new(), "operator")}
    if body.system_account:
        made["system_account"] = names.account(body.system_account)
    if body.signing_keys:
        made["signing_keys"] = {key: {} for key in body.signing_keys}
    return made


def _account(jwt: Jwt[Account], names: _NamesByKey, users: Mapping[str, Jwt[User]]) -> dict[str, object]:
    body = jwt.claims.body
    made = {**_head(jwt.claims), **_body(body, Account.new(), "account")}
    if body.imports:
        made["imports"] = [_import(entry, names) for entry in body.imports]
    authorization = _authorization(body, names, users)
    if authorization:
        made["authorization"] = authorization
    keys = _signing_keys(body.signing_keys)
    if keys:
        made["signing_keys"] = dict(keys.values())
    called = {key: name for key, (name, _) in keys.items()}
    if users:
        made["users"] = {name: _user(value, jwt.claims, called) for name, value in users.items()}
    return made


def _user(jwt: Jwt[User], account: Claims[Account], keys: Mapping[str, str]) -> dict[str, object]:
    is_scoped = scope_of(account, jwt.issuer) is not None
    made = {**_head(jwt.claims), **_body(jwt.claims.body, User() if is_scoped else User.new(), "user")}
    return made | ({"issuer": keys[str(jwt.issuer)]} if is_scoped else {})


def _head(claims: Claims[object]) -> dict[str, object]:
    members: dict[str, object] = {"public_key": claims.sub}
    times = {"exp": claims.exp, "nbf": claims.nbf}
    members |= {name: UNTIL.show(time) for name, time in times.items() if time}
    return members | ({"aud": claims.aud} if claims.aud else {})


def _body(body: Any, new: Any, kind: str) -> dict[str, Any]:  # noqa: ANN401 - any body
    account: Any = account_kind()
    parts = {"operator": file_kind().members["operator"], "account": account}
    part: Any = parts.get(kind) or account.members["users"].item
    return _part(body, new, Table({name: value for name, value in part.members.items() if name not in _OWN}))


def _part(body: object, new: object, kind: Table) -> dict[str, object]:
    members: dict[str, object] = {}
    if isinstance(body, User | Template):
        body, members = _without_jetstream(body)
    for name, member in kind.members.items():
        value = getattr(body, name, UNSET)
        default = getattr(new, name, UNSET)
        if value is UNSET or value == default or value is None:
            continue
        members[name] = _shown(value, default, member)
    return members


def _without_jetstream(body: User | Template) -> tuple[User | Template, dict[str, object]]:
    """Return *body* without the subjects of its JetStream permissions, and these as a table of the file.

    Only where the table and what is left give the same lists again, in their order.
    """
    found = recognised(body)
    table = found.table()
    if table is None:
        return body, {}
    kept = {
        name: Permission(
            allow=tuple(text for text in getattr(body, name).allow if text not in getattr(found, name)),
            deny=getattr(body, name).deny,
        )
        for name in ("pub", "sub")
    }
    rest = replace(body, **kept)
    if allow(rest, table) != body:
        return body, {}
    members = msgspec.to_builtins(table)
    return rest, {"jetstream": {name: value for name, value in members.items() if value and value != INBOX}}


def _shown(value: Any, default: Any, kind: Kind) -> Any:  # noqa: ANN401 - any member
    match kind:
        case Value():
            return kind.show(value)
        case Table():
            return _part(value, default if isinstance(default, type(value)) else type(value)(), kind)
        case NamedItems():
            return {name: _shown(item, None, kind.item) for name, item in value.items()}
        case ListOf() | Entries():
            return [_shown(item, None, kind.item) for item in value]
        case _:
            return value


def _import(item: Any, names: _NamesByKey) -> dict[str, Any]:  # noqa: ANN401 - an Import
    imports: Any = account_kind().members["imports"]
    members = _part(item, type(item)(), imports.item)
    name = names.account(item.account)
    if name != item.account:
        del members["account"]
        return {"from": name, **members}
    return {"account": item.account, **members}


def _authorization(body: Account, names: _NamesByKey, users: Mapping[str, Jwt[User]]) -> dict[str, object]:
    called = {jwt.claims.sub: name for name, jwt in users.items()}
    members = body.authorization
    made = {
        "auth_users": [called.get(key, key) for key in members.auth_users],
        "allowed_accounts": [names.account(key) for key in members.allowed_accounts],
        "xkey": members.xkey,
    }
    return {name: value for name, value in made.items() if value}


def _signing_keys(entries: Sequence[Scope | str]) -> dict[str, tuple[str, dict[str, Any]]]:
    """Return name and table of each signing key, by its key: the role of a scope where it is its alone."""
    roles = Counter(entry.role for entry in entries if isinstance(entry, Scope))
    kind: Any = account_kind().members["signing_keys"]
    made: dict[str, tuple[str, dict[str, Any]]] = {}
    for entry in entries:
        if is_delegated(entry):  # it ends by itself
            continue
        if not isinstance(entry, Scope):
            made[entry] = (entry, {})
            continue
        is_named = bool(entry.role) and roles[entry.role] == 1 and as_key(entry.role, Role.ACCOUNT) is None
        members: dict[str, Any] = {"key": entry.key} if is_named else {"role": entry.role}
        members["template"] = _part(entry.template, Template.new(), kind.item.members["template"])
        members |= {"description": entry.description} if entry.description else {}
        made[entry.key] = (entry.role if is_named else entry.key, members)
    return made


_WIDTH = 100
_BARE = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)
_UNWRITTEN = re.compile("[\x7f\x80-\x9f\ufeff\u2028\u2029]")


def to_toml(members: Mapping[str, object], has_header: Callable[[Path], bool]) -> str:
    """Return *members* (text, booleans, integers, lists, tables) as TOML.

    A table for whose path *has_header* has a header of its own, be it ever so short.
    """
    return "\n".join(_table(members, (), has_header)).strip() + "\n"


def _table(members: Mapping[str, object], path: Path, has_header: Callable[[Path], bool]) -> Iterator[str]:
    below: dict[str, object] = {}
    for name, value in members.items():
        line = f"{_key(name)} = {_inline(value)}"
        is_apart = isinstance(value, dict) and (has_header((*path, name)) or len(line) > _WIDTH)
        if is_apart or _is_of_tables(value):
            below[name] = value
        else:
            yield line if not isinstance(value, list) or len(line) <= _WIDTH else _long(name, value)
    for name, value in below.items():
        header = ".".join(map(_key, (*path, name)))
        for item in value if isinstance(value, list) else ():
            yield f"\n[[{header}]]"
            yield from (f"{_key(member)} = {_inline(value)}" for member, value in item.items())
        if isinstance(value, dict):
            lines = list(_table(value, (*path, name), has_header))
            if not lines or not lines[0].startswith("\n"):
                yield f"\n[{header}]"
            yield from lines


def _is_of_tables(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, dict) for item in value)


def _long(name: str, values: list[object]) -> str:
    return "\n".join([f"{_key(name)} = [", *(f"  {_inline(value)}," for value in values), "]"])


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else _text(name)


def _inline(value: Any) -> str:  # noqa: ANN401 - any value
    match value:
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case str():
            return _text(value)
        case dict():
            inside = ", ".join(f"{_key(name)} = {_inline(item)}" for name, item in value.items())
            return f"{{ {inside} }}" if inside else "{}"
        case _:
            return f"[{', '.join(map(_inline, value))}]"


def _text(text: str) -> str:
    """Return *text* as a basic string; what TOML refuses or nobody sees is escaped."""
    quoted = json.dumps(text, ensure_ascii=False)
    return _UNWRITTEN.sub(lambda match: f"\\u{ord(match[0]):04x}", quoted)
