"""Signatures by a key on a token: CKM_EDDSA without parameter, which is pure Ed25519 (PKCS#11 3.0 §2.3.14).

C_SignInit and C_Sign are called on the module itself, once each, for a signature of 64 bytes. Test signatures
are over a challenge that can never be taken for claims.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from seedless.errors import BadSignature, TokenError, UsageError
from seedless.nkey import SIGNATURE_SIZE, PublicKey, Role
from seedless.pkcs11 import watch
from seedless.pkcs11._ckr import name_of, require_ok
from seedless.pkcs11.recognise import why_no_ed25519
from seedless.pkcs11.session import handle_of

if TYPE_CHECKING:
    from pkcs11.types import Session

    from seedless.pkcs11.info import TokenInfo
    from seedless.pkcs11.module import Module
    from seedless.pkcs11.objects import Pair
    from seedless.pkcs11.quirks import Numbers
    from seedless.pkcs11.session import TokenSession

UNTOUCHED_AFTER = 10.0
"""Seconds after which a signature that failed is taken to have waited for a touch: a YubiKey waits 15."""
_UNTOUCHED = frozenset({"FunctionCancelled", "FunctionFailed", "FunctionRejected", "UserNotLoggedIn"})
_CHALLENGE = "seedless challenge v1"


def challenge(purpose: str, random: bytes) -> bytes:
    """Return a message for a test signature: a marked line with *purpose*, a line of *random* in hex, a NUL.

    A jwt's signing input is base64url and one dot; blanks, line ends and the NUL are neither. Raise
    `UsageError` for a purpose that is not plain ASCII words.
    """
    if not purpose.isascii() or not purpose.isprintable():
        raise UsageError("the purpose of a challenge is plain ASCII")
    return f"{_CHALLENGE} {purpose}\n{random.hex()}\n\0".encode("ascii")


def eddsa_numbers(module: Module, info: TokenInfo) -> Numbers:
    """Return the numbers of Ed25519 on the token; raise `TokenError` unless it lists CKM_EDDSA or its own."""
    with module.calls():
        result, mechanisms = module.functions.mechanisms(info.slot_id)
    numbers = info.quirks.numbers_in(mechanisms) if result == 0 else None
    if numbers is None:
        why = why_no_ed25519(info.quirks, info.library)
        listed = "it does not list CKM_EDDSA"
        cause, more = (listed, f"{why}; " if why else "") if info.quirks.numbers else (why, "")
        raise TokenError(
            f"{info.where} cannot sign with Ed25519: {cause}",
            f"{more}use a token that can: a YubiKey from 5.7, a YubiHSM 2, SoftHSM 2.5 or newer",
        )
    return numbers


def require_touched(result: int, seconds: float, info: TokenInfo) -> None:
    """Raise `TokenError` where a signature failed because nobody touched the device, as is likely.

    ykcs11 returns then, after 15 seconds, what it returns for a login that was lost. The time distinguishes
    them: a second try would be a second wait without a word.
    """
    if seconds >= UNTOUCHED_AFTER and name_of(result) in _UNTOUCHED and info.quirks.touch:
        raise TokenError(
            f"cannot sign on {info.where}: it failed after {seconds:.0f} seconds, as if nobody touched it",
            "run the command again, and touch the device whenever it blinks",
        )


def sign_with(session: TokenSession, raw: Session, pair: Pair, message: bytes, numbers: Numbers) -> bytes:
    """Sign with a private object, inside `TokenSession.use`; raise `TokenError`. Nothing is verified."""
    key, functions, handle = pair.key, session.module.functions, handle_of(raw)
    if key.attributes.sign is False:
        raise TokenError(
            f"the key {key.named} on {session.info.where} is not allowed to sign", "make a key with CKA_SIGN"
        )
    watch.current.signing(session.info)
    require_ok(functions.sign_init(handle, numbers.sign, pair.private.handle or 0))
    if key.attributes.always_authenticate:
        session.affirm(raw)
    began = time.monotonic()
    result, signature = functions.sign(handle, message, SIGNATURE_SIZE)
    require_touched(result, time.monotonic() - began, session.info)
    require_ok(result)
    return require_whole(signature, session)


def require_whole(signature: bytes, session: TokenSession) -> bytes:
    """Return a *signature* of 64 bytes; raise `TokenError` for another length."""
    if len(signature) != SIGNATURE_SIZE:
        raise TokenError(
            f"{session.info.where} returned {len(signature)} bytes for a signature of {SIGNATURE_SIZE}",
            "its driver is broken: look for a newer one",
        )
    return signature


def proves(
    session: TokenSession, raw: Session, pair: Pair, public: bytes, numbers: Numbers, message: bytes
) -> bool:
    """Say whether the private object signs *message* so that it verifies under *public* (32 bytes)."""
    signature = sign_with(session, raw, pair, message, numbers)
    try:
        PublicKey(Role.USER, public).verify(signature, message)
    except BadSignature:
        return False
    return True
