"""Tokens: found by a URI, opened for the shortest time, and what can be done with the keys on one.

Exactly one token must match, and exactly one key: labels and ids repeat, so a key is found by its public key.
Refused are a key in another role than its label reports, and a key that can leave the token unless that is
allowed by name. Threads that share a `Token` take turns; to sign at the same time, each opens its own.
"""

from __future__ import annotations

import os
from collections.abc import Iterator  # noqa: TC003 - hints of `open_token` can be looked up
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from seedless.errors import NoKey, TokenError, UsageError
from seedless.pin import PinSource, parse_pin_source
from seedless.pkcs11.keys import key_pairs
from seedless.pkcs11.module import load, slot_of
from seedless.pkcs11.session import ChallengeRecorder, TokenSession
from seedless.pkcs11.signing import KeyFinder, TokenSigner, Verified, eddsa_numbers, require_one_key
from seedless.pkcs11.uri import KeyUri

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from seedless.nkey import PublicKey
    from seedless.pkcs11.families import Numbers, Quirks
    from seedless.pkcs11.keys import Key, KeyObject, KeyPair
    from seedless.pkcs11.module import Module
    from seedless.pkcs11.token_info import TokenInfo
    from seedless.seeds import SoftwareKey
    from seedless.signer import Signer

__all__ = ["Token", "find_token", "open_token"]

_UNIQUE = 8
"""Bytes of a random CKA_ID that no other key has."""


class Token:
    """An open token. Made by `open_token`; dead after it ends, and after any error of the token."""

    __slots__ = ("_finder", "_numbers", "_session")

    def __init__(self, session: TokenSession, numbers: Numbers) -> None:
        """Take over an open *session*; *numbers* are those of Ed25519 on this token."""
        self._session: Final = session
        self._numbers: Final = numbers
        self._finder: Final = KeyFinder(session, numbers)

    @property
    def info(self) -> TokenInfo:
        """What the token reported of itself when it was opened."""
        return self._session.info

    @property
    def session(self) -> TokenSession:
        """Its session, for the other modules of this package."""
        return self._session

    @property
    def numbers(self) -> Numbers:
        """The numbers of Ed25519 on it, for the other modules of this package."""
        return self._numbers

    @property
    def quirks(self) -> Quirks:
        """What is known of its family of devices."""
        return self.info.quirks

    def keys(self) -> list[Key]:
        """List the private keys on the token, of every type."""
        return [pair.key for pair in self.pairs("list the keys")]

    def find(self, public: bytes | PublicKey, key_id: bytes | None = None) -> Key:
        """Return the one Ed25519 key with this *public* half (32 bytes, or a key); raise `NoKey` for 0 or 2.

        *key_id* is the CKA_ID that it should have: it is looked for there first, and believed by its bytes.
        """
        raw = public if isinstance(public, bytes) else public.raw
        found = self._session.again("find a key", lambda session: self._finder.find(session, raw, key_id))
        return require_one_key(found, public, self.info.where).key

    def generate(
        self,
        label: str,
        *,
        id: bytes | None = None,  # noqa: A002 - the word of PKCS#11
        random: Callable[[int], bytes] = os.urandom,
    ) -> Key:
        """Make an Ed25519 pair that cannot leave the token; its seed is never seen.

        The attributes are read back and a challenge is signed and verified; if anything is wrong, the pair is
        destroyed and `TokenError` raised. An *id* that is taken is refused; without one it is 2
        or 8 bytes from *random*, as the token likes. A token whose keys are made by another program is
        refused.
        """
        self._require_creates()
        if id is not None and self.objects([id])[id][0]:
            raise TokenError(
                f"{self.info.where} has a key with the id {id.hex()} already", "choose another id"
            )
        key_id = self.free_ids(1, random)[0] if id is None else id
        return self.create(label, key_id, random(32))

    def free_ids(self, count: int, random: Callable[[int], bytes] = os.urandom) -> list[bytes]:
        """Return *count* different CKA_IDs for new keys, 2 or 8 bytes as the token likes, that no key has.

        Of 8 random bytes that is known without a look at the token; of 2 it is not.
        """
        size = self.quirks.id_size
        taken: set[bytes] = set()
        if size < _UNIQUE:
            taken.update(self._session.again("list the keys", self._finder.taken_ids))
        found: list[bytes] = []
        while len(found) < count:
            key_id = random(size)
            if key_id not in taken:
                taken.add(key_id)
                found.append(key_id)
        return found

    def create(self, label: str, key_id: bytes, random: bytes) -> Key:
        """Create a pair as `generate` does, with a *key_id* that `free_ids` gave, and 32 *random* bytes."""
        # Creating and importing keys is not loaded by who only signs.
        from seedless.pkcs11.key_creation import KeyRequest, generate_pair

        self._require_creates()
        with self._session.use("make a key") as raw:
            pair = generate_pair(self._session, raw, self._numbers, KeyRequest(label, key_id, random))
            self._finder.add(pair)
        return pair.key

    def _require_creates(self) -> None:
        from seedless.pkcs11.key_creation import require_makes_keys  # as in `create`

        require_makes_keys(self._session.module, self.info)

    def objects(self, ids: Collection[bytes]) -> dict[bytes, tuple[list[KeyObject], list[KeyObject]]]:
        """Read the private and the public objects that have each of *ids*, for this package."""
        return self._session.again("find a key", lambda raw: self._finder.with_ids(raw, ids))

    def finish_or_remove(
        self, label: str, objects: tuple[list[KeyObject], list[KeyObject]], random: bytes
    ) -> Key | None:
        """Return the key whose creation was interrupted, if it is whole; else remove what there is of it.

        *objects* are the objects with its CKA_ID, of which only those with its *label*, or none, are looked
        at. A pair that cannot be used is removed, too.
        """
        from seedless.pkcs11.key_creation import finished  # as in `create`

        with self._session.use("finish a key") as raw:
            pair = finished(self._session, raw, self._numbers, (label, *objects), random)
            if pair is not None:
                self._finder.add(pair)
        return None if pair is None else pair.key

    def remove_unfinished(self, labels: Collection[str]) -> None:
        """Remove the objects with one of *labels* of which a killed process wrote less than a CKA_ID."""
        with self._session.use("finish a key") as raw:
            for item in self._finder.unfinished(raw, labels):
                item.destroy()

    def import_key(
        self,
        software: SoftwareKey,
        label: str,
        *,
        id: bytes | None = None,  # noqa: A002 - the word of PKCS#11
        random: Callable[[int], bytes] = os.urandom,
    ) -> Key:
        """Put a key whose seed exists already on the token, so that it cannot leave again.

        The rest is as with `generate`; refused is also a key that the token has already.
        """
        from seedless.pkcs11.key_creation import KeyToImport, import_pair, require_takes_keys

        require_takes_keys(self._session.module, self.info)
        with self._session.use("import a key") as raw:
            pair = import_pair(
                self._session, raw, self._finder, self._numbers, KeyToImport(software, label, id, random)
            )
            self._finder.add(pair)
        return pair.key

    def signer(
        self, public_key: PublicKey, *, key_id: bytes | None = None, allow_extractable: bool = False
    ) -> Signer:
        """Return a signer for the key of *public_key*; every signature is verified before it is returned.

        *key_id* is the CKA_ID that it should have, as for `find`.

        Raise `NoKey` if none or several match, or if the label of the key reports another role; `TokenError`
        for a key that, by what the driver reports, can leave the token, unless *allow_extractable*.
        """
        return Verified(self._signer(public_key, key_id, allow_extractable=allow_extractable))

    def unchecked_signer(self, public_key: PublicKey, *, allow_extractable: bool = False) -> TokenSigner:
        """Return a signer whose signatures nobody has verified: for the worker of a pool, which does that."""
        return self._signer(public_key, None, allow_extractable=allow_extractable)

    def _signer(self, public_key: PublicKey, key_id: bytes | None, *, allow_extractable: bool) -> TokenSigner:
        def check(key: Key) -> None:
            self._require_usable(key, public_key, allow_extractable=allow_extractable)

        return TokenSigner(self._session, self._finder, self._numbers, public_key, key_id, check)

    def _require_usable(self, key: Key, public_key: PublicKey, *, allow_extractable: bool) -> None:
        if key.role not in {None, public_key.role}:
            raise NoKey(f"the key {key.named} is not for {public_key}: its label has another role")
        if key.attributes.can_leave and not allow_extractable:
            raise TokenError(
                f"the key {key.named} can leave {self.info.where}, by what its driver reports",
                f"create a new key, or allow this one: --allow-extractable {public_key}",
            )

    def destroy(self, key: Key) -> None:
        """Delete both halves of *key*, which is one that `keys` returned. Nothing brings it back."""
        with self._session.use("delete a key") as raw:
            # Found and destroyed in one: the handle of another session may mean another object.
            # Compared by all that is known of the key and not by its id: nothing brings a wrong one back.
            found = [pair for pair in key_pairs(raw, self._numbers) if pair.key == key]
            # Before the objects go: if the second C_DestroyObject fails, what is remembered would name a
            # handle that is dead.
            self._finder.forget()
            if len(found) == 1:
                # The private half first: what is left after an error is a public object, which signs
                # nothing. On a YubiHSM destroying the public object does nothing, since both are one.
                found[0].private.destroy()
                if found[0].public is not None:
                    found[0].public.destroy()
        if len(found) != 1:
            raise NoKey(f"{_count(len(found))} on {self.info.where} is {key.named}", "list the keys again")

    def pairs(self, doing: str = "list the keys") -> list[KeyPair]:
        """List the objects of the private keys with their public halves, for this package."""
        return self._session.again(doing, lambda raw: key_pairs(raw, self._numbers))


@contextmanager
def open_token(
    uri: KeyUri | str,
    pins: PinSource | str,
    *,
    module: Path | str,
    writable: bool = False,
    last_try: bool = False,
    challenges: ChallengeRecorder | None = None,
) -> Iterator[Token]:
    """Open the one token that *uri* means, logged in; close it at the end.

    As text, *uri* is one of RFC 7512, as in `pkcs11:token=ACME`, and *pins* a source such as `env:PIN`, as
    `--pin-source` takes it. *module* is the path of the PKCS#11 library.

    Test signatures, which try new keys, are passed to *challenges* before they are made.

    The `module_path` of the URI is not looked at: whoever chooses the module gets the PIN. The PIN is asked
    for last, when the token is known to sign with Ed25519. Raise `ModuleError`, `NoToken`, `PinError` or
    `TokenError`.
    """
    uri, pins, path = _read(uri, pins, module)
    loaded = load(path)
    # The order is the promise *the token is opened last*: module, slot, mechanisms, session, and the PIN
    # when all of these are known to be right.
    slot, info = slot_of(loaded, uri)
    numbers = eddsa_numbers(loaded, info)
    with TokenSession(loaded, slot, info, writable=writable, challenges=challenges) as session:
        session.log_in(pins, last_try=last_try)
        yield Token(session, numbers)


def _read(uri: KeyUri | str, pins: PinSource | str, module: Path | str) -> tuple[KeyUri, PinSource, Path]:
    """Return the arguments of `open_token` as values; raise `UsageError` for those of other types."""
    if not isinstance(uri, KeyUri | str):
        raise UsageError(f"a token is named by a KeyUri or its text, not by {type(uri).__name__}", _OPENED)
    if not isinstance(pins, str) and not callable(getattr(pins, "pin", None)):
        raise UsageError(f"PINs come from a PinSource or its text, not from {type(pins).__name__}", _OPENED)
    if not isinstance(module, Path | str):
        raise UsageError(f"a PKCS#11 module is a path, not {type(module).__name__}", _OPENED)
    return (
        KeyUri.parse(uri) if isinstance(uri, str) else uri,
        parse_pin_source(pins) if isinstance(pins, str) else pins,
        Path(module),
    )


_OPENED = 'as in open_token("pkcs11:token=ACME", "env:PIN", module="/usr/lib/softhsm/libsofthsm2.so")'


def find_token(module: Module, uri: KeyUri) -> TokenInfo:
    """Return the one initialised token that *uri* means; raise `NoToken`, which lists what is there."""
    return slot_of(module, uri)[1]


def _count(number: int) -> str:
    return "no key" if number == 0 else f"more than one key ({number})"
