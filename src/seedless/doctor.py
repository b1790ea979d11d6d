"""`token doctor`: what a token can do, found by trying; a line and a verdict for each thing.

A throw-away key is made where that is allowed, used, and deleted whatever happens. Where another program
creates the keys, one that is there signs a challenge. The PIN is sent once, and not at all when the token
reports that few tries are left, unless that was asked for. Only challenges are signed.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from seedless.claims import Account, Export, Import
from seedless.errors import TokenError
from seedless.jwt import Claims, draft
from seedless.nkey import PublicKey, Role
from seedless.pkcs11 import audit
from seedless.pkcs11.families import why_no_ed25519
from seedless.pkcs11.keys import NOT_ATTESTED, is_software, label_for
from seedless.pkcs11.module import load
from seedless.pkcs11.public_objects import free_slots, how_to_create
from seedless.pkcs11.token import find_token, open_token
from seedless.readiness import CheckStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from pathlib import Path

    from seedless.challenges import ChallengeJournal
    from seedless.pin import PinSource
    from seedless.pkcs11.keys import Key
    from seedless.pkcs11.module import Module
    from seedless.pkcs11.token import Token
    from seedless.pkcs11.token_info import TokenInfo
    from seedless.pkcs11.uri import KeyUri

LABEL: Final = "seedless-doctor"
_SLOW = 0.1  # seconds; a server waits 2 for a user to log in
_LARGE_ACCOUNT = 10  # exports, and as many imports


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One thing that was looked at: what, how it is, what was found, and what to do about it."""

    what: str
    verdict: CheckStatus
    found: str
    advice: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExaminedToken:
    """The token to be looked at, and how: *random* gives bytes, *clock* seconds that only grow.

    *challenges* is the journal of what is signed.
    """

    module: Path
    uri: KeyUri
    pins: PinSource
    last_try: bool
    makes_key: bool
    random: Callable[[int], bytes]
    clock: Callable[[], float]
    challenges: ChallengeJournal | None = None


def examine(examined: ExaminedToken) -> Generator[CheckResult, None, None]:
    """Yield a line for each thing, as soon as it is known; a token that fails is the last line.

    Raise nothing of a token. When the caller stops, or is interrupted, the throw-away key is deleted.
    """
    # One `try` around all: whatever a driver does, what was found until then is printed, and the error is a
    # line of the same list.
    try:
        module = load(examined.module)
        yield CheckResult("module", CheckStatus.OK, f"{examined.module}: {module.description}")
        tokens = module.tokens()
        yield CheckResult("slots", CheckStatus.OK, f"{len(tokens)} with a token")
        info = find_token(module, examined.uri)
        yield from _description(info)
        yield _mechanisms(info, audit.mechanisms(module, info))
        yield _room(module, info)
        pin = _pin(info, last_try=examined.last_try)
        yield pin
        # Before any login: a wrong PIN, or a driver that sends it twice, could use up the last try of
        # somebody's token.
        if pin.verdict is CheckStatus.PROBLEM:
            return
        opened = open_token(
            info.uri,
            examined.pins,
            module=examined.module,
            last_try=examined.last_try,
            challenges=examined.challenges,
        )
        with opened as token:
            yield CheckResult(
                "login", CheckStatus.OK, "the PIN was accepted" if info.login_required else "none needed"
            )
            yield from _keys(token)
            yield from _trial(token, examined)
    except TokenError as error:
        yield CheckResult("token", CheckStatus.PROBLEM, error.message, error.hint)


def _description(info: TokenInfo) -> Iterator[CheckResult]:
    found = f"{info.where}, {info.manufacturer} {info.model}, firmware {info.firmware_version}"
    yield CheckResult("token", CheckStatus.OK, found)
    quirks = info.quirks
    if quirks.family == "unknown":
        yield CheckResult(
            "family", CheckStatus.NOTE, "not known", "everything is tried, and nothing is believed"
        )
        return
    yield CheckResult("family", CheckStatus.OK, f"{quirks.family} ({quirks.source})")
    for note in quirks.notes:
        yield CheckResult("family", CheckStatus.NOTE, note)
    if is_software(info):
        yield CheckResult(
            "provenance", CheckStatus.NOTE, "a program, no device", "good to try and to test, not to keep"
        )


def _mechanisms(info: TokenInfo, present: frozenset[int]) -> CheckResult:
    # Luna has Ed25519 under vendor numbers (0x80000C03 signs) and not under CKM_EDDSA: which numbers count
    # depends on the family.
    numbers = info.quirks.numbers_in(present)
    if numbers is None:
        why = why_no_ed25519(info.quirks, info.library) or "a newer firmware or driver may know it"
        none = f"none of {len(present)} signs with Ed25519"
        found = none if info.quirks.numbers else "whatever the driver lists, this device has no Ed25519"
        return CheckResult("mechanisms", CheckStatus.PROBLEM, found, why)
    makes = "makes pairs" if numbers.generate in present else "lists none that makes pairs"
    found = f"Ed25519 by 0x{numbers.sign:x}, and it {makes}"
    return CheckResult(
        "mechanisms", CheckStatus.OK if numbers.generate in present else CheckStatus.NOTE, found
    )


def _room(module: Module, info: TokenInfo) -> CheckResult:
    """Return what the device reports of the keys that it can still hold."""
    # A PIV card has fixed slots and reports no memory; what counts as free is a slot without a key.
    if info.quirks.slots:
        free, count = free_slots(module, info), len(info.quirks.slots)
        names = f": {', '.join(name for name, _ in free)}" if free else ""
        found = f"{len(free)} of {count} slots for signatures show no key{names}"
        return CheckResult("room", CheckStatus.OK if free else CheckStatus.NOTE, found)
    with module.calls():
        public, private = module.functions.memory(info.slot_id)
    if public is None and private is None:
        return CheckResult("room", CheckStatus.OK, "not reported by this driver")
    sizes = ((public, "public"), (private, "private"))
    found = ", ".join(f"{size} bytes for {kind} objects" for size, kind in sizes if size is not None)
    return CheckResult("room", CheckStatus.OK, f"free are {found}")


def _pin(info: TokenInfo, *, last_try: bool) -> CheckResult:
    if info.user_pin_locked:
        return CheckResult(
            "PIN", CheckStatus.PROBLEM, "locked", "unlock it with the program of the token's maker"
        )
    if not info.user_pin_initialised:
        return CheckResult("PIN", CheckStatus.PROBLEM, "none is set", "seedless token init sets one")
    if info.user_pin_final_try or info.user_pin_count_low:
        left = "one try is left" if info.user_pin_final_try else "few tries are left"
        if not last_try:
            return CheckResult(
                "PIN",
                CheckStatus.PROBLEM,
                f"{left}, so it was not asked for",
                "be sure of it, then --last-try",
            )
        return CheckResult("PIN", CheckStatus.NOTE, left, "a right PIN sets the counter back")
    pad = "typed on the device itself" if info.protected_authentication_path else "as many tries as ever"
    return CheckResult("PIN", CheckStatus.OK, pad)


def _keys(token: Token) -> Iterator[CheckResult]:
    present: list[Key] = token.keys()
    leaving = [key for key in present if key.attributes.can_leave]
    yield CheckResult("keys", CheckStatus.OK, f"{len(present)} private keys")
    for key in leaving:
        advice = "create another; seedless key audit shows more"
        yield CheckResult(
            "keys", CheckStatus.PROBLEM, f"{key.named} can leave, by the driver's report", advice
        )
    for key in present:
        if key.label.partition(":")[2].startswith(LABEL):
            advice = "left by a doctor that was killed: seedless key list, then seedless key delete"
            yield CheckResult("keys", CheckStatus.NOTE, f"a throw-away key, {key.named}", advice)


def _trial(token: Token, examined: ExaminedToken) -> Iterator[CheckResult]:
    quirks = token.quirks
    if quirks.make or not examined.makes_key:
        if examined.makes_key:
            yield _by_an_existing_key(token, examined)
        why = how_to_create(token.session.module, token.info) or "leave out --no-key"
        yield CheckResult("throw-away key", CheckStatus.NOTE, "not made", why)
        yield from _message(quirks.largest_message, "not tried")
        return
    label = label_for(Role.USER, f"{LABEL}-{examined.random(4).hex()}")
    with audit.trial_session(token) as work:
        key = work.generate(label, random=examined.random)
        problem = ""
        try:
            yield CheckResult("throw-away key", CheckStatus.OK, f"made: {key.named}")
            yield from _used(work, key, examined)
        finally:
            try:
                audit.discard(token, key)
            except TokenError as error:
                problem = error.message
        if problem:
            advice = f"delete {key.named}: seedless key delete, or the program of the token's maker"
            yield CheckResult("throw-away key", CheckStatus.PROBLEM, f"it is still there: {problem}", advice)
        else:
            yield CheckResult("throw-away key", CheckStatus.OK, "deleted")


def _by_an_existing_key(token: Token, examined: ExaminedToken) -> CheckResult:
    """Sign a challenge with the first key that may sign: what a driver lists is not what a device can."""
    message = audit.padded_challenge("doctor", examined.random(32), 600)
    before = examined.clock()
    try:
        key, good = audit.existing_key_signs(token, message)
    except TokenError as error:
        return CheckResult("signature", CheckStatus.PROBLEM, error.message, error.hint)
    if key is None:
        return CheckResult("signature", CheckStatus.NOTE, "not tried: there is no Ed25519 key that may sign")
    if not good:
        return CheckResult(
            "signature", CheckStatus.PROBLEM, f"a wrong one by {key.named}", "do not sign with it"
        )
    seconds = examined.clock() - before
    return CheckResult(
        "signature", CheckStatus.OK, f"by {key.named}, verified: {seconds * 1000:.1f} ms, a touch included"
    )


def _used(work: Token, key: Key, examined: ExaminedToken) -> Iterator[CheckResult]:
    try:
        made = audit.read(work, key)
        yield CheckResult(
            "encodings", CheckStatus.OK, f"EC_PARAMS {made.ec_params.hex()}, EC_POINT {_shape(made)}"
        )
        verdict = (
            CheckStatus.OK
            if made.provenance.verdict == "made on this token, not extractable"
            else CheckStatus.NOTE
        )
        yield CheckResult("provenance", verdict, f"the driver reports: {made.provenance.text}", NOT_ATTESTED)
        yield from _signing(work, made, examined)
    except TokenError as error:
        yield CheckResult("throw-away key", CheckStatus.PROBLEM, error.message, error.hint)


def _shape(made: audit.TrialKey) -> str:
    size, start = len(made.ec_point), made.ec_point[:3]
    known = {32: "raw", 34: "0420 and the key", 35: "032100 and the key"}
    return known.get(size, f"of {size} bytes, beginning {start.hex()}")


def _signing(work: Token, made: audit.TrialKey, examined: ExaminedToken) -> Iterator[CheckResult]:
    wrong: list[int] = []
    refusals: list[str] = []

    def attempt(size: int) -> bool:
        message = audit.padded_challenge("doctor", examined.random(32), size)
        tried = audit.try_signature(work, made.pair, message)
        if tried.signature and not tried.verifies(made.raw):
            wrong.append(size)
        if tried.refusal:
            refusals.append(tried.refusal)
        return bool(tried.signature) and size not in wrong

    if not attempt(600):
        why = f": {refusals[0]}" if refusals else ", but a wrong one"
        yield CheckResult(
            "signature", CheckStatus.PROBLEM, f"none came for 600 bytes{why}", "do not sign with it"
        )
        return
    seconds = audit.speed(functools.partial(attempt, 600), examined.clock)
    slow = seconds > _SLOW
    advice = "sign operators and accounts with it; users by a scoped signing key" if slow else ""
    found = f"{seconds * 1000:.1f} ms for 600 bytes, {1 / max(seconds, 1e-6):.0f} a second"
    yield CheckResult("signature", CheckStatus.NOTE if slow else CheckStatus.OK, found, advice)
    largest = audit.largest_message(attempt)
    if wrong:
        advice = "do not use this token: its firmware or driver is wrong"
        yield CheckResult(
            "signature", CheckStatus.PROBLEM, f"wrong for messages of {min(wrong)} bytes", advice
        )
    yield from _message(largest, "found by trying")
    known = work.quirks.largest_message
    if known is not None and largest < known:
        advice = f"signing more fails on the token: report it with the version of {work.info.library}"
        yield CheckResult(
            "largest message", CheckStatus.PROBLEM, f"less than the {known} bytes known of it", advice
        )


def _message(largest: int | None, how: str) -> Iterator[CheckResult]:
    sizes = {count: account_size(count) for count in (0, 5, _LARGE_ACCOUNT)}
    beside = ", ".join(f"{size} with {count} exports and {count} imports" for count, size in sizes.items())
    if largest is None:
        yield CheckResult("largest message", CheckStatus.NOTE, f"no limit is known ({how})")
    else:
        more = " or more" if largest >= audit.LARGEST_TRIED else ""
        small = largest < sizes[_LARGE_ACCOUNT]
        advice = "larger accounts have to be made smaller, or signed by another token" if small else ""
        found = f"{largest} bytes{more} ({how})"
        yield CheckResult("largest message", CheckStatus.NOTE if small else CheckStatus.OK, found, advice)
    yield CheckResult("typical account", CheckStatus.OK, f"bytes to sign: {beside}")


def account_size(count: int) -> int:
    """Return the bytes that a token signs for an account with *count* exports and as many imports."""
    key = PublicKey(Role.ACCOUNT, bytes(32))
    exports = tuple(
        Export(name=f"orders-{at}", subject=f"orders.region-{at}.>", type="stream") for at in range(count)
    )
    imports = tuple(
        Import(name=f"stock-{at}", subject=f"stock.region-{at}.>", account=str(key), type="stream")
        for at in range(count)
    )
    body = Account(limits=Account.new().limits, exports=exports, imports=imports, signing_keys=(str(key),))
    claims = Claims(sub=str(key), name="ORDERS", body=body)
    return len(draft(claims, PublicKey(Role.OPERATOR, bytes(32)), 1_700_000_000).signing_input)
