"""The ledger: what this machine signed last, for each subject, and which ceremonies it held.

A JSON file, `ROOT/ledger.json`, a book for each operator:

    {"version": 1,
     "open": {"O…": "…"},
     "operators": {"O…": {"last": "…", "requests": {"…": "…"},
                          "subjects": {"A…": {"sha256": "…", "iat": 1700000000}}}}}

`last` is the digest of the transcript of the last ceremony (null: there was none), `requests` the digest of
each request that was signed, with that of its transcript, `open` that of a request of which something may
have been signed while its ceremony has not ended. Of each operator, account and user it holds the SHA-256 and
the time of the jwt that a ceremony signed last, or went by. It decides nothing; who asks compares. Refused is
a damaged file: a ledger that is guessed is none.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

import msgspec

from seedless import strict_json, wire
from seedless.claims import Account, Operator, User
from seedless.errors import BadClaims, SeedlessError, StoreError
from seedless.store import atomic
from seedless.text import shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from seedless.jwt import Jwt

LEDGER_NAME = "ledger.json"
VERSION = 1
_HEX = 64  # digits of a SHA-256


class _SubjectMembers(msgspec.Struct, frozen=True):
    sha256: str
    iat: int


class _OperatorMembers(msgspec.Struct, frozen=True):
    last: str | None
    requests: dict[str, str]
    subjects: dict[str, _SubjectMembers]


class _LedgerFile(msgspec.Struct, frozen=True):
    """The members of the file."""

    version: int
    open: dict[str, str]
    operators: dict[str, _OperatorMembers]


@dataclass(frozen=True, slots=True)
class LastJwt:
    """The last jwt of a subject: the SHA-256 of its text in hex, and when it was issued (Unix seconds)."""

    sha256: str
    issued_at: int

    @classmethod
    def of(cls, jwt: Jwt[object]) -> LastJwt:
        """Return what the ledger keeps of *jwt*."""
        return cls(hashlib.sha256(jwt.text.encode("ascii")).hexdigest(), jwt.issued_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorRecord:
    """What is known of one operator."""

    last: str | None = None
    requests: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    subjects: Mapping[str, LastJwt] = field(default_factory=lambda: MappingProxyType({}))

    def ended(self, request: str, transcript: str, current: Iterable[Jwt[object]]) -> OperatorRecord:
        """Return the book after the ceremony of *request*: the jwts *current* then, the signed ones last."""
        subjects = {entry.claims.sub: LastJwt.of(entry) for entry in current if is_kept(entry)}
        return OperatorRecord(
            last=transcript,
            requests={**self.requests, request: transcript},
            subjects={**self.subjects, **subjects},
        )


def is_kept(jwt: Jwt[object]) -> bool:
    """Report whether a ledger keeps the last one of such jwts: of operators, accounts and users."""
    return isinstance(jwt.claims.body, Operator | Account | User)


@dataclass(frozen=True, slots=True)
class Ledger:
    """The books of all operators, and the requests that are open, by the operator's public key (text)."""

    books: Mapping[str, OperatorRecord] = field(default_factory=lambda: MappingProxyType({}))
    open: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    def known(self, sub: str) -> LastJwt | None:
        """Return the last jwt of *sub* (key text), the latest of all books; None where none is known."""
        entries = (book.subjects[sub] for book in self.books.values() if sub in book.subjects)
        return max(entries, key=lambda known: known.issued_at, default=None)

    def with_book(self, operator: str, book: OperatorRecord) -> Ledger:
        """Return a ledger with *book* as that of *operator*, of which no request is open any more."""
        still_open = {key: request for key, request in self.open.items() if key != operator}
        return Ledger({**self.books, operator: book}, still_open)

    def abandoned(
        self,
        operator: str,
        request: str,
        transcript: str,
        previous: str | None = None,
        entries: Mapping[str, str] = MappingProxyType({}),
    ) -> Ledger:
        """Return a ledger in which *request* is never signed again, though its ceremony has not ended.

        What it signed until then is not known as current; *transcript* is the digest of what was written.
        A ledger that knew nothing of *operator* goes on after the ceremony *previous*, as the request did,
        and knows the ceremonies *entries* (digest of the request → digest of the transcript).
        """
        book = self.books.get(operator, OperatorRecord(last=previous, requests=entries))
        requests = {**book.requests, request: transcript}
        return self.with_book(
            operator, OperatorRecord(last=book.last, requests=requests, subjects=book.subjects)
        )

    def with_open(self, operator: str, request: str) -> Ledger:
        """Return a ledger that states: something of *request* (digest) may have been signed."""
        return Ledger(self.books, {**self.open, operator: request})

    def text(self) -> str:
        """Return the ledger as its file holds it."""
        operators = {
            key: {
                "last": book.last,
                "requests": dict(book.requests),
                "subjects": {
                    sub: {"sha256": known.sha256, "iat": known.issued_at}
                    for sub, known in book.subjects.items()
                },
            }
            for key, book in self.books.items()
        }
        whole = {"version": VERSION, "open": dict(self.open), "operators": operators}
        # Sorted and indented, so that people can compare two of them line by line.
        return json.dumps(whole, indent=2, sort_keys=True) + "\n"


def load(path: Path) -> Ledger:
    """Read the ledger at *path*; a missing file is an empty one. Raise `StoreError` with the place."""
    data = atomic.read(path)
    if data is None:
        return Ledger()
    try:
        return _ledger(wire.parse(data))
    except SeedlessError as error:
        raise StoreError(
            f"{shown(path)} is damaged: {error.message}", "restore it from a backup; do not sign without it"
        ) from error


def _ledger(value: object) -> Ledger:
    strict_json.require_version(value, VERSION)
    members = strict_json.read(value, _LedgerFile)
    # A ledger that is damaged is not an empty one. Everything that it does not know could be rolled back, so
    # nothing is signed until it is restored.
    if not all(map(is_digest, members.open.values())):
        raise BadClaims("open holds something that is not a SHA-256", path="open")
    books = {
        key: _operator_record(record, wire.join("operators", key))
        for key, record in members.operators.items()
    }
    return Ledger(books, members.open)


def _operator_record(members: _OperatorMembers, path: str) -> OperatorRecord:
    digests = [members.last, *members.requests, *members.requests.values()]
    if not all(digest is None or is_digest(digest) for digest in digests):
        raise BadClaims(f"{path} holds something that is not a SHA-256", path=path)
    subjects = {}
    for sub, known in members.subjects.items():
        if not is_digest(known.sha256):
            place = f"{wire.join(f'{path}.subjects', sub)}.sha256"
            raise BadClaims(f"{place} is not a SHA-256", path=place)
        subjects[sub] = LastJwt(known.sha256, known.iat)
    return OperatorRecord(last=members.last, requests=members.requests, subjects=subjects)


def is_digest(text: object) -> bool:
    """Report whether *text* is a SHA-256 in lower-case hex."""
    return isinstance(text, str) and len(text) == _HEX and not text.strip("0123456789abcdef")
