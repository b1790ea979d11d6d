"""Linting a whole store beside the verification of as many signatures by PyNaCl alone, in processor time."""

from __future__ import annotations

import functools
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_JWTS = 10_001
_ROUNDS = 2  # each takes seconds


def rows() -> Iterator[tuple[str, Callable[[], float], Callable[[], float], float, int, int]]:
    """Yield name, ours, beside, the bar, how many jwts it is, and the rounds."""
    yield (
        f"lint {_JWTS} jwts, processor time, beside bare Ed25519 of PyNaCl",
        _lint,
        _verify,
        2.5,
        _JWTS,
        _ROUNDS,
    )


def _lint() -> float:
    from _stores import NOW, store_of

    from seedless.lint import lint_store

    store = store_of(_JWTS - 1)
    begin = time.process_time()
    judged = sum(1 for _ in lint_store(store, NOW))
    assert judged == _JWTS
    return time.process_time() - begin


def _verify() -> float:
    from nacl.bindings import crypto_sign_open

    signed, key = _signed()
    begin = time.process_time()
    for _ in range(_JWTS):
        crypto_sign_open(signed, key)
    return time.process_time() - begin


@functools.cache
def _signed() -> tuple[bytes, bytes]:
    """Return a user jwt of the store as libsodium wants it, signature first, and the key."""
    from _stores import store_of

    from seedless import base64url

    jwt = store_of(_JWTS - 1).get("A0", "u0")
    assert jwt is not None
    message, _, signature = jwt.text.rpartition(".")
    return base64url.decode(signature, "signature") + message.encode(), jwt.issuer.raw
