"""Describe a known Ed25519 key as the two objects that a token stores.

The public object requires the public key, so that is computed here: not in constant time and not fast (some
milliseconds), for keys of tests, which are no secrets. Nothing here can sign.
"""

from __future__ import annotations

import hashlib

from pytest_softhsm._errors import SoftHSMError
from pytest_softhsm._objects import CKA_EC_PARAMS, CKA_EC_POINT, CKA_VALUE, CKK_EC_EDWARDS, pair

_P = 2**255 - 19
_D = -121665 * pow(121666, -1, _P) % _P
_BASE_Y = 4 * pow(5, -1, _P) % _P
_BASE_X = 15112221349535400772501151409588531511454012693041857206046113283949847762202
_SEED_LENGTH = 32

_EDWARDS25519 = b"\x13\x0cedwards25519"  # a DER PrintableString (PKCS#11 3.0 mechanisms, section 2.3.5)
_OCTET_STRING_32 = b"\x04\x20"

_Point = tuple[int, int, int, int]


def templates(seed: bytes, *, label: str, id: bytes) -> list[dict[str, str]]:  # noqa: A002 - CKA_ID's own name
    """Return the private and the public object (attribute type and value in hex) of a 32-byte *seed*."""
    return pair(
        CKK_EC_EDWARDS, label, id,
        both={CKA_EC_PARAMS: _EDWARDS25519},
        private={CKA_VALUE: seed},
        public={CKA_EC_POINT: _OCTET_STRING_32 + public_key(seed)},
    )  # fmt: skip


def public_key(seed: bytes) -> bytes:
    """Return the 32-byte public key of a 32-byte *seed* (RFC 8032, 5.1.5); SoftHSMError for no seed."""
    if len(seed) != _SEED_LENGTH:
        raise SoftHSMError(f"an Ed25519 seed has 32 bytes, not {len(seed)}")
    scalar = int.from_bytes(hashlib.sha512(seed).digest()[:_SEED_LENGTH], "little")
    scalar = scalar & ((1 << 254) - 8) | 1 << 254
    x, y, z, _ = _multiply(scalar, (_BASE_X, _BASE_Y, 1, _BASE_X * _BASE_Y % _P))
    inverse = pow(z, -1, _P)
    return (y * inverse % _P | (x * inverse % _P & 1) << 255).to_bytes(32, "little")


def _multiply(scalar: int, point: _Point) -> _Point:
    total: _Point = (0, 1, 1, 0)
    while scalar:
        if scalar & 1:
            total = _add(total, point)
        point = _add(point, point)
        scalar >>= 1
    return total


def _add(first: _Point, second: _Point) -> _Point:
    # Extended coordinates and the unified formulas of RFC 8032 §5.1.4.
    a = (first[1] - first[0]) * (second[1] - second[0])
    b = (first[1] + first[0]) * (second[1] + second[0])
    c = 2 * first[3] * second[3] * _D
    d = 2 * first[2] * second[2]
    e, f, g, h = (b - a) % _P, (d - c) % _P, (d + c) % _P, (b + a) % _P
    return e * f % _P, g * h % _P, f * g % _P, e * h % _P
