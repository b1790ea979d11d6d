"""What is asked of nats-servers about accounts, and what they answer (nats-server 2.15, `accounts.go`).

Every server answers every question, under the subject that we give for answers. An answer is somebody else's
text: of a wrong shape it is an error that names the question, and its words are made safe before they are
shown. That nobody listens to a question is an answer too (status 503).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import msgspec

from seedless.claims import Operator
from seedless.errors import SeedlessError, ServerError
from seedless.jwt import Jwt, read
from seedless.text import brief, shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

PING = "$SYS.REQ.SERVER.PING"
VARZ = "$SYS.REQ.SERVER.PING.VARZ"
LIST = "$SYS.REQ.CLAIMS.LIST"
UPDATE = "$SYS.REQ.CLAIMS.UPDATE"
DELETE = "$SYS.REQ.CLAIMS.DELETE"
ANY_LOOKUP = "$SYS.REQ.ACCOUNT.*.CLAIMS.LOOKUP"
ASKED = (PING, VARZ, LIST, ANY_LOOKUP)
"""What is asked before anything is changed."""

INBOX = "_INBOX.>"
"""Where nats-py lets answers come."""

MAY_WE_DELETE = (
    "eyJ0eXAiOiJKV1QiLCJhbGciOiJlZDI1NTE5LW5rZXkifQ."
    "eyJqdGkiOiI3QkhIUUlYVkNZUVZCT1A1TEg3REpTSklHRjNFUk1IWTJVWllUN1BQQTYyWU1NU1ZOUVVRIiwiaWF0IjoxNzAwMDAwMDAw"
    "LCJpc3MiOiJVQ1hDNTNUUlBQQjVKN0xIWUg3N0pQRDVJNVZLTllJNkZOSVRYUzZMVkNGNkNCNjZZQkhOQUJIMiIsInN1YiI6InNlZWRs"
    "ZXNzLWFza3Mtd2hldGhlci1hY2NvdW50cy1jYW4tYmUtZGVsZXRlZCIsIm5hdHMiOnsidmVyc2lvbiI6Mn19."
    "WbMq8u1U1JRGSkPLLjKLtDC4atMeAo2gwL1tTXdUeqZrttuGAkPReDi-9SfUPCAEDkJyMiWsl3kxniXGJPMxAQ"
)
"""A delete request without accounts, by an unknown key: why a server refuses it shows whether it deletes."""

_NO_DELETE = "delete must be enabled"
_LONGEST_WORDS = 300


@dataclass(frozen=True, slots=True, order=True)
class AccountServer:
    """One place that holds accounts: a server by its id, or a folder or file, and what to call it."""

    id: str
    name: str

    def __str__(self) -> str:
        return brief(self.name or self.id)


@dataclass(frozen=True, slots=True)
class ServerReport:
    """What a server reports of itself: whom it trusts, and how much a message may hold, in bytes."""

    server: AccountServer
    operators: tuple[Jwt[Operator], ...]
    system_account: str
    max_payload: int


@dataclass(frozen=True, slots=True)
class ServerAnswer:
    """What one server reported to an update or a delete: whether it did it, and in which words."""

    server: AccountServer
    ok: bool
    text: str


@dataclass(frozen=True, slots=True)
class PingAnswer:
    """A server that is there: how many it counts with itself, and the names of those it has a route to."""

    server: AccountServer
    active: int
    routes: frozenset[str]


# The members that are needed, of many: servers add some with each version, and unknown ones are skipped.
class _Server(msgspec.Struct):
    id: str
    name: str = ""


class _Route(msgspec.Struct):
    name: str = ""


class _Statsz(msgspec.Struct):
    active_servers: int = 1
    routes: list[_Route] = []


class _Ping(msgspec.Struct):
    server: _Server
    statsz: _Statsz


class _Trusts(msgspec.Struct):
    trusted_operators_jwt: list[str] = []
    system_account: str = ""
    max_payload: int = 0


class _Varz(msgspec.Struct):
    server: _Server
    data: _Trusts


class _List(msgspec.Struct):
    server: _Server
    data: list[str] | None = None


class _Done(msgspec.Struct):
    message: str = ""


class _Failed(msgspec.Struct):
    description: str = ""


# `data` and `error` exclude each other (nats-server, server/accounts.go:4280-4336); a delete answers
# without naming accounts.
class _Update(msgspec.Struct):
    server: _Server
    data: _Done | None = None
    error: _Failed | None = None


S = TypeVar("S", bound=msgspec.Struct)


def lookup(account: str) -> str:
    """Return the subject that asks for the jwt of *account*; an empty answer: there is none."""
    # Every full resolver answers it. PACK is answered by one server of the cluster alone (a queue group), so
    # it does not report what each of them holds.
    return f"$SYS.REQ.ACCOUNT.{account}.CLAIMS.LOOKUP"


def nobody_listens(headers: Mapping[str, str] | None, data: bytes) -> bool:
    """Report whether a message is the server's word that no server takes the question."""
    # nats-server sends it for a request on a subject without a subscription; without it a wrong account
    # would look like a server that is slow.
    return not data and headers is not None and headers.get("Status") == "503"


def ping_answers(answers: Iterable[bytes]) -> tuple[PingAnswer, ...]:
    """Read the answers to `PING`, one for each server, by name."""
    found = {}
    for answer in answers:
        reply = _read(answer, _Ping, PING)
        server = _named(reply.server)
        routes = frozenset(route.name for route in reply.statsz.routes if route.name)
        found[server.id] = PingAnswer(server, reply.statsz.active_servers, routes)
    return tuple(sorted(found.values(), key=lambda answer: (answer.server.name, answer.server.id)))


def server_reports(answers: Iterable[bytes]) -> tuple[ServerReport, ...]:
    """Read the answers to `VARZ`, one for each server, by name, without operators that cannot be read."""
    found = {}
    for answer in answers:
        reply = _read(answer, _Varz, VARZ)
        server, data = _named(reply.server), reply.data
        # An operator jwt that cannot be read here counts for none: R001 then reports that it is not known
        # whom the server trusts.
        operators = tuple(filter(None, map(_operator, data.trusted_operators_jwt)))
        found[server.id] = ServerReport(server, operators, data.system_account, data.max_payload)
    return tuple(sorted(found.values(), key=lambda answer: (answer.server.name, answer.server.id)))


def listings(answers: Iterable[bytes]) -> dict[AccountServer, frozenset[str]]:
    """Read the answers to `LIST`: the accounts that each server with a full resolver holds."""
    read_ones = (_read(answer, _List, LIST) for answer in answers)
    return {_named(reply.server): frozenset(reply.data or ()) for reply in read_ones}


def answers_to(subject: str, answers: Iterable[bytes]) -> tuple[ServerAnswer, ...]:
    """Read the answers to an update or a delete, one for each server, by name."""
    found = {}
    for answer in answers:
        reply = _read(answer, _Update, subject)
        # A server's own words, cut and escaped: they may hold what somebody put into a jwt.
        words = reply.error.description if reply.error else reply.data.message if reply.data else ""
        server = _named(reply.server)
        found[server] = ServerAnswer(server, reply.error is None, shown(words[:_LONGEST_WORDS]))
    return tuple(sorted(found.values(), key=lambda answer: (answer.server.name, answer.server.id)))


def may_delete(answer: ServerAnswer) -> bool:
    """Report from its *answer* to `MAY_WE_DELETE` whether a server deletes when a trusted key requests it."""
    # server/accounts.go:4358-4410 looks whether deleting is enabled before it looks who asks, so a request by
    # a key that nobody trusts learns it and deletes nothing.
    return _NO_DELETE not in answer.text


def _read(answer: bytes, kind: type[S], subject: str) -> S:
    try:
        return msgspec.json.decode(answer, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ServerError(
            f"an answer to {subject} cannot be understood", "is it a nats-server with a full resolver?"
        ) from error


def _named(server: _Server) -> AccountServer:
    return AccountServer(server.id, server.name)


def _operator(text: str) -> Jwt[Operator] | None:
    try:
        found = read(text)
    except SeedlessError:
        return None
    return found if isinstance(found.claims.body, Operator) else None
