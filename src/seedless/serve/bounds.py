"""How much a callout does at once, and how failures are slowed down.

How often logins from one source may fail is a bucket for each source, which failures empty and time fills. A
login that succeeds costs nothing, so that many clients behind one address can connect at once.
"""

from __future__ import annotations

import functools
import ipaddress
from collections import OrderedDict
from typing import Annotated

from msgspec import Meta, Struct

from seedless import units
from seedless.errors import Refused
from seedless.strict_json import Parsed

__all__ = ["Bounds", "Sources"]

_MOST = 10_000  # sources that are remembered
_IPV6 = 64  # bits of the networks that providers give to one customer


def _seconds(text: str) -> float:
    return units.parse_duration(text) / 10**9


class Bounds(Struct, frozen=True, kw_only=True, rename="kebab"):
    """How much is done at once, and how failures are slowed down."""

    concurrency: Annotated[int, Meta(description="logins that are decided on at once; the others wait")] = 64
    refusal_delay: Annotated[
        float,
        Parsed("a duration, as 500ms, 1s", _seconds),
        Meta(description="how long after its receipt a refused request is answered; in seconds"),
    ] = 1.0
    refusals: Annotated[
        int, Meta(description="refusals that wait for that; beyond them a refusal is not answered at all")
    ] = 1000
    source_failures: Annotated[int, Meta(description="logins from one address that may fail at once")] = 100
    source_rate: Annotated[
        float, Meta(description="logins from one address that may fail each second in the long run")
    ] = 1.0


class Sources:
    """Failures by source; of too many sources, those that were not seen for longest are forgotten."""

    def __init__(self, most: int, rate: float) -> None:
        """Accept *most* failures at once, and *rate* a second in the long run."""
        self._most = most
        self._rate = rate
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def charge(self, host: str, now: float) -> None:
        """Count an attempt from *host* as failed until it is refunded; raise `Refused` beyond the limit."""
        source = _source(host)
        # Out and in again, so that the order of the dictionary is that of last use and the first entry is
        # the one to forget.
        left, then = self._left.pop(source, (float(self._most), now))
        # A clock that is set back must not empty the bucket of everybody.
        left = min(left + max(now - then, 0) * self._rate, self._most)
        self._left[source] = (max(left - 1, 0), now)
        if len(self._left) > _MOST:
            self._left.popitem(last=False)
        # After the new state is stored: whoever goes on trying while refused stays refused.
        if left < 1:
            raise Refused("too many logins from this source have failed")

    def refund(self, host: str) -> None:
        """Do not count an attempt from *host*: it succeeded."""
        source = _source(host)
        if source in self._left:
            left, then = self._left[source]
            self._left[source] = (min(left + 1, self._most), then)


@functools.lru_cache(4096)
def _source(host: str) -> str:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((address, _IPV6), strict=False))
    return host
