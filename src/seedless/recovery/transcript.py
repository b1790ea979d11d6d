"""The transcript of a restore: who brought which shares, and which keys were imported to which token.

Each key that was imported signs a receipt over the digest of the rest, in the process that had the secret: a
transcript that was changed has no receipts, and nobody without the keys has others. That proves which keys
were restored, by shares that the record lists. Names, times, token and program are what the machine stated,
and no device attests a key that was imported.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from seedless import plan_file
from seedless.ceremony import documents
from seedless.ceremony.check import CeremonyVerdict
from seedless.ceremony.statements import RECEIPT, ceremony_draft, read_ceremony_jwt, require_equal
from seedless.errors import Refused, SeedlessError, UsageError
from seedless.nkey import PublicKey
from seedless.recovery import record as records
from seedless.text import shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from seedless.jwt import Draft
    from seedless.pkcs11.token_info import TokenInfo
    from seedless.recovery.record import RecoveryRecord

FORMAT = "seedless recovery transcript 1"
RESTORE, DERIVE = "restore", "derive"
NO_ATTESTATION = "none: no device attests a key that was imported"


class RestoredToken(msgspec.Struct, frozen=True, kw_only=True):
    """The token to which keys were imported, as its driver describes it."""

    label: str
    serial: str
    manufacturer: str
    model: str
    firmware: str

    @classmethod
    def of(cls, info: TokenInfo) -> RestoredToken:
        """Return what is stated of the token *info*."""
        return cls(
            label=info.label,
            serial=info.serial,
            manufacturer=info.manufacturer,
            model=info.model,
            firmware=info.firmware_version,
        )


class UsedShare(msgspec.Struct, frozen=True, kw_only=True):
    """A share that was typed: its number (from 1), and its digest as of the record."""

    number: int
    sha256: str


class RestoredKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key that was imported: its public key, and the URI of its place."""

    public_key: str
    uri: str


class RestoreContent(msgspec.Struct, frozen=True, kw_only=True):
    """What the receipts are signed over; `at` and `ended_at` are Unix seconds, `record` is the record's text.

    `kind` is `restore`, or `derive` where the keys are further ones, which the record has too.
    """

    kind: str
    at: int
    ended_at: int
    tool: str
    present: tuple[str, ...]
    record: str
    shares: tuple[UsedShare, ...]
    token: RestoredToken
    keys: tuple[RestoredKey, ...]
    attestation: str = NO_ATTESTATION

    @property
    def digest(self) -> str:
        """The SHA-256, in hexadecimal, of the content as canonical JSON."""
        return plan_file.digest(plan_file.canonical(msgspec.to_builtins(self)))

    def drafts(self) -> list[Draft[Any]]:
        """Return the drafts of the receipts, one by each key."""
        data = {"record": records.parse(self.record.encode()).digest}
        keys = (PublicKey.parse(key.public_key) for key in self.keys)
        return [ceremony_draft(RECEIPT, self.digest, data, key, self.ended_at) for key in keys]


class RestoreTranscript(msgspec.Struct, frozen=True, kw_only=True):
    """A content, and the receipts of its keys (jwt text), in their order."""

    content: RestoreContent
    receipts: tuple[str, ...]

    @property
    def digest(self) -> str:
        """The digest of the content."""
        return self.content.digest

    def to_bytes(self) -> bytes:
        """Return the file: canonical JSON and one line end."""
        return documents.to_bytes({"format": FORMAT, **msgspec.to_builtins(self)})


class RestoreCheck(msgspec.Struct, frozen=True, kw_only=True):
    """A verdict on a transcript, what to state about it, and what was read, None where it is false."""

    verdict: CeremonyVerdict
    text: str
    hint: str = ""
    transcript: RestoreTranscript | None = None


class _TranscriptMembers(msgspec.Struct, frozen=True):
    format: str
    content: RestoreContent
    receipts: tuple[str, ...]


def parse(data: bytes, what: str = "the transcript") -> RestoreTranscript:
    """Read a transcript; nothing is verified. Raise `UsageError` with the place of what is wrong."""
    members = documents.members_of(documents.parse(data, what), _TranscriptMembers, "transcript")
    if members.format != FORMAT:
        raise UsageError(f"transcript.format is not {FORMAT!r}", "another version of seedless may read it")
    return RestoreTranscript(content=members.content, receipts=members.receipts)


def check_restore(known: RecoveryRecord, data: bytes, operator: PublicKey | None = None) -> RestoreCheck:
    """Return the verdict on the transcript *data* of a restore by shares of *known*; no token is asked.

    *operator* is the pinned operator key, which the record has to list.
    """
    try:
        found = parse(data)
        _require_content(found.content, known)
        _require_receipts(found)
        if operator is not None and operator not in {key.public_key for key in known.keys}:
            raise Refused(f"the pinned operator key {operator} is none of the keys of the record")
    except SeedlessError as error:
        return RestoreCheck(verdict=CeremonyVerdict.FALSE, text=error.message, hint=error.hint)
    count, content = len(found.content.keys), found.content
    text = (
        f"{count} {'key was' if count == 1 else 'keys were'} imported to token {shown(content.token.label)} "
        f"(serial {shown(content.token.serial)}) by {len(content.shares)} shares, each signed a receipt"
    )
    return RestoreCheck(verdict=CeremonyVerdict.COMPLETE, text=text, transcript=found)


def _require_content(content: RestoreContent, known: RecoveryRecord) -> None:
    if content.record.encode() != known.to_bytes():
        own = records.parse(content.record.encode(), "transcript.content.record").digest
        raise Refused(
            f"the transcript is of the record {own}, and this one is {known.digest}",
            "name the record by whose shares the keys were restored",
        )
    if content.kind not in {RESTORE, DERIVE} or content.attestation != NO_ATTESTATION:
        raise Refused("transcript.content states a kind or an attestation that no restore has")
    if not 0 <= content.at <= content.ended_at:
        raise Refused("transcript.content ends before it begins")
    for text in (*content.present, content.tool):
        documents.require_plain(text, "transcript.content")
    _require_shares(content.shares, known)
    listed = {str(key.public_key) for key in known.keys}
    for number, key in enumerate(content.keys):
        if key.public_key not in listed:
            raise Refused(f"transcript.content.keys[{number}] is not a key of the record")


def _require_shares(shares: Sequence[UsedShare], known: RecoveryRecord) -> None:
    digests = {share.number: share.sha256 for share in known.shares}
    for number, share in enumerate(shares):
        if digests.get(share.number) != share.sha256:
            raise Refused(f"transcript.content.shares[{number}] is not a share of the record")
    if len({share.number for share in shares}) != len(shares) or len(shares) != known.threshold:
        raise Refused(f"transcript.content.shares are not {known.threshold} shares, each of another number")


def _require_receipts(found: RestoreTranscript) -> None:
    drafts = found.content.drafts()
    for number, (text, draft) in enumerate(zip(found.receipts, drafts, strict=False)):
        place = f"transcript.receipts[{number}]"
        require_equal(read_ceremony_jwt(text, place), draft, place)
    if not drafts or len(found.receipts) != len(drafts):
        raise Refused(
            f"transcript.receipts holds {len(found.receipts)}, and {len(drafts)} keys were imported"
        )
