"""PINs on their way to a token: which may be sent, and which never again.

A PIN that the token has refused is not sent again, and none is sent again by itself: after a wrong PIN only a
person who types is asked for another. The last try is refused unless it was asked for. A PIN
that cannot be right for this family of devices is not sent at all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from seedless.errors import PinError
from seedless.pin import asks_again
from seedless.pkcs11 import watch
from seedless.pkcs11._ckr import explain, name_of, pin_refused
from seedless.pkcs11.refused import RefusedPin

if TYPE_CHECKING:
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
    """Return a user PIN that may be sent to the token, None for its pad; raise `PinError` if none may be.

    A person who types one that the token has refused before, or that cannot be right, is asked again: it was
    not sent.
    """
    if info.protected_authentication_path:
        return None
    while True:
        with watch.current.asking():
            given = pins.pin(info.where, info.tries)
        try:
            return _fit(encoded(given, info), info, module)
        except PinError as error:
            if not asks_again(pins, error.message):
                raise


def _fit(pin: bytes, info: TokenInfo, module: Module) -> bytes:
    """Return *pin*; raise `PinError` where it must not be sent, or cannot be right."""
    RefusedPin.of(module.path, info.where, pin).check()
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
    error = explain(result, "log in", info.where, info.quirks)
    if name in _FORM and info.quirks.pin_hint:
        return PinError(error.message, info.quirks.pin_hint)
    return error
