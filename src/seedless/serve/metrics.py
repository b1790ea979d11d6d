"""Metrics of a service for Prometheus, and whether it is alive and ready, by HTTP."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Metric, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from seedless.errors import UsageError
from seedless.text import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from seedless.serve.delegated_keys import DelegatedKeys
    from seedless.serve.logs import EventLog

__all__ = ["CalloutMetrics", "DelegationMetrics", "HttpStatus", "IssuerMetrics"]

_BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)  # seconds
_PATIENCE = 2.0  # seconds for a request to come
_LONGEST = 8192  # bytes of the head of a request


class CalloutMetrics:
    """What a callout counts; nothing of it names a client."""

    def __init__(self) -> None:
        """Count from zero, in a registry of its own."""
        self.registry = CollectorRegistry()
        self.logins = Counter(
            "seedless_callout_logins",
            "Logins that were answered, by what was answered and why",
            ("result", "reason"),
            registry=self.registry,
        )
        self.unanswered = Counter(
            "seedless_callout_unanswered",
            "Requests without an answer: not authentic, too late, too many",
            ("reason",),
            registry=self.registry,
        )
        self.seconds = Histogram(
            "seedless_callout_seconds",
            "From the receipt of a request to the decision",
            registry=self.registry,
            buckets=_BUCKETS,
        )
        self.in_flight = Gauge(
            "seedless_callout_in_flight", "Logins that are being decided on", registry=self.registry
        )
        self.dropped = Gauge(
            "seedless_callout_dropped",
            "Requests that were dropped unread: too many waited",
            registry=self.registry,
        )
        self.connected = Gauge("seedless_nats_connected", "1 while connected to NATS", registry=self.registry)
        self.connections = Counter(
            "seedless_nats_connections", "Connections to NATS that were made", registry=self.registry
        )
        # A label makes its series when it is first used: these are there from the start, at zero.
        self.accepted = self.logins.labels("accepted", "")

    def connection_changed(self, is_connected: bool) -> None:  # noqa: FBT001 - what has changed
        """Count a connection that begins, or that ends."""
        self.connected.set(is_connected)
        if is_connected:
            self.connections.inc()


class IssuerMetrics:
    """What an issuer counts; nothing of it names a requester."""

    def __init__(self) -> None:
        """Count from zero, in a registry of its own."""
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "seedless_issuer_requests",
            "Requests that were answered, by endpoint and code (200, 400 refused, 500, 503 too many)",
            ("endpoint", "code"),
            registry=self.registry,
        )
        self.seconds = Histogram(
            "seedless_issuer_seconds",
            "From the receipt of a request to its answer",
            registry=self.registry,
            buckets=_BUCKETS,
        )
        self.connected = Gauge("seedless_nats_connected", "1 while connected to NATS", registry=self.registry)

    def connection_changed(self, is_connected: bool) -> None:  # noqa: FBT001 - what has changed
        """Take whether there is a connection."""
        self.connected.set(is_connected)


class DelegationMetrics(Collector):
    """The delegated keys of a service, as they are when they are asked for."""

    def __init__(self, delegated: DelegatedKeys) -> None:
        """Take the keys."""
        self._delegated = delegated

    def collect(self) -> Iterable[Metric]:
        """Return the end of each key, and whether it could not be replaced when it was due."""
        end = GaugeMetricFamily(
            "seedless_delegation_end_seconds",
            "When the delegated key of a role ends (Unix seconds)",
            labels=("account", "role"),
        )
        overdue = GaugeMetricFamily(
            "seedless_delegation_overdue",
            "1 while the delegated key of a role could not be replaced when it was due",
            labels=("account", "role"),
        )
        reasons = self._delegated.overdue
        for place, key in self._delegated.keys.items():
            end.add_metric(place, key.until)
            overdue.add_metric(place, float(place in reasons))
        return (end, overdue)


class HttpStatus:
    """`/metrics`, `/healthz` (the process answers) and `/readyz` (logins are answered) on a port.

    *problem* returns why the service is not ready, or None, and *delegated* has its delegated keys: one
    that has ended is such a reason; what is wrong with another is in the answer, and among the metrics.
    """

    def __init__(
        self,
        registry: CollectorRegistry,
        problem: Callable[[], str | None],
        delegated: DelegatedKeys | None = None,
    ) -> None:
        """Take what is reported."""
        self._registry = registry
        self._problem = problem
        self._delegated = delegated
        if delegated is not None:
            registry.register(DelegationMetrics(delegated))

    async def serve(self, address: str, log: EventLog) -> asyncio.Server:
        """Listen on *address* (`host:port`); raise `UsageError` where that is not possible."""
        host, _, port = address.rpartition(":")
        try:
            server = await asyncio.start_server(self._answer, host.strip("[]"), int(port), limit=_LONGEST)
        except (OSError, OverflowError) as error:
            reason = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else error
            raise UsageError(
                f"cannot listen on {shown(address)}: {reason}", "give another address as `listen`"
            ) from error
        for socket in server.sockets:
            log.info("listening", address="{}:{}".format(*socket.getsockname()[:2]))
        return server

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), _PATIENCE)
            status, body = self._page(head)
            kind = "text/plain; version=0.0.4; charset=utf-8"
            writer.write(
                f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
                "Connection: close\r\n\r\n".encode()
            )
            writer.write(body)
            await writer.drain()
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # a client that asks for nothing gets nothing
        finally:
            writer.close()

    def _page(self, head: bytes) -> tuple[str, bytes]:
        method, _, rest = head.partition(b" ")
        path = rest.partition(b" ")[0]
        if method not in {b"GET", b"HEAD"}:
            return "405 Method Not Allowed", b"GET only\n"
        if path == b"/metrics":
            return "200 OK", generate_latest(self._registry)
        if path == b"/healthz":
            return "200 OK", b"alive\n"
        if path == b"/readyz":
            return self._readiness()
        return "404 Not Found", b"/metrics, /healthz, /readyz\n"

    def _readiness(self) -> tuple[str, bytes]:
        problem, delegated = self._problem(), self._delegated
        if problem is None and delegated is not None:
            problem = delegated.problem()
        if problem is not None:
            return "503 Service Unavailable", f"{problem}\n".encode()
        lines = ["ready", *(delegated.notes() if delegated is not None else ())]
        return "200 OK", "".join(f"{line}\n" for line in lines).encode()
