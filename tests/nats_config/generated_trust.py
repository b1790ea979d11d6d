"""Configurations made by chance that say whom servers trust: operators, resolvers, accounts, logins."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import msgspec

from seedless.claims import Account, Operator, User
from seedless.jwt import Claims, draft
from seedless.nkey import Role
from seedless.seeds import SoftwareKey

if TYPE_CHECKING:
    from random import Random

NOW = int(time.time())


def key(role: Role, number: int) -> SoftwareKey:
    return SoftwareKey(role, bytes([number] * 32))


def signed(by: SoftwareKey, about: SoftwareKey, name: str, body: Any) -> str:  # noqa: ANN401 - any claims
    made = draft(Claims(sub=str(about.public_key), name=name, body=body), by.public_key, NOW - 100)
    return made.complete(by.sign(made.signing_input)).text


OPERATOR, OTHER = (key(Role.OPERATOR, number) for number in (1, 2))
SYSTEM, ORDERS, FOREIGN = (key(Role.ACCOUNT, number) for number in (1, 2, 3))
S, A, F = (str(account.public_key) for account in (SYSTEM, ORDERS, FOREIGN))
U = str(key(Role.USER, 1).public_key)
SECOND = signed(OTHER, OTHER, "SECOND", Operator())
SYSTEM_JWT = signed(OPERATOR, SYSTEM, "SYS", Account.new())
ORDERS_JWT = signed(OPERATOR, ORDERS, "A", Account.new())
FOREIGN_JWT = signed(OTHER, FOREIGN, "F", Account.new())
ACCOUNTS = {S: SYSTEM_JWT, A: ORDERS_JWT}
GUEST = msgspec.structs.replace(User.new(), bearer_token=True)
PRELOADS = (
    f"{S}: {SYSTEM_JWT}",
    f"{A}: {ORDERS_JWT}",
    f"{F}: {FOREIGN_JWT}",
    f"{A}: {SYSTEM_JWT}",
    f"{A}: {ORDERS_JWT[:-5]}AAAAA",
)
RESOLVERS = (
    "",
    "MEMORY",
    "mem",
    "HERE",
    "{ type: full, dir: jwt }",
    "{ type: full, dir: jwt, allow_delete: true, interval: '1m' }",
    "{ type: full, dir: jwt, ttl: '1m' }",
    "{ type: full }",
    "{ dir: jwt }",
    "{ type: cache, dir: jwt, ttl: '1h' }",
    "{ type: cache, dir: jwt, allow_delete: true }",
    "{ type: cache, dir: jwt, allow_delete: false }",
)
BESIDE = (
    f"system_account: {S}",
    f"system_account: {A}",
    "system_account: SYS",
    f"trusted_keys: {OPERATOR.public_key}",
    "trusted_keys: []",
    "accounts { A { users [ { user: a, password: b } ] } }",
    "accounts {}",
    "authorization { users [ { user: c, password: d } ] }",
    f"authorization {{ users [ {{ nkey: {U} }} ] }}",
    "authorization { users: [] }",
    "authorization { user: a, password: b }",
    "no_auth_user: a",
    "no_auth_user: c",
    f"no_auth_user: {U}",
    "websocket { port: -1, host: '127.0.0.1', no_tls: true, no_auth_user: a }",
    "default_sentinel: x",
    f"default_sentinel: {signed(ORDERS, key(Role.USER, 1), 'guest', GUEST)}",
    f"default_sentinel: {signed(ORDERS, key(Role.USER, 1), 'guest', User.new())}",
)


def configuration(chance: Random, url: str) -> str:
    """Return a configuration; *url* is that of an account server that has the accounts of the operator."""
    lines = [_operator(chance, url)]
    if resolver := chance.choice((*RESOLVERS, "MEMORY", "MEMORY", f"URL({url}/accounts/)")):
        lines.append(f"resolver: {resolver}")
    if preloads := chance.sample(PRELOADS, chance.choice((0, 0, 1, 1, 2))):
        lines.append("\n".join(["resolver_preload {", *preloads, "}"]))
    lines += chance.sample(BESIDE, chance.choice((0, 0, 1, 1, 2)))
    return "\n".join(line for line in lines if line) or "max_payload: 1k"


def _operator(chance: Random, url: str) -> str:
    first = Operator(
        system_account=chance.choice((S, S, "")), account_server_url=chance.choice(("", "", url))
    )
    text = signed(OPERATOR, OPERATOR, "FIRST", first)
    return chance.choice(
        (
            *("", "", "operator: []", "operator: eyJ.x.y", f"operator: {ORDERS_JWT}"),
            *(f"operator: [ {text}, {SECOND} ]", *[f"operator: {text}"] * 8),
        )
    )
