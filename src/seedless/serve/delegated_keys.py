"""Delegated keys of a callout: made at the start, replaced at half of their time, removed at the end.

While the token is away the keys go on signing until their end; that is reported at every attempt to replace
them.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from seedless.errors import SeedlessError

if TYPE_CHECKING:
    from collections.abc import Callable

    from seedless.app.delegation import DelegatedKey
    from seedless.serve.issuer_process import WorkspaceDesk
    from seedless.serve.logs import EventLog

__all__ = ["DelegatedKeys"]

_RENEWED_AT = 0.5  # of the time of a delegation
_ATTEMPTS = 10  # in that time
_IN_FLIGHT = 5.0  # seconds, longer than servers wait for a login


class DelegatedKeys:
    """The delegated key of each account and role that was asked for, with a *desk* that has the token."""

    def __init__(self, desk: WorkspaceDesk, span: int, log: EventLog, clock: Callable[[], float]) -> None:
        """Delegate for *span* seconds."""
        self._desk = desk
        self._span = span
        self._log = log
        self._clock = clock
        self._keys: dict[tuple[str, str], DelegatedKey] = {}

    def of(self, account: str, role: str) -> DelegatedKey:
        """Return the key that signs users of *account* in *role*, by name; the first time it is delegated.

        Blocks as long as the token and the servers do; raise what they raise.
        """
        if (account, role) not in self._keys:
            self._keys[account, role] = self._desk.delegate(account, role)
            self._log.info("delegated", account=account, role=role)
        return self._keys[account, role]

    async def renew(self, changed: Callable[[], bool]) -> None:
        """Replace keys before they end, until the service ends.

        *changed* uses the keys that there are now, and returns whether it could; a key that is still in use
        is not ended.
        """
        while True:
            await asyncio.sleep(self._span * _RENEWED_AT / _ATTEMPTS)
            for place, key in list(self._keys.items()):
                if key.until - self._clock() > self._span * _RENEWED_AT:
                    continue
                try:
                    self._keys[place] = await asyncio.to_thread(self._desk.delegate, *place)
                    if changed():
                        await asyncio.sleep(
                            _IN_FLIGHT
                        )  # logins that have begun are signed by the previous key
                        await asyncio.to_thread(self._desk.stop, place[0], key)
                except SeedlessError as error:
                    account, role = place
                    self._log.error("not delegated", account=account, role=role, reason=error.message)
                else:
                    self._log.info("delegated", account=place[0], role=place[1])

    def end(self) -> None:
        """Forget all keys, and remove those that have signed nothing that is valid."""
        for (account, role), key in self._keys.items():
            try:
                self._desk.stop(account, key)
            except SeedlessError as error:
                self._log.error("not removed", account=account, role=role, reason=error.message)
        self._keys.clear()
