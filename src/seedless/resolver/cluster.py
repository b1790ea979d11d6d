"""The servers of a system as a target: who is there, what each holds, and what each says to a change.

How many servers there are is not guessed from a wait: each says how many it counts, and those that are in
routes and stay silent are named. A server with an operator that does not answer as a full resolver does is as
good as missing; one that shows neither operator nor resolver (somebody else's leaf node) does not count.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from seedless.errors import BadKey, ServerError
from seedless.nkey import PublicKey, Role
from seedless.resolver import protocol
from seedless.resolver.connection import Connection, Login, Question, connected
from seedless.resolver.port import Said
from seedless.resolver.protocol import Answer, Pinged, Server, Standing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from seedless.jwt import Jwt


class Cluster:
    """All servers that answer, and answers of all of them; a `Target`. Made by `survey`."""

    wants_order: Final = True

    def __init__(
        self, connection: Connection, standings: tuple[Standing, ...], holdings: dict[Server, frozenset[str]]
    ) -> None:
        """Take the servers that hold accounts, each in both *standings* and *holdings*."""
        self._connection: Final = connection
        self.standings: Final = standings
        self.holdings: Final = holdings

    @property
    def name(self) -> str:
        """The names of the servers."""
        return listed(self.holdings)

    def held(self, accounts: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """Ask for *accounts*; raise `ServerError` unless every server answers."""
        questions = [Question(protocol.lookup(account), b"", self._from_all) for account in accounts]
        found = self._connection.ask(questions)
        for account, answers in zip(accounts, found, strict=True):
            if not self._from_all(answers):
                raise ServerError(
                    f"{len(answers)} of {len(self.holdings)} servers answered what they hold of {account}",
                    f"there are {self.name}; {AGAIN}",
                )
        return {account: tuple(map(_text, answers)) for account, answers in zip(accounts, found, strict=True)}

    def update(self, accounts: Sequence[Jwt[Any]]) -> list[Said]:
        """Send *accounts*; the answers of each."""
        questions = [
            Question(protocol.UPDATE, account.text.encode("ascii"), self._from_all) for account in accounts
        ]
        return [self._said(protocol.UPDATE, answers) for answers in self._connection.ask(questions)]

    def who_deletes(self) -> Said:
        """Ask with an order that names nothing; `ok` of an answer is that the server would delete."""
        said = self._order(protocol.MAY_WE_DELETE)
        answers = tuple(Answer(one.server, protocol.may_delete(one), one.text) for one in said.answers)
        return Said(answers, said.missing)

    def delete(self, accounts: Sequence[str], order: str) -> Said:  # noqa: ARG002 - the order names them
        """Send *order*, the signed jwt that names *accounts*."""
        return self._order(order)

    def _order(self, order: str) -> Said:
        question = Question(protocol.DELETE, order.encode("ascii"), self._from_all)
        return self._said(protocol.DELETE, self._connection.ask([question])[0])

    def _said(self, subject: str, answers: Sequence[bytes]) -> Said:
        found = protocol.answers_to(subject, answers)
        answered = {answer.server.id for answer in found}
        return Said(found, tuple(server for server in self.holdings if server.id not in answered))

    def _from_all(self, answers: Sequence[bytes]) -> bool:
        return len(answers) >= len(self.holdings)


@contextmanager
def open_cluster(login: Login, servers: int | None = None) -> Iterator[Cluster]:
    """Log in and look who is there; raise `ServerError` unless all are, *servers* of them where given."""
    with connected(login) as connection:
        yield survey(connection, servers)


def survey(connection: Connection, servers: int | None = None) -> Cluster:
    """Return the servers behind *connection*; raise `ServerError` unless every known one answers.

    Known are as many as the servers count, and *servers* where it is given.
    """
    there = _there(connection, servers)
    counted = _enough(len(there))
    standings = protocol.standings(connection.ask([Question(protocol.VARZ, b"", counted)])[0])
    _require({one.server for one in standings}, there, "did not say whom they trust")
    holders = {one.server for one in standings if one.operators or _is_account(one.system_account)}
    holdings = protocol.listings(connection.ask([Question(protocol.LIST, b"", _enough(len(holders)))])[0])
    _require(set(holdings), holders, "did not say which accounts they hold", _FULL)
    return Cluster(
        connection,
        tuple(one for one in standings if one.server in holdings),
        dict(sorted(holdings.items(), key=lambda item: (item[0].name, item[0].id))),
    )


def listed(servers: Iterator[Server] | Sequence[Server] | dict[Server, Any] | set[Server]) -> str:
    """Return the names of *servers*, those of the same name with their ids."""
    known = sorted(servers, key=lambda one: (one.name, one.id))
    names = [one.name for one in known]
    return ", ".join(f"{one} ({one.id[:8]}…)" if names.count(one.name) > 1 else str(one) for one in known)


def _there(connection: Connection, servers: int | None) -> set[Server]:
    """Return the servers that answer; raise `ServerError` when one does not that others know."""
    answers = connection.ask([Question(protocol.PING, b"", lambda found: _all_there(found, servers))])[0]
    pinged = protocol.pings(answers)
    if not pinged:
        raise ServerError("no server answered as to a user of its system account", _SYSTEM_USER)
    there = {one.server for one in pinged}
    known = _known(pinged, servers)
    if len(there) < known:
        silent = {name for one in pinged for name in one.routes} - {server.name for server in there}
        named = f": {listed({Server('', name) for name in silent})} did not" if silent else ""
        raise ServerError(
            f"{len(there)} of {known} servers answered ({listed(there)}){named}",
            f"start it, or wait until the others forget it; {AGAIN}",
        )
    return there


def _all_there(answers: Sequence[bytes], servers: int | None) -> bool:
    pinged = protocol.pings(answers)
    return bool(pinged) and len(pinged) >= _known(pinged, servers)


def _known(pinged: Sequence[Pinged], servers: int | None) -> int:
    """Return how many servers there are: as many as one counts, or has routes to, and those expected."""
    counts = (max(one.active, 1 + len(one.routes)) for one in pinged)
    return max(servers or 0, *counts)


def _enough(count: int) -> Callable[[Sequence[bytes]], bool]:
    return lambda answers: len(answers) >= count


def _require(found: set[Server], wanted: set[Server], did_not: str, hint: str = "") -> None:
    missing = wanted - found
    if missing:
        raise ServerError(
            f"{len(missing)} of {len(wanted)} servers {did_not}: {listed(missing)}", hint or AGAIN
        )


def _is_account(text: str) -> bool:
    try:
        return PublicKey.parse(text).role is Role.ACCOUNT
    except BadKey:
        return False


def _text(answer: bytes) -> str:
    return answer.decode("ascii", "replace")


AGAIN = "--timeout gives servers more seconds"
_FULL = f"accounts are pushed to full resolvers (resolver {{ type: full }}); {AGAIN}"
_SYSTEM_USER = "log in as a user of the system account that the servers name: --system-user, --creds"
