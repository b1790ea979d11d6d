"""Linting a whole store beside the verification of as many signatures by PyNaCl alone."""

from __future__ import annotations

import atexit
import functools
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from seedless.jwt import Claims, Jwt
    from seedless.seeds import SoftwareKey
    from seedless.store import NscStore

_ACCOUNTS, _USERS = 1_000, 10_000
_JWTS = 1 + _ACCOUNTS + _USERS
_ROUNDS = 2  # each takes seconds
_NOW = 1_700_000_000


def rows() -> Iterator[tuple[str, Callable[[], object], Callable[[], object], None, int, int]]:
    """Yield name, ours, beside, no bar, how many jwts it is, and the rounds."""
    yield f"lint {_JWTS} jwts, beside bare Ed25519 of PyNaCl", _lint, _verify, None, _JWTS, _ROUNDS


def _lint() -> None:
    from seedless.lint import lint_store, surroundings  # noqa: PLC0415 - only here

    store = _store()
    judged = sum(1 for _ in lint_store(store, surroundings(store, _NOW)))
    assert judged == _JWTS


def _verify() -> None:
    from nacl.bindings import crypto_sign_open  # noqa: PLC0415 - likewise

    signed, key = _signed()
    for _ in range(_JWTS):
        crypto_sign_open(signed, key)


@functools.cache
def _signed() -> tuple[bytes, bytes]:
    """Return a user jwt of the store as libsodium wants it, signature first, and the key."""
    from seedless import base64url  # noqa: PLC0415 - likewise

    jwt = _store().get("A0", "u0")
    assert jwt is not None
    message, _, signature = jwt.text.rpartition(".")
    return base64url.decode(signature, "signature") + message.encode(), jwt.issuer.raw


@functools.cache
def _store() -> NscStore:
    """Make a store whose files are written as they are, and which goes when this process ends."""
    from seedless.claims import Account, Operator, User  # noqa: PLC0415 - likewise
    from seedless.jwt import Claims  # noqa: PLC0415 - likewise
    from seedless.nkey import PublicKey, Role  # noqa: PLC0415 - likewise
    from seedless.seeds import SoftwareKey  # noqa: PLC0415 - likewise
    from seedless.store import create_store  # noqa: PLC0415 - likewise

    folder = Path(tempfile.mkdtemp(prefix="seedless-bench-"))
    atexit.register(shutil.rmtree, folder)
    store = create_store(folder, "ACME")
    key = SoftwareKey(Role.OPERATOR, bytes(32))
    store.put({(): _sign(key, Claims(sub=str(key.public_key), name="ACME", body=Operator.new()))})
    for number in range(_ACCOUNTS):
        owner = SoftwareKey(Role.ACCOUNT, number.to_bytes(32, "big"))
        name = f"A{number}"
        users = store.path(name, "u").parent
        users.mkdir(parents=True)
        account = _sign(key, Claims(sub=str(owner.public_key), name=name, body=Account.new()))
        store.path(name).write_text(account.text, encoding="utf-8")
        for each in range(_USERS // _ACCOUNTS):
            about = PublicKey(Role.USER, (number * 100 + each).to_bytes(32, "big"))
            user = _sign(owner, Claims(sub=str(about), name=f"u{each}", body=User.new()))
            (users / f"u{each}.jwt").write_text(user.text, encoding="utf-8")
    return store


def _sign(key: SoftwareKey, claims: Claims[object]) -> Jwt[object]:
    from seedless.jwt import draft  # noqa: PLC0415 - likewise

    made = draft(claims, key.public_key, _NOW)
    return made.complete(key.sign(made.signing_input))
