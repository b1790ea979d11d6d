"""The functions of a PKCS#11 module that the binding lacks or calls wrongly, by ctypes on the module itself.

C_Initialize (the binding asks for no locking, and then calls from several threads), C_InitToken and C_InitPIN
(the binding leaks the session when the login fails), C_Login (it knows no PIN pad for one signature), C_Sign
(some drivers refuse the way it asks, and it makes three calls of two), C_GetMechanismList (it knows no vendor
numbers) and C_GetSessionInfo. Positions are those of CK_FUNCTION_LIST in PKCS#11 2.40; 3.x keeps them.
"""

from __future__ import annotations

import ctypes
import os
import re
from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec
from pkcs11 import _pkcs11

from seedless.errors import ModuleError

if TYPE_CHECKING:
    from pathlib import Path

CKR_OK = 0
CKF_OS_LOCKING_OK = 2
CKF_SERIAL_SESSION = 4
CKF_RW_SESSION = 2
CKU_SO = 0
CKU_USER = 1
CKU_CONTEXT_SPECIFIC = 2

_ULONG = ctypes.c_ulong
_BYTES = ctypes.c_char_p
_POINTER = ctypes.c_void_p
_FIRST = ctypes.sizeof(_POINTER)  # behind the version, which is padded to one pointer
_LISTS = 3  # function lists of an object of the binding: PKCS#11 2.40, 3.0 and 3.2
# By position in CK_FUNCTION_LIST (PKCS#11 2.40 pkcs11f.h), which is fixed for all versions; 3.x appends
# in lists of its own.
_SIGNATURES: dict[str, tuple[int, tuple[type, ...]]] = {
    "C_Initialize": (0, (_POINTER,)),
    "C_Finalize": (1, (_POINTER,)),
    "C_GetTokenInfo": (6, (_ULONG, _POINTER)),
    "C_GetMechanismList": (7, (_ULONG, _POINTER, _POINTER)),
    "C_InitToken": (9, (_ULONG, _BYTES, _ULONG, _BYTES)),
    "C_InitPIN": (10, (_ULONG, _BYTES, _ULONG)),
    "C_OpenSession": (12, (_ULONG, _ULONG, _POINTER, _POINTER, _POINTER)),
    "C_CloseSession": (13, (_ULONG,)),
    "C_GetSessionInfo": (15, (_ULONG, _POINTER)),
    "C_Login": (18, (_ULONG, _ULONG, _BYTES, _ULONG)),
    "C_SignInit": (42, (_ULONG, _POINTER, _ULONG)),
    "C_Sign": (43, (_ULONG, _BYTES, _ULONG, _POINTER, _POINTER)),
}


class _InitializeArguments(ctypes.Structure):
    _fields_ = (
        ("create_mutex", _POINTER),
        ("destroy_mutex", _POINTER),
        ("lock_mutex", _POINTER),
        ("unlock_mutex", _POINTER),
        ("flags", _ULONG),
        ("reserved", _POINTER),
    )


class _Mechanism(ctypes.Structure):
    _fields_ = (("mechanism", _ULONG), ("parameter", _POINTER), ("parameter_length", _ULONG))


class _TokenInfo(ctypes.Structure):
    _fields_ = (
        ("label", ctypes.c_char * 32),
        ("manufacturer", ctypes.c_char * 32),
        ("model", ctypes.c_char * 16),
        ("serial", ctypes.c_char * 16),
        ("flags", _ULONG),
        ("session_counts", _ULONG * 4),
        ("max_pin_length", _ULONG),
        ("min_pin_length", _ULONG),
        ("memory", _ULONG * 4),
        ("versions", ctypes.c_ubyte * 4),
        ("time", ctypes.c_char * 16),
    )


class _SessionInfo(ctypes.Structure):
    _fields_ = (("slot_id", _ULONG), ("state", _ULONG), ("flags", _ULONG), ("device_error", _ULONG))


_NO_REPORT = frozenset({0, 2 ** (8 * ctypes.sizeof(_ULONG)) - 1, 2**32 - 1})  # CK_UNAVAILABLE_INFORMATION
# What dlopen of glibc reports, and that of musl.
_MISSING = re.compile(r"(?:^|library )([^\s:]+): (?:cannot open shared object file|No such file)")
_LOGGED_IN_STATES = frozenset({1, 3})  # CKS_RO_USER_FUNCTIONS, CKS_RW_USER_FUNCTIONS


class Functions(msgspec.Struct, frozen=True):
    """The function list of one loaded module. Every function returns its CK_RV."""

    _by_name: dict[str, Callable[..., int]]

    def initialize(self, *, os_locking: bool) -> int:
        """Call C_Initialize, asking for locks of the operating system or for none (PKCS#11 2.40 §5.4)."""
        if not os_locking:
            return self._by_name["C_Initialize"](None)
        arguments = _InitializeArguments(flags=CKF_OS_LOCKING_OK)
        return self._by_name["C_Initialize"](ctypes.byref(arguments))

    def finalize(self) -> int:
        """Call C_Finalize: every session of this process ends."""
        return self._by_name["C_Finalize"](None)

    def mechanisms(self, slot_id: int) -> tuple[int, frozenset[int]]:
        """Call C_GetMechanismList; return its CK_RV and the numbers, those of vendors too."""
        listed, count = self._by_name["C_GetMechanismList"], _ULONG()
        result = listed(slot_id, None, ctypes.byref(count))
        if result != CKR_OK or not count.value:
            return result, frozenset()
        numbers = (_ULONG * count.value)()
        # The second call may return fewer: a driver may count what it then leaves out.
        result = listed(slot_id, numbers, ctypes.byref(count))
        return result, frozenset(numbers[: count.value])

    def init_token(self, slot_id: int, so_pin: bytes | None, label: bytes) -> int:
        """Call C_InitToken; *label* is padded to 32 bytes with blanks."""
        return self._by_name["C_InitToken"](slot_id, so_pin, len(so_pin or b""), label.ljust(32))

    def init_pin(self, session: int, pin: bytes | None) -> int:
        """Call C_InitPIN in a session of the security officer."""
        return self._by_name["C_InitPIN"](session, pin, len(pin or b""))

    def open_session(self, slot_id: int, *, writable: bool) -> tuple[int, int]:
        """Call C_OpenSession; return its CK_RV and the handle."""
        handle = _ULONG()
        flags = CKF_SERIAL_SESSION | (CKF_RW_SESSION if writable else 0)
        result = self._by_name["C_OpenSession"](slot_id, flags, None, None, ctypes.byref(handle))
        return result, handle.value

    def close_session(self, session: int) -> int:
        """Call C_CloseSession; closing the last session of a token logs out."""
        return self._by_name["C_CloseSession"](session)

    def login(self, session: int, user: int, pin: bytes | None) -> int:
        """Call C_Login; None for a PIN that is typed on the token's own pad."""
        return self._by_name["C_Login"](session, user, pin, len(pin or b""))

    def sign_init(self, session: int, mechanism: int, key: int) -> int:
        """Call C_SignInit with a *mechanism* that has no parameter."""
        return self._by_name["C_SignInit"](session, ctypes.byref(_Mechanism(mechanism)), key)

    def sign(self, session: int, message: bytes, size: int) -> tuple[int, bytes]:
        """Call C_Sign once, for a signature of *size* bytes; return its CK_RV and what came.

        The binding asks for the length first, and then offers more room than NSS accepts.
        """
        signature, length = ctypes.create_string_buffer(size), _ULONG(size)
        result = self._by_name["C_Sign"](session, message, len(message), signature, ctypes.byref(length))
        return result, signature.raw[: length.value]

    def signing(
        self, session: int, mechanism: int, key: int, size: int
    ) -> Callable[[bytes], tuple[int, bytes]]:
        """Return a function that signs as `sign_init` and `sign` do, for many messages by one thread.

        It returns the CK_RV of the last call that it made, and what came: *size* bytes, or not as many.
        """
        numbers = (session, mechanism, key)
        return _prepared(self._by_name["C_SignInit"], self._by_name["C_Sign"], numbers, size)

    def pin_lengths(self, slot_id: int) -> tuple[int, int]:
        """Return the shortest and the longest PIN in bytes that the token in the slot reports it takes."""
        info = _TokenInfo()
        if self._by_name["C_GetTokenInfo"](slot_id, ctypes.byref(info)) != CKR_OK:
            return 0, 0
        return info.min_pin_length, info.max_pin_length

    def memory(self, slot_id: int) -> tuple[int | None, int | None]:
        """Return the bytes for public and for private objects that the token reports as free, None for none.

        0 is also CK_EFFECTIVELY_INFINITE, and so no report (PKCS#11 2.40 §3.2).
        """
        info = _TokenInfo()
        if self._by_name["C_GetTokenInfo"](slot_id, ctypes.byref(info)) != CKR_OK:
            return None, None
        public, private = (None if free in _NO_REPORT else int(free) for free in info.memory[1::2])
        return public, private

    def is_logged_in(self, session: int) -> bool:
        """Report whether the user is logged in to the token of *session*, by this process."""
        info = _SessionInfo()
        result = self._by_name["C_GetSessionInfo"](session, ctypes.byref(info))
        return result == CKR_OK and info.state in _LOGGED_IN_STATES


def _prepared(
    init: Callable[..., int], sign: Callable[..., int], numbers: tuple[int, int, int], size: int
) -> Callable[[bytes], tuple[int, bytes]]:
    """Return C_SignInit and C_Sign in one, all that they require but the message made once and not for each.

    Beside a token that signs in 0.2 ms, what ctypes makes can be measured, and so can each attribute.
    """
    session, mechanism, key = _ULONG(numbers[0]), ctypes.byref(_Mechanism(numbers[1])), _ULONG(numbers[2])
    signature, length = ctypes.create_string_buffer(size), _ULONG()
    place = ctypes.byref(length)

    def made(message: bytes) -> tuple[int, bytes]:
        result = init(session, mechanism, key)
        if result != CKR_OK:
            return result, b""
        length.value = size
        result = sign(session, message, len(message), signature, place)
        return result, signature.raw if length.value == size else signature.raw[: length.value]

    return made


def require_module(path: Path) -> None:
    """Load the file at *path*; raise `ModuleError` if it is not a PKCS#11 module."""
    try:
        library = ctypes.CDLL(str(path))
    except OSError as error:
        raise _not_loaded(path, str(error)) from error
    if not hasattr(library, "C_GetFunctionList"):
        raise ModuleError(
            f"{path} is a library and no PKCS#11 module: it has no C_GetFunctionList",
            "look in the manual of the token for the file to name",
        )


def functions_of(library: _pkcs11.lib) -> Functions:
    """Return the functions of the list that the binding's *library* has; raise `ModuleError`.

    p11-kit gives another list at each C_GetFunctionList, each with a state of its own: a second list would be
    one that is not initialised. The binding does not show its own, which is the first member of its object,
    behind the head that every object has.
    """
    if _pkcs11.lib.__mro__[1].__basicsize__ != object.__basicsize__ + _LISTS * _FIRST:
        raise ModuleError(
            "this version of python-pkcs11 keeps the functions of a module elsewhere",
            "install version 0.10.1",
        )
    table = _POINTER.from_address(id(library) + object.__basicsize__).value
    if not table:
        raise ModuleError(f"{library.so} does not give its list of functions")
    return Functions({name: _bound(table, *place) for name, place in _SIGNATURES.items()})


def _not_loaded(path: Path, reason: str) -> ModuleError:
    """Return the error for a module that the loader of the system refused with *reason*.

    It names the first shared library that is missing, whoever requires it; `ldd` names all of them.
    """
    missing = _MISSING.search(reason)
    if missing is None or missing[1] == str(path):
        return ModuleError(f"cannot load {path}: {reason}", "name the PKCS#11 module, a shared library (.so)")
    names = ", ".join(dict.fromkeys((missing[1], *_not_found(path))))
    return ModuleError(
        f"cannot load {path}: shared libraries that it requires are missing: {names}",
        "install the packages that contain them, or add their folder to LD_LIBRARY_PATH",
    )


def _not_found(path: Path) -> list[str]:
    """Return the shared libraries that `ldd` does not find for a module; none where it cannot be asked."""
    import shutil  # a good module does without
    import subprocess

    # Nothing else of the environment, which may hold a PIN that was not read yet.
    kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
    try:
        listed = subprocess.run(  # noqa: S603 - of a module that was about to be loaded
            [shutil.which("ldd") or "ldd", str(path)],
            env=kept,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return []
    return re.findall(r"^\s*(\S+) => not found", listed.stdout, re.MULTILINE)


def _bound(table: int, position: int, arguments: tuple[type, ...]) -> Callable[..., int]:
    address = _POINTER.from_address(table + _FIRST + position * ctypes.sizeof(_POINTER)).value
    if address is None:
        raise ModuleError(f"the PKCS#11 module lacks its function number {position}")
    return ctypes.CFUNCTYPE(_ULONG, *arguments)(address)
