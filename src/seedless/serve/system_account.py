"""What the system account states: which servers there are, and accounts as the servers have them.

A request is signed by a key that its sender names, and whoever may publish in the account of the callout can
send one; only servers answer in the system account. Accounts are asked for again every while, since what
their jwts state of roles and revocations is not enforced by servers for logins by callout.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, TypeVar

import msgspec

from seedless.errors import SeedlessError, ServerError
from seedless.jwt import read
from seedless.serve.connection import NatsAccess, ServiceConnection

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from nats.aio.client import Client
    from nats.aio.msg import Msg
    from nats.aio.subscription import Subscription

    from seedless.claims import Account
    from seedless.jwt import Jwt
    from seedless.serve.logs import EventLog

__all__ = ["SystemView", "account_of_answer", "ask_account", "listed_server"]

_PING = "$SYS.REQ.SERVER.PING"
_PATIENCE = 0.5  # seconds for a server that has just started to be listed
_MOST_WAITING = 16  # servers that are new at the same moment
_MOST_SILENT = 256  # keys of servers that did not answer
_PAUSE = 1.0  # seconds between two questions, so that forged requests do not cause a storm of them
_AGAIN = 30.0  # seconds after which accounts are asked for again
_TIMEOUT = 2.0  # seconds for a server to answer


class SystemView:
    """A connection to the system account, what servers answered there, and when they did not.

    `accounts` are those that were asked for, by public key. Servers are known by the key that each has until
    it ends.
    """

    def __init__(
        self,
        access: NatsAccess,
        name: str,
        log: EventLog,
        wanted: Callable[[], Collection[str]],
        changed: Callable[[], None],
    ) -> None:
        """Ask for the accounts *wanted* (public keys); *changed* is called when one is not as it was."""
        self.connection = ServiceConnection(access, f"{name} (system account)", self._subscribe, log)
        self.accounts: dict[str, Jwt[Account]] = {}
        self._log = log
        self._wanted = wanted
        self._account_changed = changed
        self._servers: dict[str, asyncio.Event] = {}
        self._silent: dict[str, float] = {}
        self._inbox = ""
        self._asked = 0.0

    async def run(self) -> None:
        """Stay connected, and ask for the accounts every while, until `stop` is called."""
        asking = asyncio.create_task(self._ask_again())
        try:
            await self.connection.run(_nothing)
        finally:
            asking.cancel()

    def stop(self) -> None:
        """Let `run` end."""
        self.connection.stop()

    async def require(self, server: str) -> None:
        """Raise `ServerError` unless *server* (key text) is one; for one that is new, servers are asked."""
        event = self._servers.get(server)
        if event is not None and event.is_set():
            return
        await self._ask_servers()
        if not await self._is_listed(server):
            raise ServerError(
                f"the server {server} is none of those that the system account lists",
                "somebody in the account of the callout publishes requests: let nobody else into it",
            )

    async def _is_listed(self, server: str) -> bool:
        """Wait until *server* answers, at most `_PATIENCE`.

        Forged requests would take all places of logins meanwhile: a key that did not answer is not waited for
        again at once, and only so many keys are waited for.
        """
        now = time.monotonic()
        is_new = server not in self._servers
        waiting = sum(not event.is_set() for event in self._servers.values())
        if self._silent.get(server, 0.0) > now or (is_new and waiting >= _MOST_WAITING):
            return False
        event = self._servers.setdefault(server, asyncio.Event())
        try:
            await asyncio.wait_for(event.wait(), _PATIENCE)
        except TimeoutError:
            self._servers.pop(server, None)
            self._silent[server] = time.monotonic() + _PAUSE
            if len(self._silent) > _MOST_SILENT:
                del self._silent[next(iter(self._silent))]
            return False
        return True

    async def account(self, key: str) -> Jwt[Account] | None:
        """Return the account with the public *key* as servers have it, None while none has loaded it."""
        client = self.connection.client
        if key not in self.accounts and key and client is not None:
            await self._read_account(client, key)
        return self.accounts.get(key)

    async def _read_account(self, client: Client, key: str) -> None:
        account = await ask_account(client, key)
        # What was known is kept, whatever a server does.
        if account is not None and self.accounts.get(key) != account:
            self.accounts[key] = account
            self._account_changed()

    async def read_again(self, accounts: Collection[str]) -> None:
        """Ask for *accounts* (public keys) now; what servers do not answer stays as it was known."""
        client = self.connection.client
        if client is not None:
            await self._read_accounts(client, accounts)

    async def _read_accounts(self, client: Client, accounts: Collection[str]) -> None:
        for key in sorted(accounts):
            await self._read_account(client, key)

    async def _ask_again(self) -> None:
        while True:
            await asyncio.sleep(_AGAIN)
            if self.connection.client is not None:
                await self._read_accounts(self.connection.client, self._wanted())

    async def _ask_servers(self) -> None:
        client = self.connection.client
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
        await self._read_accounts(client, self._wanted())
        return [subscription]

    async def _listed(self, message: Msg) -> None:
        with contextlib.suppress(SeedlessError):  # no server answers so
            self._servers.setdefault(listed_server(message.data), asyncio.Event()).set()


async def ask_account(client: Client, key: str) -> Jwt[Account] | None:
    """Return the account with the public *key* as a server has it, None if none answers with it.

    The full resolver answers a lookup; with another one servers report an account that somebody has used.
    """
    from nats.errors import Error  # nats-py is an extra

    for subject in ("CLAIMS.LOOKUP", "INFO"):
        with contextlib.suppress(Error, TimeoutError, SeedlessError):
            message = await client.request(f"$SYS.REQ.ACCOUNT.{key}.{subject}", b"", timeout=_TIMEOUT)
            return account_of_answer(message.data, key)
    return None


def listed_server(data: bytes) -> str:
    """Return the key of the server that answers so to a PING; raise `ServerError`."""
    return decoded(data, _ListedServer).server.id


def account_of_answer(data: bytes, key: str) -> Jwt[Account]:
    """Return the account with the public *key* in what a server answers; raise `SeedlessError`."""
    jwt = read(
        data.decode("ascii", "replace") if data[:1] == b"e" else decoded(data, _AccountAnswer).data.jwt
    )
    if jwt.claims.sub != key or jwt.claims.body.kind != "account":
        raise ServerError(f"a server answers with another jwt than that of the account {key}")
    return jwt


S = TypeVar("S")


def decoded(data: bytes, kind: type[S]) -> S:
    """Return what a server or a service answers, *data*, as a *kind*; raise `ServerError`."""
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ServerError("a server answers in a way that is not known") from error


class _ServerIdentity(msgspec.Struct):
    id: str


class _ListedServer(msgspec.Struct):
    server: _ServerIdentity


class _AccountText(msgspec.Struct):
    jwt: str


class _AccountAnswer(msgspec.Struct):
    data: _AccountText


async def _nothing() -> None:
    """Finish nothing: there is nothing in flight."""
