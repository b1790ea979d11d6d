"""`$SRV.PING`, `$SRV.INFO` and `$SRV.STATS`: how services on NATS are found (NATS ADR-32, micro services).

`nats.micro` of nats-py would answer them too; it handles requests one at a time, and loses those in flight
when it is stopped (nats-py 2.16.0).
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from nats.aio.client import Client
    from nats.aio.msg import Msg
    from nats.aio.subscription import Subscription

__all__ = ["DiscoveredEndpoint", "Discovery"]


class DiscoveredEndpoint(Struct, frozen=True):
    """A subject that the service answers, in a queue group."""

    name: str
    subject: str
    queue_group: str


class Discovery:
    """One instance of a service; *counts* returns `num_requests` and `num_errors` of an endpoint."""

    def __init__(
        self,
        name: str,
        version: str,
        endpoints: tuple[DiscoveredEndpoint, ...],
        counts: Callable[[str], Mapping[str, int]],
        metadata: Callable[[], Mapping[str, str]],
    ) -> None:
        """Take what is reported; the identity is new for each process."""
        import secrets  # a service is started rarely

        self.id = secrets.token_hex(11).upper()
        self.name = name
        self._identity = {"name": name, "id": self.id, "version": version}
        self._endpoints = endpoints
        self._counts = counts
        self._metadata = metadata
        self._started = datetime.now(UTC).isoformat().replace("+00:00", "Z")

    async def subscribe(self, client: Client) -> list[Subscription]:
        """Answer on the nine subjects of the instance."""
        answers = {"PING": self._ping, "INFO": self._info, "STATS": self._stats}
        return [
            await client.subscribe(f"$SRV.{verb}{suffix}", cb=_answering(answer))
            for verb, answer in answers.items()
            for suffix in ("", f".{self.name}", f".{self.name}.{self.id}")
        ]

    def _ping(self) -> dict[str, object]:
        return {"type": "io.nats.micro.v1.ping_response", **self._of_identity()}

    def _of_identity(self) -> dict[str, object]:
        return {**self._identity, "metadata": dict(self._metadata())}

    def _info(self) -> dict[str, object]:
        endpoints = [
            {
                "name": endpoint.name,
                "subject": endpoint.subject,
                "queue_group": endpoint.queue_group,
                "metadata": {},
            }
            for endpoint in self._endpoints
        ]
        return {
            "type": "io.nats.micro.v1.info_response",
            "description": "",
            "endpoints": endpoints,
            **self._of_identity(),
        }

    def _stats(self) -> dict[str, object]:
        endpoints = [
            {
                "name": endpoint.name,
                "subject": endpoint.subject,
                "queue_group": endpoint.queue_group,
                "last_error": "",
                "processing_time": 0,
                "average_processing_time": 0,
                **self._counts(endpoint.name),
            }
            for endpoint in self._endpoints
        ]
        return {
            "type": "io.nats.micro.v1.stats_response",
            "started": self._started,
            "endpoints": endpoints,
            **self._of_identity(),
        }


def _answering(answer: Callable[[], dict[str, Any]]) -> Callable[[Msg], Any]:
    async def respond(message: Msg) -> None:
        if message.reply:
            await message.respond(json.dumps(answer()).encode())

    return respond
