from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seedless.units import duration, is_span, limit, moment, parse_size, parse_span, size, span, written_span


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
        ("6M", 15552000),
        ("1y", 31536000),
    ],
)
def test_spans_are_read(text: str, seconds: int) -> None:
    assert is_span(text)
    assert parse_span(text) == seconds


@pytest.mark.parametrize("text", ["0s", "90s", "999999s", "999999m", "30d", "999999d", "999999y", "7w"])
def test_a_span_that_was_read_is_written_so_that_it_is_read_again(text: str) -> None:
    assert parse_span(written_span(parse_span(text))) == parse_span(text)


@pytest.mark.parametrize("text", ["", "d", "1", "1D", "-1d", "1 d", "1d2h", "1234567d"])
def test_other_spans_are_refused(text: str) -> None:
    assert not is_span(text)
    with pytest.raises(ValueError, match="is no span of time"):
        parse_span(text)


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("512", 512),
        ("512B", 512),
        ("10K", 10240),
        ("4MiB", 4194304),
        ("1 GiB", 1073741824),
        ("2TB", 2199023255552),
    ],
)
def test_sizes_are_read_in_powers_of_1024(text: str, count: int) -> None:
    assert parse_size(text) == count


@pytest.mark.parametrize("text", ["", "K", "-1", "1.5G", "1 k", "1P", "1  G"])
def test_other_sizes_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no size"):
        parse_size(text)


@given(st.integers(1, 10**6 - 1))
def test_a_span_reads_back_what_it_says(seconds: int) -> None:
    assert parse_span(span(seconds)) == seconds


@given(st.integers(0, 2**63 - 1))
def test_a_size_reads_back_what_it_says(count: int) -> None:
    assert parse_size(size(count)) == count
