"""SLIP-0010 for Ed25519: many private keys from one secret, each on a path of numbers.

Source: satoshilabs/slips, slip-0010.md. Every step is hardened: no public key leads to another one.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

HARDENED = 1 << 31
_KEY = 32  # bytes of a private key, and of a chain code
_SECRET_SIZES = range(16, 65)


def derive(secret: bytes, path: Iterable[int]) -> bytes:
    """Return the Ed25519 seed (32 bytes) at *path* below *secret* (16 to 64 bytes).

    The numbers of *path* are those before the `'`: 0 to 2**31 - 1. Raise `ValueError` for others.
    """
    if len(secret) not in _SECRET_SIZES:
        raise ValueError(f"a secret has 16 to 64 bytes, not {len(secret)}")
    node = hmac.digest(b"ed25519 seed", secret, hashlib.sha512)
    for number in path:
        if not 0 <= number < HARDENED:
            raise ValueError(f"a number of a path is at least 0 and below 2**31, and not {number}")
        # Every 32 bytes are an Ed25519 private key (RFC 8032, section 5.1.5), so that nothing is reduced,
        # compared with an order or tried again, as SLIP-0010 has it for other curves.
        step = b"\0" + node[:_KEY] + (number + HARDENED).to_bytes(4, "big")
        node = hmac.digest(node[_KEY:], step, hashlib.sha512)
    return node[:_KEY]


def path_text(path: Iterable[int]) -> str:
    """Return *path* as it is written: `m/0'/1'`."""
    return "/".join(["m", *(f"{number}'" for number in path)])
