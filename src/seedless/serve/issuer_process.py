"""The process of an issuer: it has keys delegated, connects, answers until it is asked to end.

SIGTERM and SIGINT drain: requests in flight are answered. SIGHUP reads the configuration again; one that
cannot be read leaves everything as it is. Delegated keys go as soon as nothing that they have signed is
valid.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING

from msgspec.structs import replace

from seedless.app.resolver.remote import Remote
from seedless.errors import InvalidValue, SeedlessError, UsageError
from seedless.nkey import Role
from seedless.serve.audit import AuditStream
from seedless.serve.config import ENDPOINTS, SoftwareKeys, delegated_roles
from seedless.serve.connection import ServiceConnection, access_of
from seedless.serve.delegated_keys import DelegatedKeys, TokenOperations
from seedless.serve.discovery import DiscoveredEndpoint, Discovery
from seedless.serve.issuer import Issuer
from seedless.serve.metrics import HttpStatus, IssuerMetrics
from seedless.serve.signals import handle_signals

if TYPE_CHECKING:
    from collections.abc import Callable

    from nats.aio.client import Client
    from nats.aio.subscription import Subscription

    from seedless.app.delegation import DelegatedKey
    from seedless.app.workspace import Workspace
    from seedless.serve.config import IssuerConfig
    from seedless.serve.logs import EventLog
    from seedless.signer import Signer

__all__ = ["SERVICE", "IssuerProcess"]

SERVICE = "seedless-issuer"
"""The name of the service for `$SRV`, and the queue group of all replicas."""

_MOST_WAITING = 10_000
_AT_THE_START = ("listen", "subject", "stream", "stream_subject", "replicas", "delegation")
"""Members of the configuration that are read at the start alone: replicas and clients rely on them."""


class IssuerProcess:
    """An issuer that runs until `stop` is called, or a signal does."""

    def __init__(
        self,
        load: Callable[[], IssuerConfig],
        log: EventLog,
        version: str,
        workspace: Workspace | None = None,
        remote: Remote | None = None,
    ) -> None:
        """Read the configuration by *load*; raise what it raises.

        *workspace* delegates keys and signs accounts, which are pushed to *remote*.
        """
        self._load = load
        self.config = config = load()
        self._log = log
        self._reloading = asyncio.Lock()
        self._in_software = SoftwareKeys()
        self.metrics = IssuerMetrics()
        clock = time.time if workspace is None else workspace.clock
        self.delegated: DelegatedKeys | None = None
        operations = None
        if workspace is not None:
            span = config.delegation.span if config.delegation else config.validity
            operations = TokenOperations(workspace, remote or Remote(urls=config.servers), span)
            self.delegated = DelegatedKeys(operations, span, log, clock)
        self._audit = AuditStream(config.stream, config.stream_subject, clock)
        in_thread = asyncio.to_thread if self.delegated is None else self.delegated.in_thread
        self.issuer = Issuer(
            config, self._file_keys(config), self._audit, log, operations, in_thread, self._answered
        )
        self.connection = ServiceConnection(
            access_of(config.servers, config.tls, config.creds), SERVICE, self._subscribe, log,
            changed=self.metrics.connection_changed,
        )  # fmt: skip
        endpoints = tuple(DiscoveredEndpoint(name, self._subject(name), SERVICE) for name in ENDPOINTS)
        self._discovery = Discovery(
            SERVICE, version, endpoints, self.issuer.counts.__getitem__, lambda: {"stream": config.stream}
        )

    async def run(self) -> None:
        """Answer until the process is asked to end; raise `UsageError` if metrics cannot be given."""
        handle_signals(self.stop, self.reload)
        async with contextlib.AsyncExitStack() as stack:
            if self.config.listen:
                status = HttpStatus(self.metrics.registry, self.problem, self.delegated)
                stack.callback((await status.serve(self.config.listen, self._log)).close)
            if self.delegated is not None:
                stack.push_async_callback(asyncio.to_thread, self.delegated.end)
                await self._use(self.config)
                stack.callback(asyncio.create_task(self.delegated.renew(self._use_keys)).cancel)
            self._log.info("started", instance=self._discovery.id)
            await self.connection.run(self.issuer.finish)
        self._log.info("ended")

    async def reload(self) -> bool:
        """Read the configuration again, and return whether that succeeded; else everything stays as it is."""
        async with self._reloading:
            try:
                config = self._with_those_of_the_start(self._load())
                await self._use(config)
            except SeedlessError as error:
                self._log.error("configuration not read", reason=error.message, hint=error.hint)
                return False
            self._log.info("configuration read")
            return True

    def _with_those_of_the_start(self, config: IssuerConfig) -> IssuerConfig:
        """Return *config* with the members that are read at the start alone as they were then."""
        changed = [name for name in _AT_THE_START if getattr(config, name) != getattr(self.config, name)]
        if not changed:
            return config
        names = ", ".join(name.replace("_", "-") for name in changed)
        self._log.warning("not changed", reason=f"read at the start of the service: {names}")
        config = replace(config, **{name: getattr(self.config, name) for name in changed})
        try:
            config.check()
        except InvalidValue as error:
            raise UsageError(f"{error.path} {error}", "start the service again") from error
        return config

    async def _use(self, config: IssuerConfig) -> None:
        """Answer by *config* from now on, with the keys that it names; raise `SeedlessError`."""
        in_files = self._file_keys(config)
        if self.delegated is not None:
            for place in delegated_roles(config.accounts):
                await self.delegated.in_thread(self.delegated.of, *place)
            self.delegated.retain(delegated_roles(config.accounts))
        self.issuer.use(config, in_files | self._delegated_keys())
        access = access_of(config.servers, config.tls, config.creds)
        if access != self.connection.access:
            self.connection.replace(access)
        self.config = config

    async def _use_keys(self) -> bool:
        """Sign with the delegated keys that there are now."""
        self.issuer.use(self.config, {**self.issuer.keys, **self._delegated_keys()})
        return True

    def _delegated_keys(self) -> dict[tuple[str, str], DelegatedKey]:
        return {} if self.delegated is None else dict(self.delegated.keys)

    def _file_keys(self, config: IssuerConfig) -> dict[tuple[str, str], Signer]:
        """Return the keys whose seeds are in files or variables."""
        return {
            (name, role): self._in_software.read(source, Role.ACCOUNT)
            for name, keys in config.accounts.items()
            for role, source in keys.roles.items()
            if source.kind in {"file", "env"}
        }

    def problem(self) -> str | None:
        """Return why users are not issued now, or None."""
        return None if self.connection.is_connected else "not connected to NATS"

    def _answered(self, endpoint: str, code: int, seconds: float) -> None:
        self.metrics.requests.labels(endpoint, str(code)).inc()
        self.metrics.seconds.observe(seconds)

    def stop(self) -> None:
        """End when what was received is answered."""
        self._log.info("draining")
        self.connection.stop()

    async def _subscribe(self, client: Client) -> list[Subscription]:
        await self._audit.open(client, self.config.replicas)
        await self._discovery.subscribe(client)
        return [
            await client.subscribe(
                self._subject(name), queue=SERVICE, cb=self.issuer.receiver(name),
                pending_msgs_limit=_MOST_WAITING,
            )
            for name in ENDPOINTS
        ]  # fmt: skip

    def _subject(self, endpoint: str) -> str:
        return f"{self.config.subject}.{endpoint}"
