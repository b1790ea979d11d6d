"""How much a callout does at once, and how failures are slowed down.

How often logins from one source may fail is a bucket for each source, which failures empty and time fills. A
login that succeeds costs nothing, so that many clients behind one address can connect at once.
"""

from __future__ import annotations

import ipaddress
from collections import OrderedDict

from msgspec import Struct

from seedless.errors import Refused

__all__ = ["Bounds", "Sources"]

_MOST = 10_000  # sources that are remembered
_IPV6 = 64  # bits of the networks that providers give to one customer


class Bounds(Struct, frozen=True, kw_only=True):
    """How much is done at once, and how failures are slowed down.

    `concurrency` logins are decided on at once, the others wait; `refusal_delay` seconds after its receipt a
    refused request is answered; beyond `refusals` of these that wait, a refusal is not answered at all. A
    source may fail `source_failures` times at once, and `source_rate` times a second in the long run.
    """

    concurrency: int = 64
    refusal_delay: float = 1.0
    refusals: int = 1000
    source_failures: int = 100
    source_rate: float = 1.0


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
        left, then = self._left.pop(source, (float(self._most), now))
        left = min(left + max(now - then, 0) * self._rate, self._most)
        self._left[source] = (max(left - 1, 0), now)
        if len(self._left) > _MOST:
            self._left.popitem(last=False)
        if left < 1:
            raise Refused("too many logins from this source have failed")

    def refund(self, host: str) -> None:
        """Do not count an attempt from *host*: it succeeded."""
        source = _source(host)
        if source in self._left:
            left, then = self._left[source]
            self._left[source] = (min(left + 1, self._most), then)


def _source(host: str) -> str:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((address, _IPV6), strict=False))
    return host
