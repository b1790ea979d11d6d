"""The log of a service: one line of ASCII for each event, without seeds."""

from __future__ import annotations

import io
import json

import pytest

from seedless.errors import Refused
from seedless.nkey import Role
from seedless.seeds import SoftwareKey
from seedless.serve.bounds import Sources
from seedless.serve.logs import EventLog

SEED = SoftwareKey(Role.USER, bytes(32)).reveal()
VALUES = {
    "plain text": ("ann", "ann"),
    "a line end": ("a\nb", "a\nb"),
    "another direction": ("a\u202eb", "a\u202eb"),
    "half of a surrogate pair": ("a\ud800", "a\ud800"),
    "a seed": (f"user {SEED}", "user S…"),
    "a long text": ("x" * 300, "x" * 200 + "…"),
    "a number": (7, 7),
}


@pytest.mark.parametrize("name", VALUES)
def test_an_event_is_one_line_of_ascii_without_seeds(name: str) -> None:
    given, expected = VALUES[name]
    stream = io.StringIO()
    EventLog(stream, "callout", clock=lambda: 0.0).warning("login refused", user=given, reason="")
    (line,) = stream.getvalue().splitlines()
    assert line.isascii()
    assert json.loads(line) == {
        "time": "1970-01-01 00:00:00 UTC",
        "level": "warning",
        "service": "callout",
        "event": "login refused",
        "user": expected,
    }


def test_a_log_that_nobody_reads_any_more_ends_nothing() -> None:
    stream = io.StringIO()
    stream.close()
    EventLog(stream, "callout").info("started")


def test_failures_of_one_source_are_limited_and_come_back_with_time() -> None:
    sources = Sources(2, 0.5)
    for _ in range(2):
        sources.charge("10.0.0.1", 100.0)
    with pytest.raises(Refused, match="too many logins from this source have failed"):
        sources.charge("10.0.0.1", 100.0)
    sources.charge("10.0.0.2", 100.0)
    sources.charge("10.0.0.1", 104.0)
    sources.refund("10.0.0.1")


def test_addresses_of_one_ipv6_network_are_one_source() -> None:
    sources = Sources(1, 0.5)
    sources.charge("2001:db8::1", 100.0)
    with pytest.raises(Refused):
        sources.charge("2001:db8::2", 100.0)
    sources.charge("2001:db8:0:1::1", 100.0)
