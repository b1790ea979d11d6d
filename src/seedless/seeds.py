"""Software keys, for users and tests: the only module that may hold a seed.

Facts: nats-io/nkeys 0.4.11 `strkey.go` (58 characters: two prefix bytes, 32 secret bytes, CRC-16).
"""

from __future__ import annotations

import os

from seedless.errors import BadKey
from seedless.nkey import KEY_SIZE, PublicKey, Role, pack, unpack

__all__ = ["SoftwareKey"]

_SEED_PREFIX = 18 << 3  # "S"
_TEXT_LENGTH = 58
_TOP_BITS = 0xF8


class SoftwareKey:
    """An Ed25519 key pair in memory; a `Signer`. Its repr shows the public key only."""

    __slots__ = ("_seed", "_signing_key", "public_key")

    def __init__(self, role: Role, seed: bytes) -> None:
        """Make the key pair of *role* from the 32-byte *seed*."""
        if len(seed) != KEY_SIZE:
            raise BadKey(f"a seed has {KEY_SIZE} bytes, not {len(seed)}", reason="length")
        self._seed = seed
        if role is Role.CURVE:
            from nacl.bindings import crypto_scalarmult_base  # only where a seed is used

            self._signing_key = b""
            self.public_key = PublicKey(role, crypto_scalarmult_base(seed))
        else:
            from nacl.bindings import crypto_sign_seed_keypair

            public, self._signing_key = crypto_sign_seed_keypair(seed)
            self.public_key = PublicKey(role, public)

    @classmethod
    def generate(cls, role: Role) -> SoftwareKey:
        """Make a new key pair from the system's randomness."""
        return cls(role, os.urandom(KEY_SIZE))

    @classmethod
    def parse(cls, text: str | bytes) -> SoftwareKey:
        """Read the 58-character text `S…` of a seed; raise `BadKey`, which never quotes it."""
        if isinstance(text, bytes):
            raise BadKey("a seed is text, these are bytes", reason="alphabet")
        # nkeys 0.4.11 does not check the length: it uses the first 32 of 33 bytes, and fails later at 31.
        if len(text) != _TEXT_LENGTH:
            raise BadKey(f"a seed has {_TEXT_LENGTH} characters, not {len(text)}", reason="length")
        first, rest = unpack(text)
        role = next((r for r in Role if r.prefix == ((first & 7) << 5 | rest[0] >> 3)), None)
        # nkeys ignores the low three bits of the second byte: one seed would have eight spellings.
        if first & _TOP_BITS != _SEED_PREFIX or role is None or rest[0] & 7:
            raise BadKey(
                "the text does not begin like a seed",
                "seeds begin with SO, SA, SU, SN, SC or SX",
                reason="prefix",
            )
        return cls(role, rest[1:])

    def reveal(self) -> str:
        """Return the 58-character text of the seed: for creds files and key files, nowhere else."""
        prefix = self.public_key.role.prefix
        return pack(bytes([_SEED_PREFIX | prefix >> 5, (prefix & 31) << 3]) + self._seed)

    def reveal_raw(self) -> bytes:
        """Return the 32 secret bytes, to be put on a token."""
        return self._seed

    def shared_with(self, other: PublicKey) -> bytes:
        """Return the 32 bytes that seal what this curve key and *other* send each other (NaCl's crypto_box).

        Raise `BadKey` unless both are curve keys, and for one of small order, with which nothing is secret.
        """
        from nacl.bindings import crypto_box_beforenm
        from nacl.exceptions import CryptoError

        for key in (self.public_key, other):
            if key.role is not Role.CURVE:
                raise BadKey(f"{key} is not a curve key: it cannot encrypt", reason="role")
        try:
            return crypto_box_beforenm(other.raw, self._seed)
        except (CryptoError, RuntimeError):
            raise BadKey(
                f"{other} is a key of small order, with which nothing is secret", reason="role"
            ) from None

    def sign(self, message: bytes, /) -> bytes:
        """Return the 64-byte signature of *message* (RFC 8032, pure Ed25519)."""
        from nacl.bindings import crypto_sign  # only where a seed is used

        if not self._signing_key:
            raise BadKey(f"{self.public_key} is a curve key: it encrypts and cannot sign", reason="role")
        return crypto_sign(message, self._signing_key)[:64]

    def __repr__(self) -> str:
        return f"SoftwareKey({self.public_key})"
