"""One session on a token, and the login.

The binding's own login leaks the session when it fails, and its close logs every session of the token out.
Here a session is opened without a login and C_Login is called on it; closing closes this session and nothing
else, and the driver logs out with the last one. Any error inside a session throws it away: some can be wedged
for good. A wrong PIN is never sent twice by this process, and the last try is refused unless it was asked
for.
"""

from __future__ import annotations

import hashlib
import os
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

from seedless.errors import PinError, TokenError
from seedless.pkcs11._ckr import explain, explained, name_of, pin_refused
from seedless.pkcs11._cryptoki import CKR_OK, CKU_USER
from seedless.pkcs11.key import lenient_mapper
from seedless.pkcs11.module import read_info

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType
    from typing import Self

    from pkcs11.types import Session, Slot

    from seedless.pin import PinSource
    from seedless.pkcs11.info import TokenInfo
    from seedless.pkcs11.module import Module


class TokenSession:
    """A session of ours. After an error, or `close`, it is dead; a second `close` does nothing."""

    __slots__ = ("_raw", "_where", "_why_dead", "info", "module", "slot")

    def __init__(self, module: Module, slot: Slot, info: TokenInfo, *, writable: bool) -> None:
        """Open a session on the token in *slot*, without a login."""
        self.module: Final = module
        self.slot: Final = slot
        self.info: Final = info
        self._where: Final = info.where  # once: it is wanted for every signature
        self._why_dead = ""
        with module.calls(), explained("open a session", info.where):
            self._raw: Session | None = slot.get_token().open(rw=writable, attribute_mapper=lenient_mapper())

    @contextmanager
    def use(self, doing: str) -> Iterator[Session]:
        """Give the binding's session for one thing; whatever goes wrong, it is thrown away and explained."""
        with self.module.calls():
            if self._raw is None:
                raise TokenError(
                    f"cannot {doing} on {self.info.where}: {self._why_dead}", "open the token again"
                )
            try:
                with explained(doing, self._where):
                    yield self._raw
            except BaseException:
                self.close("its session was thrown away after an error")
                raise

    def close(self, why: str = "its session has been closed") -> None:
        """Close this session and no other. Errors are of no interest: the session is gone in any case."""
        raw, self._raw = self._raw, None
        if raw is None:
            return
        self._why_dead = why
        if not self.module.is_foreign:
            with self.module.calls():
                self.module.functions.close_session(raw.handle)  # type: ignore[attr-defined]  # the stub lacks it

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def log_in(self, pins: PinSource, *, last_try: bool) -> None:
        """Log the user in, if the token wants that and this process has not done so; raise `PinError`.

        Threads wait for one another, so that one is asked for the PIN and a wrong one is sent once.
        """
        if not self.info.login_required:
            return
        with self.module.login:
            with self.use("log in") as raw:
                handle: int = raw.handle  # type: ignore[attr-defined]  # the stub lacks it
                if self.module.functions.is_logged_in(handle):
                    return
                info = read_info(self.slot)
            pin = ask(pins, info, self.module, last_try=last_try)
            with self.module.calls():
                result = self.module.functions.login(handle, CKU_USER, pin)
            if result == CKR_OK or name_of(result) == "UserAlreadyLoggedIn":
                return
            if name_of(result) in {"PinIncorrect", "PinLocked"}:
                raise self.refused(pin)
            raise explain(result, "log in", info.where)

    def refused(self, pin: bytes | None) -> PinError:
        """Remember that the token refused *pin*; return the error, with the tries that are left now."""
        if pin is not None:
            RefusedPin.of(self.module, self.info, pin).remember()
        with self.module.calls(), explained("log in", self.info.where):
            return pin_refused(read_info(self.slot), wrong=True)


def ask(pins: PinSource, info: TokenInfo, module: Module, *, last_try: bool) -> bytes | None:
    """Return a user PIN that may be sent to the token, None for its pad; raise `PinError` if none may be."""
    if info.user_pin_locked or (info.user_pin_final_try and not last_try):
        raise pin_refused(info, wrong=False)
    if not info.user_pin_initialised:
        raise PinError(f"{info.where} has no user PIN yet", "seedless token init sets one")
    if info.protected_authentication_path:
        return None
    pin = encoded(pins.pin(info.where, info.tries), info)
    RefusedPin.of(module, info, pin).check(info)
    return pin


def encoded(pin: str | None, info: TokenInfo) -> bytes:
    """Return *pin* as the bytes that PKCS#11 wants; raise `PinError` if there is none."""
    if not pin:
        raise PinError(
            f"no PIN was given for {info.where}", "give one by a prompt, env:NAME, file:PATH or fd:N"
        )
    try:
        return pin.encode("utf-8")
    except UnicodeEncodeError:
        raise PinError(f"the PIN for {info.where} is not UTF-8") from None


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
