"""The process of an auth callout: connect, answer until it is asked to end, read the configuration again.

SIGTERM and SIGINT drain: requests in flight are answered. SIGHUP reads the configuration again; one that
cannot be read leaves everything as it is.

A callout as its configuration states it: keys from files, variables or tokens, backends, rules.

What is read here is read again when the process receives SIGHUP, but for keys of variables and on tokens,
which are kept: a variable is taken out of the environment when it is read, and a token asks for a PIN.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING

from msgspec import Struct

from seedless.errors import SeedlessError
from seedless.nkey import Role
from seedless.serve import config as configurations
from seedless.serve.answer import AccountSigners, configuration_keys, deviations, operator_keys
from seedless.serve.backends import open_backends
from seedless.serve.callout import QUEUE, Callout, CalloutSetup
from seedless.serve.connection import NatsAccess, ServiceConnection, access_of
from seedless.serve.discovery import DiscoveredEndpoint, Discovery
from seedless.serve.metrics import CalloutMetrics, HttpStatus
from seedless.serve.request import SUBJECT, Sealing
from seedless.serve.rules import decide
from seedless.serve.signals import handle_signals
from seedless.serve.system_account import SystemView

if TYPE_CHECKING:
    from collections.abc import Callable

    from nats.aio.client import Client
    from nats.aio.subscription import Subscription

    from seedless.serve.delegated_keys import DelegatedKeys
    from seedless.serve.logs import EventLog

__all__ = ["SERVICE", "CalloutProcess", "CalloutService", "ServiceLoader"]


SERVICE = "seedless-callout"
"""The name of the service for `$SRV`."""

_START = 5.0  # seconds for the first connection to the system account
_MOST_WAITING = 10_000
"""Requests that wait in nats-py; more than are answered within the patience of a server."""


class CalloutService(Struct, frozen=True, kw_only=True):
    """All that a configuration states: where, as whom, with what.

    `account` is the one that servers ask in: its public key, in configuration mode its name.
    `system` is a login to the system account, with which the servers are listed that requests may come from;
    `listen` where metrics are given (`host:port`).
    """

    account: str
    access: NatsAccess
    setup: CalloutSetup
    queue: str = QUEUE
    system: NatsAccess | None = None
    listen: str = ""


class CalloutProcess:
    """A callout that runs until `stop` is called, or a signal does."""

    def __init__(
        self,
        load: Callable[[], CalloutService],
        log: EventLog,
        version: str,
        delegated: DelegatedKeys | None = None,
    ) -> None:
        """Read the configuration by *load*, with the keys that are *delegated*; raise what it raises."""
        self._load = load
        self._log = log
        self._delegated = delegated
        self.metrics = CalloutMetrics()
        self.service = load()
        self._reloading = asyncio.Lock()
        self._reported: list[str] = []
        self._system = None if self.service.system is None else self._system_account(self.service.system)
        self.connection = ServiceConnection(
            self.service.access, SERVICE, self._subscribe, log, changed=self.metrics.connection_changed
        )
        self.callout = Callout(
            self.service.setup,
            self.connection.publish,
            log,
            self.metrics,
            known_server=None if self._system is None else self._system.require,
            account=None if self._system is None else self._system.account,
        )
        endpoint = DiscoveredEndpoint("authorize", SUBJECT, self.service.queue)
        self.metrics.dropped.set_function(lambda: self.connection.slow)
        self._discovery = Discovery(SERVICE, version, (endpoint,), self._counts, self._metadata)

    async def run(self) -> None:
        """Answer until the process is asked to end; raise `UsageError` if metrics cannot be given."""
        async with contextlib.AsyncExitStack() as stack:
            if self.service.listen:
                status = HttpStatus(self.metrics.registry, self.problem, self._delegated)
                stack.callback((await status.serve(self.service.listen, self._log)).close)
            if self._system is not None:
                asking = asyncio.create_task(self._system.run())
                stack.push_async_callback(_ended, self._system, asking)
                # Requests are not answered while servers are not known, so they are asked for afterwards.
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._system.connection.connected.wait(), _START)
            # Only now: a signal that comes earlier ends the process as signals do, and nothing has been
            # received that would have to be answered.
            handle_signals(self.stop, self.reload)
            self._log.info("started", instance=self._discovery.id)
            await self.connection.run(self.callout.finish)
        self._log.info("ended")

    def stop(self) -> None:
        """End when what was received is answered."""
        self._log.info("draining")
        self.connection.stop()

    async def reload(self) -> bool:
        """Read the configuration again, and return whether that succeeded; else everything stays as it is."""
        async with self._reloading:
            try:
                # In a thread: a role that is new has a key delegated, which waits for token and servers.
                service = await asyncio.to_thread(self._load)
            except SeedlessError as error:
                self._log.error("configuration not read", reason=error.message, hint=error.hint)
                return False
            if self._system is not None:
                # A key that was delegated just now is not in the accounts as they were known: without them
                # all logins of its role would be refused until they are asked for again.
                await self._system.read_again(service.setup.keys.accounts)
            self._use(service)
            return True

    def _use(self, service: CalloutService) -> None:
        # The keys before the connection: a connection that is new can bring requests at once, for the
        # account that the new configuration names.
        self.callout.use(service.setup)
        # Compared by value, so that a SIGHUP for other rules drops no connection.
        if service.access != self.service.access:
            self.connection.replace(service.access)
        self.service = service
        self._log.info("configuration read")
        self._warn()

    def problem(self) -> str | None:
        """Return why logins are not answered now, or None."""
        return None if self.connection.is_connected else "not connected to NATS"

    async def _subscribe(self, client: Client) -> list[Subscription]:
        requests = await client.subscribe(
            SUBJECT, queue=self.service.queue, cb=self.callout.receive, pending_msgs_limit=_MOST_WAITING
        )
        await self._discovery.subscribe(client)
        return [requests]

    def _counts(self, _: str) -> dict[str, int]:
        return {"num_requests": self.callout.answered, "num_errors": self.callout.failed}

    def _metadata(self) -> dict[str, str]:
        """Return what distinguishes this instance from a stranger's: its connection, and its keys."""
        client, keys = self.connection.client, self.service.setup.keys
        known = {"subject": keys.subject, "response_key": str(keys.response.public_key)}
        if client is not None:
            from seedless._nats import server_id  # nats-py is an extra

            known |= {"server": server_id(client), "cid": str(client.client_id)}
        return known

    def _system_account(self, access: NatsAccess) -> SystemView:
        def named() -> frozenset[str]:
            return self.service.setup.keys.accounts

        return SystemView(access, SERVICE, self._log, named, self._warn)

    def _warn(self) -> None:
        """Report what the servers have otherwise than this service."""
        if self._system is not None:
            lines = deviations(self.service.setup.keys, self._system.accounts)
            for line in [line for line in lines if line not in self._reported]:
                self._log.warning("not as servers have it", reason=line)
            self._reported = lines


async def _ended(system: SystemView, asking: asyncio.Task[None]) -> None:
    system.stop()
    await asking


if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from seedless.serve.answer import AnswerKeys
    from seedless.serve.config import CalloutConfig, KeySource
    from seedless.serve.delegated_keys import DelegatedKeys
    from seedless.serve.login import Identity, Login, LoginGrant
    from seedless.signer import Signer

    OnToken = Callable[[str], Signer]


class ServiceLoader:
    """Read the configuration at *path*, as often as it is called."""

    def __init__(self, path: Path, on_token: OnToken, delegated: DelegatedKeys | None = None) -> None:
        """Take *on_token*, which returns the signer of the key that a PKCS#11 URI names.

        *delegated* has those of the roles whose keys are delegated; without it these are left out.
        """
        self._path = path
        self._on_token = on_token
        self._delegated = delegated
        self._on_tokens: dict[KeySource, Signer] = {}
        self._in_software = configurations.SoftwareKeys()

    def __call__(self) -> CalloutService:
        """Return the service; raise `SeedlessError` with the place of what is not right."""
        config = configurations.load(self._path)
        # Whatever can be wrong in files is found before a key is delegated: a unit that is restarted every
        # few seconds would have the token sign each time.
        backends = open_backends(config.backends)
        access = access_of(config.servers, config.tls, config.creds, config.nkey)
        sealing = None
        if config.curve_key is not None:
            sealing = Sealing(self._in_software.read(config.curve_key, Role.CURVE))
        xkey = str(sealing.public_key) if sealing else ""

        def grant(identity: Identity, login: Login) -> LoginGrant:
            return decide(config.rules, identity, login, validity=config.validity, now=int(time.time()))

        setup = CalloutSetup(
            keys=self._keys(config, xkey),
            backends=backends,
            grant=grant,
            sealing=sealing,
            bounds=config.bounds,
        )
        system = None
        if config.system_creds or config.system_nkey:
            system = access_of(config.servers, config.tls, config.system_creds, config.system_nkey)
        if self._delegated is not None:
            self._delegated.retain(configurations.delegated_roles(config.accounts))
        return CalloutService(
            account=config.account,
            access=access,
            system=system,
            setup=setup,
            listen=config.listen,
        )

    def _keys(self, config: CalloutConfig, xkey: str) -> AnswerKeys:
        response = self._signer(config.signing_key)
        if config.mode == "configuration":
            return configuration_keys(response, config.accounts, config.account, xkey)
        accounts = {
            name: AccountSigners(
                key=keys.key,
                plain=None if keys.signing_key is None else self._signer(keys.signing_key),
                roles=self._roles(keys.roles),
            )
            for name, keys in config.accounts.items()
        }
        if self._delegated is not None:
            for name, role in configurations.delegated_roles(config.accounts):
                accounts[name].roles[role] = self._delegated.of(name, role)
        return operator_keys(config.account, response, accounts, xkey)

    def _roles(self, sources: Mapping[str, KeySource]) -> dict[str, Signer]:
        return {role: self._signer(source) for role, source in sources.items() if source.kind != "delegated"}

    def _signer(self, source: KeySource) -> Signer:
        if source.kind == "pkcs11":
            if source not in self._on_tokens:
                self._on_tokens[source] = self._on_token(source.place)
            return self._on_tokens[source]
        return self._in_software.read(source, Role.ACCOUNT)
