from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seedless.text import brief, printable, quoted, shown


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
        pytest.param("\u0430cme", '"\u0430cme"', id="look-alikes stay"),
    ],
)
def test_text_is_quoted_as_go_quotes_it(text: str, expected: str) -> None:
    assert quoted(text) == expected


def test_a_path_is_quoted_only_when_it_cannot_be_printed() -> None:
    assert shown(Path("/stores/Zoë 1")) == "/stores/Zoë 1"
    assert shown(Path("/stores/a\nb")) == r'"/stores/a\nb"'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("\u0430cme", r'"\u0430cme"', id="Cyrillic in a Latin word"),
        pytest.param("\u0440\u0430\u0443\u0440\u0430", r'"\u0440\u0430\u0443\u0440\u0430"', id="all of it"),
        pytest.param("orders.\u03bf", r'"orders.\u03bf"', id="a Greek token of a subject"),
        pytest.param("\uff41cme", r'"\uff41cme"', id="full-width"),
        pytest.param("\U0001d41acme", r'"\U0001d41acme"', id="mathematical"),
        pytest.param("o\ufb01ce", r'"o\ufb01ce"', id="a ligature"),
        pytest.param("orders\u2024a", r'"orders\u2024a"', id="a dot that is none"),
        pytest.param("orders.\u2217", r'"orders.\u2217"', id="an asterisk that is none"),
        pytest.param("orders.\uff1e", r'"orders.\uff1e"', id="a full-width greater-than"),
        pytest.param("node\u20107", r'"node\u20107"', id="a hyphen that is none"),
        pytest.param("Zoe\u0308", r'"Zoe\u0308"', id="an accent that is not composed"),
        pytest.param("a\u3164b", r'"a\u3164b"', id="a filler that is not seen"),
        pytest.param("ok\ufe0f", r'"ok\ufe0f"', id="a variation selector"),
        pytest.param(
            "x \u0e01\u0e34\u0e48\u0e34", r'"x ' + "\u0e01\u0e34\u0e48" + r'\u0e34"', id="a pile of marks"
        ),
        pytest.param(r"a\u0430", r'"a\\u0430"', id="a backslash that is really there"),
        pytest.param('"a"', r'"\"a\""', id="quotes that are really there"),
    ],
)
def test_what_looks_like_something_else_is_shown_as_escapes(text: str, expected: str) -> None:
    assert shown(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("Zoë Müller", id="Latin with accents"),
        pytest.param("Заказы", id="a Cyrillic word"),
        pytest.param("注文", id="Han"),
        pytest.param("\u0e17\u0e35\u0e48", id="Thai, with two marks"),
        pytest.param("a – b: −1 … 5 µs", id="dashes and signs between blanks"),
        pytest.param("☃ 😀", id="pictures"),
        pytest.param('5" disk', id="a quote within"),
    ],
)
def test_other_scripts_and_signs_are_left_as_they_are(text: str) -> None:
    assert shown(text) == text


def test_a_sentence_keeps_its_quotes_and_backslashes_and_shows_deceivers_as_escapes() -> None:
    assert printable('there is no "\u0430cme" in C:\\x\n') == r'there is no "\u0430cme" in C:\x\n'


def test_a_long_value_is_cut_with_its_size_and_digest() -> None:
    assert brief("a" * 12, 10) == "aaaaa… (12 characters, sha256 f24abc34b13fade7)"
    assert brief("a" * 160) == "a" * 160
    assert brief("\n" * 161, 4).startswith(r'"\n\n"… (161 characters, sha256 ')


@given(st.text(max_size=40))
def test_nothing_that_is_shown_leaves_its_line_and_no_two_texts_look_the_same(text: str) -> None:
    printed = shown(text)
    assert printed.isprintable()
    if printed != text:
        assert printed.startswith('"')
        body = printed[1:-1].encode("latin-1", "backslashreplace").decode("unicode_escape", "surrogatepass")
        assert body == text


@given(st.text(max_size=40))
def test_a_sentence_stays_on_its_line(text: str) -> None:
    assert printable(text).isprintable()
