"""What a token or its driver answered, as errors of this project: all knowledge of the binding's exceptions.

The binding names its exceptions after the CKR values, except for a dozen that come as a bare `PKCS11Error`
with text, and for odd attribute values, which come as ValueError or NotImplementedError. None of them is
shown with a PIN.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING

import msgspec
import pkcs11.exceptions
from pkcs11.exceptions import PKCS11Error

from seedless.errors import NoKey, NoToken, PinError, TokenError
from seedless.pkcs11.families import GENERAL

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seedless.pkcs11.families import Quirks
    from seedless.pkcs11.token_info import TokenInfo

_AGAIN = "run the command again; if it stays, unplug the token and plug it in"
_TOUCH = "if it blinks or has a button, touch it in time; it may also lack a permission for this"
_OTHER_PROGRAM = "close the other program that uses the token, then run the command again"


class _Cause(msgspec.Struct, frozen=True):
    text: str
    hint: str = ""
    error: type[TokenError] = TokenError


_CAUSES: dict[str, _Cause] = {
    "PinIncorrect": _Cause("the PIN is wrong", "check which PIN this token has", PinError),
    "PinInvalid": _Cause("the PIN holds characters that the token does not take", error=PinError),
    "PinLenRange": _Cause("the PIN has a length that the token does not take", error=PinError),
    "PinTooWeak": _Cause("the token calls the PIN too weak", "choose a longer one", PinError),
    "PinExpired": _Cause("the PIN has expired", "change it with the token's own program", PinError),
    "PinLocked": _Cause(
        "the PIN is locked", "unlock it with the PUK or SO PIN by the token's own program", PinError
    ),
    "UserPinNotInitialized": _Cause("no user PIN has been set", "seedless token init sets one", PinError),
    "UserNotLoggedIn": _Cause("nobody is logged in, or the key asks for the PIN again", _AGAIN),
    "UserAlreadyLoggedIn": _Cause("somebody is logged in already", _OTHER_PROGRAM),
    "AnotherUserAlreadyLoggedIn": _Cause("another kind of user is logged in", _OTHER_PROGRAM),
    "UserTooManyTypes": _Cause("another kind of user is logged in", _OTHER_PROGRAM),
    "DeviceRemoved": _Cause("the device was removed", "plug it in, then run the command again"),
    "DeviceError": _Cause("the device has a fault", _AGAIN),
    "DeviceMemory": _Cause("the token is full", "delete keys that are not wanted any more"),
    "HostMemory": _Cause("the driver ran out of memory"),
    "TokenNotPresent": _Cause("the token is gone", "plug it in, then run the command again", NoToken),
    "TokenNotRecognised": _Cause(
        "the driver does not know this device", "name the module of its maker", NoToken
    ),
    "TokenWriteProtected": _Cause("the token is write-protected"),
    "SlotIDInvalid": _Cause("the slot is gone", _AGAIN, NoToken),
    "SessionHandleInvalid": _Cause("the session was lost", _AGAIN),
    "SessionClosed": _Cause("the session was lost", _AGAIN),
    "SessionCount": _Cause("the token has no session left", _OTHER_PROGRAM),
    "SessionExists": _Cause("a session is open on the token", _OTHER_PROGRAM),
    "SessionReadOnly": _Cause("the token was opened for reading only"),
    "SessionReadOnlyExists": _Cause("a session for reading is open on the token", _OTHER_PROGRAM),
    "SessionReadWriteSOExists": _Cause("the security officer is logged in", _OTHER_PROGRAM),
    "OperationActive": _Cause("the session hangs in an earlier operation", _AGAIN),
    "OperationNotInitialized": _Cause("the session lost the operation", _AGAIN),
    "ObjectHandleInvalid": _Cause("the key is gone, or somebody logged out", _AGAIN, NoKey),
    "KeyHandleInvalid": _Cause("the key is gone, or somebody logged out", _AGAIN, NoKey),
    "NoSuchKey": _Cause("the key was not found, which does not prove that it is absent", _AGAIN, NoKey),
    "KeyTypeInconsistent": _Cause("the key is not an Ed25519 key"),
    "KeySizeRange": _Cause("the key has a size that the token does not take"),
    "MechanismInvalid": _Cause(
        "it does not know this mechanism", "Ed25519 requires CKM_EDDSA: see seedless token show"
    ),
    "MechanismParamInvalid": _Cause("it refuses the parameters of the mechanism"),
    "DomainParamsInvalid": _Cause("it does not know the curve Ed25519"),
    "DataLenRange": _Cause("the message is too long for the token", "fewer imports, exports or permissions"),
    "DataInvalid": _Cause("it refuses the message"),
    "AttributeReadOnly": _Cause("an attribute of the object cannot be set"),
    "AttributeSensitive": _Cause("the value is secret and stays on the token"),
    "AttributeTypeInvalid": _Cause("it does not know an attribute that was asked of it"),
    "AttributeValueInvalid": _Cause(
        "it refuses the value of an attribute", "a half-written object may be on the token"
    ),
    "TemplateIncomplete": _Cause("it misses an attribute"),
    "TemplateInconsistent": _Cause("it refuses this combination of attributes"),
    "FunctionFailed": _Cause("the operation failed", _AGAIN),
    "FunctionNotSupported": _Cause("its driver cannot do this", "use the program of its maker"),
    "FunctionCancelled": _Cause("it was cancelled on the token", _TOUCH),
    "FunctionRejected": _Cause("it was refused on the token", _TOUCH),
    "GeneralError": _Cause("the driver reports a general error", _AGAIN),
    "ArgumentsBad": _Cause(
        "the driver refuses the arguments", "a PIN of a length it does not know, or a long message"
    ),
}

# CKR values that the binding leaves as text, and those that our own calls see (PKCS#11 2.40 pkcs11t.h).
# The binding raises a bare PKCS11Error with text for some of these (0x1b, 0x68, 0x140, 0x190), and has no
# attribute with the number; so the number is read out of the text.
_NAMES: dict[int, str] = {
    0x002: "HostMemory",
    0x003: "SlotIDInvalid",
    0x005: "GeneralError",
    0x006: "FunctionFailed",
    0x007: "ArgumentsBad",
    0x01B: "ActionProhibited",
    0x020: "DataInvalid",
    0x021: "DataLenRange",
    0x030: "DeviceError",
    0x031: "DeviceMemory",
    0x032: "DeviceRemoved",
    0x050: "FunctionCancelled",
    0x054: "FunctionNotSupported",
    0x060: "KeyHandleInvalid",
    0x063: "KeyTypeInconsistent",
    0x068: "KeyFunctionNotPermitted",
    0x070: "MechanismInvalid",
    0x071: "MechanismParamInvalid",
    0x082: "ObjectHandleInvalid",
    0x090: "OperationActive",
    0x091: "OperationNotInitialized",
    0x0A0: "PinIncorrect",
    0x0A1: "PinInvalid",
    0x0A2: "PinLenRange",
    0x0A3: "PinExpired",
    0x0A4: "PinLocked",
    0x0B0: "SessionClosed",
    0x0B1: "SessionCount",
    0x0B3: "SessionHandleInvalid",
    0x0B6: "SessionExists",
    0x0B7: "SessionReadOnlyExists",
    0x0B8: "SessionReadWriteSOExists",
    0x0E0: "TokenNotPresent",
    0x0E1: "TokenNotRecognised",
    0x0E2: "TokenWriteProtected",
    0x100: "UserAlreadyLoggedIn",
    0x101: "UserNotLoggedIn",
    0x102: "UserPinNotInitialized",
    0x104: "AnotherUserAlreadyLoggedIn",
    0x105: "UserTooManyTypes",
    0x140: "CurveNotSupported",
    0x190: "CryptokiNotInitialized",
    0x200: "FunctionRejected",
}
_CAUSES["ActionProhibited"] = _Cause("the object may not be changed or deleted")
_CAUSES["CurveNotSupported"] = _Cause("it does not know the curve Ed25519")
_CAUSES["KeyFunctionNotPermitted"] = _Cause("the key is not allowed to sign", "create a key with CKA_SIGN")
_CAUSES["CryptokiNotInitialized"] = _Cause(
    "another part of this program has shut the driver down", "start the program again"
)
_CODE = re.compile(r"0x[0-9a-f]+")
_BARE: tuple[tuple[str, _Cause], ...] = (
    ("not initialized", _CAUSES["CryptokiNotInitialized"]),
    ("already initialized", _Cause("another part of this program uses the driver")),
    ("Buffer was too small", _Cause("the message is too long for the token, or the driver miscounts")),
    (
        "User type invalid",
        _Cause("this user may not do it", "some devices require their maker's program for this"),
    ),
)

# What shows a token's dislike of one attribute or encoding, so that another is worth a try.
# To the encoding of the curve that they do not know a YubiHSM and openCryptoki answer 0x140
# (CurveNotSupported); other drivers return a value about the template, each another one.
_DISLIKES = frozenset(
    {
        "ArgumentsBad",
        "AttributeReadOnly",
        "AttributeTypeInvalid",
        "AttributeValueInvalid",
        "CurveNotSupported",
        "DomainParamsInvalid",
        "MechanismParamInvalid",
        "TemplateIncomplete",
        "TemplateInconsistent",
    }
)


# What shows that a session, a login or a handle is gone, so that a new one is worth a try.
# A YubiHSM whose connector was restarted answers DeviceRemoved, then ObjectHandleInvalid; SoftHSM whose
# folder was remounted NoSuchKey, which is no loss by itself.
_LOSSES = frozenset(
    {
        "CryptokiNotInitialized",
        "DeviceError",
        "DeviceRemoved",
        "FunctionFailed",
        "KeyHandleInvalid",
        "ObjectHandleInvalid",
        "OperationActive",
        "OperationNotInitialized",
        "SessionClosed",
        "SessionHandleInvalid",
        "TokenNotPresent",
        "UserNotLoggedIn",
    }
)


@contextmanager
def explained(doing: str, where: str, quirks: Quirks = GENERAL) -> Iterator[None]:
    """Turn what the binding raises into errors of this project: `cannot DOING on WHERE: …`.

    *quirks* are those of the family: one CKR value has several meanings.
    """
    try:
        yield
    except PKCS11Error as error:
        raise _error(_cause(error, quirks), doing, where) from error
    except (ValueError, NotImplementedError) as error:
        cause = _Cause(f"the driver answered with a value that makes no sense ({type(error).__name__})")
        raise _error(cause, doing, where) from error


def explain(value: int, doing: str, where: str, quirks: Quirks = GENERAL) -> TokenError:
    """Return the error for the CKR *value* of a call of our own, on a device with *quirks*."""
    return _error(_by_code(value, quirks), doing, where)


def name_of(value: int) -> str:
    """Return the binding's name of the CKR *value*, empty for one that no call of ours distinguishes."""
    return _NAMES.get(value, "")


def require_ok(value: int) -> None:
    """Raise what the binding would raise for the CKR *value* of a call of our own, inside `explained`."""
    if value != 0:
        kind = getattr(pkcs11.exceptions, name_of(value) or "PKCS11Error", PKCS11Error)
        raise kind(f"0x{value:x}")


def is_dislike(error: Exception) -> bool:
    """Report whether the token refused the template, and might take another."""
    return _name(error) in _DISLIKES


def is_loss(error: BaseException) -> bool:
    """Report whether an error that `explained` made is about a lost session, login or handle."""
    return isinstance(error.__cause__, PKCS11Error) and _name(error.__cause__) in _LOSSES


def failed_again(error: TokenError, first: TokenError) -> TokenError:
    """Return the error for what failed once more after the session had been made anew."""
    before, now = (failure.message.rpartition(": ")[2] for failure in (first, error))
    # Both are shown: the second error alone (the token is gone) would hide that the first was about
    # something else.
    which = "as before" if before == now else f"before that, {before}"
    return type(error)(f"{error.message} ({which}; the driver was restarted in between)", error.hint)


def _name(error: BaseException) -> str:
    name = type(error).__name__
    if name != "PKCS11Error":
        return name
    if "not initialized" in str(error):
        return "CryptokiNotInitialized"
    code = _CODE.search(str(error))
    return _NAMES.get(int(code[0], 16), "") if code else ""


def pin_rejected(info: TokenInfo, *, wrong: bool) -> PinError:
    """Return the error for a user PIN that is wrong, or may not be tried, and what the flags report."""
    if info.user_pin_locked:
        cause = _CAUSES["PinLocked"]
        text = "the PIN was wrong and is now locked" if wrong else cause.text
        return PinError(f"cannot log in on {info.where}: {text}", cause.hint)
    text = "the PIN is wrong" if wrong else "the PIN was not tried"
    # The flag is read after the wrong PIN, from the token: a person has to know before the next try that
    # it is the last.
    if info.user_pin_final_try:
        hint = "make sure of the PIN, then use --last-try: one more wrong PIN locks the token"
        return PinError(f"cannot log in on {info.where}: {text}, and one try is left", hint)
    tries = ", and few tries are left" if info.user_pin_count_low else ""
    return PinError(
        f"cannot log in on {info.where}: {text}{tries}", "make sure of the PIN before you try again"
    )


def _error(cause: _Cause, doing: str, where: str) -> TokenError:
    return cause.error(f"cannot {doing} on {where}: {cause.text}", cause.hint)


def _cause(error: PKCS11Error, quirks: Quirks) -> _Cause:
    name = type(error).__name__
    if name != "PKCS11Error":
        return _named(name, quirks) or _Cause(f"the driver answered {name}")
    text = str(error)
    for part, cause in _BARE:
        if part in text:
            return cause
    code = _CODE.search(text)
    return _by_code(int(code[0], 16), quirks) if code else _Cause("the driver answered with an unknown error")


def _by_code(value: int, quirks: Quirks) -> _Cause:
    return _named(_NAMES.get(value, ""), quirks) or _Cause(f"the driver answered 0x{value:x}")


def _named(name: str, quirks: Quirks) -> _Cause | None:
    general = _CAUSES.get(name)
    if name not in quirks.causes:
        return general
    text, hint = quirks.causes[name]
    return _Cause(text, hint, TokenError if general is None else general.error)
