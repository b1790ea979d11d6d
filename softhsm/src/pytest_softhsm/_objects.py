"""Attributes of PKCS#11 objects, by the names and numbers of its header files, and a key as two objects.

Types and values are in hex: so they travel as JSON to a child process that stores them.
"""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


def _ulong(value: int) -> bytes:
    return bytes(ctypes.c_ulong(value))


CKO_PUBLIC_KEY, CKO_PRIVATE_KEY = _ulong(2), _ulong(3)
CKK_RSA, CKK_EC, CKK_EC_EDWARDS = _ulong(0), _ulong(3), _ulong(0x40)
CKA_CLASS, CKA_TOKEN, CKA_PRIVATE, CKA_LABEL, CKA_VALUE = "0", "1", "2", "3", "11"
CKA_KEY_TYPE, CKA_ID, CKA_SENSITIVE = "100", "102", "103"
CKA_ENCRYPT, CKA_DECRYPT, CKA_SIGN, CKA_VERIFY, CKA_DERIVE = "104", "105", "108", "10a", "10c"
CKA_MODULUS, CKA_PUBLIC_EXPONENT = "120", "122"
CRT_PARAMETERS = ("123", "124", "125", "126", "127", "128")
"""Private exponent, both primes, both exponents, coefficient: the order of RFC 8017, A.1.2, too."""
CKA_EXTRACTABLE, CKA_EC_PARAMS, CKA_EC_POINT = "162", "180", "181"
TRUE, FALSE = b"\1", b"\0"


def pair(
    key_type: bytes,
    label: str,
    id_: bytes,
    *,
    both: Mapping[str, bytes],
    private: Mapping[str, bytes],
    public: Mapping[str, bytes],
) -> list[dict[str, str]]:
    """Return the private (sensitive, not extractable) and the public object of a key."""
    shared = {CKA_KEY_TYPE: key_type, CKA_TOKEN: TRUE, CKA_LABEL: label.encode(), CKA_ID: id_, **both}
    secret = {
        CKA_CLASS: CKO_PRIVATE_KEY,
        CKA_PRIVATE: TRUE,
        CKA_SENSITIVE: TRUE,
        CKA_EXTRACTABLE: FALSE,
        CKA_SIGN: TRUE,
        **private,
    }
    # Not private: a program may look for a public key before it logs in.
    open_to_all = {CKA_CLASS: CKO_PUBLIC_KEY, CKA_PRIVATE: FALSE, CKA_VERIFY: TRUE, **public}
    return [{kind: value.hex() for kind, value in {**shared, **own}.items()} for own in (secret, open_to_all)]
