"""PINs on their way to a token: which may be sent, and which never again.

A wrong PIN is never sent twice by this process, whoever tries; the last try is refused unless it was asked
for. A PIN that cannot be right for this family of devices is not sent at all.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from seedless.errors import PinError
from seedless.pkcs11._ckr import explain, name_of, pin_refused

if TYPE_CHECKING:
    from typing import Self

    from seedless.errors import TokenError
    from seedless.pin import PinSource
    from seedless.pkcs11.info import TokenInfo
    from seedless.pkcs11.module import Module

WRONG_PIN = frozenset({"PinIncorrect", "PinLocked"})
_FORM = frozenset({"ArgumentsBad", "PinLenRange", "PinInvalid"})


def require_try(info: TokenInfo, *, last_try: bool) -> None:
    """Raise `PinError` if no PIN may be sent to the token as it is now."""
    if info.user_pin_locked or (info.user_pin_final_try and not last_try):
        raise pin_refused(info, wrong=False)
    if not info.user_pin_initialised:
        raise PinError(f"{info.where} has no user PIN yet", "seedless token init sets one")


def ask(pins: PinSource, info: TokenInfo, module: Module) -> bytes | None:
    """Return a user PIN that may be sent to the token, None for its pad; raise `PinError` if none may be."""
    if info.protected_authentication_path:
        return None
    pin = encoded(pins.pin(info.where, info.tries), info)
    RefusedPin.of(module, info, pin).check(info)
    quirks = info.quirks
    if not quirks.takes_pin(pin):
        raise PinError(
            f"the PIN for {info.where} cannot be right, and it was not sent: it has another form",
            quirks.pin_hint,
        )
    return pin


def encoded(pin: str | None, info: TokenInfo) -> bytes:
    """Return *pin* as the bytes that PKCS#11 wants; raise `PinError` if there is none."""
    if not pin:
        raise PinError(
            f"no PIN was given for {info.where}", "give one by a prompt, env:NAME, file:PATH, fd:N or cmd:…"
        )
    try:
        return pin.encode("utf-8")
    except UnicodeEncodeError:
        raise PinError(f"the PIN for {info.where} is not UTF-8") from None


def not_logged_in(result: int, info: TokenInfo) -> TokenError:
    """Return the error for a C_Login that failed, though not for a wrong PIN."""
    name = name_of(result)
    if name == "ObjectHandleInvalid":
        # A YubiHSM whose authentication key the PIN names wrongly.
        return PinError(f"cannot log in on {info.where}: it knows no such user", info.quirks.pin_hint)
    error = explain(result, "log in", info.where)
    if name in _FORM and info.quirks.pin_hint:
        return PinError(error.message, info.quirks.pin_hint)
    return error


@dataclass(frozen=True, slots=True)
class RefusedPin:
    """A PIN that a token may have refused, as a digest under a key of this process: no PIN is kept."""

    digest: bytes
    _remembered: ClassVar[set[bytes]] = set()
    _key: ClassVar[bytes] = os.urandom(32)

    @classmethod
    def of(cls, module: Module, info: TokenInfo, pin: bytes, *, who: str = "user") -> Self:
        """Return the digest of *pin* for this token and for the user or the SO."""
        parts = (str(module.path), info.manufacturer, info.model, info.serial, info.label, who)
        framed = [len(part).to_bytes(4, "big") + part for part in (*map(str.encode, parts), pin)]
        return cls(hashlib.blake2b(b"".join(framed), key=cls._key, digest_size=32).digest())

    def check(self, info: TokenInfo) -> None:
        """Raise `PinError` if the token has refused this PIN before."""
        if self.digest in self._remembered:
            raise PinError(
                f"{info.where} has refused this PIN already, and it was not sent again",
                "give another PIN; after a change of the PIN start the program again",
            )

    def remember(self) -> None:
        """Remember that the token refused it."""
        self._remembered.add(self.digest)

    @classmethod
    def forget_all(cls) -> None:
        """Forget all: a token was initialised, and what was wrong may be right now."""
        cls._remembered.clear()
