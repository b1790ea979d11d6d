"""The public record of a secret and its shares: what another person needs for a restore, beside the shares.

It has no secret: which keys there are, on which paths, with which public keys; who holds which share, and a
digest of each. A value of a share is 16 or 32 uniform bytes where two or more are required, so its digest
shows nothing about it, and a forged or foreign share is refused as it is typed.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

import msgspec

from seedless.ceremony import documents
from seedless.errors import Refused, SeedlessError, UsageError
from seedless.nkey import PublicKey, Role
from seedless.pkcs11.keys import label_for
from seedless.recovery import slip10, slip39
from seedless.recovery.paths import key_of, path_of
from seedless.text import shown

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Self

    from seedless.recovery.slip39 import Share
    from seedless.seeds import SoftwareKey

FORMAT = "seedless recovery record 1"
ROLES = {role.name.lower(): role for role in (Role.OPERATOR, Role.ACCOUNT, Role.USER)}
_DIGEST = re.compile(r"[0-9a-f]{64}")
_TAG = b"seedless recovery share 1\0"
_WORDS = (slip39.word_count(16), slip39.word_count(32))
_MOST_INDEX = 2**32 - 1
_MOST_IDENTIFIER = 2**15 - 1


class ShareRecord(msgspec.Struct, frozen=True, kw_only=True):
    """Who holds the share with this `number` (from 1), and its digest, see `share_digest`."""

    number: int
    holder: str
    sha256: str


class _KeyMembers(msgspec.Struct, frozen=True):
    role: str
    name: str
    index: int
    path: str
    public_key: str


class _RecordMembers(msgspec.Struct, frozen=True):
    """The members of the file."""

    format: str
    at: int
    identifier: int
    threshold: int
    words: int
    shares: tuple[ShareRecord, ...]
    keys: tuple[_KeyMembers, ...]


class KeyName(msgspec.Struct, frozen=True, kw_only=True):
    """What a key is derived from, beside the secret."""

    role: Role
    name: str
    index: int = 0

    @property
    def text(self) -> str:
        """`ROLE:NAME`, and `#INDEX` behind it where it is not 0."""
        return self.label + (f"#{self.index}" if self.index else "")

    @property
    def label(self) -> str:
        """The label of the key on a token; raise `UsageError` for a name that no key has."""
        return label_for(self.role, self.name)

    def derive(self, secret: bytes) -> SoftwareKey:
        """Return the key below *secret*."""
        return key_of(secret, self.role, self.name, self.index)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `ROLE:NAME` or `ROLE:NAME#INDEX`; raise `UsageError`."""
        role, colon, name = text.partition(":")
        name, _, index = name.partition("#")
        if not colon or role not in ROLES or (index and not (index.isdecimal() and index.isascii())):
            raise UsageError(f"{shown(text)} is not ROLE:NAME", f"a role is one of {', '.join(ROLES)}")
        key = cls(role=ROLES[role], name=name, index=int(index or "0"))
        require_label(key)
        if key.index > _MOST_INDEX:
            raise UsageError(f"the index of {shown(text)} is above {_MOST_INDEX}", "use a lower one")
        return key


class KeyRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A key: what it is derived from, and its public key."""

    key: KeyName
    public_key: PublicKey

    @property
    def path(self) -> str:
        """The path of SLIP-0010."""
        return slip10.path_text(path_of(self.key.role, self.key.name, self.key.index))


class RecoveryRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A set of shares and its keys; `at` is Unix seconds, `words` how many words a share has."""

    at: int
    identifier: int
    threshold: int
    words: int
    shares: tuple[ShareRecord, ...]
    keys: tuple[KeyRecord, ...]

    def to_bytes(self) -> bytes:
        """Return the file: canonical JSON and one line end."""
        return documents.to_bytes({
            "format": FORMAT, "at": self.at, "identifier": self.identifier, "threshold": self.threshold,
            "words": self.words, "shares": [msgspec.to_builtins(share) for share in self.shares],
            "keys": [
                {
                    "role": entry.key.role.name.lower(), "name": entry.key.name, "index": entry.key.index,
                    "path": entry.path, "public_key": str(entry.public_key),
                }
                for entry in self.keys
            ],
        })  # fmt: skip

    @property
    def digest(self) -> str:
        """The SHA-256 of the file, in hexadecimal."""
        return hashlib.sha256(self.to_bytes()).hexdigest()

    def check_share(self, share: Share) -> ShareRecord:
        """Return the entry of *share*; raise `Refused` with what is against it: nothing of its value."""
        common = share.common
        if common.identifier != self.identifier:
            raise Refused(
                f"this share is of another set: its identifier is {common.identifier}, "
                f"and that of the record {self.identifier}",
                "each holder brings the share of this record",
            )
        entry = next((entry for entry in self.shares if entry.number == share.number + 1), None)
        if entry is None:
            raise Refused(f"the record lists no share {share.number + 1}", "it is of another set, or forged")
        if share_digest(share) != entry.sha256:
            raise Refused(
                f"this is not the share {entry.number} of {shown(entry.holder)} that the record lists",
                "it is forged, or of another set with the same identifier",
            )
        return entry

    def require_keys(self, secret: bytes) -> list[SoftwareKey]:
        """Return the keys below *secret*; raise `Refused` unless they have the public keys of the record."""
        found = [entry.key.derive(secret) for entry in self.keys]
        for entry, software in zip(self.keys, found, strict=True):
            if software.public_key != entry.public_key:
                raise Refused(
                    f"the key {shown(entry.key.text)} that is derived is {software.public_key}, "
                    f"and the record has {entry.public_key}",
                    "the record was changed, or belongs to another secret: nothing was imported",
                )
        return found


def share_digest(share: Share) -> str:
    """Return the SHA-256, in hexadecimal, of what distinguishes *share* from every other one.

    It is of a tag, identifier (2 bytes, big-endian), flag, exponent, groups, numbers, thresholds and value.
    """
    common = share.common
    numbers = bytes([
        common.is_extendable, common.exponent, share.group, common.group_threshold, common.groups,
        share.number, share.threshold,
    ])  # fmt: skip
    return hashlib.sha256(_TAG + common.identifier.to_bytes(2, "big") + numbers + share.value).hexdigest()


def parse(data: bytes, what: str = "the record") -> RecoveryRecord:
    """Read a record; raise `UsageError` with the place of what is wrong."""
    members = documents.members_of(documents.parse(data, what), _RecordMembers, "record")
    if members.format != FORMAT:
        raise UsageError(f"record.format is not {FORMAT!r}", "another version of seedless may read it")
    for number, share in enumerate(members.shares):
        _require_share(share, f"record.shares[{number}]")
    record = RecoveryRecord(
        at=members.at,
        identifier=members.identifier,
        threshold=members.threshold,
        words=members.words,
        shares=members.shares,
        keys=tuple(_key(key, f"record.keys[{number}]") for number, key in enumerate(members.keys)),
    )
    _require_possible(record)
    return record


def _require_share(share: ShareRecord, where: str) -> None:
    documents.require_plain(share.holder, f"{where}.holder")
    if not _DIGEST.fullmatch(share.sha256):
        raise UsageError(f"{where}.sha256 is not a SHA-256 in hexadecimal", _AGAIN)


def _key(members: _KeyMembers, where: str) -> KeyRecord:
    if members.role not in ROLES or not 0 <= members.index <= _MOST_INDEX:
        raise UsageError(f"{where} has a role or an index that no key has", _AGAIN)
    key = KeyName(role=ROLES[members.role], name=members.name, index=members.index)
    try:
        entry = KeyRecord(key=key, public_key=PublicKey.parse(members.public_key))
        require_label(key)
    except SeedlessError as error:
        raise UsageError(f"{where}: {error.message}", _AGAIN) from error
    if entry.public_key.role is not key.role:
        raise UsageError(f"{where}.public_key is of another role", _AGAIN)
    if entry.path != members.path:
        raise UsageError(f"{where}.path is not the path of this role, name and index", _AGAIN)
    return entry


def require_label(key: KeyName) -> None:
    """Raise `UsageError` for a name that no key on a token has."""
    label_for(key.role, key.name)


def _require_possible(record: RecoveryRecord) -> None:
    """Raise `UsageError` for numbers that no set of shares has, and for what is listed twice."""
    numbers = [share.number for share in record.shares]
    if numbers != list(range(1, len(numbers) + 1)) or len(numbers) > slip39.MOST_SHARES:
        raise UsageError("record.shares are not numbered from 1 on", _AGAIN)
    if not 2 <= record.threshold <= len(numbers):  # noqa: PLR2004 - one share alone would be the secret
        raise UsageError("record.threshold is not between 2 and the number of shares", _AGAIN)
    if record.words not in _WORDS or not 0 <= record.identifier <= _MOST_IDENTIFIER or record.at < 0:
        raise UsageError("record.words, record.identifier or record.at is a number that it cannot be", _AGAIN)
    _require_once((entry.key.text for entry in record.keys), "name")
    _require_once((entry.public_key.raw.hex() for entry in record.keys), "public key")
    if not record.keys:
        raise UsageError("record.keys is empty", _AGAIN)


def _require_once(texts: Iterable[str], what: str) -> None:
    listed = list(texts)
    if len(set(listed)) != len(listed):
        raise UsageError(f"record.keys has two keys with one {what}", _AGAIN)


_AGAIN = "the record was changed: take it from the transcript, or from another copy"
