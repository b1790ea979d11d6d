"""PKCS#11 modules: each loaded and initialised once per process, with locks of the operating system.

The binding would call C_Initialize without locking and then release the GIL in every call: two threads crash
SoftHSM and get wrong signatures from a YubiKey's driver. A module that cannot lock is used by one thread at a
time. Refused: a file that is not a PKCS#11 module, a module that another part of this program has initialised
(with arguments that cannot be read, and its C_Finalize would end our sessions), and use after a fork. A
driver that has lost its device is initialised again, when no thread of ours is inside it: before C_Finalize
the driver lock closes and waits for the threads inside, because a driver that is shut down under a call
crashes. A call that hangs is not waited for long; then nobody gets exclusive access and the driver stays up.
"""

from __future__ import annotations

import atexit
import os
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pkcs11 import _pkcs11
from pkcs11.constants import TokenFlag
from pkcs11.exceptions import PKCS11Error

from seedless.errors import ModuleError, NotConnected, NoToken, TokenError
from seedless.pkcs11 import cryptoki, observer, softhsm
from seedless.pkcs11.families import configuration_of, firmware_of
from seedless.pkcs11.return_values import explain, explained, is_loss
from seedless.pkcs11.token_info import TokenInfo, matches
from seedless.pkcs11.uri import KeyUri
from seedless.text import between_quotes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from pkcs11.types import Slot


class DriverLock:
    """Enter it as a context, as often nested as you like; `exclusive` is entered from outside only."""

    __slots__ = ("_closed", "_condition", "_driver", "_inside", "_one_at_a_time", "_waiting")

    def __init__(self, driver: str, *, one_at_a_time: bool) -> None:
        """Let many threads into *driver*, or *one_at_a_time*."""
        self._driver: Final = driver
        self._one_at_a_time: Final = one_at_a_time
        self._condition: Final = threading.Condition(threading.Lock())
        self._inside: Final[dict[int, int]] = {}  # thread → how deep
        self._waiting = 0  # threads that wait for another to leave
        self._closed = False

    def __enter__(self) -> None:
        # Without the condition, which would be taken twice for each signature: a thread that enters registers
        # before it looks, one that requires exclusive access closes before it looks, so one sees the other.
        me, inside = threading.get_ident(), self._inside
        if me in inside:
            inside[me] += 1
            return
        inside[me] = 1
        if self._closed or (self._one_at_a_time and len(inside) > 1):
            self._come_again(me)
        if observer.current is not observer.NO_OBSERVER:
            observer.current.entered(self._driver)

    def __exit__(self, *_: object) -> None:
        me, inside = threading.get_ident(), self._inside
        if inside[me] > 1:
            inside[me] -= 1
            return
        del inside[me]
        if self._waiting:
            with self._condition:
                self._condition.notify_all()
        if observer.current is not observer.NO_OBSERVER:
            observer.current.left()

    def _come_again(self, me: int) -> None:
        with self._condition:
            del self._inside[me]
            self._condition.notify_all()
            self._waiting += 1
            try:
                while self._closed or (self._one_at_a_time and self._inside):
                    self._condition.wait()
                self._inside[me] = 1
            finally:
                self._waiting -= 1

    @contextmanager
    def exclusive(self, patience: float) -> Iterator[bool]:
        """Take the driver lock and wait *patience* seconds at most; give whether all others have left."""
        with self._condition:
            self._waiting += 1
            try:
                while self._closed:
                    self._condition.wait()
                self._closed = True
                empty = self._condition.wait_for(lambda: not self._inside, patience)
            finally:
                self._waiting -= 1
        try:
            yield empty
        finally:
            with self._condition:
                self._closed = False
                self._condition.notify_all()


# Drivers that cannot lock answer C_Initialize with one of these (PKCS#11 2.40 §5.4). They are loaded
# without locking and get one thread at a time, instead of being refused.
_CKR_NEED_TO_CREATE_THREADS = 0x09
_CKR_ARGUMENTS_BAD = 0x07
_CKR_CANT_LOCK = 0x0A
_CKR_ALREADY_INITIALIZED = 0x191
# Long enough for any signature without a touch. A call that hangs longer may hang for ever (a device that
# was unplugged in the middle): then no C_Finalize is called under it, which crashes drivers.
_EXCLUSIVE_WAIT = 5.0  # seconds
# At the end of the process nobody is to wait for a call that hangs.
_FINALIZE_WAIT = 0.1  # seconds
_NO_LOCKING = frozenset({_CKR_ARGUMENTS_BAD, _CKR_NEED_TO_CREATE_THREADS, _CKR_CANT_LOCK})


class _Library(_pkcs11.lib):
    """The binding's library, with a C_Initialize of ours; `functions` are those of the binding's list.

    `initialized` stays false, so that the binding never calls C_Finalize.
    """

    functions: cryptoki.Functions
    # python-pkcs11 0.10.1 calls C_Initialize(NULL), which promises one thread, and releases the GIL in
    # each call. Measured with two threads: SoftHSM crashes or hangs in 25 of 25 runs, ykcs11 returns
    # signatures that do not verify. With CKF_OS_LOCKING_OK all of them are clean.
    locking = True

    def initialize(self) -> None:
        """Call C_Initialize, before the binding calls any other function; raise `ModuleError`."""
        # By the function list and not by exported names: C_GetFunctionList is the one export that the
        # standard promises.
        self.functions = cryptoki.functions_of(self)
        result = self.functions.initialize(os_locking=True)
        self.locking = result not in _NO_LOCKING
        if not self.locking:
            result = self.functions.initialize(os_locking=False)
        # Another wrapper in this process (PyKCS11, OpenSSL's engine) would call C_Finalize when it is
        # collected, and every session of ours with it.
        if result == _CKR_ALREADY_INITIALIZED:
            raise ModuleError(
                f"another part of this program has initialised {self.so}",
                "load the module through seedless first, or sign in a process of its own",
            )
        if result != cryptoki.CKR_OK:
            raise _not_initialised(result, Path(self.so))


class Module:
    """A loaded module. Made by `load`; `login` is held while somebody is asked for a PIN."""

    __slots__ = ("_library", "_lock", "_locking", "_pid", "functions", "generation", "login", "path", "shown")

    def __init__(self, path: Path) -> None:
        """Load and initialise the module at *path*; raise `ModuleError`."""
        self.path: Final = path
        cryptoki.require_module(path)
        # The binding caches libraries by the *spelling* of the path; a second spelling ends in `already
        # initialized`. `load` below resolves the path first, so there is one spelling.
        with explained("load the module", str(path)):
            self._library: Final = _Library(str(path))
        locking = self._library.locking
        self.functions: Final = self._library.functions
        self.login: Final = threading.RLock()
        self.generation = 0  # how often it was started anew; what is older is dead
        self.shown: Final[set[tuple[str, str]]] = set()
        """Label and serial of each token that this process has seen."""
        self._locking: Final = locking
        self._pid: Final = os.getpid()
        self._lock: Final = DriverLock(str(path), one_at_a_time=not locking)

    @property
    def description(self) -> str:
        """What the library calls itself: its maker, its name and its version."""
        library = self._library
        major, minor = library.library_version
        return f"{library.manufacturer_id} {library.library_description} {major}.{minor}"

    @property
    def is_foreign(self) -> bool:
        """Whether this process was forked from the one that loaded the module."""
        return os.getpid() != self._pid

    def calls(self) -> AbstractContextManager[object]:
        """Allow calls into the module, one thread at a time if it knows no locking; raise as `check`."""
        # One comparison for each signature instead of a lock: drivers do not survive a fork, and what
        # happens differs (SoftHSM goes on with the login of the parent, ykcs11 breaks the parent,
        # openCryptoki reports that it is not initialised).
        if os.getpid() != self._pid:
            self.check()
        return self._lock

    def start_anew(self, generation: int) -> None:
        """Call C_Finalize and C_Initialize, unless that was done after *generation*; raise `ModuleError`.

        Every session and key object of this process is dead then. Nothing is done while a call of another
        thread hangs in the driver: a new session may do as well.
        """
        self.check()
        with self._lock.exclusive(_EXCLUSIVE_WAIT) as exclusive:
            if not exclusive or self.generation != generation:
                return
            # Whatever it answers: another part of the program may have called it.
            observer.current.entered(str(self.path))
            self.functions.finalize()
            self.generation += 1
            result = self.functions.initialize(os_locking=self._locking)
            observer.current.left()
            # Already initialised is right here: another thread or library may have been faster, and
            # sessions of this process are dead in any case.
            if result not in {cryptoki.CKR_OK, _CKR_ALREADY_INITIALIZED}:
                raise _not_initialised(result, self.path)

    def finalize(self) -> None:
        """Call C_Finalize for good; not in a forked process, nor while a call of another thread hangs."""
        if self.is_foreign:
            return
        with self._lock.exclusive(_FINALIZE_WAIT) as exclusive:
            if exclusive:
                self.generation += 1
                self.functions.finalize()

    def check(self) -> None:
        """Raise `ModuleError` in a process forked from the one that loaded the module."""
        if self.is_foreign:
            raise ModuleError(
                f"{self.path} was loaded before this process was forked, and drivers do not survive that",
                "start a new process (multiprocessing: the method spawn), or load the module after the fork",
            )

    def tokens(self) -> list[TokenInfo]:
        """List the tokens in all slots, blank ones too."""
        return [info for _, info in self.slots()]

    def slots(self) -> list[tuple[Slot, TokenInfo]]:
        """List the slots that hold a token, each with what the token reports of itself.

        A slot whose token cannot be read is left out: SoftHSM fails so for a token that another process
        deleted. A driver that has lost its device, or was shut down, is started anew. Raise `TokenError`.
        """
        generation = self.generation
        try:
            return self._token_slots()
        except TokenError as error:
            if not is_loss(error):
                raise
        self.start_anew(generation)
        return self._token_slots()

    def _token_slots(self) -> list[tuple[Slot, TokenInfo]]:
        with self.calls():
            with explained("list the slots", str(self.path)):
                slots = self._library.get_slots()
            found = []
            for slot in slots:
                try:
                    # One slot at a time: where another process deleted a token, SoftHSM answers
                    # GeneralError for it, and the binding's `get_tokens` would fail for all.
                    found.append((slot, read_token_info(slot, self.description)))
                except PKCS11Error:
                    continue
            self.shown.update((info.label, info.serial) for _, info in found)
            return found


def read_token_info(slot: Slot, library: str) -> TokenInfo:
    """Ask the token in *slot* what it is now; its flags change with every wrong PIN."""
    token = slot.get_token()
    flags = token.flags
    return TokenInfo(
        label=token.label,
        manufacturer=token.manufacturer_id,
        model=token.model,
        # The binding strips blanks; some drivers pad the field with NULs, against the standard, which
        # pads with blanks.
        serial=token.serial.rstrip(b"\0").decode("utf-8", "replace"),
        slot_id=slot.slot_id,
        slot_description=slot.slot_description,
        slot_manufacturer=slot.manufacturer_id,
        hardware_version="{}.{}".format(*token.hardware_version),
        # ykcs11 packs 5.7.4 as major 5 and minor 74: read as a version as it is, it would be 5.74,
        # newer than any bar.
        firmware_version=firmware_of(token.manufacturer_id, token.model, token.firmware_version),
        initialised=TokenFlag.TOKEN_INITIALIZED in flags,
        login_required=TokenFlag.LOGIN_REQUIRED in flags,
        user_pin_initialised=TokenFlag.USER_PIN_INITIALIZED in flags,
        user_pin_count_low=TokenFlag.USER_PIN_COUNT_LOW in flags,
        user_pin_final_try=TokenFlag.USER_PIN_FINAL_TRY in flags,
        user_pin_locked=TokenFlag.USER_PIN_LOCKED in flags,
        so_pin_final_try=TokenFlag.SO_PIN_FINAL_TRY in flags,
        so_pin_locked=TokenFlag.SO_PIN_LOCKED in flags,
        protected_authentication_path=TokenFlag.PROTECTED_AUTHENTICATION_PATH in flags,
        write_protected=TokenFlag.WRITE_PROTECTED in flags,
        library=library,
    )


def slot_of(module: Module, uri: KeyUri) -> tuple[Slot, TokenInfo]:
    """Return the slot and the token that *uri* means, for this package; raise `NoToken`.

    A token that this process has seen, and that is not there, is looked for again after the driver has been
    started anew: SoftHSM 2.6.1 never lists one again whose folder was away when it listed them.
    """
    generation = module.generation
    try:
        return _slot_of(module, uri)
    except NotConnected:
        if (uri.token, uri.serial) not in module.shown:
            raise
    module.start_anew(generation)
    return _slot_of(module, uri)


def _slot_of(module: Module, uri: KeyUri) -> tuple[Slot, TokenInfo]:
    slots = module.slots()
    found = [slot for slot in slots if matches(slot[1], uri)]
    # A blank token has the label of nothing and matches an empty URI: SoftHSM always shows one.
    ready = [slot for slot in found if slot[1].initialised]
    if len(ready) == 1:
        return ready[0]
    if ready and uri == KeyUri():
        text = f"there are {len(ready)} tokens, and none was named: {_names_of(ready)}"
        raise NoToken(text, "name one by its serial, as in pkcs11:serial=NUMBER")
    if ready:
        raise NoToken(f"{len(ready)} tokens match {uri}: {_names_of(ready)}", "add ;serial=… to the URI")
    if found:
        raise NoToken(
            f"{found[0][1].where} has to be initialised before it can be used", "seedless token init does it"
        )
    raise _missing(module, uri, slots)


def _missing(module: Module, uri: KeyUri, slots: list[tuple[Slot, TokenInfo]]) -> NoToken:
    """Return the error for a *uri* that means none of *slots*."""
    ready = [slot for slot in slots if slot[1].initialised]
    shows = _names_of(ready) or ("no initialised token" if slots else "no token")
    # A label and a serial name one device, as the inventory does for each key: another name is no cure.
    # One that is there with both differs in something else, which the whole URI shows.
    there = {(info.label, info.serial) for _, info in slots}
    kind: type[NoToken] = NoToken
    if uri.token and uri.serial and (uri.token, uri.serial) not in there:
        token = f'token "{between_quotes(uri.token)}" (serial {between_quotes(uri.serial)})'
        kind, message, hint = NotConnected, f"{token} is not connected", "connect it"
    else:
        message = f"no token matches {uri}"
        hint = "name one by its label or serial, as in pkcs11:token=NAME;serial=NUMBER" if slots else ""
    if not slots:
        configuration = configuration_of(module.path.name) or "whether the device is plugged in"
        hint = f"{hint}, or look at {configuration}" if hint else f"look at {configuration}"
    return kind(f"{message}: the module shows {shows}", hint)


def _names_of(slots: list[tuple[Slot, TokenInfo]]) -> str:
    return ", ".join(info.where for _, info in slots)


_loaded: dict[Path, Module] = {}
_loading = threading.Lock()


def is_loaded(path: Path) -> bool:
    """Report whether the module at *path*, under this name or another, was loaded in this process."""
    return path.resolve() in _loaded


def load(path: Path) -> Module:
    """Return the module at *path*, loaded and initialised at the first call; raise `ModuleError`.

    One file under two names is one module.
    """
    try:
        # Distributions link one file to several names, and C_Initialize under a second name ends in
        # `already initialized`.
        real = path.resolve(strict=True)
    except (OSError, ValueError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or "not a path"
        raise ModuleError(f"cannot load the PKCS#11 module {path}: {reason}", _WHERE_MODULES_ARE) from error
    # Two threads that load one module at once would both call C_Initialize, and the second would take the
    # first for a stranger.
    with _loading:
        module = _loaded.get(real)
        if module is None:
            observer.current.entered(str(real))
            try:
                module = _loaded[real] = Module(real)
            finally:
                observer.current.left()
    module.check()
    return module


_WHERE_MODULES_ARE = (
    "SoftHSM's is libsofthsm2.so, a YubiKey's libykcs11.so; the package of the token's maker names its own"
)


@atexit.register
def _finalize_all() -> None:
    """Call C_Finalize of all modules at the end of the process: SoftHSM with Botan crashes without it."""
    for module in _loaded.values():
        module.finalize()


def _not_initialised(result: int, path: Path) -> ModuleError:
    cause = explain(result, "initialise the module", str(path))
    configuration = configuration_of(path.name) or "the driver's configuration"
    error = ModuleError(cause.message, f"look at {configuration}")
    # For any CKR value: what SoftHSM answers differs between its versions, the file that it needs does not.
    return softhsm.explain_initialise(error, os.environ) if "softhsm" in path.name else error
