"""Stores of any size, made in seconds: files are written as they are, without a lock and without syncing."""

from __future__ import annotations

import atexit
import functools
import shutil
import tempfile
from pathlib import Path
from typing import Any

from seedless.claims import Account, Operator, User
from seedless.jwt import Claims, Jwt, draft
from seedless.nkey import PublicKey, Role
from seedless.seeds import SoftwareKey
from seedless.store import NscStore, create_store

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
