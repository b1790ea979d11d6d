from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seedless.units import (
    after,
    duration,
    is_span,
    limit,
    moment,
    parse_duration,
    parse_moment,
    parse_number,
    parse_shortest_span,
    parse_span,
    size,
    span,
)


@pytest.mark.parametrize(
    ("count", "text"),
    [
        pytest.param(0, "0 B", id="none"),
        pytest.param(1023, "1023 B", id="a byte less"),
        pytest.param(1024, "1 KiB", id="exact"),
        pytest.param(1025, "1025 B", id="not exact"),
        pytest.param(1536 * 1024, "1536 KiB", id="the largest that is exact"),
        pytest.param(10 * 1024**3, "10 GiB", id="gibibytes"),
        pytest.param(2048 * 1024**4, "2048 TiB", id="tebibytes"),
        pytest.param(10**10, "10 GB", id="decimal"),
        pytest.param(1_500_000, "1500 kB", id="thousands"),
        pytest.param(1_024_000, "1000 KiB", id="the larger of two that are exact"),
    ],
)
def test_bytes_are_shown_in_the_largest_unit_that_is_exact(count: int, text: str) -> None:
    assert size(count) == text


def test_limits_of_minus_one_and_zero_are_words() -> None:
    assert [limit(number) for number in (-1, 0, 5, -2)] == ["unlimited", "none", "5", "-2"]
    assert [limit(number, in_bytes=True) for number in (-1, 0, 1 << 20)] == ["unlimited", "none", "1 MiB"]


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        pytest.param(0, "0s", id="none"),
        pytest.param(500 * 10**6, "500ms", id="milliseconds"),
        pytest.param(2 * 10**9, "2s", id="seconds"),
        pytest.param(5400 * 10**9, "1h30m", id="hours and minutes"),
        pytest.param(1_500_000_001, "1s500ms1ns", id="nothing is rounded"),
        pytest.param(-2_000, "-2us", id="below zero"),
    ],
)
def test_durations_are_shown_exactly(nanoseconds: int, text: str) -> None:
    assert duration(nanoseconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        pytest.param(0, "1970-01-01 00:00:00 UTC", id="the beginning"),
        pytest.param(1_800_000_000, "2027-01-15 08:00:00 UTC", id="a date"),
        pytest.param(2**62, f"{2**62} seconds since 1970", id="no date any more"),
    ],
)
def test_times_are_shown_in_utc(seconds: int, text: str) -> None:
    assert moment(seconds) == text


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90s", 90),
        ("15m", 900),
        ("12h", 43200),
        ("30d", 2592000),
        ("2w", 1209600),
        ("6M", 16070400),
        ("1y", 31622400),
    ],
)
def test_spans_are_read_as_the_most_that_they_can_be(text: str, seconds: int) -> None:
    assert is_span(text)
    assert parse_span(text) == seconds


def test_the_shortest_months_and_years_are_those_without_a_leap_day() -> None:
    assert [parse_shortest_span(text) for text in ("12h", "1M", "1y")] == [43200, 2419200, 31536000]


@pytest.mark.parametrize(
    ("start", "text", "end"),
    [
        pytest.param("2027-01-15T08:00:00", "30d", "2027-02-14T08:00:00", id="days"),
        pytest.param("2027-01-15T08:00:00", "1M", "2027-02-15T08:00:00", id="a month of the calendar"),
        pytest.param("2027-11-30T00:00:00", "2M", "2028-01-30T00:00:00", id="over the year"),
        pytest.param("2027-01-31T00:00:00", "1M", "2027-03-03T00:00:00", id="no such day, as in Go"),
        pytest.param("2027-06-01T00:00:00", "1y", "2028-06-01T00:00:00", id="366 days"),
        pytest.param("2028-02-29T00:00:00", "1y", "2029-03-01T00:00:00", id="a leap day"),
        pytest.param("2027-12-31T23:59:59", "12M", "2028-12-31T23:59:59", id="twelve months"),
    ],
)
def test_months_and_years_are_those_of_the_calendar(start: str, text: str, end: str) -> None:
    assert after(text, parse_moment(start)) == parse_moment(end)


@pytest.mark.parametrize("text", ["9000y", "999999y", "999999M", "999999w"])
def test_what_ends_after_9999_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="ends after 9999"):
        after(text, 1_800_000_000)


@given(st.integers(0, 4_000_000_000), st.integers(0, 999), st.sampled_from("smhdwMy"))
def test_a_span_ends_between_the_shortest_and_the_longest(start: int, count: int, unit: str) -> None:
    text = f"{count}{unit}"
    runs_over = 3 * 86400 if unit in "My" else 0
    assert parse_shortest_span(text) <= after(text, start) - start <= parse_span(text) + runs_over


@pytest.mark.parametrize(
    "text", ["2050-01-01", "2050-01-01 00:00:00 UTC", "2050-01-01T01:00:00+01:00", "2524608000", "20500101"]
)
def test_a_time_is_read_in_each_spelling(text: str) -> None:
    assert parse_moment(text) == 2524608000


@pytest.mark.parametrize(
    "text", ["", "0", "-1", "12345678", "1e9", "2050-01-01 UTC", "1969-12-31", "2050-13-01 00:00:00 UTC"]
)
def test_other_times_are_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the words are Python's, and those who catch it have their own
        parse_moment(text)


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [("500ms", 500_000_000), ("1.5s", 1_500_000_000), ("1h30m", 5_400_000_000_000), ("0.000000001s", 1)],
)
def test_durations_are_read(text: str, nanoseconds: int) -> None:
    assert parse_duration(text) == nanoseconds


@pytest.mark.parametrize("text", ["", "5", "1.s", "0.5ns", "9999999999h", "-2s"])
def test_other_durations_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"not a duration|not a whole number|beyond 64 bits"):
        parse_duration(text)


@pytest.mark.parametrize("text", ["", "d", "1", "1D", "-1d", "1 d", "1d2h", "1234567d"])
def test_other_spans_are_refused(text: str) -> None:
    assert not is_span(text)
    with pytest.raises(ValueError, match="is not a span of time"):
        parse_span(text)


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("512", 512),
        ("512B", 512),
        ("10K", 10_000),
        ("10k", 10_000),
        ("10kB", 10_000),
        ("10G", 10_000_000_000),
        ("10GB", 10_000_000_000),
        ("4MiB", 4_194_304),
        ("4mib", 4_194_304),
        ("1 GiB", 1_073_741_824),
        ("1.5G", 1_500_000_000),
        ("1.5KiB", 1536),
        ("0.001K", 1),
        ("2TB", 2_000_000_000_000),
        ("-1", -1),
    ],
)
def test_numbers_are_read_as_nsc_reads_them(text: str, count: int) -> None:
    assert parse_number(text) == count


@pytest.mark.parametrize(
    "text",
    ["", "K", "-1K", "1.5", "1.0001K", "1P", "1  G", "1iB", "9223372036854775808", "9999999T", "\uff11"],
)
def test_other_numbers_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a number|is not a whole number|is beyond 64 bits"):
        parse_number(text)


@given(st.integers(1, 10**6 - 1))
def test_a_printed_time_range_is_read_back(seconds: int) -> None:
    assert parse_span(span(seconds)) == seconds


@given(st.integers(0, 2**63 - 1) | st.builds(lambda n, unit: n * unit, st.integers(0, 9999),
       st.sampled_from([1000, 1024, 10**6, 2**20, 10**9, 2**30, 10**12, 2**40])))  # fmt: skip
def test_a_printed_size_is_read_back(count: int) -> None:
    assert parse_number(size(count)) == count
    assert parse_number(size(count).replace(" ", "")) == count


@given(st.integers(1, 2**63 - 1))
def test_a_printed_duration_is_read_back(nanoseconds: int) -> None:
    assert parse_duration(duration(nanoseconds)) == nanoseconds
