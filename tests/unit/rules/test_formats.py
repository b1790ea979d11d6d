from __future__ import annotations

import pytest

from seedless.claims.url import Url, parse
from seedless.rules.formats import cited, is_network, is_time_of_day, is_time_zone, number, second_of_day


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", 0),
        ("+3", 3),
        ("-4", -4),
        ("007", 7),
        ("-0", 0),
        ("9223372036854775807", 2**63 - 1),
        ("9223372036854775808", None),
        ("-9223372036854775808", -(2**63)),
        ("-9223372036854775809", None),
        ("9" * 10_000, None),
        ("-" + "9" * 10_000, None),
        ("0" * 10_000 + "8", 8),
        ("", None),
        ("+", None),
        ("1_0", None),
        (" 1", None),
        ("1\n", None),
        ("\u0661", None),
        ("--1", None),
    ],
)
def test_numbers_are_those_of_atoi(text: str, value: int | None) -> None:
    assert number(text) == value


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("10.0.0.0/8", True),
        ("10.0.0.0/08", True),
        ("10.0.0.0/0", True),
        ("10.0.0.0/32", True),
        ("::/128", True),
        ("::ffff:1.2.3.4/128", True),
        ("10.0.0.0/33", False),
        ("::/129", False),
        ("010.0.0.0/8", False),
        ("10.0.0.0", False),
        ("10.0.0.0/", False),
        ("10.0.0.0/-1", False),
        ("10.0.0.0/+1", False),
        ("10.0.0.0/8/8", False),
        ("fe80::1%eth0/64", False),
        (" 10.0.0.0/8", False),
        ("10.0.0.0/\u0661", False),
        ("10.0.0/8", False),
        ("", False),
        ("/8", False),
        ("10.0.0.0/" + "9" * 5_000, False),
        ("10.0.0.0/" + "0" * 5_000 + "8", True),
    ],
)
def test_networks_are_those_of_parse_cidr(text: str, good: bool) -> None:  # noqa: FBT001 - a table
    assert is_network(text) is good


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("08:00:00", True),
        ("8:00:00", True),
        ("23:59:59", True),
        ("00:00:00", True),
        ("08:00:00.5", True),
        ("08:00:00,25", True),
        ("24:00:00", False),
        ("23:60:00", False),
        ("23:59:60", False),
        ("8:0:00", False),
        ("008:00:00", False),
        ("08:00", False),
        ("08:00:00.", False),
        ("08:00:00Z", False),
        (" 8:00:00", False),
        ("8:00:00\n", False),
        ("\uff18:00:00", False),
        ("-8:00:00", False),
        ("", False),
    ],
)
def test_times_are_those_of_the_layout(text: str, good: bool) -> None:  # noqa: FBT001 - a table
    assert is_time_of_day(text) is good


@pytest.mark.parametrize(
    ("name", "good"),
    [
        ("", True),
        ("UTC", True),
        ("Local", True),
        ("Europe/Berlin", True),
        ("Etc/GMT+5", True),
        ("europe/berlin", False),
        ("utc", False),
        ("Mars/Phobos", False),
        ("../etc/passwd", False),
        ("Europe/../UTC", False),
        ("/UTC", False),
        ("\\UTC", False),
        ("Europe", False),
        ("a\0b", False),
        ("tzdata.zi", False),
    ],
)
def test_time_zones_are_those_of_the_database(name: str, good: bool) -> None:  # noqa: FBT001 - a table
    assert is_time_zone(name) is good


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("", Url()),
        ("*", Url(path="*")),
        ("NATS://h:4222/p?q#f", Url("nats", host="h", path="/p")),
        ("nats://u:p@h", Url("nats", has_user=True, host="h")),
        ("nats:h", Url("nats")),
        ("http://[fe80::1%25en0]:80", Url("http", host="fe80::1%25en0")),
        ("http://:80", Url("http")),
        ("//h/p", Url(host="h", path="/p")),
        ("///h", Url(path="///h")),
        ("http:///h", Url("http", path="/h")),
        ("a/b:c", Url(path="a/b:c")),
        ("a:b?%zz", Url("a")),
        ("a b:c", None),
        ("http://h\t", None),
        ("http://h/%zz", None),
        ("h/%zz", None),
        ("/%zz", None),
        ("h#%zz", None),
        (":h", None),
    ],
)
def test_urls_have_the_parts_that_go_finds(text: str, url: Url | None) -> None:
    assert parse(text) == url


def test_what_is_cited_is_quoted_and_cut() -> None:
    assert cited("a\u202e\n") == '"a\\u202e\\n"'
    assert cited("x" * 80) == '"' + "x" * 80 + '"'
    assert cited("x" * 81) == '"' + "x" * 80 + '…"'


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0:00:01", 1), ("01:01:01", 3661), ("23:59:59.25", 86_399.25), ("24:00:00", None), ("1:00", None)],
)
def test_a_time_of_day_is_a_number_of_seconds(text: str, seconds: float | None) -> None:
    assert second_of_day(text) == seconds
