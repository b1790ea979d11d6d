"""Signers by keys on a token: what the rest of seedless gets of PKCS#11.

A key is found by its public key, once for each session, and its two calls are prepared once. Whatever they
answer but success goes the long way: the session is thrown away, made anew if it was lost, explained. What a
token signed is given to nobody before it has been verified in software; a wrong signature is an error of the
token, and is not tried again.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import msgspec

from seedless.errors import BadSignature, TokenError, UsageError
from seedless.nkey import SIGNATURE_SIZE
from seedless.pkcs11 import watch
from seedless.pkcs11._ckr import require_ok
from seedless.pkcs11.lookup import only
from seedless.pkcs11.quirks import require_fits
from seedless.pkcs11.session import handle_of
from seedless.pkcs11.signing import require_touched, require_whole, sign_with

if TYPE_CHECKING:
    from collections.abc import Callable

    from pkcs11.types import Session

    from seedless.nkey import PublicKey
    from seedless.pkcs11.key import Key
    from seedless.pkcs11.lookup import KeyFinder
    from seedless.pkcs11.objects import Pair
    from seedless.pkcs11.quirks import Numbers
    from seedless.pkcs11.session import TokenSession


class TokenSigner:
    """A `Signer` by one private object. Its signatures are not verified; `Verified` does that.

    If the session is lost on the way, it is made anew once, and the key found again by its public key.
    """

    __slots__ = (
        "_ceiling",
        "_check",
        "_epoch",
        "_finder",
        "_id",
        "_numbers",
        "_pair",
        "_prepared",
        "public_key",
        "session",
    )

    def __init__(
        self,
        session: TokenSession,
        finder: KeyFinder,
        numbers: Numbers,
        public_key: PublicKey,
        key_id: bytes | None,
        check: Callable[[Key], None],
    ) -> None:
        """Find the key of *public_key*, which may have the CKA_ID *key_id*.

        Raise `NoKey`, or what *check* raises for a key that is refused.
        """
        self.session: Final = session
        self.public_key: Final = public_key
        self._finder: Final = finder
        self._id: Final = key_id
        self._numbers: Final = numbers
        self._check: Final = check
        self._ceiling: Final = session.info.quirks.largest_message  # once: it is wanted for every signature
        self._take(*session.again("find a key", self._seek))

    @property
    def named(self) -> str:
        """The key and its token in an error."""
        return f"the key {self._pair.key.named} on {self.session.info.where}"

    @property
    def logs_in_for_each(self) -> bool:
        """Whether the key wants the PIN for each signature (CKA_ALWAYS_AUTHENTICATE)."""
        return self._pair.key.attributes.always_authenticate is True

    def sign(self, message: bytes, /) -> bytes:
        """Return the 64-byte signature of *message*; raise `TokenError`, after which the session is gone."""
        if not isinstance(message, bytes):
            # The binding takes a bytearray, and then the session is wedged for good.
            raise UsageError(f"a message is bytes, not {type(message).__name__}")
        if self._ceiling is not None and len(message) > self._ceiling:
            require_fits(len(message), self.session.info)
        with self.session.turn:
            if watch.current is not watch.NOBODY:
                watch.current.signing(self.session.info)
            answer = None
            began = time.monotonic()
            if self._prepared is not None:
                answer = self.session.try_once(self._epoch, self._prepared, message)
                if answer is not None and answer[0] == 0 and len(answer[1]) == SIGNATURE_SIZE:
                    return answer[1]
            seconds = time.monotonic() - began
            return self._the_long_way(message, [] if answer is None else [(*answer, seconds)])

    def _the_long_way(self, message: bytes, answers: list[tuple[int, bytes, float]]) -> bytes:
        """Sign as `TokenSession.again` does things, the first time with the answer that came already."""

        def action(raw: Session) -> bytes:
            if answers:
                result, signature, seconds = answers.pop()
                require_touched(result, seconds, self.session.info)
                require_ok(result)
                return require_whole(signature, self.session)
            if self._epoch != self.session.epoch:
                self._take(*self._seek(raw))
            return sign_with(self.session, raw, self._pair, message, self._numbers)

        if self._pair.key.attributes.always_authenticate:
            with self.session.asking():
                return self.session.again("sign", action)
        return self.session.again("sign", action)

    def _seek(self, raw: Session) -> tuple[int, int, list[Pair]]:
        """Return the epoch and the handle of the session as it is, and the keys that match."""
        session = self.session
        return session.epoch, handle_of(raw), self._finder.find(raw, self.public_key.raw, self._id)

    def _take(self, epoch: int, handle: int, found: list[Pair]) -> None:
        """Take the one key that was *found*, and prepare its calls."""
        self._pair = only(found, self.public_key.raw, self.session.info.where)
        self._check(self._pair.key)
        self._epoch, self._prepared = epoch, self._calls(handle)

    def _calls(self, handle: int) -> Callable[[bytes], tuple[int, bytes]] | None:
        attributes = self._pair.key.attributes
        if attributes.always_authenticate or attributes.sign is False:
            return None
        functions, key = self.session.module.functions, self._pair.private.handle or 0
        return functions.signing(handle, self._numbers.sign, key, SIGNATURE_SIZE)


class Verified(msgspec.Struct, frozen=True):
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
