"""Which path a key has: a function of its role, its name and an index, and of nothing else.

A counter would need a table that survives the loss. A path of one 31-bit number per name would collide (with
probability 0.9 among 100,000 names); four of them have 124 bits. The split of the digest into four numbers is
that of SLIP-0013. The first number is 31 bits of SHA-256(`seedless recovery 1`), little-endian: this rule
has a version, and shares no path with a wallet.
"""

from __future__ import annotations

import hashlib
import struct
from typing import TYPE_CHECKING

from seedless.recovery import slip10
from seedless.seeds import SoftwareKey

if TYPE_CHECKING:
    from seedless.nkey import Role

PURPOSE = 1794018638
_31_BITS = slip10.HARDENED - 1


def path_of(role: Role, name: str, index: int = 0) -> tuple[int, ...]:
    """Return the path of the key of *role* with *name*; *index* distinguishes keys of the same name."""
    # The name as it is, without normal form or case: another program that restores keys has only this rule
    # and the names of the record.
    named = index.to_bytes(4, "little") + f"{role.name.lower()}:{name}".encode()
    numbers = struct.unpack("<4I", hashlib.sha256(named).digest()[:16])
    # The top bit is what "hardened" sets in each number: without the mask two digests would lead to one
    # path.
    return (PURPOSE, *(number & _31_BITS for number in numbers))


def key_of(secret: bytes, role: Role, name: str, index: int = 0) -> SoftwareKey:
    """Return the key of *role* with *name* and *index* below *secret* (16 to 64 bytes)."""
    return SoftwareKey(role, slip10.derive(secret, path_of(role, name, index)))
