"""A connection of a service to NATS: it is replaced whenever it ends, and drained when the service ends.

nats-py is not left to reconnect: it goes on with the creds that it began with, and closes for good on most
errors, such as the expiry of its own user. Here each connection is a new one, for which the files are read
again. A server can block a connection without closing it (three answers to one request of a callout do), so a
round trip is tried every few seconds.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import ssl
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from msgspec import Struct

from seedless.client import connect
from seedless.creds import parse_creds, parse_user_key
from seedless.errors import SeedlessError, ServerError, StoreError, UsageError
from seedless.store import atomic
from seedless.text import shown

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from nats.aio.client import Client
    from nats.aio.subscription import Subscription

    from seedless.serve.config import Tls
    from seedless.serve.logs import EventLog

__all__ = ["NatsAccess", "ServiceConnection", "access_of", "log_in"]

_ROUND_TRIP = 2.0  # seconds in which a server answers PING, or the connection is blocked
_WATCH = 5.0  # seconds between two of them
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 5.0  # seconds between attempts to connect


class NatsAccess(Struct, frozen=True, kw_only=True):
    """Where a service connects, and as whom: with a creds file, the seed of an nkey, or user and password.

    Files are read at each login, so that they can be replaced. `ca` is a file with the certificates of
    authorities, `certificate` and `key` what the service itself presents.
    """

    servers: tuple[str, ...]
    creds: Path | None = None
    nkey: Path | None = None
    user: str = ""
    password: str = ""
    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None

    def __repr__(self) -> str:
        """Show where, and nothing of how."""
        return f"NatsAccess(servers={self.servers!r})"


def access_of(servers: tuple[str, ...], tls: Tls, creds: Path | None, nkey: Path | None = None) -> NatsAccess:
    """Return the login at *servers* as a configuration states it: with a creds file, or a bare nkey."""
    return NatsAccess(servers=servers, creds=creds, nkey=nkey, ca=tls.ca, certificate=tls.cert, key=tls.key)


async def log_in(access: NatsAccess, name: str, **options: Any) -> Client:  # noqa: ANN401 - those of nats-py
    """Return a client of nats-py that is connected as *name* and does not reconnect by itself.

    Raise `SeedlessError`, such as `ServerError` for what a server answers.
    """
    # nats-py would reconnect with the jwt that it has, and closes without a call of `error_cb` when that
    # has expired (measured, nats-py 2.16).
    options |= {"name": name, "allow_reconnect": False}
    if access.ca or access.certificate:
        options["tls"] = _tls(access)
    if access.creds:
        creds = parse_creds(_secret(access.creds))
        return await connect(access.servers, creds.key, creds.jwt, **options)
    if access.nkey:
        return await connect(access.servers, parse_user_key(_secret(access.nkey)), **options)
    return await _with_password(access, options)


def _secret(path: Path) -> str:
    text = atomic.read_secret(path)
    if text is None:
        raise StoreError(f"there is no file {shown(path)}")
    return text


def _tls(access: NatsAccess) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=access.ca)
        if access.certificate:
            context.load_cert_chain(access.certificate, access.key)
    except OSError as error:  # ssl.SSLError is one
        raise UsageError(f"the certificates for NATS cannot be read: {error}") from error
    return context


async def _with_password(access: NatsAccess, options: dict[str, Any]) -> Client:
    from nats.aio.client import Client  # nats-py is an extra

    client = Client()
    failures: list[Exception] = []
    on_error = options.pop("error_cb")

    async def failed(error: Exception) -> None:
        failures.append(error)
        if client.is_connected:
            await on_error(error)

    options |= {"user": access.user, "password": access.password} if access.user else {}
    options |= {"error_cb": failed, "max_reconnect_attempts": 0}
    try:
        # nats-py would try 60 times: whoever calls this has a loop of its own.
        await client.connect(list(access.servers), **options)
    except Exception as error:
        # nats-py raises `NoServersError` at the end, and gives what the server has answered to `error_cb`
        # only.
        reason = next(
            (str(failure) for failure in failures if str(failure)), str(error) or type(error).__name__
        )
        raise ServerError(f"the login at {', '.join(access.servers)} failed: {reason}") from error
    return client


class Prepare(Protocol):
    """What is done with each new connection before it counts as one: subscriptions."""

    async def __call__(self, client: Client, /) -> list[Subscription]:
        """Subscribe, and return the subscriptions that are drained at the end."""


class ServiceConnection:
    """One connection at a time, for as long as `run` runs."""

    def __init__(
        self,
        access: NatsAccess,
        name: str,
        prepare: Prepare,
        log: EventLog,
        *,
        changed: Callable[[bool], None] = lambda _: None,
    ) -> None:
        """Connect with *access* as *name*; *changed* is called when a connection begins and when it ends."""
        self.access = access
        self.client: Client | None = None
        self.connected = asyncio.Event()
        """Whether there was a connection, ever."""
        self.slow = 0
        """Messages that nats-py has dropped, since too many were waiting."""
        self._name = name
        self._prepare = prepare
        self._log = log
        self._changed = changed
        self._subscriptions: list[Subscription] = []
        self._replaced = asyncio.Event()
        self._stopping = asyncio.Event()

    @property
    def is_connected(self) -> bool:
        """Whether there is a connection, with all subscriptions."""
        return self.client is not None and self.client.is_connected

    async def publish(self, subject: str, data: bytes) -> None:
        """Publish once, through the connection that there is now; raise `ServerError` if there is none."""
        from nats.errors import Error  # nats-py is an extra

        if self.client is None:
            raise ServerError("there is no connection to NATS")
        try:
            await self.client.publish(subject, data)
        except Error as error:
            raise ServerError(f"nothing can be published: {error}") from error

    def replace(self, access: NatsAccess) -> None:
        """Connect anew, with *access*."""
        self.access = access
        self._replaced.set()

    def stop(self) -> None:
        """Let `run` end: no new messages, and when what was received is answered, no connection."""
        self._stopping.set()

    async def run(self, finish: Callable[[], Awaitable[None]]) -> None:
        """Stay connected until `stop` is called; then await *finish*, while what it does can be published."""
        pause = _FIRST_PAUSE
        while not self._stopping.is_set():
            self._replaced.clear()
            closed = asyncio.Event()
            try:
                client = await self._open(closed)
            except Exception as error:  # noqa: BLE001 - whatever a server or nats-py does, it is tried again
                self._log.error("not connected", reason=_reason(error), retry_seconds=round(pause, 1))
                await _first(pause, self._stopping, self._replaced)
                pause = min(pause * 2 * random.uniform(0.8, 1.2), _LONGEST_PAUSE)  # noqa: S311 - a pause
                continue
            pause = _FIRST_PAUSE
            self._log.info("connected", server=client.connected_url.netloc if client.connected_url else "")
            self._changed(True)  # noqa: FBT003 - what has changed
            reason = await self._watched(client, closed)
            if self._stopping.is_set():
                await self._drain(client, finish)
            self.client = None
            self._changed(False)  # noqa: FBT003 - likewise
            if not self._stopping.is_set():
                self._log.warning("disconnected", reason=reason)
            await _abandon(client)
        await finish()

    async def _open(self, closed: asyncio.Event) -> Client:
        async def on_closed() -> None:
            closed.set()

        client = await log_in(self.access, self._name, closed_cb=on_closed, error_cb=self._on_error)
        try:
            self._subscriptions = await self._prepare(client)
            await client.flush(int(_ROUND_TRIP))
        except BaseException:
            await _abandon(client)
            raise
        self.client = client
        self.connected.set()
        return client

    async def _on_error(self, error: Exception) -> None:
        from nats.errors import SlowConsumerError  # nats-py is an extra

        if isinstance(error, SlowConsumerError):
            self.slow += 1  # one for each message: too many for the log
            return
        self._log.warning("error of the connection", reason=_reason(error))

    async def _watched(self, client: Client, closed: asyncio.Event) -> str:
        """Wait until the connection ends, is blocked or is to end; return why."""
        while not await _first(_WATCH, closed, self._stopping, self._replaced):
            try:
                # A PING goes through the same queue of the server as answers do: it is what shows a
                # connection that the server has blocked but not closed.
                await client.flush(int(_ROUND_TRIP))
            except Exception as error:  # noqa: BLE001 - as in `run`
                return f"the server did not answer a PING within {_ROUND_TRIP:g} s: {_reason(error)}"
        if closed.is_set():
            return _reason(client.last_error) if client.last_error else "the server closed the connection"
        return "the configuration has changed"

    async def _drain(self, client: Client, finish: Callable[[], Awaitable[None]]) -> None:
        """End the subscriptions, answer what they have received, then send what is to be sent."""
        try:
            for subscription in self._subscriptions:
                # The subscriptions first, then our own tasks, then the connection: `client.drain` alone
                # waits for handlers, and the answers of tasks that they began are lost (measured, 3 of 3).
                draining = subscription.drain()  # type: ignore[no-untyped-call]  # nats-py leaves it so
                await asyncio.wait_for(draining, _ROUND_TRIP)
            await finish()
            # Bounded: while a connection is lost nats-py's drain raises or waits for up to 30 s, longer
            # than a supervisor of services waits after SIGTERM.
            await asyncio.wait_for(client.drain(), _ROUND_TRIP)
        except Exception as error:  # noqa: BLE001 - the service ends in any case
            self._log.warning("not drained", reason=_reason(error))


async def _first(seconds: float, *events: asyncio.Event) -> bool:
    """Wait for one of *events*, at most so many seconds; return whether one has come."""
    waiting = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        done, _ = await asyncio.wait(waiting, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        return bool(done)
    finally:
        for task in waiting:
            task.cancel()


async def _abandon(client: Client) -> None:
    """Close *client*, which a server may have blocked, within seconds."""
    with contextlib.suppress(Exception):
        await asyncio.wait_for(client.close(), _ROUND_TRIP)


def _reason(error: Exception) -> str:
    """Return the sentence of *error*; of one of nats-py without its prefix."""
    if isinstance(error, SeedlessError):
        return error.message
    text = str(error).removeprefix("nats: ").strip("'")
    return text or type(error).__name__
