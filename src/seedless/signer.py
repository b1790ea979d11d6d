"""The port to a key: a public key and a way to sign. Nothing about seeds, nothing about PKCS#11."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from seedless.nkey import PublicKey

__all__ = ["Signer", "checked"]


class Signer(Protocol):
    """Sign bytes with one Ed25519 key, wherever it lives."""

    @property
    def public_key(self) -> PublicKey:
        """The key that the signatures verify under."""

    def sign(self, message: bytes, /) -> bytes:
        """Return the 64-byte signature of *message* (RFC 8032, pure Ed25519)."""


@dataclass(frozen=True, slots=True)
class _Checked:
    inner: Signer

    @property
    def public_key(self) -> PublicKey:
        return self.inner.public_key

    def sign(self, message: bytes, /) -> bytes:
        signature = self.inner.sign(message)
        self.inner.public_key.verify(signature, message)
        return signature


def checked(signer: Signer) -> Signer:
    """Return *signer* with every signature verified in software; a wrong one raises `BadSignature`.

    Tokens do return wrong signatures without an error: drivers under threads, firmware that signs only
    the first 32 bytes, a flipped bit in a key file.
    """
    return _Checked(signer)
