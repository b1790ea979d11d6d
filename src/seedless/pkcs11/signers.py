"""Signers by keys on a token: what the rest of seedless gets of PKCS#11.

A key is found by its public key, once for each session. What a token signed is given to nobody before it has
been verified in software; a wrong signature is an error of the token, and is not tried again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from seedless.errors import BadSignature, TokenError, UsageError
from seedless.pkcs11.lookup import matching, only
from seedless.pkcs11.quirks import require_fits
from seedless.pkcs11.signing import sign_with

if TYPE_CHECKING:
    from collections.abc import Callable

    from pkcs11.types import Session

    from seedless.nkey import PublicKey
    from seedless.pkcs11.key import Key
    from seedless.pkcs11.objects import Pair
    from seedless.pkcs11.quirks import Numbers
    from seedless.pkcs11.session import TokenSession


class TokenSigner:
    """A `Signer` by one private object. Its signatures are not verified; `Verified` does that.

    If the session is lost on the way, it is made anew once, and the key found again by its public key.
    """

    __slots__ = ("_ceiling", "_check", "_epoch", "_numbers", "_pair", "public_key", "session")

    def __init__(
        self,
        session: TokenSession,
        public_key: PublicKey,
        numbers: Numbers,
        check: Callable[[Key], None],
    ) -> None:
        """Find the key of *public_key*; raise `NoKey`, or what *check* raises for a key that is refused."""
        self.session: Final = session
        self.public_key: Final = public_key
        self._numbers: Final = numbers
        self._check: Final = check
        self._ceiling: Final = session.info.quirks.largest_message  # once: it is wanted for every signature
        found = session.again("find a key", self._matching)
        self._pair = self._only(found)
        self._epoch = session.epoch

    @property
    def named(self) -> str:
        """The key and its token in an error."""
        return f"the key {self._pair.key.named} on {self.session.info.where}"

    def sign(self, message: bytes, /) -> bytes:
        """Return the 64-byte signature of *message*; raise `TokenError`, after which the session is gone."""
        if not isinstance(message, bytes):
            # The binding takes a bytearray, and then the session is wedged for good.
            raise UsageError(f"a message is bytes, not {type(message).__name__}")
        if self._ceiling is not None and len(message) > self._ceiling:
            require_fits(len(message), self.session.info)
        session = self.session
        if self._pair.key.attributes.always_authenticate:
            with session.asking():
                return session.again("sign", lambda raw: self._sign(raw, message))
        return session.again("sign", lambda raw: self._sign(raw, message))

    def _sign(self, raw: Session, message: bytes) -> bytes:
        if self._epoch != self.session.epoch:
            self._pair = self._only(self._matching(raw))
            self._epoch = self.session.epoch
        return sign_with(self.session, raw, self._pair, message, self._numbers)

    def _matching(self, raw: Session) -> list[Pair]:
        return matching(self.session, raw, self.public_key.raw, self._numbers)

    def _only(self, found: list[Pair]) -> Pair:
        pair = only(found, self.public_key.raw, self.session.info.where)
        self._check(pair.key)
        return pair


@dataclass(frozen=True, slots=True)
class Verified:
    """A `Signer` whose signatures have all been verified under its public key."""

    inner: TokenSigner

    @property
    def public_key(self) -> PublicKey:
        """The key that the signatures verify under."""
        return self.inner.public_key

    def sign(self, message: bytes, /) -> bytes:
        """Return the 64-byte signature of *message*; raise `TokenError` for a wrong one, which nobody gets.

        Tokens do return wrong signatures without an error: drivers under threads, firmware that signs only
        the first 32 bytes, a flipped bit in a key file.
        """
        signature = self.inner.sign(message)
        try:
            self.inner.public_key.verify(signature, message)
        except BadSignature as error:
            self.inner.session.close("its session was thrown away after a wrong signature")
            raise TokenError(
                f"{self.inner.named} gave a wrong signature: it does not verify under {self.public_key}",
                "do not sign with this token until you know why: its driver, its firmware or its files",
            ) from error
        return signature
