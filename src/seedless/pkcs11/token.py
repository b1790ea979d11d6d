"""Tokens: found by a URI, opened for the shortest time, and what can be done with the keys on one.

Exactly one token must match, and exactly one key: labels and ids repeat, so a key is found by its public key.
Refused are a key in another role than its label tells, and a key that can leave the token unless that is
allowed by name. A `Token` belongs to one thread; each thread opens its own.
"""

from __future__ import annotations

import secrets
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from seedless.errors import NoKey, NoToken, TokenError
from seedless.pkcs11._ckr import explained
from seedless.pkcs11.generate import generate_pair
from seedless.pkcs11.info import matches
from seedless.pkcs11.key import ED25519
from seedless.pkcs11.module import load
from seedless.pkcs11.objects import Pair, pairs
from seedless.pkcs11.session import TokenSession
from seedless.pkcs11.signing import TokenSigner, require_eddsa
from seedless.signer import Signer, checked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pkcs11.types import Slot

    from seedless.nkey import PublicKey
    from seedless.pin import PinSource
    from seedless.pkcs11.info import TokenInfo
    from seedless.pkcs11.key import Key
    from seedless.pkcs11.module import Module
    from seedless.pkcs11.uri import KeyUri

_ID_SIZE = 8
_NOT_ABSENT = "this does not prove that it is absent: look at the files or the connection of the token"


class Token:
    """An open token. Made by `open_token`; dead after it ends, and after any error of the token."""

    __slots__ = ("_pins", "_session")

    def __init__(self, session: TokenSession, pins: PinSource) -> None:
        """Take over an open *session*; *pins* is for keys that want the PIN for each signature."""
        self._session: Final = session
        self._pins: Final = pins

    @property
    def info(self) -> TokenInfo:
        """What the token said of itself when it was opened."""
        return self._session.info

    def keys(self) -> list[Key]:
        """List the private keys on the token, of every type."""
        return [pair.key for pair in self._pairs("list the keys")]

    def find(self, raw: bytes) -> Key:
        """Return the one Ed25519 key whose public half is *raw* (32 bytes); raise `NoKey` for none or two."""
        return self._find(raw).key

    def generate(
        self,
        label: str,
        *,
        id: bytes | None = None,  # noqa: A002 - the word of PKCS#11
        random: Callable[[int], bytes] = secrets.token_bytes,
    ) -> Key:
        """Make an Ed25519 pair that cannot leave the token; its seed is never seen.

        The attributes are read back and a challenge is signed and verified; if anything is wrong, the pair is
        destroyed and `TokenError` raised. An *id* that is taken is refused; without one it is 8 bytes from
        *random*.
        """
        if id is not None and any(key.id == id for key in self.keys()):
            raise TokenError(
                f"{self.info.where} has a key with the id {id.hex()} already", "choose another id"
            )
        key_id = random(_ID_SIZE) if id is None else id
        with self._session.use("make a key") as raw:
            return generate_pair(raw, label, key_id, random(32)).key

    def signer(self, public_key: PublicKey, *, allow_extractable: bool = False) -> Signer:
        """Return a signer for the key of *public_key*; every signature is verified before it is returned.

        Raise `NoKey` if none or several match, or if the label of the key tells another role; `TokenError`
        for a key that, by what the driver says, can leave the token, unless *allow_extractable*.
        """
        return checked(self.unchecked_signer(public_key, allow_extractable=allow_extractable))

    def unchecked_signer(self, public_key: PublicKey, *, allow_extractable: bool = False) -> Signer:
        """Return a signer whose signatures nobody has verified: for the worker of a pool, which does that."""
        pair = self._find(public_key.raw)
        key = pair.key
        if key.role not in {None, public_key.role}:
            raise NoKey(f"the key {key.named} is not for {public_key}: its label tells another role")
        if key.attributes.can_leave and not allow_extractable:
            raise TokenError(
                f"the key {key.named} can leave {self.info.where}, by what its driver says",
                f"make a new key; or, to use it all the same, --allow-extractable {public_key}",
            )
        return TokenSigner(self._session, pair.private, key, public_key, self._pins)

    def destroy(self, key: Key) -> None:
        """Delete both halves of *key*, which is one that `keys` returned. Nothing brings it back."""
        found = [pair for pair in self._pairs("delete a key") if pair.key == key]
        if len(found) != 1:
            raise NoKey(f"{_count(len(found))} on {self.info.where} is {key.named}", "list the keys again")
        with self._session.use("delete a key"):
            found[0].private.destroy()
            if found[0].public is not None:
                found[0].public.destroy()

    def _find(self, raw: bytes) -> Pair:
        found = [
            pair for pair in self._pairs("find a key") if pair.key.raw == raw and pair.key.key_type == ED25519
        ]
        if not found:
            raise NoKey(f"no key on {self.info.where} has the public key {raw.hex()}", _NOT_ABSENT)
        if len(found) > 1:
            names = ", ".join(pair.key.named for pair in found)
            raise NoKey(
                f"{len(found)} keys on {self.info.where} have one public key: {names}", "delete all but one"
            )
        return found[0]

    def _pairs(self, doing: str) -> list[Pair]:
        with self._session.use(doing) as raw:
            return pairs(raw)


@contextmanager
def open_token(
    uri: KeyUri, pins: PinSource, *, module: Path, writable: bool = False, last_try: bool = False
) -> Iterator[Token]:
    """Open the one token that *uri* means, logged in; close it at the end.

    The `module_path` of the URI is not looked at: whoever chooses the module gets the PIN. The PIN is asked
    for last, when the token is known to sign with Ed25519. Raise `ModuleError`, `NoToken`, `PinError` or
    `TokenError`.
    """
    loaded = load(module)
    slot, info = _seat(loaded, uri)
    with loaded.calls(), explained("list the mechanisms", info.where):
        require_eddsa(slot, info)
    with TokenSession(loaded, slot, info, writable=writable) as session:
        session.log_in(pins, last_try=last_try)
        yield Token(session, pins)


def find_token(module: Module, uri: KeyUri) -> TokenInfo:
    """Return the one initialised token that *uri* means; raise `NoToken`, which lists what is there."""
    return _seat(module, uri)[1]


def _seat(module: Module, uri: KeyUri) -> tuple[Slot, TokenInfo]:
    seats = module.seats()
    found = [seat for seat in seats if matches(seat[1], uri)]
    ready = [seat for seat in found if seat[1].initialised]
    if len(ready) == 1:
        return ready[0]
    if ready:
        raise NoToken(f"{len(ready)} tokens match {uri}: {_listed(ready)}", "add ;serial=… to the URI")
    if found:
        raise NoToken(
            f"{found[0][1].where} has to be initialised before it can be used", "seedless token init does it"
        )
    there = [seat for seat in seats if seat[1].initialised]
    shows = _listed(there) or "no initialised token"
    raise NoToken(
        f"no token matches {uri}: the module shows {shows}",
        "name one by its label or serial, as in pkcs11:token=NAME;serial=NUMBER",
    )


def _listed(seats: list[tuple[Slot, TokenInfo]]) -> str:
    return ", ".join(info.where for _, info in seats)


def _count(number: int) -> str:
    return "no key" if number == 0 else f"more than one key ({number})"
