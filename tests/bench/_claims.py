"""The account of 3 kB that the rows are about: a little of everything that accounts have."""

from __future__ import annotations

import functools
import hashlib

import msgspec

from seedless.claims import Account, Export, Import, Permission, Scope, Template
from seedless.jwt import Claims, Jwt, draft
from seedless.nkey import PublicKey, Role
from seedless.seeds import SoftwareKey

NOW = 1_700_000_000
OPERATOR = SoftwareKey(Role.OPERATOR, bytes(32))


def account(number: int = 0) -> Claims[Account]:
    """Return the claims of account *number*; they differ in subject, name, and signing key."""
    exports = tuple(
        Export(name=f"orders-{region}", subject=f"orders.{region}.>", type="stream") for region in _REGIONS
    )
    imports = tuple(
        Import(
            name=f"prices-{region}",
            subject=f"prices.{region}",
            account=_key(Role.ACCOUNT, 1 << 64),
            type="service",
        )
        for region in _REGIONS
    )
    reader = Template(sub=Permission(allow=("orders.>", "_INBOX.>")))
    keys = sorted(_key(Role.ACCOUNT, (number << 8) + at) for at in (1 << 66, 1 << 67))
    body = Account(
        limits=Account.new().limits,
        exports=exports,
        imports=imports,
        signing_keys=(keys[0], Scope(key=keys[1], role="reader", template=reader)),
        revocations={_key(Role.USER, (1 << 68) + at): NOW - at for at in range(4)},
        tags=("team:orders", "env:production"),
    )
    return Claims(sub=_key(Role.ACCOUNT, number + 1), name=f"ORDERS-{number}", body=body)


def bare_account() -> Claims[Account]:
    """Return account 0 without signing keys, which other libraries may not know."""
    claims = account()
    return msgspec.structs.replace(claims, body=msgspec.structs.replace(claims.body, signing_keys=()))


_REGIONS = ("africa", "america", "asia", "europe", "oceania")


@functools.lru_cache(1_000)  # a row measures memory
def _key(role: Role, number: int) -> str:
    return str(PublicKey(role, hashlib.sha256(number.to_bytes(16, "big")).digest()))


@functools.cache
def signed() -> Jwt[Account]:
    """Return account 0, signed by `OPERATOR`."""
    made = draft(account(), OPERATOR.public_key, NOW)
    return made.complete(OPERATOR.sign(made.signing_input))
