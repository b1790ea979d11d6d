"""The clock by which jwts are signed: nothing is signed before the second that it is dated has come.

Servers compare `iat` with the times of revocations, and two jwts of one second share a `jti`. So a jwt that
follows another of the same second is dated a second later, and waits for that second. Without the wait `iat`
would be a counter, which runs ahead of every clock.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import msgspec

from seedless.errors import Refused
from seedless.rules.guards import MOST_AHEAD
from seedless.units import moment


def _time() -> float:
    return time.time()


def _sleep(seconds: float) -> None:
    time.sleep(seconds)


def _no_notice(_: str) -> None:
    pass


class Clock(msgspec.Struct, frozen=True, kw_only=True):
    """How to learn the time (Unix seconds), how to wait, and whom to notify that a wait takes a while."""

    time: Callable[[], float] = _time
    sleep: Callable[[float], None] = _sleep
    notify: Callable[[str], None] = _no_notice

    def wait_until(self, second: int) -> None:
        """Return once *second* (Unix seconds) has come; a wait of more than a second is reported.

        Raise `Refused` for a second that is more than `MOST_AHEAD` away, and for a clock that does not get
        there: it was set back, or it does not move.
        """
        left = second - self.time()
        _require_near(left, second, self.time())
        if left > 1:
            count = math.ceil(left)
            self.notify(f"waiting {count} seconds, until {moment(second)}: nothing is signed before its time")
        while left > 0:
            # A loop and not one sleep: sleeping may end early, and the clock may be set while it lasts.
            self.sleep(left)
            before, left = left, second - self.time()
            # Time that does not move or goes back would keep the loop for ever.
            if left >= before:
                _require_near(math.inf, second, self.time())


def _require_near(left: float, second: int, now: float) -> None:
    # The same bar as G002, so that what may be dated may be waited for, and no longer.
    if left > MOST_AHEAD:
        raise Refused(
            f"the jwts are dated {moment(second)}, and this clock reads {moment(int(now))}",
            "set this machine's clock right, and run the command again",
        )
