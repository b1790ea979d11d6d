"""Initialise a token: C_InitToken and C_InitPIN in this process, so that no PIN is ever an argument.

A token with keys loses them all: its serial has to be given once more. Label and PINs are checked before
anything is erased. A wrong SO PIN is never sent twice by this process: too many of them can end a device.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from seedless.errors import NoToken, PinError, TokenError, UsageError
from seedless.pin import RejectedPin
from seedless.pkcs11.cryptoki import CKR_OK, CKU_SO
from seedless.pkcs11.module import load
from seedless.pkcs11.public_objects import stored_objects
from seedless.pkcs11.return_values import explain, name_of
from seedless.pkcs11.session import TokenSession, encode_pin
from seedless.pkcs11.token_info import matches
from seedless.text import between_quotes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pkcs11.types import Slot

    from seedless.pkcs11.module import Module
    from seedless.pkcs11.public_objects import PublicObject
    from seedless.pkcs11.token_info import TokenInfo
    from seedless.pkcs11.uri import KeyUri

_LABEL_SIZE = 32


def blank_or_named(module: Path, uri: KeyUri) -> TokenInfo:
    """Return the token that *uri* means, blank or not; for a URI without attributes, the one blank token.

    Raise `ModuleError`, `NoToken` if none or several match, or `TokenError` for one that another program
    initialises.
    """
    info = _target(load(module), uri)[1]
    _require_initialises(info)
    return info


def contents_of(module: Path, uri: KeyUri) -> list[PublicObject]:
    """List what initialising the token would destroy, as far as it can be seen without its PIN.

    Private keys cannot; their public halves and certificates are evidence of them. An empty list proves
    nothing.
    """
    loaded = load(module)
    slot, info = _target(loaded, uri)
    if not info.initialised:
        return []
    with (
        TokenSession(loaded, slot, info, writable=False) as session,
        session.use("list what is there") as raw,
    ):
        return stored_objects(raw)


def pin_lengths_of(module: Path, uri: KeyUri) -> tuple[int, int]:
    """Return the least and the most bytes of a PIN of the token that *uri* means, see `blank_or_named`."""
    loaded = load(module)
    return loaded.functions.pin_lengths(_target(loaded, uri)[1].slot_id)


def initialise_token(
    module: Path, uri: KeyUri, *, label: str, so_pin: str, pin: str, erase: str | None = None
) -> TokenInfo:
    """Initialise the token that *uri* means (see `blank_or_named`), set its user PIN; return what it is then.

    A token that is initialised already loses everything, and *erase* must be its serial, or its label where
    it has none. Raise `NoToken`, `PinError` (a wrong SO PIN; it is not sent again), `UsageError` for the
    label, `TokenError`.
    """
    loaded = load(module)
    slot, info = _target(loaded, uri)
    _require_initialises(info)
    # By its serial, typed in full: labels repeat, and nothing brings the keys back.
    if info.initialised and (not erase or erase != info.name_to_erase):
        raise TokenError(
            f"{info.where} is initialised, and would lose its keys", "give its serial to erase it"
        )
    name, so, user = _label(label), encode_pin(so_pin, info), encode_pin(pin, info)
    _check_lengths(loaded, info, so, user)
    refused = RejectedPin.of(loaded.path, info.where, so, who="SO")
    refused.check()
    # SoftHSM gives an initialised token a new serial, so the serial cannot find it again; what was there
    # before rules the others out.
    before = {seen.serial for seen in loaded.tokens()}
    with loaded.calls():
        result = loaded.functions.init_token(info.slot_id, so, name)
    if result != CKR_OK:
        if name_of(result) == "PinIncorrect":
            refused.remember()
        raise _so_refused(result, info)
    # What was wrong for the old token may be right for the new one, which has the same place and perhaps
    # the same label.
    RejectedPin.forget_all()
    made = _find_again(loaded, slot.slot_id, label, before)
    with _security_officer(loaded, made, so) as session:
        # If this fails the token has a label and no user PIN; another `token init --erase` begins again,
        # since there is nothing on it.
        result = loaded.functions.init_pin(session, user)
        if result != CKR_OK:
            raise explain(result, "set the user PIN", made.where, made.quirks)
    return _find_again(loaded, made.slot_id, label, before)


def _require_initialises(info: TokenInfo) -> None:
    """Raise `TokenError` for a device that C_InitToken would erase without giving it a label and a PIN.

    ykcs11 resets the PIV application there, keeps its own label, and leaves the PIN of the factory.
    """
    if not info.quirks.sets_labels:
        raise TokenError(
            f"{info.where} was left as it is: it keeps its label ({info.quirks.family}), and another "
            "program sets its PINs",
            info.quirks.reset,
        )


def _target(module: Module, uri: KeyUri) -> tuple[Slot, TokenInfo]:
    found = [slot for slot in module.slots() if matches(slot[1], uri)]
    if len(found) > 1:
        # Whoever names nothing particular means a blank token, never one with keys.
        found = [slot for slot in found if not slot[1].initialised] or found
    if len(found) == 1:
        return found[0]
    present = ", ".join(info.where for info in module.tokens()) or "no token"
    count = f"{len(found)} tokens match" if found else "no token matches"
    raise NoToken(f"{count} {uri}: the module shows {present}", "name one by ;serial=… or ;slot-id=…")


def _label(label: str) -> bytes:
    if not label.strip() or not label.isprintable() or label != label.strip():
        raise UsageError("the label of a token is printable, without blanks at its ends")
    name = label.encode("utf-8")
    if len(name) > _LABEL_SIZE:
        raise UsageError(
            f"the label of a token has at most {_LABEL_SIZE} bytes of UTF-8, this one has {len(name)}"
        )
    return name


def _check_lengths(module: Module, info: TokenInfo, so: bytes, user: bytes) -> None:
    """Refuse a PIN that the token would refuse after it has erased itself."""
    # Before C_InitToken, which erases first and refuses the user PIN afterwards.
    shortest, longest = module.functions.pin_lengths(info.slot_id)
    for which, value in (("SO PIN", so), ("user PIN", user)):
        if longest and not shortest <= len(value) <= longest:
            raise PinError(
                f"the {which} has a length that {info.where} does not take", f"{shortest} to {longest} bytes"
            )


def _so_refused(result: int, info: TokenInfo) -> TokenError:
    error = explain(result, "initialise", info.where, info.quirks)
    if name_of(result) == "PinIncorrect":
        return PinError(
            f"cannot initialise {info.where}: the SO PIN is wrong", "a wrong SO PIN can lock a token for good"
        )
    if name_of(result) == "PinLocked":
        return PinError(
            f"cannot initialise {info.where}: the SO PIN is locked", "reset the device by its maker's program"
        )
    return error


def _find_again(module: Module, slot_id: int, label: str, before: set[str]) -> TokenInfo:
    """Find the token again: drivers may give it another slot, and SoftHSM gives it another serial."""
    ready = [info for info in module.tokens() if info.initialised and info.label == label]
    found = [info for info in ready if info.slot_id == slot_id] or [
        i for i in ready if i.serial not in before
    ]
    if len(found) != 1:
        raise NoToken(
            f'the token "{between_quotes(label)}" was initialised and cannot be found',
            "list the tokens again",
        )
    return found[0]


@contextmanager
def _security_officer(module: Module, info: TokenInfo, so: bytes) -> Iterator[int]:
    """Give the handle of a session of the security officer; closing it, the last one, logs out."""
    functions = module.functions
    with module.calls():
        result, handle = functions.open_session(info.slot_id, writable=True)
        if result != CKR_OK:
            raise explain(result, "open a session", info.where, info.quirks)
        try:
            result = functions.login(handle, CKU_SO, so)
            if result != CKR_OK:
                raise explain(result, "log in as security officer", info.where, info.quirks)
            yield handle
        finally:
            functions.close_session(handle)
