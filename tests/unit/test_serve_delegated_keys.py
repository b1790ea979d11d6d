"""When delegated keys of a service are replaced, and what happens while the token is away."""

from __future__ import annotations

import asyncio
import io
from dataclasses import dataclass, field
from typing import Any

import pytest

from seedless.errors import TokenError
from seedless.serve import delegated_keys
from seedless.serve.delegated_keys import DelegatedKeys
from seedless.serve.logs import EventLog

NOW = 1000.0


@dataclass
class Delegated:
    until: float
    role: str = "clerk"


@dataclass
class Operations:
    """Operations whose token is away at some attempts; the real one is tried in `tests/journeys`."""

    away: list[bool]
    made: list[Delegated] = field(default_factory=list)
    stopped: list[Delegated] = field(default_factory=list)
    lasting: float = 0.01
    """Seconds until the first key ends; the others last for an hour."""
    stops_that_fail: int = 0

    def delegate(self, *_: str) -> Delegated:
        if self.away and self.away.pop(0):
            raise TokenError("the token is not connected")
        self.made.append(Delegated(NOW + (self.lasting if not self.made else 3600)))
        return self.made[-1]

    def stop(self, _: str, key: Delegated) -> None:
        if self.stops_that_fail:
            self.stops_that_fail -= 1
            raise TokenError("the token is not connected")
        self.stopped.append(key)


CASES: dict[str, tuple[list[bool], bool, int, int]] = {
    "at half of its time": ([], True, 2, 1),
    "after the token was away": ([False, True, True], True, 2, 1),
    "not ended while the configuration cannot be read": ([], False, 2, 0),
}


@pytest.mark.parametrize("name", CASES)
def test_a_key_is_replaced(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    away, is_read, made, stopped = CASES[name]
    monkeypatch.setattr(delegated_keys, "_IN_FLIGHT", 0.0)
    stream, operations = io.StringIO(), Operations(away)
    own: Any = operations
    keys = DelegatedKeys(own, 1, EventLog(stream, "callout"), lambda: NOW)
    first: Any = keys.of("ORDERS", "clerk")
    assert keys.of("ORDERS", "clerk") is first

    async def changed() -> bool:
        return is_read

    async def renew() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(keys.renew(changed), 0.4)

    asyncio.run(renew())
    assert (len(operations.made), len(operations.stopped)) == (made, stopped)
    assert keys.of("ORDERS", "clerk") is operations.made[-1]
    assert ("the token is not connected" in stream.getvalue()) is ("away" in name)


def test_the_key_of_a_role_that_is_no_longer_named_ends_and_a_stop_that_failed_is_tried_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(delegated_keys, "_IN_FLIGHT", 0.0)
    stream, operations = io.StringIO(), Operations([False, True, False], lasting=3600)
    own: Any = operations
    keys = DelegatedKeys(own, 1, EventLog(stream, "issuer"), lambda: NOW)
    clerk: Any = keys.of("ORDERS", "clerk")
    with pytest.raises(TokenError):
        keys.of("ORDERS", "auditor")
    auditor: Any = keys.of("ORDERS", "auditor")
    operations.stops_that_fail = 1
    keys.retain([("ORDERS", "auditor")])
    assert dict(keys.keys) == {("ORDERS", "auditor"): auditor}

    async def changed() -> bool:
        return True

    async def renew() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(keys.renew(changed), 0.3)

    asyncio.run(renew())
    assert operations.stopped == [clerk]
    assert stream.getvalue().count('"event":"not removed"') == 1
    keys.end()
    assert operations.stopped == [clerk, auditor]
