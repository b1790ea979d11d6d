"""Who is connected, and which key issued the user, as servers report (nats-server 2.15, `monitor.go`).

`CONNZ` names the issuer of every client of an account. `LEAFZ` counts leaf nodes without their issuers, so of
these nothing is known but that they are there.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import msgspec

from seedless.errors import ServerError
from seedless.resolver.cluster import Question
from seedless.text import brief

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from seedless.resolver import AccountServer

CONNZ = "$SYS.REQ.SERVER.PING.CONNZ"
LEAFZ = "$SYS.REQ.SERVER.PING.LEAFZ"
ASKED = (CONNZ, LEAFZ)
"""What is asked here."""

PAGE = 256
"""Connections in one answer."""

_MOST_PAGES = 1000

S = TypeVar("S", "_Connz", "_Leafz")


@dataclass(frozen=True, slots=True)
class ConnectedClient:
    """A connection: at which server, its number there, what it calls itself; `user` and `issuer` are keys."""

    server: str
    number: int
    name: str
    user: str
    issuer: str
    address: str


@dataclass(frozen=True, slots=True)
class AccountConnections:
    """The clients of an account, and how many leaf nodes of it there are."""

    clients: tuple[ConnectedClient, ...]
    leafs: int

    def by(self, issuer: str) -> tuple[ConnectedClient, ...]:
        """Return the clients whose user *issuer* has signed."""
        return tuple(client for client in self.clients if client.issuer == issuer)


class _MonitoredServer(msgspec.Struct):
    id: str = ""
    name: str = ""


class _Connection(msgspec.Struct):
    cid: int
    name: str = ""
    authorized_user: str = ""
    issuer_key: str = ""
    ip: str = ""
    port: int = 0


class _Page(msgspec.Struct):
    total: int = 0
    connections: list[_Connection] | None = None


class _Connz(msgspec.Struct):
    server: _MonitoredServer
    data: _Page


class _Leaf(msgspec.Struct):
    account: str = ""


class _Leafs(msgspec.Struct):
    leafs: list[_Leaf] | None = None


class _Leafz(msgspec.Struct):
    server: _MonitoredServer
    data: _Leafs


def connected(
    ask: Callable[[Sequence[Question]], list[list[bytes]]], servers: Sequence[AccountServer], account: str
) -> AccountConnections:
    """Ask *servers* who is connected to *account* (key text); raise `ServerError` unless all answer."""
    clients: list[ConnectedClient] = []
    for page in range(_MOST_PAGES):
        query = {"auth": True, "acc": account, "limit": PAGE, "offset": page * PAGE}
        pages = _answers(ask, servers, (CONNZ, json.dumps(query).encode()), _Connz)
        clients += [
            _client(reply.server, connection)
            for reply in pages
            for connection in reply.data.connections or ()
        ]
        if all(reply.data.total <= (page + 1) * PAGE for reply in pages):
            break
    leafs = [
        leaf for reply in _answers(ask, servers, (LEAFZ, b""), _Leafz) for leaf in reply.data.leafs or ()
    ]
    return AccountConnections(tuple(clients), sum(leaf.account == account for leaf in leafs))


def _answers(
    ask: Callable[[Sequence[Question]], list[list[bytes]]],
    servers: Sequence[AccountServer],
    question: tuple[str, bytes],
    kind: type[S],
) -> list[S]:
    """Return what each of *servers* reports to *question*, in their order."""
    expected = {server.id for server in servers}
    subject, data = question
    (answers,) = ask([Question(subject, data, lambda found: expected <= _read(found, kind, subject).keys())])
    reply = _read(answers, kind, subject)
    silent = [str(server) for server in servers if server.id not in reply]
    if silent:
        raise ServerError(
            f"{', '.join(silent)} did not report who is connected", "--timeout gives servers more seconds"
        )
    return [reply[server.id] for server in servers]


def _read(answers: Sequence[bytes], kind: type[S], subject: str) -> dict[str, S]:
    try:
        found = [msgspec.json.decode(answer, type=kind) for answer in answers]
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ServerError(f"an answer to {subject} cannot be understood", "is it a nats-server?") from error
    return {reply.server.id: reply for reply in found}


def _client(server: _MonitoredServer, connection: _Connection) -> ConnectedClient:
    return ConnectedClient(
        server=brief(server.name or server.id),
        number=connection.cid,
        name=brief(connection.name),
        user=brief(connection.authorized_user),
        issuer=connection.issuer_key,
        address=f"{brief(connection.ip)}:{connection.port}",
    )
