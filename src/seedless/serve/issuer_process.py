"""The process of an issuer: it has keys delegated, connects, answers until it is asked to end.

SIGTERM and SIGINT drain: requests in flight are answered. Delegated keys go as soon as nothing that they
have signed is valid.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from seedless.app.delegation import DelegatedKey
from seedless.app.resolver.remote import Remote
from seedless.desired.read import read
from seedless.errors import Refused, SeedlessError, UsageError
from seedless.nkey import Role
from seedless.serve.audit import AuditStream
from seedless.serve.config import software_key
from seedless.serve.connection import NatsAccess, ServiceConnection
from seedless.serve.discovery import DiscoveredEndpoint, Discovery
from seedless.serve.issuer import Issuer
from seedless.serve.issuer_config import ENDPOINTS
from seedless.serve.metrics import HttpStatus, IssuerMetrics
from seedless.text import quoted, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from nats.aio.client import Client
    from nats.aio.subscription import Subscription

    from seedless.app.workspace import Workspace
    from seedless.serve.issuer_config import IssuerConfig
    from seedless.serve.logs import EventLog
    from seedless.signer import Signer

__all__ = ["SERVICE", "IssuerProcess"]

SERVICE = "seedless-issuer"
"""The name of the service for `$SRV`, and the queue group of all replicas."""

_MOST_WAITING = 10_000
_RENEWED_AT = 0.5  # of the time of a delegation


class WorkspaceDesk:
    """The workspace of an issuer: delegated keys, accounts and revocations; for one thread."""

    def __init__(self, workspace: Workspace, remote: Remote, expiry: int) -> None:
        """Push to *remote*; keys are delegated for *expiry* seconds."""
        self._workspace = workspace
        self._remote = remote
        self._expiry = expiry

    def delegate(self, account: str, role: str) -> DelegatedKey:
        """Return a delegated key of *account* that all servers have."""
        until = int(self._workspace.clock()) + self._expiry
        key = self._workspace.delegations.add(account, role=role, expiry=until).sign()
        self._workspace.delegations.push(account, self._remote)
        return key

    def stop(self, account: str, key: DelegatedKey) -> None:
        """Forget *key*, and remove it where nothing that it has signed is valid."""
        workspace = self._workspace
        workspace.delegations.stop(key)
        if key.last_expiry <= workspace.refresh():
            workspace.delegations.end(account, key.public_key).sign()
            workspace.delegations.push(account, self._remote)

    def apply(self, desired: str, may: Callable[[str], bool]) -> list[str]:
        """Sign and push what differs of the accounts in *desired*, which *may* be asked for."""
        found = read(desired.encode(), "the request")
        if found.operator:
            raise Refused("the request is about the operator")
        for name, members in found.accounts.items():
            if not may(name):
                raise Refused(f"the account {quoted(name)} is not signed for this requester")
            if "users" in members:
                raise Refused("the request has users, whose seeds would stay here: ask for each by its key")
        applied = self._workspace.desired.preview(found).sign()
        names = sorted({jwt.claims.name for jwt in applied.jwts})
        if names:
            self._workspace.resolver.push(*names, remote=self._remote).send().require_done()
        return names

    def revoke(self, account: str, key: str) -> int:
        """Revoke *key* in *account*, and push it."""
        edited = self._workspace.accounts.revoke(account, key).sign()
        self._workspace.delegations.push(account, self._remote)
        return edited.jwt.issued_at


class IssuerProcess:
    """An issuer that runs until `stop` is called, or a signal does."""

    def __init__(
        self,
        config: IssuerConfig,
        log: EventLog,
        version: str,
        workspace: Workspace | None = None,
        remote: Remote | None = None,
    ) -> None:
        """Take *config*; *workspace* delegates keys and signs accounts, which are pushed to *remote*."""
        self.config = config
        self._log = log
        # A workspace belongs to one thread, and a token is slow: requests for users go on meanwhile.
        self._thread = ThreadPoolExecutor(1)
        self._desk = None
        if workspace is not None:
            span = config.delegation.span if config.delegation else config.validity
            self._desk = WorkspaceDesk(workspace, remote or Remote(urls=config.servers), span)
        self._clock = workspace.clock if workspace is not None else _time()
        self._audit = AuditStream(config.stream, config.stream_subject, self._clock)
        self.metrics = IssuerMetrics()
        self.issuer = Issuer(
            config, _files(config), self._audit, log, self._desk, self._in_thread, self._answered
        )
        access = NatsAccess(
            servers=config.servers, creds=config.creds, ca=config.tls.ca,
            certificate=config.tls.cert, key=config.tls.key,
        )  # fmt: skip
        self.connection = ServiceConnection(
            access, SERVICE, self._subscribe, log, changed=self.metrics.connection_changed
        )
        endpoints = tuple(DiscoveredEndpoint(name, self._subject(name), SERVICE) for name in ENDPOINTS)
        self._discovery = Discovery(
            SERVICE, version, endpoints, self.issuer.counts.__getitem__, lambda: {"stream": config.stream}
        )

    async def run(self) -> None:
        """Answer until the process is asked to end; raise `UsageError` if metrics cannot be given."""
        loop = asyncio.get_running_loop()
        with contextlib.suppress(RuntimeError, ValueError):  # only the main thread receives signals
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.add_signal_handler(number, self.stop)
        async with contextlib.AsyncExitStack() as stack:
            stack.callback(self._thread.shutdown)
            stack.push_async_callback(self._end)
            if self.config.listen:
                stack.callback((await self._listening()).close)
            await self._delegate()
            stack.callback(asyncio.create_task(self._renew()).cancel)
            self._log.info("started", instance=self._discovery.id)
            await self.connection.run(self.issuer.finish)
        self._log.info("ended")

    async def _listening(self) -> asyncio.Server:
        host, _, port = self.config.listen.rpartition(":")
        status = HttpStatus(self.metrics.registry, self.problem)
        try:
            return await status.serve(host, int(port), self._log)
        except (OSError, ValueError) as error:
            raise UsageError(f"cannot listen on {shown(self.config.listen)}: {error}") from error

    def problem(self) -> str | None:
        """Return why users are not issued now, or None."""
        return None if self.connection.is_connected else "not connected to NATS"

    def _answered(self, endpoint: str, code: int, seconds: float) -> None:
        self.metrics.requests.labels(endpoint, str(code)).inc()
        self.metrics.seconds.observe(seconds)

    async def _new_key(self, desk: WorkspaceDesk, name: str, role: str) -> None:
        """Sign with a new delegated key from now on."""
        key: DelegatedKey = await self._in_thread(desk.delegate, name, role)
        self.issuer.keys[name, role] = key
        self.metrics.delegation_end.labels(name, role).set(key.until)

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

    async def _in_thread(self, function: Callable[..., Any], *arguments: Any) -> Any:  # noqa: ANN401 - as asyncio.to_thread
        return await asyncio.get_running_loop().run_in_executor(self._thread, function, *arguments)

    def _delegated(self) -> list[tuple[str, str]]:
        """Return the accounts and roles whose keys are delegated."""
        return [
            (name, role)
            for name, keys in self.config.accounts.items()
            for role, source in keys.roles.items()
            if source.kind == "delegated"
        ]

    async def _delegate(self) -> None:
        for name, role in self._delegated():
            if self._desk is not None:
                await self._new_key(self._desk, name, role)
                self._log.info("delegated", account=name, role=role)

    async def _renew(self) -> None:
        """Replace delegated keys before they end; the token may be away for as long as the rest lasts."""
        desk, delegation = self._desk, self.config.delegation
        while desk is not None and delegation is not None and self._delegated():
            await asyncio.sleep(max(delegation.span * _RENEWED_AT / 10, 0.1))
            for name, role in self._delegated():
                key = self.issuer.keys[name, role]
                left = key.until - self._clock() if isinstance(key, DelegatedKey) else delegation.span
                if left > delegation.span * _RENEWED_AT or not isinstance(key, DelegatedKey):
                    continue
                try:
                    await self._new_key(desk, name, role)
                    await self._in_thread(desk.stop, name, key)
                    self._log.info("delegated anew", account=name, role=role)
                except SeedlessError as error:
                    self._log.error("not delegated", account=name, role=role, reason=error.message)

    async def _end(self) -> None:
        for (name, role), key in self.issuer.keys.items():
            if self._desk is not None and isinstance(key, DelegatedKey):
                try:
                    await self._in_thread(self._desk.stop, name, key)
                except SeedlessError as error:
                    self._log.error("not removed", account=name, role=role, reason=error.message)


def _files(config: IssuerConfig) -> Mapping[tuple[str, str], Signer]:
    """Return the keys whose seeds are in files or variables."""
    return {
        (name, role): software_key(source, Role.ACCOUNT)
        for name, keys in config.accounts.items()
        for role, source in keys.roles.items()
        if source.kind in {"file", "env"}
    }


def _time() -> Callable[[], float]:
    import time

    return time.time
