"""Questions to all servers of a system over one login, each answered as often as there are servers.

Questions go out together, some dozens at a time; each ends when it has as many answers as it requires, or
when for the patience of the connection nothing has come at all. Nothing is sent again and nothing reconnects:
what is lost is reported, and the same command finishes the work.

The servers of a system as a target: who is there, what each holds, and what each reports to a change.

How many servers there are is not guessed from a wait: each reports how many it counts, and those that are in
routes and stay silent are named. A server with an operator that does not answer as a full resolver does is as
good as missing; one that shows neither operator nor resolver (somebody else's leaf node) does not count.
"""

from __future__ import annotations

import asyncio
import ssl
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from seedless import client as logins
from seedless.errors import BadKey, ServerError, UsageError
from seedless.nkey import PublicKey, Role
from seedless.resolver import protocol
from seedless.resolver.protocol import AccountServer, PingAnswer, ServerAnswer, ServerReport, nobody_listens
from seedless.resolver.targets import TargetAnswer
from seedless.text import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from nats.aio.client import Client

    from seedless.jwt import Jwt
    from seedless.signer import Signer


AT_ONCE = 64
"""Questions that wait for their answers at the same time."""

_LONGEST_WORDS = 200
_DENIED = "permissions violation"


@dataclass(frozen=True, slots=True)
class ServerAddress:
    """How to reach a system: addresses, TLS, and patience in seconds."""

    urls: tuple[str, ...]
    tls: ssl.SSLContext | None = None
    tls_first: bool = False
    patience: float = 5.0

    def options(self) -> dict[str, object]:
        """Return what `seedless.client` takes beside the addresses."""
        return {
            "name": "seedless",
            "allow_reconnect": False,
            "connect_timeout": self.patience,
            "tls": self.tls,
            "tls_handshake_first": self.tls_first,
        }

    def require_tls(self) -> None:
        """Raise `NoTls` if a login would; for who signs something before it."""
        require_no_loop()
        asyncio.run(logins.require_tls(self.urls, **self.options()))


@dataclass(frozen=True, slots=True)
class ServerLogin:
    """A login to a system, as a user of its system account."""

    place: ServerAddress
    signer: Signer
    jwt: Jwt[Any]


@dataclass(frozen=True, slots=True)
class Question:
    """Something to send, and the test by which its answers are enough."""

    subject: str
    data: bytes
    enough: Callable[[Sequence[bytes]], bool]


@dataclass(slots=True)
class _SentQuestion:
    """A question that has been sent, and the answers that have come."""

    question: Question
    answers: list[bytes] = field(default_factory=list)
    nobody: bool = False

    @property
    def done(self) -> bool:
        return self.nobody or self.question.enough(self.answers)


@dataclass(frozen=True, slots=True)
class _Received:
    """Something has come: an answer, an error of the server, or the end of the connection."""

    come: asyncio.Event = field(default_factory=asyncio.Event)
    errors: list[str] = field(default_factory=list)

    async def report_error(self, error: Exception) -> None:
        """Keep an error that the server or nats-py reports."""
        self.errors.append(printable(str(error).removeprefix("nats: "))[:_LONGEST_WORDS])
        self.come.set()

    async def end(self) -> None:
        """Wake who waits: there is no connection any more."""
        self.come.set()


class Connection:
    """A login at one server, through which all servers of the system are asked."""

    def __init__(self, runner: asyncio.Runner, client: Client, patience: float, news: _Received) -> None:
        """Take the *client*, which lives in the loop of *runner*, and what is received beside answers."""
        self._runner: Final = runner
        self._client: Final = client
        self._patience: Final = patience
        self._news: Final = news

    @property
    def max_payload(self) -> int:
        """Bytes of the longest message that the server takes to which we are connected."""
        found: int = self._client.max_payload
        return found

    def ask(self, questions: Sequence[Question]) -> list[list[bytes]]:
        """Return the answers to each of *questions*; fewer than enough where servers kept silent.

        After such a silence the rest is not sent, and has no answers. Raise `ServerError` when the
        connection is lost, or the user may not ask.
        """
        return self._runner.run(self._ask(questions))

    async def _ask(self, questions: Sequence[Question]) -> list[list[bytes]]:
        # One subscription for all questions, the number of each behind it: nats-py's `request` takes the
        # first answer, and servers answer one by one.
        inbox = self._client.new_inbox()
        sent = [_SentQuestion(question) for question in questions]

        async def receive(message: Any) -> None:  # noqa: ANN401 - nats-py's message
            found = sent[int(message.subject.rpartition(".")[2])]
            # The end of the question: no other answer comes after it.
            # The status 503 of servers: it comes at once, so that nobody waits for the whole patience where
            # no resolver listens at all.
            if nobody_listens(message.headers, message.data):
                found.nobody = True
            else:
                found.answers.append(message.data)
            self._news.come.set()

        subscription = await self._client.subscribe(f"{inbox}.*", cb=receive)
        for start in range(0, len(sent), AT_ONCE):
            some = sent[start : start + AT_ONCE]
            for number, item in enumerate(some, start):
                await self._client.publish(
                    item.question.subject, item.question.data, reply=f"{inbox}.{number}"
                )
            # What was not sent cannot have been done, and the report can state so. Sent on into a silence,
            # each account would have an unknown end.
            if not await self._all_answered(some):
                break
        with suppress(Exception):  # a connection that was lost needs no end of its subscription
            await subscription.unsubscribe()
        return [question.answers for question in sent]

    async def _all_answered(self, some: Sequence[_SentQuestion]) -> bool:
        """Wait until all questions of *some* are answered, or until for our patience nothing comes."""
        while True:
            self._require_alive()
            if all(question.done for question in some):
                return True
            self._news.come.clear()
            try:
                async with asyncio.timeout(self._patience):
                    await self._news.come.wait()
            except TimeoutError:
                self._require_alive()
                return all(question.done for question in some)

    def _require_alive(self) -> None:
        answer = next(iter(self._news.errors), "")
        # nats-py gives the text of `-ERR` in no other form, and has no class for it.
        if _DENIED in answer.lower():
            raise ServerError(f"the server reported: {answer}", _MAY_NOT)
        if answer or not self._client.is_connected:
            why = f" ({answer})" if answer else ""
            raise ServerError(
                f"the connection to the server was lost{why}", "run it again: it goes on from there"
            )


def require_no_loop() -> None:
    """Raise `UsageError` in a thread whose event loop is running: it would wait for itself."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise UsageError(
        "servers are asked by a loop of their own, and an event loop is running in this thread",
        "await the function whose name ends with _async, or call this one by asyncio.to_thread",
    )


@contextmanager
def connected(login: ServerLogin) -> Iterator[Connection]:
    """Log in, and log out at the end; raise `ServerError` or, without nats-py, `UsageError`."""
    require_no_loop()
    # A server reports errors beside the answers, not as an answer: without them, a user who may not ask would
    # wait until the time-out.
    news = _Received()
    with asyncio.Runner() as runner:
        opening = logins.connect(
            login.place.urls,
            login.signer,
            login.jwt,
            error_cb=news.report_error,
            disconnected_cb=news.end,
            **login.place.options(),
        )
        try:
            client = runner.run(opening)
        except ServerError as error:
            error.hint = next(
                (hint for kind, hint in _HINTS if isinstance(error.__cause__, kind)), error.hint
            )
            raise
        try:
            yield Connection(runner, client, login.place.patience, news)
        finally:
            with suppress(Exception):  # what was to be asked has been
                runner.run(client.close())


_MAY_NOT = "is it a user of the system account who may use $SYS.REQ.> and _INBOX.>?"
_HINTS: tuple[tuple[type[Exception], str], ...] = (
    (ssl.SSLCertVerificationError, "--ca-cert names the file with the certificate of who vouches for it"),
    (TimeoutError, "is the server running, is the address right? --timeout gives it more seconds"),
)
"""What to do where somebody uses the command line, by the error behind the sentence."""


class Cluster:
    """All servers that answer, and answers of all of them; a `Target`. Made by `find_servers`."""

    requires_delete_request: Final = True

    def __init__(
        self,
        connection: Connection,
        server_reports: tuple[ServerReport, ...],
        holdings: dict[AccountServer, frozenset[str]],
    ) -> None:
        """Take the servers that hold accounts, each in both *server_reports* and *holdings*."""
        self._connection: Final = connection
        self.server_reports: Final = server_reports
        self.holdings: Final = holdings

    @property
    def name(self) -> str:
        """The names of the servers."""
        return listed(self.holdings)

    def held(self, accounts: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """Ask for *accounts*; raise `ServerError` unless every server answers."""
        # Of every server: between two that hold different jwts, one answer would be chance.
        questions = [Question(protocol.lookup(account), b"", self._from_all) for account in accounts]
        found = self._connection.ask(questions)
        for account, answers in zip(accounts, found, strict=True):
            if not self._from_all(answers):
                raise ServerError(
                    f"{len(answers)} of {len(self.holdings)} servers answered what they hold of {account}",
                    f"there are {self.name}; {AGAIN}",
                )
        return {account: tuple(map(_text, answers)) for account, answers in zip(accounts, found, strict=True)}

    def update(self, accounts: Sequence[Jwt[object]]) -> list[TargetAnswer]:
        """Send *accounts*; the answers of each."""
        questions = [
            Question(protocol.UPDATE, account.text.encode("ascii"), self._from_all) for account in accounts
        ]
        return [self._answer_of(protocol.UPDATE, answers) for answers in self._connection.ask(questions)]

    def who_deletes(self) -> TargetAnswer:
        """Ask with a delete request that names nothing; `ok` of an answer is that the server would delete."""
        # Asked before anything is signed, since a signed delete request is good for ever.
        answer = self._send_delete_request(protocol.MAY_WE_DELETE)
        answers = tuple(
            ServerAnswer(item.server, protocol.may_delete(item), item.text) for item in answer.answers
        )
        return TargetAnswer(answers, answer.missing)

    def delete(self, accounts: Sequence[str], request: str) -> TargetAnswer:  # noqa: ARG002 - in the request
        """Send *request*, the signed jwt that names *accounts*."""
        return self._send_delete_request(request)

    def _send_delete_request(self, request: str) -> TargetAnswer:
        question = Question(protocol.DELETE, request.encode("ascii"), self._from_all)
        return self._answer_of(protocol.DELETE, self._connection.ask([question])[0])

    def _answer_of(self, subject: str, answers: Sequence[bytes]) -> TargetAnswer:
        found = protocol.answers_to(subject, answers)
        answered = {answer.server.id for answer in found}
        return TargetAnswer(found, tuple(server for server in self.holdings if server.id not in answered))

    def _from_all(self, answers: Sequence[bytes]) -> bool:
        return len(answers) >= len(self.holdings)


@contextmanager
def open_cluster(login: ServerLogin, servers: int | None = None) -> Iterator[Cluster]:
    """Log in and look who is there; raise `ServerError` unless all are, *servers* of them where given."""
    with connected(login) as connection:
        yield find_servers(connection, servers)


def find_servers(connection: Connection, servers: int | None = None) -> Cluster:
    """Return the servers behind *connection*; raise `ServerError` unless every known one answers.

    Known are as many as the servers count, and *servers* where it is given.
    """
    servers_found = _there(connection, servers)
    counted = _enough(len(servers_found))
    server_reports = protocol.server_reports(connection.ask([Question(protocol.VARZ, b"", counted)])[0])
    _require({report.server for report in server_reports}, servers_found, "did not report whom they trust")
    # A server without operator and accounts is somebody else's leaf node, which shares the system account
    # and never answers about accounts.
    holders = {
        report.server for report in server_reports if report.operators or _is_account(report.system_account)
    }
    holdings = protocol.listings(connection.ask([Question(protocol.LIST, b"", _enough(len(holders)))])[0])
    _require(set(holdings), holders, "did not report which accounts they hold", _FULL)
    return Cluster(
        connection,
        tuple(report for report in server_reports if report.server in holdings),
        dict(sorted(holdings.items(), key=lambda item: (item[0].name, item[0].id))),
    )


def listed(
    servers: Iterator[AccountServer]
    | Sequence[AccountServer]
    | dict[AccountServer, Any]
    | set[AccountServer],
) -> str:
    """Return the names of *servers*, those of the same name with their ids."""
    known = sorted(servers, key=lambda server: (server.name, server.id))
    names = [server.name for server in known]
    return ", ".join(
        f"{server} ({server.id[:8]}…)" if names.count(server.name) > 1 else str(server) for server in known
    )


def _there(connection: Connection, servers: int | None) -> set[AccountServer]:
    """Return the servers that answer; raise `ServerError` when one does not that others know."""
    # PING answers contain how many servers each one counts; its own view is all that a server has, so the
    # largest number is believed.
    answers = connection.ask([Question(protocol.PING, b"", lambda found: _all_there(found, servers))])[0]
    pinged = protocol.ping_answers(answers)
    if not pinged:
        raise ServerError("no server answered as to a user of its system account", _SYSTEM_USER)
    servers_found = {server.server for server in pinged}
    known = _known(pinged, servers)
    if len(servers_found) < known:
        # By name, since routes know no ids of servers that have not answered.
        silent = {name for server in pinged for name in server.routes} - {
            server.name for server in servers_found
        }
        named = f": {listed({AccountServer('', name) for name in silent})} did not" if silent else ""
        raise ServerError(
            f"{len(servers_found)} of {known} servers answered ({listed(servers_found)}){named}",
            f"start the others, or wait until these forget a server that has ended; {AGAIN}",
        )
    return servers_found


def _all_there(answers: Sequence[bytes], servers: int | None) -> bool:
    pinged = protocol.ping_answers(answers)
    return bool(pinged) and len(pinged) >= _known(pinged, servers)


def _known(pinged: Sequence[PingAnswer], servers: int | None) -> int:
    """Return how many servers there are: as many as one counts, or has routes to, and those expected."""
    # The larger of both: a server that has just started counts itself alone and has its routes already.
    counts = (max(server.active, 1 + len(server.routes)) for server in pinged)
    return max(servers or 0, *counts)


def _enough(count: int) -> Callable[[Sequence[bytes]], bool]:
    return lambda answers: len(answers) >= count


def _require(found: set[AccountServer], expected: set[AccountServer], did_not: str, hint: str = "") -> None:
    missing = expected - found
    if missing:
        raise ServerError(
            f"{len(missing)} of {len(expected)} servers {did_not}: {listed(missing)}", hint or AGAIN
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
