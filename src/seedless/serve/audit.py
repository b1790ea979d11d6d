"""The audit stream of an issuer: what was issued, appended before it is answered, and when.

Each entry goes to a subject of its own, `PREFIX.user.U…`, by one publish with the sequence that the last
entry there is expected to have (`Nats-Expected-Last-Subject-Sequence`): it appends and compares at once, so
any number of replicas agree that `iat` of a subject moves forward, and nothing is issued that is not kept.
Measured with nats-server 2.15.1: a sequence that is not the last one is refused with the code 10071 or 10164;
after a time-out the entry may have been written or not, so the last one is read and compared.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec

from seedless.errors import ServerError

if TYPE_CHECKING:
    from collections.abc import Callable

    from nats.aio.client import Client
    from nats.js import JetStreamContext

__all__ = ["AuditEntry", "AuditStream"]

EXPECTED = "Nats-Expected-Last-Subject-Sequence"
# The second where a stream has replicas, and another entry of the subject is on its way to them.
_ANOTHER_SEQUENCE = frozenset({10071, 10164})
_ATTEMPTS = 6
_PATIENCE = 2.0  # seconds for an acknowledgement


class AuditEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One entry: which endpoint, what was issued about whom, when (Unix seconds), and who asked.

    `sub` is a key (text), `digest` the SHA-256 (hex) of the text of the jwt, `requester` an account (key
    text) and `user` the public key of the user who asked, where a jwt proved it; `stated` is what the server
    calls one without, which the client may have chosen. `request` is a random text of the request: two
    of them in one second would else give the same jwt, and one entry for both.
    """

    endpoint: str
    sub: str
    account: str
    iat: int
    digest: str
    requester: str
    request: str
    user: str = ""
    stated: str = ""
    name: str = ""
    role: str = ""
    exp: int = 0


def read_entry(data: bytes, stream: str) -> AuditEntry:
    """Return the entry *data* of the audit stream named *stream*; raise `ServerError` for another one."""
    try:
        return msgspec.json.decode(data, type=AuditEntry)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ServerError(f"the audit stream {stream} has an entry that is none of ours") from error


class AuditStream:
    """Entries of the stream *name*, whose subjects begin with *prefix*."""

    def __init__(self, name: str, prefix: str, clock: Callable[[], float]) -> None:
        """Take where it is; *clock* gives Unix seconds."""
        self.name = name
        self._prefix = prefix
        self._clock = clock
        self._jetstream: JetStreamContext | None = None

    async def open(self, client: Client, replicas: int) -> None:
        """Use *client* from now on; create the stream on *replicas* servers where there is none.

        Its entries cannot be deleted. Raise `ServerError`.
        """
        from nats.errors import Error  # nats-py is an extra
        from nats.js.api import StorageType
        from nats.js.errors import NotFoundError

        jetstream = client.jetstream(timeout=_PATIENCE)
        try:
            try:
                # Looked for first: `add_stream` of a stream that exists with other settings is an error,
                # and the settings are the administrator's.
                await jetstream.stream_info(self.name)
            except NotFoundError:
                await jetstream.add_stream(
                    name=self.name,
                    subjects=[f"{self._prefix}.>"],
                    storage=StorageType.FILE,
                    num_replicas=replicas,
                    # JetStream lets these two be set only once: not even an administrator can turn them off
                    # again, short of removing the whole stream.
                    deny_delete=True,
                    deny_purge=True,
                )
        except (Error, TimeoutError) as error:
            raise ServerError(f"the audit stream {self.name} cannot be used: {error}") from error
        self._jetstream = jetstream

    async def append(self, subject: str, made: Callable[[int], tuple[AuditEntry, str]]) -> str:
        """Append what *made* returns of an `iat`, behind the last entry of *subject*; return its text.

        *made* returns the entry and the text that is answered, and is called again where another replica was
        first. Raise `ServerError` where the entry is not known to be written: nothing is answered then.
        """
        # Sequence 0 means "the subject has no entry": the first publish for a user is a create, and fails
        # with 10071 where it is not the first.
        sequence, last = 0, 0  # most subjects are new: one round trip
        for _ in range(_ATTEMPTS):
            # Made anew at each turn: the `iat` is in the signed text, so that a jwt of a lost race cannot
            # be used with a later entry.
            entry, text = made(await self._next(last))
            written = await self._publish(subject, entry, sequence)
            if written is True:
                return text
            found = await self._last(subject)
            if found is not None:
                sequence, before = found
                if before == entry:  # it was written, and the acknowledgement was lost
                    return text
                last = before.iat
        # Signed texts of lost turns exist in memory and are never sent: what was answered is always the
        # last entry.
        raise ServerError("the audit stream did not take the entry: nothing was issued")

    async def _next(self, last: int) -> int:
        """Return the next `iat` after *last*, when its second has come: never the same, back or ahead."""
        while (now := int(self._clock())) <= last:
            if last - now > 1:
                # Waiting it out would be a service that hangs as long as the clocks differ; one second is
                # what two requests in the same second need.
                raise ServerError(f"the clock is {last - now} s behind the audit stream: nothing was issued")
            # Never two jwts of one subject in one second: their `jti` would be the same (it covers no
            # body), and servers take an equal `jti` for "nothing to do".
            await asyncio.sleep(max(last + 1 - self._clock(), 0.001))
        return now

    async def _publish(self, subject: str, entry: AuditEntry, sequence: int) -> bool:
        """Append *entry* if *sequence* is the last of *subject*; return whether that is known to be done."""
        from nats.errors import Error  # nats-py is an extra
        from nats.errors import TimeoutError as NatsTimeout
        from nats.js.errors import APIError

        try:
            await self._stream().publish(
                f"{self._prefix}.{subject}",
                msgspec.json.encode(entry),
                headers={EXPECTED: str(sequence)},
                timeout=_PATIENCE,
            )
        except APIError as error:
            if error.err_code not in _ANOTHER_SEQUENCE:
                raise ServerError(f"the audit stream {self.name} refuses the entry: {error}") from error
            return False
        except (NatsTimeout, TimeoutError):
            return False
        except Error as error:
            raise ServerError(f"the audit stream {self.name} cannot be written: {error}") from error
        return True

    async def _last(self, subject: str) -> tuple[int, AuditEntry] | None:
        """Return the last entry of *subject* with its sequence; None where there is none, or no answer."""
        from nats.errors import Error  # nats-py is an extra

        try:
            found = await self._stream().get_last_msg(self.name, f"{self._prefix}.{subject}")
        except (Error, TimeoutError):
            return None
        return found.seq or 0, read_entry(found.data or b"", self.name)

    def _stream(self) -> JetStreamContext:
        if self._jetstream is None:
            raise ServerError("there is no connection to NATS")
        return self._jetstream
