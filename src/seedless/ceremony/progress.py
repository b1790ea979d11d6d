"""How far a transcript has come, read against its request: one order of entries, each where it has to be.

Read are the chain of hashes, the kinds and members of the entries, and what each says of the request: every
signature verified, every signed jwt that of its draft. Refused is everything else, with its place. Policy,
witnesses and receipts are for `check`, and for who goes on with a ceremony.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from seedless import jwt
from seedless.ceremony import documents, transcript
from seedless.errors import Refused, SeedlessError
from seedless.rules.guards import MOST_AHEAD

if TYPE_CHECKING:
    from collections.abc import Sequence

    from seedless.ceremony.request import Request
    from seedless.ceremony.transcript import Entry
    from seedless.jwt import Draft, Jwt

_EVERY = {"at": int, "kind": str, "n": int, "previous": str}
_MEMBERS: dict[str, dict[str, Any]] = {
    "opened": {"format": str, "request": str, "tool": str, "mark": str, "present": list},
    "reviewed": {"policy": str, "findings": list, "lifted": list},
    "witnessed": {"statement": str},
    "key": {"public_key": str, "says": dict},
    "intent": {"change": int, "sha256": str},
    "signed": {"change": int, "jwt": str},
    "ended": {"signed": int},
}


@dataclass(slots=True)
class Progress:
    """What a transcript says was done: its entries by their kind, and the jwts that were signed."""

    request: Request
    entries: list[Entry] = field(default_factory=list)
    opened: Entry | None = None
    reviewed: Entry | None = None
    statements: list[str] = field(default_factory=list)
    says: dict[str, dict[str, Any]] = field(default_factory=dict)
    intents: int = 0
    signed: list[Jwt[Any]] = field(default_factory=list)
    is_ended: bool = False

    @property
    def at(self) -> int:
        """When the ceremony began, in Unix seconds, by the clock of the machine that held it."""
        return int(self.opened["at"]) if self.opened else 0

    @property
    def latest(self) -> int:
        """When the last entry was written, in Unix seconds, by the same clock; 0 where there is none."""
        return int(self.entries[-1]["at"]) if self.entries else 0

    @property
    def digest(self) -> str:
        """The digest of the transcript so far."""
        return transcript.digest(self.entries) if self.entries else self.request.digest

    @property
    def next_kinds(self) -> tuple[str, ...]:
        """The kinds that the next entry may be of."""
        if self.opened is None or self.reviewed is None:
            return ("opened",) if self.opened is None else ("reviewed",)
        if len(self.says) < len(self.request.issuers):
            return ("key",) if self.says else ("witnessed", "key")
        if self.intents > len(self.signed):
            return ("signed",)
        if self.intents < len(self.request.plan.changes):
            return ("intent",)
        return () if self.is_ended else ("ended",)


def progress(request: Request, entries: Sequence[Any], what: str = "transcript") -> Progress:
    """Return how far *entries* have come; raise `Refused` that names the place below *what*."""
    so_far = Progress(request)
    for number, entry in enumerate(entries):
        place = f"{what}[{number}]"
        try:
            _take(so_far, entry, place)
        except Refused:
            raise
        except SeedlessError as error:
            raise Refused(error.message, error.hint) from error
        so_far.entries.append(entry)
    return so_far


def _take(so_far: Progress, entry: Any, place: str) -> None:  # noqa: ANN401 - what JSON holds
    kind = entry.get("kind") if isinstance(entry, dict) else None
    if not isinstance(kind, str) or kind not in so_far.next_kinds:
        wanted = " or ".join(so_far.next_kinds) or "no entry"
        raise Refused(f"{place} is {_named(kind)}, where {wanted} has to be", _ORDER)
    documents.require_members(entry, _EVERY | _MEMBERS[kind], place)
    if entry["n"] != len(so_far.entries):
        raise Refused(f"{place}.n is {entry['n']}, not {len(so_far.entries)}", _ORDER)
    if entry["previous"] != so_far.digest:
        raise Refused(f"{place}.previous is not the hash of what stands before it", _ORDER)
    if entry["at"] < so_far.latest:
        raise Refused(f"{place}.at is earlier than that of the entry before it", _ORDER)
    _TAKERS[kind](so_far, entry, place)


def _named(kind: object) -> str:
    return kind if isinstance(kind, str) and kind in _MEMBERS else "no entry of a transcript"


def _opened(so_far: Progress, entry: Entry, place: str) -> None:
    request = so_far.request
    if entry["format"] != transcript.FORMAT:
        raise Refused(f"{place}.format is not {transcript.FORMAT!r}", "another version may read it")
    if entry["request"] != request.digest:
        raise Refused(f"{place}.request is {entry['request']}, and the request is {request.digest}")
    if entry["mark"] != request.mark:
        raise Refused(f"{place}.mark is not that of the request")
    if not request.plan.prepared_at - MOST_AHEAD <= entry["at"] < request.expires:
        raise Refused(f"{place}.at is not between the preparation of the request and its expiry")
    for number, name in enumerate(entry["present"]):
        if not isinstance(name, str):
            raise Refused(f"{place}.present[{number}] is no name")
        documents.require_plain(name, f"{place}.present[{number}]")
    documents.require_plain(entry["tool"], f"{place}.tool")
    so_far.opened = entry


def _reviewed(so_far: Progress, entry: Entry, place: str) -> None:
    for name in ("findings", "lifted"):
        if not all(isinstance(one, str) for one in entry[name]):
            raise Refused(f"{place}.{name} is not a list of texts")
    if any(one.startswith("error") for one in entry["findings"]):
        raise Refused(f"{place}.findings holds an error, against which nothing is signed")
    so_far.reviewed = entry


def _witnessed(so_far: Progress, entry: Entry, _place: str) -> None:
    so_far.statements.append(entry["statement"])


def _key(so_far: Progress, entry: Entry, place: str) -> None:
    wanted = str(so_far.request.issuers[len(so_far.says)])
    if entry["public_key"] != wanted:
        raise Refused(f"{place}.public_key is {entry['public_key']}, and {wanted} has to sign", _ORDER)
    so_far.says[wanted] = entry["says"]


def _intent(so_far: Progress, entry: Entry, place: str) -> None:
    _require_change(entry, so_far.intents, place)
    if not so_far.intents and entry["at"] >= so_far.request.expires:
        raise Refused(f"{place}.at is not before the expiry of the request", "nothing was to be signed then")
    if entry["sha256"] != draft_digest(so_far.request.plan.changes[so_far.intents].draft):
        raise Refused(f"{place}.sha256 is not that of request.plan.changes[{so_far.intents}].draft")
    so_far.intents += 1


def _signed(so_far: Progress, entry: Entry, place: str) -> None:
    number = len(so_far.signed)
    _require_change(entry, number, place)
    draft = so_far.request.plan.changes[number].draft
    if not entry["jwt"].startswith(f"{draft.signing_input.decode()}."):
        raise Refused(f"{place}.jwt is not that of request.plan.changes[{number}].draft")
    try:
        so_far.signed.append(jwt.read_strict(entry["jwt"]))
    except SeedlessError as error:
        raise Refused(f"{place}.jwt: {error.message}", error.hint) from error


def _ended(so_far: Progress, entry: Entry, place: str) -> None:
    if entry["signed"] != len(so_far.signed):
        raise Refused(f"{place}.signed is {entry['signed']}, and {len(so_far.signed)} jwts are signed")
    so_far.is_ended = True


def _require_change(entry: Entry, number: int, place: str) -> None:
    if entry["change"] != number:
        raise Refused(f"{place}.change is {entry['change']}, where {number} has to be", _ORDER)


def draft_digest(draft: Draft[Any]) -> str:
    """Return the SHA-256, in hex, of what is signed for *draft*."""
    return hashlib.sha256(draft.signing_input).hexdigest()


_TAKERS = {
    "opened": _opened,
    "reviewed": _reviewed,
    "witnessed": _witnessed,
    "key": _key,
    "intent": _intent,
    "signed": _signed,
    "ended": _ended,
}
_ORDER = "an entry is missing, added, swapped or changed"
