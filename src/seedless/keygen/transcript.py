"""The transcript of a ceremony that creates keys: its entries, and how far they have come.

Order: opened, witnessed, the secret in shares (where keys are recoverable), what was known of tokens and
machine, then for each key an intent, and the key with the statement that it has signed about itself; the
end. A ceremony that was interrupted goes on with an entry of its own: who was there then, which bags were
opened, what was not as planned. One that cannot be finished is abandoned, and stays incomplete.

Every signature of a new key is in it, and `signatures` counts them, challenges included: the log of a device
can be reconciled by count.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

from seedless.ceremony import documents, transcript
from seedless.ceremony.keys import CeremonyKey, read_statement
from seedless.ceremony.statements import RECEIPT, StatementContent, ceremony_draft
from seedless.errors import Refused
from seedless.jwt import read
from seedless.pkcs11.uri import KeyUri
from seedless.readiness import ReadinessRow
from seedless.recovery import record as records
from seedless.rules.guards import MOST_AHEAD
from seedless.text import quoted, shown
from seedless.units import moment

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from seedless.ceremony.transcript import TranscriptEntry
    from seedless.jwt import Draft
    from seedless.keygen.request import KeygenRequest, SpecifiedKey
    from seedless.recovery.record import RecoveryRecord

FORMAT = "seedless ceremony key transcript 1"
_ORDER = "an entry is missing, added, swapped or changed"


class SeenBag(msgspec.Struct, frozen=True, kw_only=True):
    """A bag of the specification, by its number, as somebody found it: its seal, what was in it."""

    number: str
    found: str


class KeygenSession(msgspec.Struct, frozen=True, kw_only=True):
    """Who was there, how bags were found, and what was not as planned: when the ceremony began or went on.

    `at` is Unix seconds, `tool` the program that created keys.
    """

    at: int
    tool: str
    present: tuple[str, ...] = ()
    bags: tuple[SeenBag, ...] = ()
    exceptions: tuple[str, ...] = ()


def require_session(request: KeygenRequest, session: KeygenSession, where: str) -> None:
    """Raise `Refused` or `UsageError` for a *session*, called *where*, that *request* cannot have."""
    # Names get into a transcript that is printed and read aloud, where look-alike letters and control
    # characters would deceive.
    texts = (session.tool, *session.present, *session.exceptions, *(bag.found for bag in session.bags))
    for text in texts:
        documents.require_plain(text, where)
    for name in session.present:
        if session.present.count(name) > 1:
            raise Refused(f"{where} names {shown(name)} twice", "name each person once")
    numbers = [bag.number for bag in session.bags]
    expected = [bag.number for bag in request.specification.bags]
    # A bag that was exchanged shows itself by its number and by nothing else: a slip of the pen here would
    # hide what the number is for.
    for number in numbers:
        if number not in expected or numbers.count(number) > 1:
            why = "twice" if number in expected else f"and the request has {', '.join(expected) or 'none'}"
            raise Refused(
                f"{where} has the bag {quoted(number)}, {why}",
                "read its number again; a bag that was not planned is an exception: --exception",
            )


def content_of(request: KeygenRequest) -> StatementContent:
    """Return what a witness of *request* signs: there is no policy yet, and nothing is waived."""
    return StatementContent(request=request.digest, policy="", waived=(), expires=request.expires)


@dataclass(slots=True)
class KeygenProgress:
    """What a transcript states was done."""

    request: KeygenRequest
    entries: list[TranscriptEntry] = field(default_factory=list)
    statements: list[str] = field(default_factory=list)
    readiness: tuple[ReadinessRow, ...] = ()
    record: RecoveryRecord | None = None
    intents: int = 0
    keys: list[CeremonyKey] = field(default_factory=list)
    key_statements: list[str] = field(default_factory=list)
    signatures: dict[str, int] = field(default_factory=dict)
    sessions: list[KeygenSession] = field(default_factory=list)
    is_ended: bool = False
    is_abandoned: bool = False

    @property
    def titles(self) -> dict[str, str]:
        """What each key is called, as in `operator ACME`."""
        return {str(key.public_key): f"{key.public_key.role.name.lower()} {key.name}" for key in self.keys}

    @property
    def witnesses(self) -> dict[str, str]:
        """The witnesses who have signed: public key, and the name that the request gives it, or none."""
        names = {str(person.key): person.name for person in self.request.specification.people if person.key}
        issuers = [str(read(text).issuer) for text in self.statements]
        return {key: names.get(key, "") for key in issuers}

    @property
    def signatures_in_all(self) -> dict[str, int]:
        """How many signatures each key has made at the end, the receipt included."""
        return {key: count + 1 for key, count in self.signatures.items()}

    @property
    def present(self) -> tuple[str, ...]:
        """Who was there at any time, each once."""
        return tuple(dict.fromkeys(name for session in self.sessions for name in session.present))

    @property
    def other_tools(self) -> tuple[str, ...]:
        """The programs that created keys, and are not the one that prepared the request."""
        tools = dict.fromkeys(session.tool for session in self.sessions)
        return tuple(tool for tool in tools if tool != self.request.tool)

    @property
    def absent(self) -> tuple[str, ...]:
        """The people of the request, with their roles, of whom nobody reported that they were there."""
        people = self.request.specification.people
        return tuple(f"{person.name} ({person.role})" for person in people if person.name not in self.present)

    @property
    def is_begun(self) -> bool:
        """Whether shares or keys may exist: what was done is not done again then."""
        return bool(self.intents or self.record)

    @property
    def digest(self) -> str:
        """The digest of the transcript so far."""
        return transcript.digest(self.entries) if self.entries else self.request.digest

    @property
    def next_kinds(self) -> tuple[str, ...]:
        """The kinds that the next entry may be of."""
        if not self.entries:
            return ("opened",)
        if self.is_ended or self.is_abandoned:
            return ()
        return (*self._next_work, *(["resumed"] if self.is_begun else []), "abandoned")

    @property
    def _next_work(self) -> tuple[str, ...]:
        specification = self.request.specification
        if specification.recoverable and self.record is None:
            return ("witnessed", "shares")
        if self.intents > len(self.keys):
            return ("created",)
        if self.intents == len(specification.keys):
            return ("ended",)
        if self.intents or self.readiness:
            return ("intent",)
        return ("readiness", "intent") if self.record else ("witnessed", "readiness", "intent")


def require_time(request: KeygenRequest, now: int) -> None:
    """Raise `Refused` unless *request* holds *now* (Unix seconds)."""
    if not request.prepared_at - MOST_AHEAD <= now < request.expires:
        raise Refused(
            f"the request holds from {moment(request.prepared_at)} until {moment(request.expires)}, and the "
            f"clock reads {moment(now)}",
            "set the clock right, or prepare it again",
        )


def require_as_asked(key: SpecifiedKey, made: CeremonyKey) -> None:
    """Raise `Refused` unless *made* is on the token of *key*, with the attributes that were asked for."""
    # The statement has the URI that the driver gave, signed by the key: a token that was exchanged, or
    # another one of the same label, differs in its serial.
    if key.token and not KeyUri.parse(key.token).covers(KeyUri.parse(made.uri)):
        raise Refused(f"{shown(key.label)} is on {shown(made.uri)}, and the request asks for {key.token}")
    # Drivers ignore what a template asks for: openCryptoki and NSS make extractable keys by default. So
    # what counts is what the attributes read back as.
    missing = [name for name in key.wanted if made.driver_report.get(name) != "yes"]
    if missing:
        raise Refused(
            f"{shown(key.label)} was asked for as {', '.join(key.wanted)}, and its driver does not report "
            f"that it is {' and '.join(missing)}",
            "delete the key (seedless key delete), and create it on another token",
        )


def receipt_drafts(so_far: KeygenProgress) -> list[Draft[Any]]:
    """Return the drafts of the receipts, one by each new key."""
    # The time is that of the last entry and not the clock's: a run that is repeated makes the same receipts,
    # byte for byte.
    data, at = {"request": so_far.request.digest}, int(so_far.entries[-1]["at"])
    return [ceremony_draft(RECEIPT, so_far.digest, data, key.public_key, at) for key in so_far.keys]


class _KeygenEntry(msgspec.Struct, frozen=True, kw_only=True):
    at: int
    kind: str
    n: int
    previous: str


class _KeygenOpened(_KeygenEntry, frozen=True, kw_only=True):
    format: str
    request: str
    mark: str
    tool: str
    present: tuple[str, ...]
    bags: tuple[SeenBag, ...]
    exceptions: tuple[str, ...]


class _KeygenResumed(_KeygenEntry, frozen=True, kw_only=True):
    tool: str
    present: tuple[str, ...]
    bags: tuple[SeenBag, ...]
    exceptions: tuple[str, ...]


class _KeygenWitnessed(_KeygenEntry, frozen=True, kw_only=True):
    statement: str


class _KeygenReadiness(_KeygenEntry, frozen=True, kw_only=True):
    rows: tuple[ReadinessRow, ...]


class _KeygenShares(_KeygenEntry, frozen=True, kw_only=True):
    record: str


class _KeygenIntent(_KeygenEntry, frozen=True, kw_only=True):
    key: int
    label: str


class _KeygenCreated(_KeygenEntry, frozen=True, kw_only=True):
    key: int
    statement: str
    signed: dict[str, int]


class _KeygenEnded(_KeygenEntry, frozen=True, kw_only=True):
    created: int
    signatures: dict[str, int]


def progress(request: KeygenRequest, entries: Sequence[object]) -> KeygenProgress:
    """Return how far *entries* have come; raise `Refused` that names the place."""
    return transcript.follow(KeygenProgress(request), entries, _take)


def _take(so_far: KeygenProgress, entry: object, place: str) -> None:
    kind = entry.get("kind") if isinstance(entry, dict) else None
    if not isinstance(kind, str) or kind not in so_far.next_kinds:
        expected = " or ".join(so_far.next_kinds) or "no entry"
        raise Refused(
            f"{place} is {kind if kind in _TAKERS else 'no entry'}, where {expected} has to be", _ORDER
        )
    struct, take = _TAKERS[kind]
    members = documents.members_of(entry, struct, place)
    latest = so_far.entries[-1]["at"] if so_far.entries else 0
    is_opening = kind == "opened"  # which has a sentence of its own about another request
    is_next = (members.n, members.previous) == (len(so_far.entries), so_far.digest) or is_opening
    if not is_next or members.at < latest:
        raise Refused(f"{place} does not follow what is before it", _ORDER)
    take(so_far, members, place)


def _opened(so_far: KeygenProgress, entry: Any, place: str) -> None:  # noqa: ANN401 - of `_TAKERS`
    if (entry.format, entry.request) != (FORMAT, so_far.request.digest):
        raise Refused(f"{place} is of the request {entry.request}, and this one is {so_far.request.digest}")
    if (entry.n, entry.previous) != (0, so_far.request.digest):
        raise Refused(f"{place} does not follow the request", _ORDER)
    if entry.mark != so_far.request.mark:
        raise Refused(f"{place}.mark is not that of the request")
    require_time(so_far.request, entry.at)
    _resumed(so_far, entry, place)


def _resumed(so_far: KeygenProgress, entry: Any, place: str) -> None:  # noqa: ANN401
    session = KeygenSession(
        at=entry.at, tool=entry.tool, present=entry.present, bags=entry.bags, exceptions=entry.exceptions
    )
    require_session(so_far.request, session, place)
    so_far.sessions.append(session)


# Nothing follows: the transcript states itself that it was given up, whatever becomes of the machine.
def _abandoned(so_far: KeygenProgress, _entry: Any, _place: str) -> None:  # noqa: ANN401
    so_far.is_abandoned = True


def _witnessed(so_far: KeygenProgress, entry: Any, _place: str) -> None:  # noqa: ANN401
    so_far.statements.append(entry.statement)


def _readiness(so_far: KeygenProgress, entry: Any, place: str) -> None:  # noqa: ANN401
    if not entry.rows:
        raise Refused(f"{place}.rows is empty, and such an entry has rows", _ORDER)
    so_far.readiness = entry.rows


def _shares(so_far: KeygenProgress, entry: Any, place: str) -> None:  # noqa: ANN401
    so_far.record = records.parse(entry.record.encode(), f"{place}.record")
    shares = so_far.request.specification.shares
    holders = [share.holder for share in so_far.record.shares]
    if shares is None or (so_far.record.threshold, holders) != (shares.threshold, [*shares.holders]):
        raise Refused(f"{place}.record has other holders, or another threshold, than the request asks for")


def _intent(so_far: KeygenProgress, entry: Any, place: str) -> None:  # noqa: ANN401
    key = so_far.request.specification.keys[so_far.intents]
    # The first intent decides, and no later one: what was begun in time may end after the expiry, or a power
    # cut would leave half of the keys for good.
    if not so_far.is_begun:
        require_time(so_far.request, entry.at)
    if (entry.key, entry.label) != (so_far.intents, key.label):
        raise Refused(f"{place} is about another key than {shown(key.label)}, which is the next", _ORDER)
    so_far.intents += 1


def _created(so_far: KeygenProgress, entry: Any, place: str) -> None:  # noqa: ANN401
    number = len(so_far.keys)
    key = so_far.request.specification.keys[number]
    made = read_statement(entry.statement, f"{place}.statement")
    found = (entry.key, made.public_key.role.name.lower(), made.name, made.holder)
    if found != (number, key.role, key.name, key.holder):
        raise Refused(f"{place}.statement is about another key, or holder, than the request asks for")
    # Compared without the role: one pair of 32 bytes under two prefixes would be two names for one secret.
    if made.public_key.raw in {other.public_key.raw for other in so_far.keys}:
        raise Refused(f"{place}.statement is of a key that is listed already", "a key has one role")
    require_as_asked(key, made)
    if key.recoverable:
        recorded = {item.key.text: item.public_key for item in (so_far.record.keys if so_far.record else ())}
        if recorded.get(f"{key.role}:{key.name}") != made.public_key:
            raise Refused(f"{place}.statement is of another key than the record of the shares has")
    so_far.keys.append(made)
    so_far.key_statements.append(entry.statement)
    so_far.signatures[str(made.public_key)] = sum(entry.signed.values())


def _ended(so_far: KeygenProgress, entry: Any, place: str) -> None:  # noqa: ANN401
    if entry.created != len(so_far.keys) or entry.signatures != so_far.signatures_in_all:
        raise Refused(f"{place} counts other keys or signatures than the entries have")
    so_far.is_ended = True


_TAKERS: dict[str, tuple[type[_KeygenEntry], Callable[[KeygenProgress, Any, str], None]]] = {
    "opened": (_KeygenOpened, _opened),
    "resumed": (_KeygenResumed, _resumed),
    "abandoned": (_KeygenEntry, _abandoned),
    "witnessed": (_KeygenWitnessed, _witnessed),
    "readiness": (_KeygenReadiness, _readiness),
    "shares": (_KeygenShares, _shares),
    "intent": (_KeygenIntent, _intent),
    "created": (_KeygenCreated, _created),
    "ended": (_KeygenEnded, _ended),
}
