"""NATS public keys: a role and 32 bytes, written as base32 of prefix, key and CRC-16.

Facts: nats-io/nkeys 0.4.11, `strkey.go` and `crc16.go`. Unlike it we refuse keys whose length is not
32 bytes, text with line breaks inside, unused bits that are not zero, and the low bits of a prefix.
"""

from __future__ import annotations

import binascii
import enum
import functools
from typing import Any

import msgspec

from seedless.errors import BadKey, BadSignature

__all__ = ["KEY_SIZE", "SIGNATURE_SIZE", "PublicKey", "Role", "base32", "pack", "unpack"]

SIGNATURE_SIZE = 64
KEY_SIZE = 32
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_ALPHABET = frozenset(_LETTERS)
_TEXT_LENGTH = 56
# `int(text, 32)` reads 56 letters in one call of C; base64.b32decode is several times slower and accepts
# spellings that are refused here.
_PYTHONS_DIGITS = str.maketrans(_LETTERS, "0123456789ABCDEFGHIJKLMNOPQRSTUV")  # of base 32
_PAIRS = tuple(high + low for high in _LETTERS for low in _LETTERS)  # two letters, ten bits
# A store of thousands of accounts names few issuers; each account's key is met some times in a row and
# then no more.
_KNOWN = 1024  # keys: an operator's issuers, and the accounts of a while
_LONG_ENOUGH = 40  # to be what is left of a seed

# The encodings of the points of order 1, 2, 4 and 8 without their sign bit, as libsodium refuses them.
# Go's Ed25519 accepts such a key, for which anybody can make a signature that verifies; libsodium refuses
# it. A jwt by one proves nothing, so it is refused with a sentence of its own.
_SMALL_ORDER = frozenset(
    bytes.fromhex(point)
    for point in (
        "00" * 32,
        "01" + "00" * 31,
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "ec" + "ff" * 30 + "7f",
        "ed" + "ff" * 30 + "7f",
        "ee" + "ff" * 30 + "7f",
    )
)


class Role(enum.Enum):
    """What a key is for; the value is the first letter of its public text."""

    OPERATOR = "O"
    ACCOUNT = "A"
    USER = "U"
    SERVER = "N"
    CLUSTER = "C"
    CURVE = "X"

    @property
    def prefix(self) -> int:
        """The prefix byte: the letter's place in the alphabet, shifted left by three."""
        return (ord(self.value) - ord("A")) << 3


# Whole bytes. nkeys masks the low three bits of a prefix in some of its functions and not in others, so
# one key would have eight spellings.
_ROLES = {role.prefix: role for role in Role}


class PublicKey(msgspec.Struct, frozen=True, order=True, gc=False, cache_hash=True):
    """A role and the 32 raw bytes of an Ed25519 (curve keys: X25519) public key."""

    role: Role
    raw: bytes

    def __post_init__(self) -> None:
        if len(self.raw) != KEY_SIZE:
            raise BadKey(f"a public key has {KEY_SIZE} bytes, not {len(self.raw)}", reason="length")

    @classmethod
    def parse(cls, text: str | bytes) -> PublicKey:
        """Read the 56-character NATS text; raise `BadKey`, whose `reason` reports what is wrong."""
        if isinstance(text, bytes):
            raise BadKey("a key is text, these are bytes", reason="alphabet")
        if len(text) == _TEXT_LENGTH:
            # The length is looked at first: nkeys 0.4.11 checks none, and a key of 31 bytes with a right
            # checksum makes Ed25519 panic in Go.
            return _parsed(text)
        if text.strip()[:1] in {"S", "P"} and len(text) > _LONG_ENOUGH:
            # Not quoted: whoever pasted a secret here should not find it in a log.
            raise BadKey("this is a seed or a private key, not a public key", _SEED_HINT, reason="prefix")
        raise BadKey(
            f"{_shown(text)} has {len(text)} characters, a public key has {_TEXT_LENGTH}",
            "copy the whole key: O…, A…, U…, N…, C… or X…",
            reason="length",
        )

    def __str__(self) -> str:
        return _spelled(self.role, self.raw)

    @property
    def fingerprint(self) -> str:
        """The role and 80 bits of SHA-256 over the raw key, in base32: `O:ABCD-EFGH-IJKL-MNOP`.

        For people who compare keys aloud; 80 bits are out of reach for who searches a key with the same one.
        """
        import base64  # rarely asked for
        import hashlib  # loads OpenSSL

        text = base64.b32encode(hashlib.sha256(self.raw).digest()[:10]).decode("ascii")
        return f"{str(self)[0]}:{'-'.join(text[start : start + 4] for start in range(0, 16, 4))}"

    def verify(self, signature: bytes, message: bytes) -> None:
        """Raise `BadSignature` unless *signature* (64 bytes) is over *message* (RFC 8032, pure Ed25519).

        Small-order keys and non-canonical signatures are refused, as libsodium does.
        """
        crypto_sign_open, bad_signature = _libsodium()
        # An X25519 key has 32 bytes too, and libsodium would take them for a point of the other curve.
        if self.role is Role.CURVE:
            raise BadSignature(f"{self} is a curve key: it encrypts and cannot sign")
        if len(signature) != SIGNATURE_SIZE:
            raise BadSignature(f"a signature has {SIGNATURE_SIZE} bytes, this one has {len(signature)}")
        try:
            crypto_sign_open(signature + message, self.raw)
        except bad_signature:
            if _is_small_order(self.raw):
                raise BadSignature(
                    f"{self} is a key of small order, for which anyone can sign", rule="small-order-key"
                ) from None
            if _is_small_order(signature[:KEY_SIZE]):
                raise BadSignature(
                    f"the signature is not by {self}, or begins with a point of small order",
                    rule="small-order-key",
                ) from None
            raise BadSignature(f"the signature is not by {self}") from None


@functools.lru_cache(_KNOWN)
def _parsed(text: str) -> PublicKey:
    prefix, raw = unpack(text)
    role = _ROLES.get(prefix)
    if role is None:
        raise BadKey(
            f"{_shown(text)} does not begin like a public key",
            "public keys begin with O, A, U, N, C or X",
            reason="prefix",
        )
    return PublicKey(role, raw)


@functools.lru_cache(_KNOWN)
def _spelled(role: Role, raw: bytes) -> str:
    return pack(bytes([role.prefix]) + raw)


@functools.cache
def _libsodium() -> tuple[Any, type[Exception]]:
    """Return what opens a signed message, and its error; verification is the first use of libsodium."""
    from nacl.bindings import crypto_sign_open
    from nacl.exceptions import BadSignatureError

    return crypto_sign_open, BadSignatureError


def _is_small_order(point: bytes) -> bool:
    return point[:-1] + bytes([point[-1] & 0x7F]) in _SMALL_ORDER


_SEED_HINT = "never paste seeds; the public key of a seed is what `seedless key show` prints"


def pack(data: bytes) -> str:
    """Return base32 (upper case, no padding) of *data* and its CRC-16, little-endian."""
    # Over the prefix too: a key whose role letter was changed by hand fails here.
    checksum = binascii.crc_hqx(data, 0)  # CRC-16/XMODEM
    return base32(data + checksum.to_bytes(2, "little"))


def base32(data: bytes) -> str:
    """Return *data* in base32 (RFC 4648, section 6), upper case, without padding."""
    bits = 8 * len(data)
    number = int.from_bytes(data, "big") << -bits % 10
    pairs = [_PAIRS[number >> shift & 0x3FF] for shift in range(bits + -bits % 10 - 10, -1, -10)]
    return "".join(pairs)[: -(-bits // 5)]


def unpack(text: str) -> tuple[int, bytes]:
    """Return the first byte and the rest that *text* holds, its CRC-16 checked; raise `BadKey`."""
    if len(text) == _TEXT_LENGTH and _ALPHABET.issuperset(
        text
    ):  # 56 letters are 35 bytes without a bit to spare
        data = int(text.translate(_PYTHONS_DIGITS), 32).to_bytes(KEY_SIZE + 3, "big")
        if binascii.crc_hqx(data[:-2], 0) == int.from_bytes(data[-2:], "little"):
            return data[0], data[1:-2]
    stray = next((c for c in text if c not in _ALPHABET), None)
    if stray is not None:
        raise BadKey(
            f"a key is written in A-Z and 2-7, not {stray!a}",
            "look for a lower-case letter, a blank, or 0 for O, 1 for I, 8 for B",
            reason="alphabet",
        )
    import base64  # for seeds, and to report what is wrong

    try:
        data = base64.b32decode(text + "=" * (-len(text) % 8))
    except binascii.Error:
        raise BadKey(f"no key has {len(text)} characters", reason="length") from None
    body, checksum = data[:-2], data[-2:]
    if len(body) < 1:
        raise BadKey(f"no key has {len(text)} characters", reason="length")
    # A seed has 58 letters for 288 bits: its last letter carries two unused bits, so there are four
    # spellings that Go reads as one seed.
    if pack(body) != text:
        if binascii.crc_hqx(body, 0).to_bytes(2, "little") == checksum:
            raise BadKey("the last character of the key is not spelled the usual way", reason="alphabet")
        raise BadKey(
            "the checksum of the key is wrong", "a character is mistyped or missing", reason="checksum"
        )
    return body[0], body[1:]


def _shown(text: str) -> str:
    """Return *text* safe to print and cut: a key in an error is reported by its beginning."""
    start = text[:8]
    return ascii(start + "…" if len(text) > len(start) else start).replace("\\u2026", "…")
