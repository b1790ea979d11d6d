"""Signatures by one thread that has a driver to itself, as a worker of a pool has: two calls and little else.

The way of `TokenSigner` is safe for threads and costs a dozen function calls, by which a fast token loses
some 4 %. Here C_SignInit and C_Sign are called with what was looked up before. Whatever they answer but
success goes the long way, as if it had been answered there: the session is thrown away, made anew if it was
lost, explained.
"""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING

from seedless.nkey import SIGNATURE_SIZE
from seedless.pkcs11._ckr import require_ok
from seedless.pkcs11._cryptoki import _Mechanism
from seedless.pkcs11.session import handle_of
from seedless.pkcs11.signers import TokenSigner

if TYPE_CHECKING:
    from collections.abc import Callable

    from pkcs11.types import Session

    from seedless.signer import Signer


def fast(signer: Signer) -> Callable[[bytes], bytes]:
    """Return a function that signs as *signer* does, for one thread alone; nothing is verified."""
    if not isinstance(signer, TokenSigner):
        return signer.sign
    attributes = signer._pair.key.attributes  # noqa: SLF001 - the same package
    is_plain = not attributes.always_authenticate and attributes.sign is not False
    return _Fast(signer).sign if is_plain else signer.sign


class _Fast:
    """What the two calls want, looked up once for each session."""

    __slots__ = (
        "_ceiling",
        "_epoch",
        "_init",
        "_key",
        "_length",
        "_length_place",
        "_mechanism",
        "_session",
        "_sign",
        "_signature",
        "_signer",
    )

    def __init__(self, signer: TokenSigner) -> None:
        functions = signer.session.module.functions._by_name  # noqa: SLF001 - the same package
        self._init, self._sign = functions["C_SignInit"], functions["C_Sign"]
        self._mechanism = ctypes.byref(_Mechanism(signer._numbers.sign))  # noqa: SLF001 - the same package
        self._ceiling = signer.session.info.quirks.largest_message or (1 << 62)
        self._signature, self._length = _Signature(), _Ulong()
        self._length_place = ctypes.byref(self._length)
        self._signer = signer
        self._learn()

    def _learn(self) -> None:
        session, pair = self._signer.session, self._signer._pair  # noqa: SLF001 - the same package
        raw = session._raw  # noqa: SLF001 - the same package
        self._session = _Ulong(handle_of(raw) if raw is not None else 0)
        self._key = _Ulong(pair.private.handle or 0)
        self._epoch = session.epoch if raw is not None else -1

    def sign(self, message: bytes) -> bytes:
        """Return the 64-byte signature of *message*; raise as `TokenSigner.sign`."""
        if self._epoch != self._signer.session.epoch or len(message) > self._ceiling:
            return self._relearned(lambda: self._signer.sign(message))
        result = self._init(self._session, self._mechanism, self._key)
        if result == 0:
            self._length.value = SIGNATURE_SIZE
            result = self._sign(self._session, message, len(message), self._signature, self._length_place)
            if result == 0 and self._length.value == SIGNATURE_SIZE:
                return self._signature.raw
        return self._the_long_way(message, result)

    def _the_long_way(self, message: bytes, result: int) -> bytes:
        seen = [result]

        def action(raw: Session) -> bytes:
            require_ok(seen.pop() if seen else 0)
            return self._signer._sign(raw, message)  # noqa: SLF001 - the same package

        return self._relearned(lambda: self._signer.session.again("sign", action))

    def _relearned(self, sign: Callable[[], bytes]) -> bytes:
        try:
            return sign()
        finally:
            self._learn()


_Signature = ctypes.c_char * SIGNATURE_SIZE
_Ulong = ctypes.c_ulong
