"""Signatures by a key on a token: CKM_EDDSA without parameter, which is pure Ed25519 (PKCS#11 3.0 §2.3.14).

Test signatures are over a challenge that can never be taken for claims.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pkcs11.exceptions import PinIncorrect, PinLocked
from pkcs11.mechanisms import Mechanism
from pkcs11.types import SignMixin

from seedless.errors import BadSignature, TokenError, UsageError
from seedless.nkey import SIGNATURE_SIZE, PublicKey
from seedless.pkcs11.module import read_info
from seedless.pkcs11.session import ask

if TYPE_CHECKING:
    from pkcs11.types import Object, Slot

    from seedless.pin import PinSource
    from seedless.pkcs11.info import TokenInfo
    from seedless.pkcs11.key import Key
    from seedless.pkcs11.session import TokenSession

_CHALLENGE = "seedless challenge v1"


def challenge(purpose: str, random: bytes) -> bytes:
    """Return a message for a test signature: a marked line with *purpose*, a line of *random* in hex, a NUL.

    A jwt's signing input is base64url and one dot; blanks, line ends and the NUL are neither. Raise
    `UsageError` for a purpose that is not plain ASCII words.
    """
    if not purpose.isascii() or not purpose.isprintable():
        raise UsageError("the purpose of a challenge is plain ASCII")
    return f"{_CHALLENGE} {purpose}\n{random.hex()}\n\0".encode("ascii")


def require_eddsa(slot: Slot, info: TokenInfo) -> None:
    """Raise `TokenError` unless the token lists CKM_EDDSA."""
    if Mechanism.EDDSA not in slot.get_mechanisms():
        raise TokenError(
            f"{info.where} cannot sign with Ed25519: it does not list CKM_EDDSA",
            "use a token that can: a YubiKey from 5.7, a YubiHSM 2, SoftHSM 2.5 or newer",
        )


class TokenSigner:
    """A `Signer` by one private object in one session. Wrapped in `checked` before anybody gets it."""

    __slots__ = ("_item", "_key", "_pins", "_session", "public_key")

    def __init__(
        self, session: TokenSession, item: Object, key: Key, public_key: PublicKey, pins: PinSource
    ) -> None:
        """Sign with *item*; *pins* is asked again for each signature if the key wants that."""
        self._session: Final = session
        self._item: Final = item
        self._key: Final = key
        self._pins: Final = pins
        self.public_key: Final = public_key

    def sign(self, message: bytes, /) -> bytes:
        """Return the 64-byte signature of *message*; raise `TokenError`, after which the session is gone."""
        if not isinstance(message, bytes):
            # A bytearray wedges the session for good in SoftHSM.
            raise UsageError(f"a message is bytes, not {type(message).__name__}")
        if self._key.attributes.always_authenticate:
            return self._sign_with_pin(message)
        with self._session.use("sign"):
            return sign_with(self._item, message)

    def _sign_with_pin(self, message: bytes) -> bytes:
        session = self._session
        with session.module.login:
            with session.use("sign"):
                info = read_info(session.slot)
            if info.protected_authentication_path:
                raise TokenError(
                    f"the key {self._key.named} wants the PIN on the pad of {info.where} for each signature",
                    "use a key without CKA_ALWAYS_AUTHENTICATE",
                )
            pin = ask(self._pins, info, session.module, last_try=False)
            with session.use("sign"):
                try:
                    return sign_with(self._item, message, (pin or b"").decode("utf-8"))
                except (PinIncorrect, PinLocked):
                    raise session.refused(pin) from None


def sign_with(item: Object, message: bytes, pin: str | None = None) -> bytes:
    """Sign with a private object; raise `TokenError` if it may not, `BadSignature` if the size is wrong."""
    if not isinstance(item, SignMixin):
        raise TokenError("the key on the token is not allowed to sign", "make a key with CKA_SIGN")
    signature = item.sign(message, mechanism=Mechanism.EDDSA, pin=pin)
    if len(signature) != SIGNATURE_SIZE:
        raise BadSignature(f"the token returned {len(signature)} bytes, a signature has {SIGNATURE_SIZE}")
    return bytes(signature)
