"""One session on a token, its login, and the one place where a lost session is opened again.

The binding's own login leaks the session when it fails, and its close logs every session of the token out.
Here a session is opened without a login and C_Login is called on it; closing closes this session and nothing
else, and the driver logs out with the last one. Any error inside a session closes it: some can be wedged for
good. What `again` does is then tried once more: the driver is initialised again, the same token opened, and
the PIN that this token accepted before is sent again, never another one and never one that failed. That PIN
is cached for the life of the session, as bytes that no repr shows, because keys that require it for each
signature could not be used for a plan of fifty jwts else.

A PIN that the token has rejected is not sent again, and none is sent again by itself: after a wrong PIN only
a person who types is asked for another. The last try is refused unless it was asked for. A PIN that cannot be
right for this family of devices is not sent at all.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

import msgspec
from pkcs11.exceptions import SessionHandleInvalid

from seedless.errors import NoToken, PinError, TokenError
from seedless.pin import RejectedPin, asks_again
from seedless.pkcs11 import observer
from seedless.pkcs11.cryptoki import CKR_OK, CKU_CONTEXT_SPECIFIC, CKU_USER
from seedless.pkcs11.keys import lenient_mapper
from seedless.pkcs11.module import read_token_info
from seedless.pkcs11.return_values import (
    explain,
    explained,
    failed_again,
    is_loss,
    name_of,
    pin_rejected,
    require_ok,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType
    from typing import Self

    from pkcs11.types import Session, Slot

    from seedless.pin import PinSource
    from seedless.pkcs11.module import Module
    from seedless.pkcs11.token_info import TokenInfo


# Only these count as a wrong PIN, which is remembered and never sent again. Any other failure of C_Login
# leaves the PIN as good as it was.
WRONG_PIN = frozenset({"PinIncorrect", "PinLocked"})
# What drivers answer to a PIN that cannot be right by its form: ykcs11 ArgumentsBad below six characters,
# yubihsm_pkcs11 without the four hex digits of an authentication key. No try is lost by it, and the hint
# has to be about the form.
_FORM = frozenset({"ArgumentsBad", "PinLenRange", "PinInvalid"})


def require_pin_try(info: TokenInfo, *, last_try: bool) -> None:
    """Raise `PinError` if no PIN may be sent to the token as it is now."""
    if info.user_pin_locked or (info.user_pin_final_try and not last_try):
        raise pin_rejected(info, wrong=False)
    if not info.user_pin_initialised:
        raise PinError(f"{info.where} has no user PIN yet", "seedless token init sets one")


def ask_user_pin(pins: PinSource, info: TokenInfo, module: Module) -> bytes | None:
    """Return a user PIN that may be sent to the token, None for its pad; raise `PinError` if none may be.

    A person who types one that the token has refused before, or that cannot be right, is asked again: it was
    not sent.
    """
    if info.protected_authentication_path:
        return None
    while True:
        with observer.current.asking():
            text = pins.pin(info.where, info.tries)
        try:
            return _sendable(encode_pin(text, info), info, module)
        except PinError as error:
            if not asks_again(pins, error.message):
                raise


def _sendable(pin: bytes, info: TokenInfo, module: Module) -> bytes:
    """Return *pin*; raise `PinError` where it must not be sent, or cannot be right."""
    RejectedPin.of(module.path, info.where, pin).check()
    quirks = info.quirks
    if not quirks.accepts_pin(pin):
        raise PinError(
            f"the PIN for {info.where} cannot be right, and it was not sent: it has another form",
            quirks.pin_hint,
        )
    return pin


def encode_pin(pin: str | None, info: TokenInfo) -> bytes:
    """Return *pin* as the bytes that PKCS#11 requires; raise `PinError` if there is none."""
    if not pin:
        raise PinError(
            f"no PIN was given for {info.where}", "give one by a prompt, env:NAME, file:PATH, fd:N or cmd:…"
        )
    try:
        return pin.encode("utf-8")
    except UnicodeEncodeError:
        # `from None`: the UnicodeEncodeError holds the PIN, and a traceback would print it.
        raise PinError(f"the PIN for {info.where} is not UTF-8") from None


def login_error(result: int, info: TokenInfo) -> TokenError:
    """Return the error for a C_Login that failed, though not for a wrong PIN."""
    name = name_of(result)
    if name == "ObjectHandleInvalid":
        # A YubiHSM whose authentication key the PIN names wrongly.
        return PinError(f"cannot log in on {info.where}: it has no such user", info.quirks.pin_hint)
    error = explain(result, "log in", info.where, info.quirks)
    if name in _FORM and info.quirks.pin_hint:
        return PinError(error.message, info.quirks.pin_hint)
    return error


class ChallengeRecorder(Protocol):
    """Keeps which challenges were signed, and where it `has_jwts`, everything else as well."""

    @property
    def has_jwts(self) -> bool:
        """Whether jwts are recorded too, since nobody keeps them."""

    def record(self, token: str, key_id: bytes, raw: bytes | None, message: bytes) -> None:
        """Keep that a key is about to sign *message*; what it raises forbids that.

        *token* is the URI of its token, *key_id* its CKA_ID, *raw* its public key, if it is shown.
        """


T = TypeVar("T")
_OUTLIVED = "the driver was restarted"
_AFTER_AN_ERROR = "its session was thrown away after an error"


class TokenSession:
    """A session of ours. After an error, or `close`, it is dead; a second `close` does nothing.

    Threads that share one take turns, by `turn`. `epoch` counts how often it was made anew: handles of
    objects belong to one epoch.
    """

    __slots__ = (
        "_accepted",
        "_generation",
        "_last_try",
        "_pins",
        "_quirks",
        "_raw",
        "_where",
        "_why_dead",
        "_writable",
        "challenges",
        "epoch",
        "info",
        "module",
        "slot",
        "turn",
    )

    def __init__(
        self,
        module: Module,
        slot: Slot,
        info: TokenInfo,
        *,
        writable: bool,
        challenges: ChallengeRecorder | None = None,
    ) -> None:
        """Open a session on the token in *slot*, without a login; *challenges* records what is tried."""
        self.challenges: Final = challenges
        self.module: Final = module
        self.slot = slot
        self.info = info
        self.epoch = 0
        self._where: Final = info.where  # once: it is wanted for every signature
        self._quirks: Final = info.quirks
        self._why_dead = ""
        self._writable: Final = writable
        # Reentrant: logging in uses the session while it already holds the turn.
        self.turn: Final = threading.RLock()
        self._pins: PinSource | None = None
        self._last_try = False
        self._accepted: bytes | None = None
        self._raw: Session | None = None
        self._generation = module.generation
        self._open()

    def _open(self) -> None:
        with self.module.calls(), explained("open a session", self._where, self._quirks):
            # Read anew and not from `info`: a Token of the binding keeps the flags of the moment when it
            # was made.
            token = self.slot.get_token()
            self._generation = self.module.generation
            # Without a PIN: `open(user_pin=…)` of the binding leaks a session for each wrong PIN, and its
            # `close` would call C_Logout, which logs out all sessions of this process on the token.
            self._raw = token.open(rw=self._writable, attribute_mapper=lenient_mapper())

    @contextmanager
    def use(self, doing: str) -> Iterator[Session]:
        """Give the binding's session for one thing; whatever goes wrong, it is thrown away and explained."""
        with self.turn, self.module.calls():
            raw = self._alive(doing)
            try:
                with explained(doing, self._where, self._quirks):
                    self._require_young()
                    yield raw
            except BaseException:
                self.close(_AFTER_AN_ERROR)
                raise

    def try_once(self, epoch: int, call: Callable[[bytes], T], message: bytes) -> T | None:
        """Make a *call* prepared in *epoch*, or return None if this session is another now; inside `turn`.

        What it answers is judged by the caller. This is `again` without what a signature rarely needs.
        """
        with self.module.calls():
            # A handle of an earlier epoch may be that of another object after C_Initialize.
            if epoch != self.epoch or self._raw is None or self._generation != self.module.generation:
                return None
            try:
                return call(message)
            except BaseException:
                self.close(_AFTER_AN_ERROR)
                raise

    def _alive(self, doing: str) -> Session:
        if self._raw is None:
            raise TokenError(f"cannot {doing} on {self._where}: {self._why_dead}", "open the token again")
        return self._raw

    def _require_young(self) -> None:
        if self._generation != self.module.generation:
            # The driver would reject the handle, or take it for another's.
            raise SessionHandleInvalid(_OUTLIVED)

    def again(self, doing: str, action: Callable[[Session], T]) -> T:
        """Do *action*, which may be done twice; if the session was lost, make it anew, once, and try again.

        Raise `TokenError`; `PinError` when the token refuses the PIN that it had accepted.
        """
        first = lost = None
        with self.turn:
            while True:
                try:
                    if lost is not None:
                        self._make_anew(lost)
                    with self.use(doing) as raw:
                        return action(raw)
                except TokenError as error:
                    if not is_loss(error):
                        raise
                    lost = error
                    # That another thread started the driver anew is no failure of ours.
                    if not _is_outlived(error):
                        if first is not None:
                            raise failed_again(error, first) from error
                        first = error

    def _make_anew(self, first: TokenError) -> None:
        # First close, then start anew: the epoch of its handles has to end before others exist, which may
        # have the same numbers.
        self.close("its session was lost")
        self.module.start_anew(self._generation)
        self.slot, self.info = self._token_slot(first)
        self.epoch += 1
        self._open()
        try:
            self._log_in()
        except BaseException:
            self.close("nobody could be logged in again")
            raise

    def _token_slot(self, first: TokenError) -> tuple[Slot, TokenInfo]:
        """Find the token again: a device that was plugged in anew may be in another slot."""
        for slot, info in self.module.slots():
            if info.initialised and _identity(info) == _identity(self.info):
                return slot, info
        raise NoToken(f"{first.message}; now the token is gone", "plug it in, then run the command again")

    def close(self, why: str = "its session has been closed") -> None:
        """Close this session and no other. Errors are of no interest: the session is gone in any case."""
        with self.turn:
            raw, self._raw = self._raw, None
            if raw is None:
                return
            self._why_dead = why
            # A forked child has a copy of the handles and no driver that knows it. With ykcs11 the
            # *parent* gets DeviceRemoved when the child calls anything.
            if self.module.is_foreign:
                return
            with self.module.calls():
                # After the driver was restarted, the number may be that of another session.
                if self._generation == self.module.generation:
                    # Whatever it answers. C_CloseAllSessions would close those of other parts of the
                    # program, and C_Logout would log them out.
                    self.module.functions.close_session(handle_of(raw))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
        self._accepted = self._pins = None

    def log_in(self, pins: PinSource, *, last_try: bool) -> None:
        """Log the user in, if the token requires that and this process has not done so; raise `PinError`.

        Threads wait for one another, so that one is asked for the PIN and a wrong one is sent once.
        """
        self._pins, self._last_try = pins, last_try
        lost = None
        while True:
            try:
                if lost is not None:
                    self._make_anew(lost)  # and log in
                else:
                    self._log_in()
            except TokenError as error:
                if not _is_outlived(error):
                    raise
                lost = error
            else:
                return

    def _log_in(self) -> None:
        # A token without CKF_LOGIN_REQUIRED shows its private objects to everybody; asking for a PIN
        # would teach people to type one for nothing.
        if not self.info.login_required or self._pins is None:
            return
        with self.asking():
            with self.use("log in") as raw:
                # The state of a login belongs to token and process. A second C_Login answers
                # UserAlreadyLoggedIn without looking at the PIN: a wrong one would pass for right, and be
                # cached.
                if self.module.functions.is_logged_in(handle_of(raw)):
                    return
                info = self._info_now()
            result = self._send_pins(info, self._send_pin)
            if result != CKR_OK and name_of(result) != "UserAlreadyLoggedIn":
                raise login_error(result, info)

    def _send_pin(self, pin: bytes | None) -> int:
        with self.use("log in") as raw:
            return self.module.functions.login(handle_of(raw), CKU_USER, pin)

    def _send_pins(self, info: TokenInfo, send: Callable[[bytes | None], int]) -> int:
        """Send PINs until one is not wrong, and return what the driver answered; raise `PinError`.

        There is a second one only where a person types it: what a file or a variable holds is wrong again.
        The last try is guarded each time.
        """
        while True:
            pin = self._pin(info)
            result = send(pin)
            # Cached only after the token accepted it, and never for a driver that answers
            # UserAlreadyLoggedIn: then nobody has compared it.
            if result == CKR_OK:
                self._accepted = pin
            if name_of(result) not in WRONG_PIN:
                return result
            # Remembered before anything else can fail: another thread or the next session of this process
            # must not spend the next try on the same PIN.
            info = self._remember_rejected(pin, result)
            error = pin_rejected(info, wrong=True)
            is_over = info.user_pin_locked or (info.user_pin_final_try and not self._last_try)
            if pin is None or is_over or self._pins is None or not asks_again(self._pins, error.message):
                raise error

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Hold what a person may be asked under, before any call: this session, then the module's logins."""
        # Always in this order. A thread that held the module's login and waited for the session of
        # another would wait for ever.
        with self.turn, self.module.login:
            yield

    def affirm(self, raw: Session) -> None:
        """Log in for the one operation that has begun (CKU_CONTEXT_SPECIFIC); inside `asking` and `use`.

        Raise `PinError`: the PIN is the one that this session sent before, else the source is asked.
        """
        login = self.module.functions.login
        require_ok(
            self._send_pins(self._info_now(), lambda pin: login(handle_of(raw), CKU_CONTEXT_SPECIFIC, pin))
        )

    def _pin(self, info: TokenInfo) -> bytes | None:
        require_pin_try(info, last_try=self._last_try)
        if self._accepted is not None or self._pins is None:
            return self._accepted
        return ask_user_pin(self._pins, info, self.module)

    def _remember_rejected(self, pin: bytes | None, result: int) -> TokenInfo:
        """Remember that the token rejected *pin*; return what it reports of itself now: the tries left."""
        self._accepted = None
        if pin is not None:
            RejectedPin.of(self.module.path, self.info.where, pin).remember()
        with self.module.calls(), explained("log in", self._where, self._quirks):
            info = self._info_now()
        # The answer is the surer of the two: the flags come from another call, and drivers differ in when
        # they set them.
        if name_of(result) == "PinLocked":  # whatever its flags report
            info = msgspec.structs.replace(info, user_pin_locked=True)
        return info

    def _info_now(self) -> TokenInfo:
        return read_token_info(self.slot, self.info.library)


def handle_of(raw: Session) -> int:
    """Return the handle of the binding's session."""
    handle: int = raw.handle  # type: ignore[attr-defined]  # the stub lacks it
    return handle


def _is_outlived(error: TokenError) -> bool:
    return isinstance(error.__cause__, SessionHandleInvalid) and error.__cause__.args == (_OUTLIVED,)


def _identity(info: TokenInfo) -> tuple[str, str, str, str]:
    # All four: an openCryptoki token may have an empty serial, and labels repeat.
    return info.manufacturer, info.model, info.serial, info.label
