"""Stores of any size, made in seconds: files are written as they are, without a lock and without syncing."""

from __future__ import annotations

import atexit
import functools
import hashlib
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from seedless.claims import Account, Export, Operator, User
from seedless.inventory import Inventory, KeyEntry
from seedless.jwt import Claims, Jwt, draft
from seedless.nkey import PublicKey, Role
from seedless.seeds import SoftwareKey
from seedless.store import NscStore, create_store

if TYPE_CHECKING:
    from collections.abc import Sequence

NOW = 1_700_000_000
USERS = 9
"""Of each account; so a tenth of the jwts are accounts."""


@functools.cache
def store_of(jwts: int) -> NscStore:
    """Return a store of *jwts* jwts (and an operator), which goes when this process ends."""
    folder = Path(tempfile.mkdtemp(prefix="seedless-bench-"))
    atexit.register(shutil.rmtree, folder)
    store = create_store(folder, "ACME")
    key = SoftwareKey(Role.OPERATOR, bytes(32))
    store.put({(): _sign(key, Claims(sub=str(key.public_key), name="ACME", body=Operator.new()))})
    for number in range(jwts // (1 + USERS)):
        _add_account(store, key, number)
    return store


def _add_account(store: NscStore, key: SoftwareKey, number: int) -> None:
    owner = SoftwareKey(Role.ACCOUNT, number.to_bytes(32, "big"))
    name = f"A{number}"
    users = store.path(name, "u").parent
    users.mkdir(parents=True)
    account = _sign(key, Claims(sub=str(owner.public_key), name=name, body=Account.new()))
    store.path(name).write_text(account.text, encoding="ascii")
    for each in range(USERS):
        about = PublicKey(Role.USER, (number * 100 + each).to_bytes(32, "big"))
        user = _sign(owner, Claims(sub=str(about), name=f"u{each}", body=User.new()))
        (users / f"u{each}.jwt").write_text(user.text, encoding="ascii")


def _sign(key: SoftwareKey, claims: Claims[Any]) -> Jwt[Any]:
    made = draft(claims, key.public_key, NOW)
    return made.complete(key.sign(made.signing_input))


TEMPLATE = """
[templates.standard]
public_key = "{{key}}"
description = "tenant {{tenant}}"
limits = { conn = 100, disk_storage = "10G", streams = 10, consumer = 100 }
[[templates.standard.exports]]
subject = "{{tenant}}.>"
type = "stream"
"""
_TENANT = '[[tenants]]\ntemplate = "standard"\nname = "t{0:04}"\nvars = {{ key = "{1}" }}\n'


def tenant_keys(count: int) -> list[PublicKey]:
    """Return the keys of as many tenants, always the same."""
    return [
        SoftwareKey(Role.ACCOUNT, hashlib.sha256(b"%d" % number).digest()).public_key
        for number in range(count)
    ]


def tenants(keys: Sequence[PublicKey]) -> str:
    """Return the desired state of an account for each of *keys*."""
    return TEMPLATE + "".join(_TENANT.format(number, key) for number, key in enumerate(keys))


def fill_accounts(folder: Path, count: int, uri: str) -> NscStore:
    """Make a store in *folder* that is as `tenants` say; policy and file lie beside it.

    The operator's key, that of a seed of zeros, signs here, and is at *uri* for the inventory.
    """
    key = SoftwareKey(Role.OPERATOR, bytes(32))
    store = create_store(folder / "store", "ACME")
    store.put({(): _sign(key, Claims(sub=str(key.public_key), name="ACME", body=Operator.new()))})
    keys = tenant_keys(count)
    for number, subject in enumerate(keys):
        name = f"t{number:04}"
        path = store.path(name)
        path.parent.mkdir(parents=True)
        jwt = _sign(key, Claims(sub=str(subject), name=name, body=_tenant(name)))
        path.write_text(jwt.text, encoding="ascii")
    entry = KeyEntry(public_key=key.public_key, uri=uri, role=Role.OPERATOR, name="ACME")
    Inventory.of([entry]).save(folder / "store/keyring.json")
    (folder / "policy.toml").write_text(f'operator = "{key.public_key}"\n', encoding="utf-8")
    (folder / "tenants.toml").write_text(tenants(keys), encoding="utf-8")
    return store


def _tenant(name: str) -> Account:
    limits = replace(Account.new().limits, conn=100, disk_storage=10**10, streams=10, consumer=100)
    exports = (Export(subject=f"{name}.>", type="stream"),)
    return replace(Account.new(), description=f"tenant {name}", limits=limits, exports=exports)
