"""Signatures on trial: made aside, in sessions of their own, so that a refusal does not end the session.

Only challenges are signed, never claims. The login of the token holds for all sessions of this process; a key
that asks for the PIN for each signature is not tried here, since no PIN is at hand.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from seedless.errors import BadSignature, TokenError
from seedless.nkey import SIGNATURE_SIZE, PublicKey, Role
from seedless.pkcs11._ckr import explain
from seedless.pkcs11._cryptoki import CKR_OK
from seedless.pkcs11.signing import challenge

if TYPE_CHECKING:
    from collections.abc import Callable

    from seedless.pkcs11.objects import Pair
    from seedless.pkcs11.token import Token

LARGEST_TRIED = 32_768
"""Bytes of the longest message that is tried."""


@dataclass(frozen=True, slots=True)
class Trial:
    """What came of one signature: its bytes, or why there are none."""

    message: bytes
    signature: bytes = b""
    refusal: str = ""

    def verifies(self, public: bytes) -> bool:
        """Say whether the signature is one of *message* under *public*, 32 bytes."""
        try:
            PublicKey(Role.USER, public).verify(self.signature, self.message)
        except BadSignature:
            return False
        return True


def trial(token: Token, pair: Pair, message: bytes) -> Trial:
    """Let the key sign *message* in a session of its own; raise `TokenError` if none can be opened."""
    signature = b""
    functions, where = token.session.module.functions, token.info.where
    with token.session.module.calls():
        result, session = functions.open_session(token.session.slot.slot_id, writable=False)
        if result != CKR_OK:
            raise explain(result, "open a session", where)
        try:
            result = functions.sign_init(session, token.numbers.sign, pair.private.handle or 0)
            if result == CKR_OK:
                result, signature = functions.sign(session, message, SIGNATURE_SIZE)
        finally:
            functions.close_session(session)
    if result != CKR_OK:
        return Trial(message, refusal=explain(result, "sign", where).message.rpartition(": ")[2])
    if len(signature) != SIGNATURE_SIZE:
        return Trial(message, refusal=f"{len(signature)} bytes came for a signature of {SIGNATURE_SIZE}")
    return Trial(message, signature)


def padded_challenge(purpose: str, random: bytes, size: int) -> bytes:
    """Return a challenge of *size* bytes, or its shortest form if that is longer."""
    return challenge(purpose, random).ljust(size, b"\0")


def largest_message(attempt: Callable[[int], bool], longest: int = LARGEST_TRIED) -> int:
    """Return the largest size in bytes, up to *longest*, for which *attempt* says yes; 0 for none.

    Found by halving: at most 16 attempts. It is taken that a token which signs some size signs all below.
    """
    if attempt(longest):
        return longest
    good, bad = 0, longest
    while bad - good > 1:
        middle = (good + bad) // 2
        good, bad = (middle, bad) if attempt(middle) else (good, middle)
    return good


def pair_of(token: Token, raw: bytes) -> Pair:
    """Return the one pair whose public half is *raw*, as it is on the token now; raise `TokenError`."""
    found = [pair for pair in token.pairs() if pair.key.raw == raw]
    if len(found) != 1:
        raise TokenError(f"the key on trial is not on {token.info.where} any more")
    return found[0]
