"""The key of a public key: found by what its public half shows, or proved by a test signature.

Labels and ids repeat, so neither decides. A key is searched for by its CKA_ID, where that is known, and by
its CKA_EC_POINT, where the token searches by it; all keys are listed only when both find nothing, or when
many keys are wanted: then they are listed once for the session, because a search takes some drivers as long
as a list. Where a token shows no public half (it may be missing, or live in a certificate), each key that
could be meant signs a challenge; the one whose signature verifies is it.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

import msgspec
from pkcs11.constants import Attribute, ObjectClass
from pkcs11.exceptions import PKCS11Error

from seedless.errors import NoKey
from seedless.pkcs11._ckr import is_dislike
from seedless.pkcs11.key import ED25519, POINT_PREFIXES
from seedless.pkcs11.objects import Pair, halves, joined, paired
from seedless.pkcs11.signing import challenge, proves

if TYPE_CHECKING:
    from collections.abc import Collection

    from pkcs11.types import Object, Session

    from seedless.pkcs11.objects import Half
    from seedless.pkcs11.quirks import Numbers
    from seedless.pkcs11.session import TokenSession

FEW_SEARCHES: Final = 8
"""Keys that are searched for one by one in a session; for the next one all keys are listed."""

_FEW_POINTS = 4  # public objects with one point; a token that gives more does not search by it
_MOST_TRIALS = 16
_NOT_ABSENT = "this does not prove that it is absent: look at the files or the connection of the token"


class _Listing(msgspec.Struct, frozen=True):
    """What a token held when it was listed: Ed25519 keys by public key, those without one, and all ids."""

    by_public: dict[bytes, list[Pair]]
    hidden: list[Pair]
    ids: set[bytes]


class KeyFinder:
    """Finds the keys of one session, and remembers those that it listed until the session is another.

    Every method is called inside `TokenSession.use`. What is created or deleted in this session has to be
    told: `add`, `forget`.
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
        self._created: dict[bytes, Pair] = {}
        self._listing: _Listing | None = None
        self._searches = 0

    def add(self, pair: Pair) -> None:
        """Remember the new *pair*."""
        self._renew()
        if pair.key.raw is not None:
            self._created[pair.key.raw] = pair
        if self._listing is not None:
            self._listing.ids.add(pair.key.id)

    def find(self, raw: Session, public: bytes, key_id: bytes | None = None) -> list[Pair]:
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
        if not found and not is_fresh:  # another program may have put it there since
            self._listing = None
            found = self._listed(raw, public)
        return found

    def on_token(self, raw: Session, public: bytes) -> list[Pair]:
        """List as `find`, by the list of all keys, which is not read again for a key that is not in it."""
        self._renew()
        return [self._created[public]] if public in self._created else self._listed(raw, public)

    def taken_ids(self, raw: Session) -> Collection[bytes]:
        """Return the CKA_ID of every key object on the token, private or public."""
        self._renew()
        return self._all(raw).ids

    def with_ids(self, raw: Session, ids: Collection[bytes]) -> dict[bytes, tuple[list[Half], list[Half]]]:
        """Read the private and the public objects with each of *ids*; many are listed."""
        found: dict[bytes, tuple[list[Half], list[Half]]] = {one: ([], []) for one in ids}
        templates = [{Attribute.ID: one} for one in ids] if len(ids) <= FEW_SEARCHES else [None]
        for place, kind in enumerate((ObjectClass.PRIVATE_KEY, ObjectClass.PUBLIC_KEY)):
            for template in templates:
                for half in halves(raw, kind, self._numbers, template):
                    if half.id in found:
                        found[half.id][place].append(half)
        return found

    def unfinished(self, raw: Session, labels: Collection[str]) -> list[Object]:
        """Return the objects with one of *labels* that have neither a CKA_ID nor a curve.

        SoftHSM writes attributes in the order of their numbers: so far it came before its process was killed.
        """
        wanted = set(labels)
        templates = [{Attribute.LABEL: one} for one in wanted] if len(wanted) <= FEW_SEARCHES else [None]
        return [
            half.item
            for kind in (ObjectClass.PRIVATE_KEY, ObjectClass.PUBLIC_KEY)
            for template in templates
            for half in halves(raw, kind, self._numbers, template)
            if half.label in wanted and not half.id and half.values.get(Attribute.EC_PARAMS) is None
        ]

    def _renew(self) -> None:
        if self._epoch != self._session.epoch:
            self.forget()

    def _searched(self, raw: Session, public: bytes, key_id: bytes | None) -> list[Pair]:
        """Search by CKA_ID, and by CKA_EC_POINT, which also shows a second key with this public key."""
        points = self._by_point(raw, public)
        ids = dict.fromkeys(([key_id] if key_id else []) + [half.id for half in points])
        if b"" in ids:
            return []  # halves without an id are paired by their labels
        found = [pair for one in ids for pair in self._with_id(raw, one, points)]
        return [pair for pair in found if pair.key.key_type == ED25519 and pair.key.raw == public]

    def _with_id(self, raw: Session, key_id: bytes, points: list[Half]) -> list[Pair]:
        template = {Attribute.ID: key_id}
        privates = halves(raw, ObjectClass.PRIVATE_KEY, self._numbers, template)
        mine = [half for half in points if half.id == key_id]
        if len(privates) == len(mine) == 1 and privates[0].label == mine[0].label:
            return [paired(privates[0], mine[0])]
        return joined(privates, halves(raw, ObjectClass.PUBLIC_KEY, self._numbers, template))

    def _by_point(self, raw: Session, public: bytes) -> list[Half]:
        """Return the public objects with the point *public*; none where the token does not search by it."""
        quirks = self._session.info.quirks
        for shape in quirks.points if quirks.searches_points else ():
            template = {Attribute.EC_POINT: POINT_PREFIXES[shape] + public}
            try:
                found = halves(raw, ObjectClass.PUBLIC_KEY, self._numbers, template, most=_FEW_POINTS)
            except PKCS11Error as error:
                if not is_dislike(error):
                    raise
                return []
            if found:
                return [half for half in found if half.raw == public]
        return []

    def _listed(self, raw: Session, public: bytes) -> list[Pair]:
        listing = self._all(raw)
        return listing.by_public.get(public) or self._proved(raw, listing.hidden, public)

    def _all(self, raw: Session) -> _Listing:
        """List all keys, unless that was done."""
        if self._listing is None:
            publics = halves(raw, ObjectClass.PUBLIC_KEY, self._numbers)
            privates = halves(raw, ObjectClass.PRIVATE_KEY, self._numbers)
            self._listing = _Listing({}, [], {half.id for half in (*privates, *publics)})
            for pair in joined(privates, publics):
                if pair.key.key_type == ED25519 and pair.key.raw is None:
                    self._listing.hidden.append(pair)
                elif pair.key.key_type == ED25519 and pair.key.raw is not None:
                    self._listing.by_public.setdefault(pair.key.raw, []).append(pair)
        return self._listing

    def _proved(self, raw: Session, candidates: list[Pair], public: bytes) -> list[Pair]:
        message = challenge("which key", os.urandom(32))
        return [
            msgspec.structs.replace(pair, key=msgspec.structs.replace(pair.key, raw=public))
            for pair in candidates[:_MOST_TRIALS]
            if pair.key.attributes.sign is not False
            # A PIN or a touch for each trial would be too much to ask.
            and not pair.key.attributes.always_authenticate
            and proves(self._session, raw, pair, public, self._numbers, message)
        ]


def only(found: list[Pair], public: bytes, where: str) -> Pair:
    """Return the one key that was *found* for *public* on the token *where*; raise `NoKey` else."""
    if not found:
        raise NoKey(f"no key on {where} has the public key {public.hex()}", _NOT_ABSENT)
    if len(found) > 1:
        names = ", ".join(pair.key.named for pair in found)
        raise NoKey(f"{len(found)} keys on {where} have one public key: {names}", "delete all but one")
    return found[0]
