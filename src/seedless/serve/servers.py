"""Which servers there are: what the system account lists, so that a request of anybody else is found.

A request is signed by a key that its sender names. Whoever may publish in the account of the callout can send
one; only the servers themselves answer in the system account.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING

import msgspec

from seedless.errors import SeedlessError, ServerError
from seedless.serve.connection import NatsAccess, ServiceConnection

if TYPE_CHECKING:
    from nats.aio.client import Client
    from nats.aio.msg import Msg
    from nats.aio.subscription import Subscription

    from seedless.serve.logs import EventLog

__all__ = ["KnownServers", "listed_server"]

_PING = "$SYS.REQ.SERVER.PING"
_PATIENCE = 0.5  # seconds for a server that has just started to be listed
_PAUSE = 1.0  # seconds between two questions, so that forged requests do not cause a storm of them


class KnownServers:
    """The servers that answer in the system account, by the key that each has until it ends."""

    def __init__(self, access: NatsAccess, name: str, log: EventLog) -> None:
        """Log in to the system account with *access*."""
        self._connection = ServiceConnection(access, f"{name} (system account)", self._subscribe, log)
        self._servers: dict[str, asyncio.Event] = {}
        self._inbox = ""
        self._asked = 0.0

    async def run(self) -> None:
        """Stay connected until `stop` is called."""
        await self._connection.run(_nothing)

    def stop(self) -> None:
        """Let `run` end."""
        self._connection.stop()

    async def require(self, server: str) -> None:
        """Raise `ServerError` unless *server* (key text) is one; for one that is new, servers are asked."""
        event = self._servers.get(server)
        if event is not None and event.is_set():
            return
        await self._ask()
        event = self._servers.setdefault(server, asyncio.Event())
        try:
            await asyncio.wait_for(event.wait(), _PATIENCE)
        except TimeoutError:
            self._servers.pop(server, None)
            raise ServerError(
                f"the server {server} is none of those that the system account lists",
                "somebody in the account of the callout publishes requests: let nobody else into it",
            ) from None

    async def _ask(self) -> None:
        client = self._connection.client
        if client is None:
            raise ServerError("the servers are not known: there is no connection to the system account")
        now = time.monotonic()
        if now - self._asked >= _PAUSE:
            self._asked = now
            await client.publish(_PING, b"", reply=self._inbox)

    async def _subscribe(self, client: Client) -> list[Subscription]:
        self._inbox = client.new_inbox()
        subscription = await client.subscribe(self._inbox, cb=self._listed)
        self._servers.clear()
        await client.publish(_PING, b"", reply=self._inbox)
        return [subscription]

    async def _listed(self, message: Msg) -> None:
        with contextlib.suppress(SeedlessError):  # no server answers so
            self._servers.setdefault(listed_server(message.data), asyncio.Event()).set()


def listed_server(data: bytes) -> str:
    """Return the key of the server that answers so to a PING; raise `ServerError`."""
    try:
        return msgspec.json.decode(data, type=_Answer).server.id
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ServerError("a server is listed in a way that is not known") from error


class _Asked(msgspec.Struct):
    id: str


class _Answer(msgspec.Struct):
    server: _Asked


async def _nothing() -> None:
    """Finish nothing: there is nothing in flight."""
