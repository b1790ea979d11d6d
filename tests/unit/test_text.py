from __future__ import annotations

from pathlib import Path

import pytest

from seedless.text import quoted, shown


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("Orders", '"Orders"', id="plain"),
        pytest.param("Zoë ☃ 😀", '"Zoë ☃ 😀"', id="other scripts stay"),
        pytest.param('a"b\\c', r'"a\"b\\c"', id="quote and backslash"),
        pytest.param("\a\b\f\n\r\t\v", r'"\a\b\f\n\r\t\v"', id="short escapes"),
        pytest.param("\x00\x1b\x7f", r'"\x00\x1b\x7f"', id="control characters"),
        pytest.param("\x85\u2028\u2029", r'"\u0085\u2028\u2029"', id="line separators"),
        pytest.param("a\u202eb\u200b\ufeff", r'"a\u202eb\u200b\ufeff"', id="bidirectional and invisible"),
        pytest.param("a\u00a0b", r'"a\u00a0b"', id="no-break space"),
        pytest.param("\U000e0001", r'"\U000e0001"', id="beyond the basic plane"),
        pytest.param("a\udcffb", r'"a\xffb"', id="a byte that is not UTF-8"),
    ],
)
def test_text_is_quoted_as_go_quotes_it(text: str, expected: str) -> None:
    assert quoted(text) == expected


def test_a_path_is_quoted_only_when_it_cannot_be_printed() -> None:
    assert shown(Path("/stores/Zoë 1")) == "/stores/Zoë 1"
    assert shown(Path("/stores/a\nb")) == r'"/stores/a\nb"'
