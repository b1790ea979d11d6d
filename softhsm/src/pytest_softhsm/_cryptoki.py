"""Make tokens and keys through PKCS#11 itself, by ctypes.

The functions run in two places. If the test's own program has initialised the module in this process, they
must run here, on that very instance: SoftHSM reads its token folder at C_Initialize only, so a token that is
made elsewhere stays invisible, and initialising again kills every open session. Otherwise they run in a child
process (this file as a script, the task on stdin, so that no PIN or seed is ever an argument), because a test
process whose program has not loaded the module must stay that way.

It imports the standard library only, nothing of this package, so that the child starts fast.
"""

from __future__ import annotations

import ctypes
import json
import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

_ULONG = ctypes.c_ulong
_ULONG_P = ctypes.POINTER(_ULONG)
_BYTES = ctypes.c_char_p
_POINTER = ctypes.c_void_p

# Position in CK_FUNCTION_LIST and arguments (PKCS#11 2.40 base, §5 and pkcs11f.h).
_FUNCTIONS: dict[str, tuple[int, tuple[Any, ...]]] = {
    "C_Initialize": (0, (_POINTER,)),
    "C_Finalize": (1, (_POINTER,)),
    "C_GetInfo": (2, (_POINTER,)),
    "C_GetSlotList": (4, (ctypes.c_ubyte, _ULONG_P, _ULONG_P)),
    "C_GetTokenInfo": (6, (_ULONG, _POINTER)),
    "C_InitToken": (9, (_ULONG, _BYTES, _ULONG, _BYTES)),
    "C_InitPIN": (10, (_ULONG, _BYTES, _ULONG)),
    "C_OpenSession": (12, (_ULONG, _ULONG, _POINTER, _POINTER, _ULONG_P)),
    "C_CloseSession": (13, (_ULONG,)),
    "C_Login": (18, (_ULONG, _ULONG, _BYTES, _ULONG)),
    "C_Logout": (19, (_ULONG,)),
    "C_CreateObject": (20, (_ULONG, _POINTER, _ULONG, _ULONG_P)),
    "C_DestroyObject": (22, (_ULONG, _ULONG)),
}

CKR_USER_ALREADY_LOGGED_IN = 0x100
_CKR_NAMES = {
    0x005: "CKR_GENERAL_ERROR",
    0x006: "CKR_FUNCTION_FAILED",
    0x007: "CKR_ARGUMENTS_BAD",
    0x013: "CKR_ATTRIBUTE_VALUE_INVALID",
    0x031: "CKR_DEVICE_MEMORY",
    0x0A0: "CKR_PIN_INCORRECT",
    0x0A2: "CKR_PIN_LEN_RANGE",
    0x0B6: "CKR_SESSION_EXISTS",
    0x100: "CKR_USER_ALREADY_LOGGED_IN",
    0x104: "CKR_USER_ANOTHER_ALREADY_LOGGED_IN",
    0x190: "CKR_CRYPTOKI_NOT_INITIALIZED",
}
_CKF_TOKEN_INITIALIZED = 0x400
_CKF_RW_SERIAL_SESSION = 0x6
_CKU_SO, _CKU_USER = 0, 1


class CryptokiError(Exception):
    """Carry the name of a refused function, and the CKR value that it gave."""

    def __init__(self, function: str, value: int) -> None:
        """Name the *value* where its name is known."""
        super().__init__(f"{function} gave {_CKR_NAMES.get(value, 'CKR')} ({value:#x})")
        self.value = value


class _TokenInfo(ctypes.Structure):
    _fields_ = (
        ("label", ctypes.c_char * 32),
        ("manufacturer", ctypes.c_char * 32),
        ("model", ctypes.c_char * 16),
        ("serial", ctypes.c_char * 16),
        ("flags", _ULONG),
        ("counts", _ULONG * 10),
        ("versions", ctypes.c_ubyte * 4),
        ("time", ctypes.c_char * 16),
    )


class _Attribute(ctypes.Structure):
    _fields_ = (("type", _ULONG), ("value", _POINTER), ("length", _ULONG))


class Cryptoki:
    """Call the functions of one loaded module by name."""

    def __init__(self, library: ctypes.CDLL) -> None:
        """Read the function list of *library*; AttributeError if it is not a PKCS#11 module."""
        get_function_list = library.C_GetFunctionList
        table = ctypes.POINTER(_POINTER)()
        get_function_list(ctypes.byref(table))
        # CK_FUNCTION_LIST starts with a two-byte version, padded to one pointer.
        self._functions = {
            name: ctypes.CFUNCTYPE(_ULONG, *arguments)(table[position + 1])
            for name, (position, arguments) in _FUNCTIONS.items()
        }

    def call(self, function: str, /, *arguments: Any) -> None:  # noqa: ANN401 - each function has its own
        """Call *function*; CryptokiError for anything but CKR_OK."""
        value = self._functions[function](*arguments)
        if value:
            raise CryptokiError(function, value)

    def require_softhsm(self) -> None:
        """Raise LookupError if the initialised module tells another maker than SoftHSM's."""
        info = ctypes.create_string_buffer(256)
        self.call("C_GetInfo", info)
        maker = info.raw[2:34].decode("utf-8", "replace").rstrip(" \0")  # behind a version of two bytes
        if not maker.startswith("SoftHSM"):
            raise LookupError(f"the module is not a SoftHSM, its maker is {maker!r}")

    def is_initialised(self) -> bool:
        """Say whether somebody has called C_Initialize on this instance."""
        try:
            self.call("C_GetInfo", ctypes.create_string_buffer(256))
        except CryptokiError:
            return False
        return True

    def tokens(self) -> Iterator[tuple[int, str, bool]]:
        """Yield slot, serial and whether it is initialised for each token that can be read."""
        count = _ULONG()
        # SoftHSM adds its one uninitialised token while it answers the call for the length.
        self.call("C_GetSlotList", 1, None, ctypes.byref(count))
        slots = (_ULONG * count.value)()
        self.call("C_GetSlotList", 1, slots, ctypes.byref(count))
        for slot in slots[: count.value]:
            info = _TokenInfo()
            try:
                self.call("C_GetTokenInfo", slot, ctypes.byref(info))
            except CryptokiError:
                continue  # its folder has been deleted under the module; the others are well
            serial = info.serial.decode("ascii", "replace").strip()
            yield slot, serial, bool(info.flags & _CKF_TOKEN_INITIALIZED)

    @contextmanager
    def session(self, slot: int, user: int, pin: str) -> Iterator[int]:
        """Open a session, logged in; afterwards close this one, and log out only whom it has logged in."""
        handle = _ULONG()
        self.call("C_OpenSession", slot, _CKF_RW_SERIAL_SESSION, None, None, ctypes.byref(handle))
        try:
            ours = self._login(handle.value, user, pin.encode())
            try:
                yield handle.value
            finally:
                if ours:
                    self.call("C_Logout", handle)
        finally:
            self.call("C_CloseSession", handle)

    def _login(self, session: int, user: int, pin: bytes) -> bool:
        try:
            self.call("C_Login", session, user, pin, len(pin))
        except CryptokiError as error:
            if error.value != CKR_USER_ALREADY_LOGGED_IN:
                raise
            return False
        return True

    def create_object(self, session: int, template: dict[int, bytes]) -> int:
        """Create an object from attribute types and encoded values; return its handle."""
        buffers = [ctypes.create_string_buffer(value, len(value)) for value in template.values()]
        attributes = (_Attribute * len(template))(
            *(
                _Attribute(kind, ctypes.addressof(buffer), len(buffer))
                for kind, buffer in zip(template, buffers, strict=True)
            )
        )
        handle = _ULONG()
        self.call("C_CreateObject", session, attributes, len(template), ctypes.byref(handle))
        return handle.value


def instance_in_this_process(path: str) -> Cryptoki | None:
    """Return the module at *path* if this process has initialised it; never load or initialise it."""
    try:
        library = ctypes.CDLL(path, mode=os.RTLD_NOLOAD | os.RTLD_NOW)
    except OSError:
        return None
    module = Cryptoki(library)
    return module if module.is_initialised() else None


def create(module: Cryptoki, *, label: str, pin: str, so_pin: str) -> str:
    """Initialise the blank token of *module* and its user PIN; return the serial."""
    module.require_softhsm()
    slot = next((slot for slot, _, initialised in module.tokens() if not initialised), None)
    if slot is None:
        raise LookupError("the module shows no uninitialised token")
    so = so_pin.encode()
    module.call("C_InitToken", slot, so, len(so), label.encode().ljust(32))
    with module.session(slot, _CKU_SO, so_pin) as session:
        user = pin.encode()
        module.call("C_InitPIN", session, user, len(user))
    return next(serial for number, serial, _ in module.tokens() if number == slot)


def create_objects(
    module: Cryptoki, *, serial: str, pin: str, templates: Sequence[Mapping[str, str]]
) -> None:
    """Store objects on the token with *serial*, all or none; attribute types and values are in hex."""
    slot = next((slot for slot, found, _ in module.tokens() if found == serial), None)
    if slot is None:
        raise LookupError(f"the module in use shows no token with the serial {serial}")
    with module.session(slot, _CKU_USER, pin) as session:
        made: list[int] = []
        try:
            for template in templates:
                values = {int(kind, 16): bytes.fromhex(value) for kind, value in template.items()}
                made.append(module.create_object(session, values))
        except CryptokiError:
            for handle in made:
                module.call("C_DestroyObject", session, handle)
            raise


TASKS: dict[str, Callable[..., str | None]] = {"create": create, "create_objects": create_objects}


def _answer(task: dict[str, Any]) -> dict[str, Any]:
    try:
        module = Cryptoki(ctypes.CDLL(task["module"]))
        module.call("C_Initialize", None)
        try:
            return {"result": TASKS[task["name"]](module, **task["arguments"])}
        finally:
            module.call("C_Finalize", None)
    except (AttributeError, CryptokiError, LookupError, OSError) as error:
        return {"error": str(error)}


if __name__ == "__main__":
    json.dump(_answer(json.load(sys.stdin)), sys.stdout)
