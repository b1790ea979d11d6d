"""Auth callout: decide on logins for servers, and answer each exactly once or not at all.

Measured with nats-server 2.15.1: three answers to one request block the connection inside the server for
ever; an answer that is late is dropped without a word; an empty answer refuses the login. So a request that
is not authentic gets no answer, a login that is refused gets an empty one, which nothing is signed for, after
a fixed delay; and everything that is not answered in time is given up.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

from msgspec import Struct

from seedless.app.delegation import DelegatedKey
from seedless.errors import Refused, SeedlessError, ServerError
from seedless.seeds import SoftwareKey
from seedless.serve.answer import AnswerKeys, response_draft, user_draft
from seedless.serve.bounds import Bounds, Sources
from seedless.serve.login import Backend, Identity, Login, LoginGrant
from seedless.serve.request import HEADER, CalloutRequest, Replays, Sealing, read_request, require_plain

if TYPE_CHECKING:
    from nats.aio.msg import Msg

    from seedless.claims import Account
    from seedless.jwt import Draft, Jwt
    from seedless.serve.logs import EventLog
    from seedless.serve.metrics import CalloutMetrics
    from seedless.signer import Signer

__all__ = ["QUEUE", "Callout", "CalloutSetup"]

QUEUE = "seedless-callout"
"""The queue group of all replicas; a name of our own, since libraries for services default to `q`."""

_MARGIN = 0.1  # seconds before the server gives up in which an answer still arrives
_MOST_REQUESTS = 65_536  # within their validity

B = TypeVar("B")


class CalloutSetup(Struct, frozen=True, kw_only=True):
    """What a callout decides with and signs with: all that is read again when the configuration is.

    `backends` are asked in their order until one is responsible; `grant` is the rule table, which raises
    `Refused`. `sealing` is None where requests are not encrypted.
    """

    keys: AnswerKeys
    backends: Sequence[Backend]
    grant: Callable[[Identity, Login], LoginGrant]
    sealing: Sealing | None = None
    bounds: Bounds = Bounds()


class Callout:
    """Answer requests with what *setup* is at the time."""

    def __init__(
        self,
        setup: CalloutSetup,
        publish: Callable[[str, bytes], Awaitable[None]],
        log: EventLog,
        metrics: CalloutMetrics,
        *,
        known_server: Callable[[str], Awaitable[None]] | None = None,
        account: Callable[[str], Awaitable[Jwt[Account] | None]] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Answer by *publish*.

        *known_server* raises `SeedlessError` for a server that is not known, *account* returns an account as
        servers have it, by its public key, or None.
        """
        # Not `Msg.respond`: after an exception behind it, nats.micro sends a second answer, and more than
        # one answer to a request blocks the client's connection inside the server.
        self._publish = publish
        self._log = log
        self._metrics = metrics
        self._known_server = known_server
        self._account = account
        self._clock = clock
        self._replays = Replays(_MOST_REQUESTS)
        self._tasks: set[asyncio.Task[None]] = set()
        self._refusing = 0
        self.answered = 0
        self.failed = 0
        """Requests that were not answered: for `$SRV.STATS`."""
        # Tokens take one signature at a time; a thread of its own leaves the loop to the other logins.
        self._signer_thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="seedless-signer")
        self.use(setup)

    def use(self, setup: CalloutSetup) -> None:
        """Decide on all further logins with *setup*; those that have begun end as they began."""
        self.setup = setup
        self._slots = asyncio.Semaphore(setup.bounds.concurrency)
        self._sources = Sources(setup.bounds.source_failures, setup.bounds.source_rate)

    async def receive(self, message: Msg) -> None:
        """Begin with a request, as soon as there is room for it."""
        # Waiting here holds the subscription's own queue back: nats-py drops messages beyond its pending
        # limit, and a request that waits there longer than the server does is lost in any case.
        slots = self._slots
        await slots.acquire()
        # A task for each: nats-py calls one handler of a subscription at a time, so five decisions of 0.2 s
        # took 1 s one after another.
        task = asyncio.create_task(self.decide_on(message, slots))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def finish(self) -> None:
        """Return when everything that was received is answered or given up."""
        # In a loop, since a request that was read from the socket before the drain can still begin a task.
        # `drain` of the connection alone loses the answers of tasks that are not its own.
        while self._tasks:
            await asyncio.wait(self._tasks)

    @property
    def in_flight(self) -> int:
        """How many requests have been received and are neither answered nor given up."""
        return len(self._tasks)

    async def decide_on(self, message: Msg, slots: asyncio.Semaphore) -> None:
        """Answer the request in *message* once, or not at all; give its place in *slots* back."""
        # The setup of the moment of arrival: one that is reloaded in between must not judge by new rules
        # and sign with old keys.
        received = self._clock()
        setup = self.setup
        self._metrics.in_flight.inc()
        where: dict[str, object] = {"reply": message.reply}
        try:
            attempt = _attempt(message, setup, received)
            where |= attempt.source
            # After the request's own signature and times were checked, so that garbage fills neither the
            # table of replays nor the list of servers.
            await self._require_new(attempt)
            answer = await self._decide(attempt, setup)
        # No answer at all, not a refusal: whoever may publish on the subject could end logins of others by
        # requests that are not authentic, and an answer to a forged reply subject would be a message of
        # their choice.
        except SeedlessError as error:
            self._unanswered("request", error.message, hint=error.hint, **where)
            return
        except Exception as error:  # noqa: BLE001 - one request never ends the service
            self._unanswered("internal", type(error).__name__, **where)
            return
        finally:
            slots.release()
            self._metrics.in_flight.dec()
            self._metrics.seconds.observe(self._clock() - received)
        if answer is None:
            await self._refuse(attempt, setup.bounds)
        else:
            await self._send(attempt, answer)

    async def _require_new(self, attempt: _Attempt) -> None:
        """Raise `SeedlessError` for a request of a server that is not known, or that has come before."""
        if self._known_server is not None:
            await self._known_server(attempt.request.server)
        # Last: a request of an unknown server must not use up the key of a real one.
        self._replays.add(attempt.request, attempt.received)

    async def _decide(self, attempt: _Attempt, setup: CalloutSetup) -> bytes | None:
        """Return the answer that lets the client in, or None to refuse it; the log gets the reason."""
        request = attempt.request
        scope = asyncio.timeout(request.deadline - self._clock() - _MARGIN)
        try:
            async with scope:
                user, identity = await self._user(request, setup)
                answer = await self._sign(
                    response_draft(user, request, setup.keys.response.public_key, int(self._clock())),
                    setup.keys.response,
                )
        except Refused as error:
            self._refused(attempt, "refused", error.message)
        except Exception as error:  # noqa: BLE001 - a backend of others may raise anything
            # Not the client's failure: when the backend is there again, its source is not locked out.
            self._sources.refund(request.login.host)
            self._refused(attempt, *_trouble(error, is_late=scope.expired()))
        else:
            self._metrics.accepted.inc()
            self._accepted(attempt, user, identity)
            text = answer.text
            return setup.sealing.seal(text, attempt.curve_key) if setup.sealing else text.encode()
        return None

    async def _user(self, request: CalloutRequest, setup: CalloutSetup) -> tuple[Jwt[Any], Identity]:
        """Return the user jwt for a login, and who that is; raise `Refused`."""
        # Charged before the backend is asked and refunded after a success: many passwords tried at once are
        # counted while they are in flight, and not when the first has failed.
        self._sources.charge(request.login.host, self._clock())
        identity = await self._identity(request.login, setup.backends)
        grant = setup.grant(identity, request.login)
        key = setup.keys.of(grant)
        account = None if self._account is None else await self._account(key.account)
        # The clock is read again: the backend may have taken a second, and the jwt's `iat` is compared with
        # revocations.
        user = await self._sign(user_draft(grant, request, key, account, int(self._clock())), key.signer)
        self._sources.refund(request.login.host)
        return user, identity

    async def _identity(self, login: Login, backends: Sequence[Backend]) -> Identity:
        for backend in backends:
            identity = await backend.identify(login)
            if identity is not None:
                return identity
        raise Refused("no backend is responsible for what the client presented")

    async def _sign(self, draft: Draft[B], signer: Signer) -> Jwt[B]:
        # A signature in memory takes some 60 µs, less than handing it to a thread and back.
        if isinstance(signer, SoftwareKey | DelegatedKey):  # both in memory
            return draft.complete(signer.sign(draft.signing_input))
        loop = asyncio.get_running_loop()
        signature = await loop.run_in_executor(self._signer_thread, signer.sign, draft.signing_input)
        return draft.complete(signature)

    async def _refuse(self, attempt: _Attempt, bounds: Bounds) -> None:
        """Answer with nothing, which is a refusal, when the delay is over: trying again costs time."""
        # Bounded: each waiting refusal holds a goroutine of the server and memory here, which somebody who
        # tries passwords would otherwise fill as they like.
        if self._refusing >= bounds.refusals:
            self._unanswered("refusals", f"{self._refusing} refusals are waiting", **attempt.source)
            return
        # Counted from the arrival: the time of a refusal must not show how far a password got, whether the
        # user exists or the hash was compared.
        due = min(attempt.received + bounds.refusal_delay, attempt.request.deadline - _MARGIN)
        self._refusing += 1
        try:
            await asyncio.sleep(due - self._clock())
        finally:
            self._refusing -= 1
        # Empty, and not a signed response with an error: its text is logged by the server alone, so that a
        # signature would be spent on nobody.
        await self._send(attempt, b"")

    async def _send(self, attempt: _Attempt, answer: bytes) -> None:
        """Publish the one answer of *attempt*, if its server still waits for it."""
        # The server has given the login up and forgotten the reply subject; a late answer would be dropped
        # there without a trace.
        if self._clock() >= attempt.request.deadline:
            self._unanswered("late", "the server does not wait any more", **attempt.source)
            return
        try:
            await self._publish(attempt.reply, answer)
        except SeedlessError as error:
            self._unanswered("connection", error.message, **attempt.source)
        else:
            self.answered += 1

    def _accepted(self, attempt: _Attempt, user: Jwt[Any], identity: Identity) -> None:
        claims = user.claims
        self._log.info(
            "login accepted",
            backend=identity.backend,
            name=claims.name,
            account=claims.aud or claims.body.issuer_account or str(user.issuer),
            jti=user.id,
            expires=claims.exp,
            # The key that was signed for, which ends the session when it is revoked.
            **attempt.source | {"nkey": claims.sub},
        )

    def _refused(self, attempt: _Attempt, result: str, reason: str) -> None:
        self._metrics.logins.labels("refused", result).inc()
        self._log.warning("login refused", reason=reason, **attempt.source)

    def _unanswered(self, cause: str, reason: str, /, **where: object) -> None:
        """Count a request without an answer; what *where* states is a claim of whoever sent it."""
        self.failed += 1
        self._metrics.unanswered.labels(cause).inc()
        self._log.warning("request not answered", reason=reason, **where)


def _trouble(error: Exception, *, is_late: bool) -> tuple[str, str]:
    """Return the kind of *error* for metrics, and a sentence; what others put into errors is not repeated."""
    if is_late:
        return "late", "the decision took longer than the server waits"
    if isinstance(error, SeedlessError):
        return "error", error.message
    return "internal", f"{type(error).__name__} in a backend"


class _Attempt(Struct, frozen=True):
    """A request, the curve key that its answer is sealed for, where that goes, and when it was received."""

    request: CalloutRequest
    curve_key: str
    reply: str
    received: float

    @property
    def source(self) -> dict[str, object]:
        """Who logs in, as the client states it, and from where; for the log."""
        login = self.request.login
        return {
            "user": login.user,
            "nkey": login.nkey,
            "host": login.host,
            "kind": login.kind,
            "type": login.type,
            "client": login.name,
            "server": self.request.server_name,
        }


def _attempt(message: Msg, setup: CalloutSetup, received: float) -> _Attempt:
    """Return the request in *message*; raise `SeedlessError` for one that no server makes."""
    curve_key = (message.headers or {}).get(HEADER, "")
    if setup.sealing is None:
        text = require_plain(message.data)
    else:
        text = setup.sealing.open(message.data, curve_key)
    request = read_request(text, message.reply, setup.keys.subject, received)
    # The header is outside of what the server has signed. Without this comparison somebody could replay a
    # request under a curve key of their own, and read the user jwt in the answer.
    if setup.sealing is not None and request.server_curve_key != curve_key:
        raise ServerError("the request is sealed by another curve key than that of the server")
    return _Attempt(request, curve_key, message.reply, received)
