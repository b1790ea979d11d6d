"""The inventory of keys: which public key is where. Without secrets, for people to read and keep.

A JSON file, `ROOT/keyring.json`:

    {"version": 1,
     "keys": {"A…": {"role": "account", "name": "orders", "uri": "pkcs11:token=…;id=…",
                     "made": "token", "at": 1700000000}}}

An entry may have `"attested": {"sha256": "…", "at": 1700000000}`: a device has attested the key, by the
certificate with this SHA-256 of its DER, verified at this time. The certificates lie in `ROOT/attestations`;
whoever requires an attestation verifies those again, and does not believe the entry.

An entry may have `"spares": [{"uri": "…", "made": "import", "at": 1700000000}]`: further places of the same
key, in the order in which a signer looks for it. Each place, the first one too, may have two times:
`"checked_at"`, when the key was found there last, and signed a challenge, without which that was `at`; and
`"lost_at"`, when its token was reported as lost. Nothing signs there from then on; `key register` with the
token in hand takes that back.

`role` is what the key is for (its first letter states the same), `name` what it is called here, `made` how it
came to be (token: generated there; import: its seed was known elsewhere before; found: it was there), `at`
when, in Unix seconds.
Refused: URIs that bring a module or a PIN's place along, since whoever could write this file would then get
the PIN; and one raw key under two roles.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Literal, cast, get_args

import msgspec

from seedless import strict_json, wire
from seedless.errors import BadClaims, BadUri, SeedlessError, StoreError, UsageError
from seedless.nkey import PublicKey, Role
from seedless.pkcs11.uri import KeyUri
from seedless.store import atomic
from seedless.text import quoted, shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

__all__ = [
    "ATTESTATIONS",
    "INVENTORY_NAME",
    "VERSION",
    "Attested",
    "Inventory",
    "KeyEntry",
    "KeyPlace",
    "Made",
    "attestation_path",
    "load",
    "record",
]

INVENTORY_NAME = "keyring.json"
VERSION = 1

Made = Literal["token", "import", "found"]
"""How a key came to its token: generated there, imported, or found there and taken into the inventory."""

ATTESTATIONS = "attestations"
"""The folder beside the inventory with the certificates of attested keys, `PUBLIC_KEY.pem` each."""

_SHA256 = re.compile(r"[0-9a-f]{64}")
_MADE: tuple[Made, ...] = get_args(Made)


class _AttestedMembers(msgspec.Struct, frozen=True):
    sha256: str
    at: int


class _PlaceMembers(msgspec.Struct, frozen=True):
    uri: str
    made: str
    at: int
    checked_at: int = 0
    lost_at: int = 0


class _InventoryMembers(msgspec.Struct, frozen=True):
    role: str
    name: str
    uri: str
    made: str
    at: int
    checked_at: int = 0
    lost_at: int = 0
    spares: tuple[_PlaceMembers, ...] = ()
    attested: _AttestedMembers | None = None


class _InventoryFile(msgspec.Struct, frozen=True):
    """The members of the file."""

    version: int
    keys: dict[str, _InventoryMembers]


class Attested(msgspec.Struct, frozen=True, kw_only=True):
    """A device attested a key, by the certificate with this SHA-256 of its DER, verified at this time."""

    sha256: str
    at: int

    def __post_init__(self) -> None:
        if not _SHA256.fullmatch(self.sha256):
            raise UsageError(f"{quoted(self.sha256)} is not a SHA-256 in hexadecimal")


class KeyPlace(msgspec.Struct, frozen=True, kw_only=True):
    """Where a key is: `uri` finds its token and object; `at`, `checked_at` and `lost_at` are Unix seconds.

    It signed a challenge there when it was placed (`at`), and last at `checked_at`, 0 where that is `at`.
    `lost_at` is when its token was reported as lost, 0 where it was not.
    """

    uri: str
    made: Made = "token"
    at: int = 0
    checked_at: int = 0
    lost_at: int = 0

    @property
    def token(self) -> KeyUri:
        """The token, without the key on it."""
        return KeyUri.parse(self.uri).token_part

    @property
    def where(self) -> str:
        """The token in a sentence."""
        uri = self.token
        return f"token {quoted(uri.token or '')} (serial {shown(uri.serial or '-')})"

    @property
    def verified_at(self) -> int:
        """When the key signed there last, as far as it was looked at."""
        return max(self.at, self.checked_at)


class KeyEntry(msgspec.Struct, frozen=True, kw_only=True):
    """Where one key is: a place as `KeyPlace` describes it, and the `spares` of it on other tokens."""

    public_key: PublicKey
    uri: str
    role: Role
    name: str = ""
    made: Made = "token"
    at: int = 0
    checked_at: int = 0
    lost_at: int = 0
    spares: tuple[KeyPlace, ...] = ()
    attested: Attested | None = None

    def __post_init__(self) -> None:
        for place in self.places:
            _require_plain(place, self.public_key)
        if self.role is not self.public_key.role:
            raise UsageError(f"{self.public_key} is not the key of an {self.role.name.lower()}")

    @property
    def places(self) -> tuple[KeyPlace, ...]:
        """All places of the key, lost ones too, in the order in which a signer looks for it."""
        first = KeyPlace(
            uri=self.uri, made=self.made, at=self.at, checked_at=self.checked_at, lost_at=self.lost_at
        )
        return (first, *self.spares)

    @property
    def places_left(self) -> tuple[KeyPlace, ...]:
        """The places whose tokens were not reported as lost; empty for a key that is lost."""
        return tuple(place for place in self.places if not place.lost_at)

    def at_places(self, places: Sequence[KeyPlace]) -> KeyEntry:
        """Return the entry of the same key with these *places*, at least one; lost ones go last.

        So the URI of the entry is that of a token which is left, as long as there is one.
        """
        first, *spares = sorted(places, key=lambda place: place.lost_at > 0)
        return msgspec.structs.replace(
            self,
            uri=first.uri,
            made=first.made,
            at=first.at,
            checked_at=first.checked_at,
            lost_at=first.lost_at,
            spares=tuple(spares),
        )

    def merged(self, known: KeyEntry | None) -> KeyEntry:
        """Return this entry with the places of the *known* one of the same key too, which come first.

        A place that both have, the same CKA_ID of the same token, was found again: it keeps how and when the
        key came there, was checked at the time of this entry, and is lost only if this entry has it so.
        """
        if known is None:
            return self
        places = {_identity(place): place for place in known.places}
        for place in self.places:
            before = places.get(_identity(place), place)
            is_newer = place.verified_at > before.verified_at
            checked = place.verified_at if is_newer else before.checked_at
            places[_identity(place)] = msgspec.structs.replace(
                before, uri=place.uri, checked_at=checked, lost_at=place.lost_at
            )
        kept = msgspec.structs.replace(self, attested=self.attested or known.attested)
        return kept.at_places(tuple(places.values()))


def _identity(place: KeyPlace) -> tuple[KeyUri, bytes | None]:
    """Return what two places have in common only if they are the same object; labels can change."""
    return place.token, KeyUri.parse(place.uri).id


def _require_plain(place: KeyPlace, public_key: PublicKey) -> None:
    """Raise `BadUri` for a URI that names more than a key, `UsageError` for an unknown origin."""
    uri = KeyUri.parse(place.uri)
    # The query of a PKCS#11 URI names a module and where the PIN is (RFC 7512 §2.4). From a file that
    # others may have written, either would send the PIN to a program of their choice.
    if uri.without_query() != uri:
        raise BadUri(
            f"the URI of {public_key} names a module or a PIN source",
            "name the module in the configuration or on the command line",
        )
    if place.made not in _MADE:
        raise UsageError(f"a key is made by one of {', '.join(_MADE)}, not by {quoted(place.made)}")


class Inventory(msgspec.Struct, frozen=True):
    """All entries, by public key."""

    _by_key: dict[PublicKey, KeyEntry] = msgspec.field(default_factory=dict)

    @classmethod
    def of(cls, entries: Iterable[KeyEntry]) -> Inventory:
        """Return the inventory of *entries*."""
        return cls({entry.public_key: entry for entry in entries})

    @property
    def entries(self) -> tuple[KeyEntry, ...]:
        """All entries, in their order."""
        return tuple(self._by_key.values())

    def get(self, public_key: PublicKey) -> KeyEntry | None:
        """Return the entry of *public_key*, if there is one."""
        return self._by_key.get(public_key)

    def with_raw(self, raw: bytes) -> KeyEntry | None:
        """Return the entry of the public key with the 32 bytes *raw*, in whichever role, if there is one."""
        return next((entry for role in Role if (entry := self._by_key.get(PublicKey(role, raw)))), None)

    @property
    def tokens(self) -> dict[str, str]:
        """The token of the first place of each key that is not lost, both as text.

        That is enough to see which are on one token.
        """
        # Not parsed: a command reads thousands of these.
        uris = ((entry, entry.uri if not entry.lost_at else _left_uri(entry)) for entry in self)
        return {str(entry.public_key): uri.partition(";object=")[0] for entry, uri in uris if uri}

    def __iter__(self) -> Iterator[KeyEntry]:
        return iter(self._by_key.values())

    def __len__(self) -> int:
        return len(self._by_key)

    def with_entry(self, entry: KeyEntry) -> Inventory:
        """Return an inventory with *entry*, and with the places of an older one of the same public key.

        What else the older one states is replaced. Raise `UsageError` when the same raw key is there under
        another role.
        """
        return self.with_entries(entry)

    def with_entries(self, *entries: KeyEntry) -> Inventory:
        """Return an inventory with all *entries*, as `with_entry` does with one."""
        mine: dict[PublicKey, KeyEntry] = {}
        for entry in entries:  # of which two may be the places of one key
            key = entry.public_key
            mine[key] = entry.merged(mine.get(key, self.get(key)))
        return _gathered((*(entry for entry in self if entry.public_key not in mine), *mine.values()))

    def without(self, public_key: PublicKey) -> Inventory:
        """Return an inventory without the entry of *public_key*."""
        return Inventory.of(entry for entry in self if entry.public_key != public_key)

    def text(self) -> str:
        """Return the inventory as its file holds it."""
        keys = {
            str(entry.public_key): {
                "role": entry.role.name.lower(),
                "name": entry.name,
                **_place_members(entry.places[0]),
                **({"spares": [_place_members(spare) for spare in entry.spares]} if entry.spares else {}),
                **({"attested": msgspec.to_builtins(entry.attested)} if entry.attested else {}),
            }
            for entry in self
        }
        return json.dumps({"version": VERSION, "keys": keys}, indent=2, ensure_ascii=True) + "\n"

    def save(self, path: Path) -> None:
        """Write the inventory to *path* (0600, at once); call it with the lock of the root held."""
        atomic.write({path: self.text()})


def _left_uri(entry: KeyEntry) -> str:
    return next((place.uri for place in entry.places_left), "")


def _place_members(place: KeyPlace) -> dict[str, str | int]:
    members: dict[str, str | int] = {"uri": place.uri, "made": place.made, "at": place.at}
    later = {"checked_at": place.checked_at, "lost_at": place.lost_at}
    return members | {name: at for name, at in later.items() if at}


def _gathered(entries: Iterable[KeyEntry]) -> Inventory:
    """Return the inventory of *entries*; raise `UsageError` when a raw key is there under two roles."""
    by_raw: dict[bytes, KeyEntry] = {}
    for entry in entries:
        # Roles are letters in front of the same 32 bytes: a key with two of them could sign as operator
        # what it was asked to sign as a user.
        twin = by_raw.setdefault(entry.public_key.raw, entry)
        if twin is not entry:
            raise UsageError(
                f"{entry.public_key} is the same key as {twin.public_key}, and a key has one role",
                "create a new key",
            )
    return Inventory.of(sorted(by_raw.values(), key=lambda entry: str(entry.public_key)))


def attestation_path(root: Path, public_key: PublicKey) -> Path:
    """Return where the certificates that attest *public_key* lie, below the folder of everything."""
    return root / ATTESTATIONS / f"{public_key}.pem"


def load(path: Path) -> Inventory:
    """Read the inventory at *path*; a missing file is an empty one. Raise `StoreError` with the place."""
    data = atomic.read(path)
    if data is None:
        return Inventory()
    try:
        return _inventory(wire.parse(data))
    except SeedlessError as error:
        raise StoreError(
            f"{shown(path)} is damaged: {error.message}",
            "restore it from a backup, or move it away and run: seedless key register --all",
        ) from error


def record(path: Path, lock: AbstractContextManager[object], *entries: KeyEntry) -> None:
    """Add *entries* to the inventory at *path*, which is read and written while *lock* is held."""
    with lock:
        load(path).with_entries(*entries).save(path)


def _inventory(value: object) -> Inventory:
    strict_json.require_version(value, VERSION)
    entries: list[KeyEntry] = []
    for text, members in strict_json.read(value, _InventoryFile).keys.items():
        path = wire.join("keys", text)
        attested = members.attested
        try:
            entry = KeyEntry(
                public_key=PublicKey.parse(text),
                uri=members.uri,
                role=_role(members.role),
                name=members.name,
                made=cast("Made", members.made),  # which `KeyEntry` checks
                at=members.at,
                checked_at=members.checked_at,
                lost_at=members.lost_at,
                spares=tuple(map(_place, members.spares)),
                # Only the digest and the time; the certificates lie beside, and a policy verifies them
                # again at each signature.
                attested=None if attested is None else Attested(sha256=attested.sha256, at=attested.at),
            )
        except SeedlessError as error:
            raise BadClaims(f"{path}: {error.message}", error.hint, path=path) from error
        entries.append(entry)
    try:
        return _gathered(entries)
    except UsageError as error:
        raise BadClaims(f"keys: {error.message}", error.hint, path="keys") from error


def _place(members: _PlaceMembers) -> KeyPlace:
    return KeyPlace(
        uri=members.uri,
        made=cast("Made", members.made),  # as above
        at=members.at,
        checked_at=members.checked_at,
        lost_at=members.lost_at,
    )


def _role(name: str) -> Role:
    role = next((role for role in Role if role.name.lower() == name), None)
    if role is None:
        raise BadClaims(f"there is no role {quoted(name)}")
    return role
