"""Questions to all servers of a system over one login, each answered as often as there are servers.

Questions go out together, some dozens at a time; each ends when it has as many answers as it wants, or when
for the patience of the connection nothing has come at all. Nothing is sent again and nothing reconnects: what
is lost is told, and the same command finishes the work.
"""

from __future__ import annotations

import asyncio
import ssl
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from seedless import client as logins
from seedless.errors import ServerError
from seedless.resolver.protocol import nobody_listens
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
class Place:
    """How to reach a system: addresses, TLS, and patience in seconds."""

    urls: tuple[str, ...]
    tls: ssl.SSLContext | None = None
    tls_first: bool = False
    patience: float = 5.0

    def options(self) -> dict[str, Any]:
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
        asyncio.run(logins.require_tls(self.urls, **self.options()))


@dataclass(frozen=True, slots=True)
class Login:
    """A login to a system, as a user of its system account."""

    place: Place
    signer: Signer
    jwt: Jwt[Any]


@dataclass(frozen=True, slots=True)
class Question:
    """Something to send, and the test by which its answers are enough."""

    subject: str
    data: bytes
    enough: Callable[[Sequence[bytes]], bool]


@dataclass(slots=True)
class _Open:
    """A question that has been sent, and the answers that have come."""

    question: Question
    answers: list[bytes] = field(default_factory=list)
    nobody: bool = False

    @property
    def done(self) -> bool:
        return self.nobody or self.question.enough(self.answers)


@dataclass(frozen=True, slots=True)
class _News:
    """Something has come: an answer, a complaint of the server, or the end of the connection."""

    come: asyncio.Event = field(default_factory=asyncio.Event)
    complaints: list[str] = field(default_factory=list)

    async def complain(self, error: Exception) -> None:
        """Keep what the server, or nats-py, complains of."""
        self.complaints.append(printable(str(error).removeprefix("nats: "))[:_LONGEST_WORDS])
        self.come.set()

    async def end(self) -> None:
        """Wake who waits: there is no connection any more."""
        self.come.set()


class Connection:
    """A login at one server, through which all servers of the system are asked."""

    def __init__(self, runner: asyncio.Runner, client: Client, patience: float, news: _News) -> None:
        """Take the *client*, which lives in the loop of *runner*, and what is heard beside answers."""
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
        inbox = self._client.new_inbox()
        asked = [_Open(question) for question in questions]

        async def heard(message: Any) -> None:  # noqa: ANN401 - nats-py's message
            found = asked[int(message.subject.rpartition(".")[2])]
            if nobody_listens(message.headers, message.data):
                found.nobody = True
            else:
                found.answers.append(message.data)
            self._news.come.set()

        subscription = await self._client.subscribe(f"{inbox}.*", cb=heard)
        for start in range(0, len(asked), AT_ONCE):
            some = asked[start : start + AT_ONCE]
            for number, one in enumerate(some, start):
                await self._client.publish(one.question.subject, one.question.data, reply=f"{inbox}.{number}")
            if not await self._all_answered(some):
                break
        with suppress(Exception):  # a connection that was lost needs no end of its subscription
            await subscription.unsubscribe()
        return [one.answers for one in asked]

    async def _all_answered(self, some: Sequence[_Open]) -> bool:
        """Wait until all questions of *some* are answered, or until for our patience nothing comes."""
        while True:
            self._require_alive()
            if all(one.done for one in some):
                return True
            self._news.come.clear()
            try:
                async with asyncio.timeout(self._patience):
                    await self._news.come.wait()
            except TimeoutError:
                self._require_alive()
                return all(one.done for one in some)

    def _require_alive(self) -> None:
        said = next(iter(self._news.complaints), "")
        if _DENIED in said.lower():
            raise ServerError(f"the server said: {said}", _MAY_NOT)
        if said or not self._client.is_connected:
            why = f" ({said})" if said else ""
            raise ServerError(
                f"the connection to the server was lost{why}", "run it again: it goes on from there"
            )


@contextmanager
def connected(login: Login) -> Iterator[Connection]:
    """Log in, and log out at the end; raise `ServerError` or, without nats-py, `UsageError`."""
    news = _News()
    with asyncio.Runner() as runner:
        opening = logins.connect(
            login.place.urls,
            login.signer,
            login.jwt,
            error_cb=news.complain,
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
