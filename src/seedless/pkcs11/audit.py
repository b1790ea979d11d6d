"""Audit the keys of a token: attributes, provenance, and one trial signature of each.

It decides nothing about a key and changes nothing. A key that cannot be tried is reported with the reason,
and the others are tried all the same. Trial signatures are made in sessions of their own, so that a refusal
does not end the session of the caller. Only challenges are signed, never claims. The login of the token holds
for all sessions of this process; a key that asks for the PIN for each signature is tried in the session
itself, since no PIN is at hand.
"""

from __future__ import annotations

import secrets
import statistics
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pkcs11.constants import Attribute

from seedless.errors import BadSignature, PinError, TokenError
from seedless.nkey import SIGNATURE_SIZE, PublicKey, Role
from seedless.pkcs11 import observer
from seedless.pkcs11.cryptoki import CKR_OK
from seedless.pkcs11.keys import ED25519, key_pairs, provenance_of, read_attributes
from seedless.pkcs11.return_values import explain
from seedless.pkcs11.session import TokenSession
from seedless.pkcs11.signing import challenge, proves_key, record_challenge, sign_with
from seedless.pkcs11.token import Token

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pkcs11.types import Object, Session

    from seedless.pkcs11.keys import Key, KeyPair, KeyProvenance
    from seedless.pkcs11.module import Module
    from seedless.pkcs11.token_info import TokenInfo


LARGEST_TRIED = 32_768
"""Bytes of the longest message that is tried."""
_ROUNDS = 7
_LONG = 1.0  # seconds of a signature that is not worth a median


@dataclass(frozen=True, slots=True)
class TrialSignature:
    """What came of one signature: its bytes, or why there are none."""

    message: bytes
    signature: bytes = b""
    refusal: str = ""

    def verifies(self, public: bytes) -> bool:
        """Report whether the signature is one of *message* under *public*, 32 bytes."""
        try:
            PublicKey(Role.USER, public).verify(self.signature, self.message)
        except BadSignature:
            return False
        return True


def try_signature(token: Token, pair: KeyPair, message: bytes) -> TrialSignature:
    """Let the key sign *message* in a session of its own; raise `TokenError` if none can be opened."""
    signature = b""
    functions, where, quirks = token.session.module.functions, token.info.where, token.quirks
    with token.session.module.calls():
        # A session of its own: a message that is too long wedges the session of some drivers for good,
        # and the token is still needed.
        result, session = functions.open_session(token.session.slot.slot_id, writable=False)
        if result != CKR_OK:
            raise explain(result, "open a session", where, quirks)
        try:
            observer.current.signing(token.info)
            record_challenge(token.session, pair.key, message)
            result = functions.sign_init(session, token.numbers.sign, pair.private.handle or 0)
            if result == CKR_OK:
                result, signature = functions.sign(session, message, SIGNATURE_SIZE)
        finally:
            functions.close_session(session)
    if result != CKR_OK:
        return TrialSignature(
            message, refusal=explain(result, "sign", where, quirks).message.rpartition(": ")[2]
        )
    if len(signature) != SIGNATURE_SIZE:
        return TrialSignature(
            message, refusal=f"{len(signature)} bytes came for a signature of {SIGNATURE_SIZE}"
        )
    return TrialSignature(message, signature)


def existing_key_signs(token: Token, message: bytes) -> tuple[Key | None, bool]:
    """Let the first Ed25519 key that may sign do so; return it, and whether the signature verifies.

    None where there is none. A key that requires the PIN for each signature gets it. Raise `TokenError`.
    """
    session = token.session

    def action(raw: Session) -> tuple[Key | None, bool]:
        for pair in key_pairs(raw, token.numbers):
            key = pair.key
            if key.key_type == ED25519 and key.raw is not None and key.attributes.sign is not False:
                return key, proves_key(session, raw, pair, key.raw, token.numbers, message)
        return None, False

    with session.asking():
        return session.again("sign", action)


def padded_challenge(purpose: str, random: bytes, size: int) -> bytes:
    """Return a challenge of *size* bytes, or its shortest form if that is longer."""
    return challenge(purpose, random).ljust(size, b"\0")


def largest_message(attempt: Callable[[int], bool], longest: int = LARGEST_TRIED) -> int:
    """Return the largest size in bytes, up to *longest*, for which *attempt* reports yes; 0 for none.

    Found by halving: at most 16 attempts. It is taken that a token which signs some size signs all below.
    """
    # The usual case of software tokens, with one signature instead of sixteen.
    if attempt(longest):
        return longest
    good, bad = 0, longest
    while bad - good > 1:
        middle = (good + bad) // 2
        good, bad = (middle, bad) if attempt(middle) else (good, middle)
    return good


def mechanisms(module: Module, info: TokenInfo) -> frozenset[int]:
    """Return the numbers of the mechanisms that the token lists, those of vendors too; none if it fails."""
    with module.calls():
        result, numbers = module.functions.mechanisms(info.slot_id)
    return numbers if result == CKR_OK else frozenset()


@contextmanager
def trial_session(token: Token) -> Iterator[Token]:
    """Open a second, writable session on *token*, sharing its login: an error in one leaves the other."""
    own = token.session
    opening = TokenSession(own.module, own.slot, own.info, writable=True, challenges=own.challenges)
    with opening as session:
        yield Token(session, token.numbers)


@dataclass(frozen=True, slots=True)
class TrialKey:
    """A key on trial: its objects, the encodings of its public half as shown, its provenance."""

    pair: KeyPair
    ec_params: bytes
    ec_point: bytes
    provenance: KeyProvenance

    @property
    def raw(self) -> bytes:
        """The 32 bytes of its public key."""
        return self.pair.key.raw or b""


def read(token: Token, key: Key) -> TrialKey:
    """Read a key that was made on *token* for a trial; raise `TokenError`."""
    pair = pair_of(token, key.raw or b"")
    with token.session.use("read a key"):
        shown = _read(pair.public, Attribute.EC_PARAMS, Attribute.EC_POINT) if pair.public else {}
        mechanism = _read(pair.private, Attribute.KEY_GEN_MECHANISM).get(Attribute.KEY_GEN_MECHANISM)
    made_by = mechanism if isinstance(mechanism, int) else None
    return TrialKey(
        pair,
        shown.get(Attribute.EC_PARAMS) or b"",
        shown.get(Attribute.EC_POINT) or b"",
        provenance_of(key.attributes, made_by, token.info),
    )


def _read(item: Object, *attributes: Attribute) -> dict[Attribute, Any]:
    return read_attributes(item, attributes)


def discard(token: Token, key: Key) -> None:
    """Delete a key that was made for a trial, in a session of its own; raise `TokenError` if it stays."""
    with trial_session(token) as own:
        keys: list[Key] = own.keys()
        ours = [candidate for candidate in keys if (candidate.id, candidate.label) == (key.id, key.label)]
        for pair in ours:
            own.destroy(pair)
        if len(ours) != 1:
            raise TokenError(f"{token.info.where} lists {len(ours)} keys as {key.named}, and not one")


def speed(attempt: Callable[[], object], clock: Callable[[], float]) -> float:
    """Return the median seconds of some signatures but the first, or those of one that is slow."""
    times = []
    for _ in range(_ROUNDS + 1):
        before = clock()
        attempt()
        times.append(clock() - before)
        if times[-1] > _LONG:
            return times[-1]
    return statistics.median(times[1:])


def pair_of(token: Token, raw: bytes) -> KeyPair:
    """Return the one pair whose public half is *raw*, as it is on the token now; raise `TokenError`."""
    found = [pair for pair in token.pairs() if pair.key.raw == raw]
    if len(found) != 1:
        raise TokenError(f"the key on trial is not on {token.info.where} any more")
    return found[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditedKey:
    """One key, its provenance and its trial; `agrees` is None where the public object was not tried."""

    key: Key
    provenance: KeyProvenance
    trial: TrialSignature
    agrees: bool | None

    @property
    def is_sound(self) -> bool:
        """Whether the key cannot leave, and its public object is not another key's."""
        return not self.key.attributes.can_leave and self.agrees is not False


def audit(token: Token, random: Callable[[int], bytes] = secrets.token_bytes) -> list[AuditedKey]:
    """Read and try every private key on *token*; raise `TokenError` if they cannot be listed."""
    pairs = token.pairs()
    mechanisms = [_mechanism(token, pair) for pair in pairs]
    # A key that requires the PIN again is tried in the session itself, which an error ends: so it comes last.
    sequence = sorted(range(len(pairs)), key=lambda at: pairs[at].key.attributes.always_authenticate is True)
    trials = {at: _tried_key(token, pairs[at], challenge("audit", random(32))) for at in sequence}
    return [_audited_key(token, pair, mechanisms[at], trials[at]) for at, pair in enumerate(pairs)]


def _audited_key(token: Token, pair: KeyPair, mechanism: int | None, tried: TrialSignature) -> AuditedKey:
    key = pair.key
    agrees = tried.verifies(key.raw) if tried.signature and key.raw is not None else None
    return AuditedKey(
        key=key, provenance=provenance_of(key.attributes, mechanism, token.info), trial=tried, agrees=agrees
    )


def _mechanism(token: Token, pair: KeyPair) -> int | None:
    with token.session.use("read a key"):
        value = read_attributes(pair.private, [Attribute.KEY_GEN_MECHANISM]).get(Attribute.KEY_GEN_MECHANISM)
    return value if isinstance(value, int) else None


def _tried_key(token: Token, pair: KeyPair, message: bytes) -> TrialSignature:
    key = pair.key
    if key.key_type != ED25519:
        return TrialSignature(message, refusal=f"no Ed25519 key: {key.key_type}")
    if key.attributes.sign is False:
        return TrialSignature(message, refusal="not allowed to sign")
    if key.raw is None:
        return TrialSignature(message, refusal="there is no public object")
    if not key.attributes.always_authenticate:
        return try_signature(token, pair, message)
    try:
        with token.session.module.login, token.session.use("sign") as raw:
            return TrialSignature(message, sign_with(token.session, raw, pair, message, token.numbers))
    except PinError:
        raise
    except TokenError as error:
        return TrialSignature(message, refusal=error.message)
