"""Sign with keys on a token: find the key of a public key, sign by CKM_EDDSA, verify.

CKM_EDDSA without parameter is pure Ed25519 (PKCS#11 3.0 §2.3.14). C_SignInit and C_Sign are called on the
module itself, once each, for a signature of 64 bytes. Test signatures are over a challenge that can never be
taken for claims.

Labels and ids repeat, so neither decides which key is meant. A key is searched for by its CKA_ID, where that
is known, and by its CKA_EC_POINT, where the token searches by it; all keys are listed only when both find
nothing, or when many keys are needed: then they are listed once for the session, because a search takes some
drivers as long as a list. Where a token shows no public half (it may be missing, or be in a certificate),
each key that could be meant signs a challenge; the one whose signature verifies is it.

A signer finds its key once for each session, and prepares its two calls once. Whatever they return but
success takes the slow path: the session is closed, opened again if it was lost, explained. A signature is
given to nobody before it was verified in software; a wrong one is an error of the token, and is not tried
again.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Final

import msgspec
from pkcs11.constants import Attribute, ObjectClass
from pkcs11.exceptions import PKCS11Error

from seedless.errors import BadSignature, NoKey, TokenError, UsageError
from seedless.nkey import SIGNATURE_SIZE, PublicKey, Role
from seedless.pkcs11 import observer
from seedless.pkcs11.families import require_fits, why_no_ed25519
from seedless.pkcs11.keys import ED25519, POINT_PREFIXES, KeyPair, key_objects, key_pair_of, pair_objects
from seedless.pkcs11.return_values import is_dislike, name_of, require_ok
from seedless.pkcs11.session import handle_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from pkcs11.types import Object, Session

    from seedless.pkcs11.families import Numbers
    from seedless.pkcs11.keys import Key, KeyObject
    from seedless.pkcs11.module import Module
    from seedless.pkcs11.session import TokenSession
    from seedless.pkcs11.token_info import TokenInfo


# Below the 15 seconds of a YubiKey, so that a slow clock or a busy machine still counts as a wait for a
# touch, and far above the second that the slowest signature without one takes.
UNTOUCHED_AFTER = 10.0
"""Seconds after which a signature that failed is taken to have waited for a touch: a YubiKey waits 15."""
# Drivers agree on no value for it: ykcs11 reports UserNotLoggedIn, which elsewhere means a lost login and
# would be tried again.
_UNTOUCHED = frozenset({"FunctionCancelled", "FunctionFailed", "FunctionRejected", "UserNotLoggedIn"})
_CHALLENGE = "seedless challenge v1"
_CHALLENGE_BEGINS = _CHALLENGE.encode()


def challenge(purpose: str, random: bytes) -> bytes:
    """Return a message for a test signature: a marked line with *purpose*, a line of *random* in hex, a NUL.

    A jwt's signing input is base64url and one dot; blanks, line ends and the NUL are neither. Raise
    `UsageError` for a purpose that is not plain ASCII words.
    """
    if not purpose.isascii() or not purpose.isprintable():
        raise UsageError("the purpose of a challenge is plain ASCII")
    return f"{_CHALLENGE} {purpose}\n{random.hex()}\n\0".encode("ascii")


def record_challenge(session: TokenSession, key: Key, message: bytes) -> None:
    """Record *message*, which *key* is about to sign, if it is a challenge and somebody counts these.

    Every signature of a token passes here: by its form alone a challenge is known, whoever made it.
    """
    journal = session.challenges
    if journal is not None and (journal.has_jwts or message.startswith(_CHALLENGE_BEGINS)):
        journal.record(str(session.info.uri), key.id, key.raw, message)


def eddsa_numbers(module: Module, info: TokenInfo) -> Numbers:
    """Return the numbers of Ed25519 on the token; raise `TokenError` unless it lists CKM_EDDSA or its own."""
    with module.calls():
        result, mechanisms = module.functions.mechanisms(info.slot_id)
    # The list of mechanisms is asked of the slot and needs no login: a token that cannot sign is refused
    # before anybody types a PIN. `get_tokens(mechanisms=…)` of the binding never matches anything
    # (0.10.1).
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


def sign_with(session: TokenSession, raw: Session, pair: KeyPair, message: bytes, numbers: Numbers) -> bytes:
    """Sign with a private object, inside `TokenSession.use`; raise `TokenError`. Nothing is verified."""
    key, functions, handle = pair.key, session.module.functions, handle_of(raw)
    if key.attributes.sign is False:
        raise TokenError(
            f"the key {key.named} on {session.info.where} is not allowed to sign",
            "create a key with CKA_SIGN",
        )
    # Before the first call of several: the observer counts the time of all of them, and asks for a touch
    # after half a second.
    observer.current.signing(session.info)
    require_ok(functions.sign_init(handle, numbers.sign, pair.private.handle or 0))
    # Only for keys that require it. OpenSC answers ArgumentsBad to a context login for any other key, a
    # YubiHSM `User type invalid`, and each costs the session.
    if key.attributes.always_authenticate:
        session.affirm(raw)
    record_challenge(session, key, message)
    began = time.monotonic()
    # With a buffer of the right size at once. The binding first asks for the length (C_Sign with NULL):
    # another call, and NSS softoken answers more than the 64 bytes which it then requires.
    result, signature = functions.sign(handle, message, SIGNATURE_SIZE)
    require_touched(result, time.monotonic() - began, session.info)
    require_ok(result)
    return require_whole(signature, session)


def require_whole(signature: bytes, session: TokenSession) -> bytes:
    """Return a *signature* of 64 bytes; raise `TokenError` for another length."""
    # A shorter signature would fail to verify later, with a sentence that blames the key. A CanoKey
    # signed the first 32 bytes of a message alone: that is what verifying finds, this finds wrong
    # lengths.
    if len(signature) != SIGNATURE_SIZE:
        raise TokenError(
            f"{session.info.where} returned {len(signature)} bytes for a signature of {SIGNATURE_SIZE}",
            "its driver is broken: look for a newer one",
        )
    return signature


def proves_key(
    session: TokenSession, raw: Session, pair: KeyPair, public: bytes, numbers: Numbers, message: bytes
) -> bool:
    """Report whether the private object signs *message* so that it verifies under *public* (32 bytes)."""
    signature = sign_with(session, raw, pair, message, numbers)
    try:
        PublicKey(Role.USER, public).verify(signature, message)
    except BadSignature:
        return False
    return True


FEW_SEARCHES: Final = 8
"""Keys that are searched for one by one in a session; for the next one all keys are listed."""

# A driver that ignores CKA_EC_POINT in a template answers with all public objects; reading thousands of
# them to find one key would take longer than the list by id.
_FEW_POINTS = 4  # public objects with one point; a token that gives more does not search by it
# Each trial is a signature: on a device over USB some hundred milliseconds, on a token that counts
# signatures a trace in its log.
_MOST_TRIALS = 16
_NOT_ABSENT = "this does not prove that it is absent: look at the files or the connection of the token"


class _Listing(msgspec.Struct, frozen=True):
    """What a token held when it was listed: Ed25519 keys by public key, those without one, and all ids."""

    by_public: dict[bytes, list[KeyPair]]
    hidden: list[KeyPair]
    ids: set[bytes]


class KeyFinder:
    """Finds the keys of one session, and remembers those that it listed until the session is another.

    Every method is called inside `TokenSession.use`. What is created or deleted in this session has to be
    reported by `add` and `forget`.
    """

    __slots__ = ("_created", "_epoch", "_listing", "_numbers", "_searches", "_session")

    def __init__(self, session: TokenSession, numbers: Numbers) -> None:
        """Remember nothing yet."""
        self._session: Final = session
        self._numbers: Final = numbers
        self.forget()

    def forget(self) -> None:
        """Forget all keys and ids: something was deleted, or the handles are those of another session."""
        self._epoch = self._session.epoch
        self._created: dict[bytes, KeyPair] = {}
        self._listing: _Listing | None = None
        self._searches = 0

    def add(self, pair: KeyPair) -> None:
        """Remember the new *pair*."""
        self._renew()
        if pair.key.raw is not None:
            self._created[pair.key.raw] = pair
        if self._listing is not None:
            self._listing.ids.add(pair.key.id)

    def find(self, raw: Session, public: bytes, key_id: bytes | None = None) -> list[KeyPair]:
        """List the Ed25519 keys whose public half is *public*, 32 bytes; *key_id* is where it may be."""
        self._renew()
        if public in self._created:
            return [self._created[public]]
        if self._listing is None and self._searches < FEW_SEARCHES:
            self._searches += 1
            found = self._searched(raw, public, key_id)
            if found:
                return found
        is_fresh = self._listing is None
        found = self._listed(raw, public)
        # Only a list that is not fresh is read again: a key that is absent must not double the time of
        # every command, and a list of 10,000 keys takes a second on SoftHSM.
        if not found and not is_fresh:  # another program may have put it there since
            self._listing = None
            found = self._listed(raw, public)
        return found

    def on_token(self, raw: Session, public: bytes) -> list[KeyPair]:
        """List as `find`, by the list of all keys, which is not read again for a key that is not in it."""
        self._renew()
        return [self._created[public]] if public in self._created else self._listed(raw, public)

    def taken_ids(self, raw: Session) -> Collection[bytes]:
        """Return the CKA_ID of every key object on the token, private or public."""
        self._renew()
        return self._all(raw).ids

    def with_ids(
        self, raw: Session, ids: Collection[bytes]
    ) -> dict[bytes, tuple[list[KeyObject], list[KeyObject]]]:
        """Read the private and the public objects with each of *ids*; many are listed."""
        found: dict[bytes, tuple[list[KeyObject], list[KeyObject]]] = {key_id: ([], []) for key_id in ids}
        # A search by a template is linear in most drivers: SoftHSM needs 0.2 s of 10,000 pairs for each.
        # Eight searches cost about as much as two lists.
        templates = [{Attribute.ID: key_id} for key_id in ids] if len(ids) <= FEW_SEARCHES else [None]
        for place, kind in enumerate((ObjectClass.PRIVATE_KEY, ObjectClass.PUBLIC_KEY)):
            for template in templates:
                for item_read in key_objects(raw, kind, self._numbers, template):
                    if item_read.id in found:
                        found[item_read.id][place].append(item_read)
        return found

    def unfinished(self, raw: Session, labels: Collection[str]) -> list[Object]:
        """Return the objects with one of *labels* that have neither a CKA_ID nor a curve.

        SoftHSM writes attributes in the order of their numbers: so far it came before its process was killed.
        """
        labels_wanted = set(labels)
        templates = (
            [{Attribute.LABEL: label} for label in labels_wanted]
            if len(labels_wanted) <= FEW_SEARCHES
            else [None]
        )
        return [
            item_read.item
            for kind in (ObjectClass.PRIVATE_KEY, ObjectClass.PUBLIC_KEY)
            for template in templates
            for item_read in key_objects(raw, kind, self._numbers, template)
            if item_read.label in labels_wanted
            and not item_read.id
            and item_read.values.get(Attribute.EC_PARAMS) is None
        ]

    def _renew(self) -> None:
        if self._epoch != self._session.epoch:
            self.forget()

    def _searched(self, raw: Session, public: bytes, key_id: bytes | None) -> list[KeyPair]:
        """Search by CKA_ID, and by CKA_EC_POINT, which also shows a second key with this public key."""
        points = self._by_point(raw, public)
        ids = dict.fromkeys(([key_id] if key_id else []) + [item_read.id for item_read in points])
        if b"" in ids:
            return []  # halves without an id are paired by their labels
        found = [pair for item in ids for pair in self._with_id(raw, item, points)]
        return [pair for pair in found if pair.key.key_type == ED25519 and pair.key.raw == public]

    def _with_id(self, raw: Session, key_id: bytes, points: list[KeyObject]) -> list[KeyPair]:
        template = {Attribute.ID: key_id}
        privates = key_objects(raw, ObjectClass.PRIVATE_KEY, self._numbers, template)
        mine = [item_read for item_read in points if item_read.id == key_id]
        # The usual case without another search. Labels are compared too, since ids repeat where people
        # copy examples.
        if len(privates) == len(mine) == 1 and privates[0].label == mine[0].label:
            return [key_pair_of(privates[0], mine[0])]
        return pair_objects(privates, key_objects(raw, ObjectClass.PUBLIC_KEY, self._numbers, template))

    def _by_point(self, raw: Session, public: bytes) -> list[KeyObject]:
        """Return the public objects with the point *public*; none where the token does not search by it."""
        quirks = self._session.info.quirks
        # PKCS#11 3.0 wrote DER here, 3.1 the raw bytes of RFC 8032; drivers search by the exact bytes
        # that they stored, so each shape is another search.
        for shape in quirks.points if quirks.searches_points else ():
            template = {Attribute.EC_POINT: POINT_PREFIXES[shape] + public}
            try:
                found = key_objects(raw, ObjectClass.PUBLIC_KEY, self._numbers, template, most=_FEW_POINTS)
            except PKCS11Error as error:
                if not is_dislike(error):
                    raise
                return []
            if found:
                return [item_read for item_read in found if item_read.raw == public]
        return []

    def _listed(self, raw: Session, public: bytes) -> list[KeyPair]:
        listing = self._all(raw)
        return listing.by_public.get(public) or self._proved(raw, listing.hidden, public)

    def _all(self, raw: Session) -> _Listing:
        """List all keys, unless that was done."""
        if self._listing is None:
            publics = key_objects(raw, ObjectClass.PUBLIC_KEY, self._numbers)
            privates = key_objects(raw, ObjectClass.PRIVATE_KEY, self._numbers)
            self._listing = _Listing({}, [], {item_read.id for item_read in (*privates, *publics)})
            for pair in pair_objects(privates, publics):
                if pair.key.key_type == ED25519 and pair.key.raw is None:
                    self._listing.hidden.append(pair)
                elif pair.key.key_type == ED25519 and pair.key.raw is not None:
                    self._listing.by_public.setdefault(pair.key.raw, []).append(pair)
        return self._listing

    def _proved(self, raw: Session, candidates: list[KeyPair], public: bytes) -> list[KeyPair]:
        message = challenge("which key", os.urandom(32))
        return [
            msgspec.structs.replace(pair, key=msgspec.structs.replace(pair.key, raw=public))
            for pair in candidates[:_MOST_TRIALS]
            if pair.key.attributes.sign is not False
            # A PIN or a touch for each trial would be too much to ask.
            and not pair.key.attributes.always_authenticate
            and proves_key(self._session, raw, pair, public, self._numbers, message)
        ]


def require_one_key(found: list[KeyPair], public: bytes | PublicKey, where: str) -> KeyPair:
    """Return the one key that was *found* for *public* on the token *where*; raise `NoKey` else."""
    if not found:
        named = public.hex() if isinstance(public, bytes) else public
        raise NoKey(f"no key on {where} has the public key {named}", _NOT_ABSENT)
    if len(found) > 1:
        names = ", ".join(pair.key.named for pair in found)
        raise NoKey(f"{len(found)} keys on {where} have one public key: {names}", "delete all but one")
    return found[0]


class TokenSigner:
    """A `Signer` by one private object. Its signatures are not verified; `Verified` does that.

    If the session is lost on the way, it is made anew once, and the key found again by its public key.
    """

    __slots__ = (
        "_ceiling",
        "_check",
        "_epoch",
        "_finder",
        "_id",
        "_numbers",
        "_pair",
        "_prepared",
        "public_key",
        "session",
    )

    def __init__(
        self,
        session: TokenSession,
        finder: KeyFinder,
        numbers: Numbers,
        public_key: PublicKey,
        key_id: bytes | None,
        check: Callable[[Key], None],
    ) -> None:
        """Find the key of *public_key*, which may have the CKA_ID *key_id*.

        Raise `NoKey`, or what *check* raises for a key that is refused.
        """
        self.session: Final = session
        self.public_key: Final = public_key
        self._finder: Final = finder
        self._id: Final = key_id
        self._numbers: Final = numbers
        self._check: Final = check
        self._ceiling: Final = session.info.quirks.largest_message  # once: it is wanted for every signature
        self._take(*session.again("find a key", self._seek))

    @property
    def named(self) -> str:
        """The key and its token in an error."""
        return f"the key {self._pair.key.named} on {self.session.info.where}"

    @property
    def logs_in_for_each(self) -> bool:
        """Whether the key requires the PIN for each signature (CKA_ALWAYS_AUTHENTICATE)."""
        return self._pair.key.attributes.always_authenticate is True

    def sign(self, message: bytes, /) -> bytes:
        """Return the 64-byte signature of *message*; raise `TokenError`, after which the session is gone."""
        if not isinstance(message, bytes):
            # The binding takes a bytearray, and then the session is wedged for good.
            raise UsageError(f"a message is bytes, not {type(message).__name__}")
        if self._ceiling is not None and len(message) > self._ceiling:
            require_fits(len(message), self.session.info)
        with self.session.turn:
            if observer.current is not observer.NO_OBSERVER:
                observer.current.signing(self.session.info)
            answer = None
            began = time.monotonic()
            if self._prepared is not None:
                record_challenge(self.session, self._pair.key, message)
                answer = self.session.try_once(self._epoch, self._prepared, message)
                if answer is not None and answer[0] == 0 and len(answer[1]) == SIGNATURE_SIZE:
                    return answer[1]
            seconds = time.monotonic() - began
            return self._the_long_way(message, [] if answer is None else [(*answer, seconds)])

    def _the_long_way(self, message: bytes, answers: list[tuple[int, bytes, float]]) -> bytes:
        """Sign as `TokenSession.again` does things, the first time with the answer that came already."""

        def action(raw: Session) -> bytes:
            if answers:
                result, signature, seconds = answers.pop()
                require_touched(result, seconds, self.session.info)
                require_ok(result)
                return require_whole(signature, self.session)
            if self._epoch != self.session.epoch:
                self._take(*self._seek(raw))
            return sign_with(self.session, raw, self._pair, message, self._numbers)

        if self._pair.key.attributes.always_authenticate:
            with self.session.asking():
                return self.session.again("sign", action)
        return self.session.again("sign", action)

    def _seek(self, raw: Session) -> tuple[int, int, list[KeyPair]]:
        """Return the epoch and the handle of the session as it is, and the keys that match."""
        session = self.session
        return session.epoch, handle_of(raw), self._finder.find(raw, self.public_key.raw, self._id)

    def _take(self, epoch: int, handle: int, found: list[KeyPair]) -> None:
        """Take the one key that was *found*, and prepare its calls."""
        self._pair = require_one_key(found, self.public_key, self.session.info.where)
        self._check(self._pair.key)
        self._epoch, self._prepared = epoch, self._calls(handle)

    def _calls(self, handle: int) -> Callable[[bytes], tuple[int, bytes]] | None:
        attributes = self._pair.key.attributes
        if attributes.always_authenticate or attributes.sign is False:
            return None
        functions, key = self.session.module.functions, self._pair.private.handle or 0
        return functions.signing(handle, self._numbers.sign, key, SIGNATURE_SIZE)


class Verified(msgspec.Struct, frozen=True):
    """A `Signer` whose signatures have all been verified under its public key."""

    inner: TokenSigner

    @property
    def public_key(self) -> PublicKey:
        """The key that the signatures verify under."""
        return self.inner.public_key

    def sign(self, message: bytes, /) -> bytes:
        """Return the 64-byte signature of *message*; raise `TokenError` for a wrong one, which nobody gets.

        Tokens do return wrong signatures without an error: drivers under threads, firmware that signs only
        the first 32 bytes, a flipped bit in a key file.
        """
        signature = self.inner.sign(message)
        try:
            self.inner.public_key.verify(signature, message)
        except BadSignature as error:
            self.inner.session.close("its session was thrown away after a wrong signature")
            raise TokenError(
                f"{self.inner.named} gave a wrong signature: it does not verify under {self.public_key}",
                "do not sign with this token until you know why: its driver, its firmware or its files",
            ) from error
        return signature
