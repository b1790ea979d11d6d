from __future__ import annotations

import json
import time

import pytest

from seedless import wire
from seedless.errors import BadClaims

SHORT = {"\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t", '"': '\\"', "\\": "\\\\"}
ESCAPED = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}


@pytest.mark.parametrize(
    "code", [*range(0x100), 0x7FF, 0x2027, 0x2028, 0x2029, 0x202A, 0xD7FF, 0xE000, 0xFEFF, 0xFFFF, 0x1F600]
)
def test_each_character_is_written_as_go_writes_it(code: int) -> None:
    character = chr(code)
    wanted = (SHORT | ESCAPED).get(character) or (f"\\u{code:04x}" if code < 0x20 else character)
    assert wire.encode(character) == f'"{wanted}"'.encode()
    assert wire.encode({character: 1}) == f'{{"{wanted}":1}}'.encode()


def test_maps_are_written_in_the_order_of_their_utf8_bytes() -> None:
    names = ["😀", "\uff21", "é", "z", "a", "", "B", "<"]
    assert wire.encode(dict.fromkeys(names, 1)).decode() == (
        '{"":1,"\\u003c":1,"B":1,"a":1,"z":1,"é":1,"\uff21":1,"😀":1}'
    )


@pytest.mark.parametrize(
    ("value", "told"),
    [
        pytest.param("\ud800", "half of a surrogate pair", id="half of a surrogate pair"),
        pytest.param({"\udfff": 1}, "half of a surrogate pair", id="in a name"),
        pytest.param(object(), "this cannot be written as JSON", id="an object"),
    ],
)
def test_what_json_cannot_hold_is_refused(value: object, told: str) -> None:
    with pytest.raises(BadClaims, match=told):
        wire.encode(value)


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0.0, "0"),
        (-0.0, "-0"),
        (1.0, "1"),
        (-1.5, "-1.5"),
        (0.1, "0.1"),
        (1e-6, "0.000001"),
        (9.99999999999999e-07, "9.99999999999999e-7"),
        (1e-7, "1e-7"),
        (1.5e-10, "1.5e-10"),
        (5e-324, "5e-324"),
        (1e20, "100000000000000000000"),
        (9.999999999999999e20, "999999999999999900000"),
        (1e21, "1e+21"),
        (1.5e300, "1.5e+300"),
        (1.7976931348623157e308, "1.7976931348623157e+308"),
        (123456789.12345679, "123456789.12345679"),
        (9007199254740993.0, "9007199254740992"),
        (18446744073709551615.0, "18446744073709552000"),
        (-1e21, "-1e+21"),
        (100.0, "100"),
        (12300000.0, "12300000"),
        (0.00012, "0.00012"),
    ],
)
def test_floats_have_the_formats_of_go(number: float, text: str) -> None:
    assert wire.go_number(number) == text


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_what_is_no_number_has_no_format(number: float) -> None:
    with pytest.raises(BadClaims, match="is not a JSON number"):
        wire.go_number(number)


def test_a_generic_body_has_all_its_numbers_as_float64() -> None:
    body = {"a": 1, "b": [2**53 + 1, True, None, "x"], "c": (1e21, {"d": -0.0})}
    assert (
        wire.encode(wire.generic(body))
        == b'{"a":1,"b":[9007199254740992,true,null,"x"],"c":[1e+21,{"d":-0}]}'
    )


@pytest.mark.parametrize(
    ("value", "told"),
    [
        pytest.param({"a": 10**400}, r"nats\.a: the number is beyond the range", id="beyond float64"),
        pytest.param({"a": [1, {2}]}, "set has no place in JSON", id="a set"),
        pytest.param({"a": b"x"}, "bytes has no place in JSON", id="bytes"),
        pytest.param({5: 1}, "the name of a member is text, not 5", id="a number as a name"),
    ],
)
def test_what_a_generic_body_cannot_hold_is_refused_with_its_path(value: object, told: str) -> None:
    with pytest.raises(BadClaims, match=told):
        wire.generic(value, "nats")


@pytest.mark.parametrize(
    ("data", "rule", "path", "told"),
    [
        pytest.param(b"", "", "", "line 1 column 1", id="nothing"),
        pytest.param(b'{"a":1}x', "", "", "extra data", id="data behind"),
        pytest.param(b'{"a":1,}', "", "", "not JSON", id="comma at the end"),
        pytest.param(b"{'a':1}", "", "", "not JSON", id="single quotes"),
        pytest.param(b'{"a":01}', "", "", "not JSON", id="leading zero"),
        pytest.param(b'{"a":+1}', "", "", "not JSON", id="plus"),
        pytest.param(b'{"a":.5}', "", "", "not JSON", id="no digit before the dot"),
        pytest.param(b'{"a":5.}', "", "", "not JSON", id="no digit behind the dot"),
        pytest.param(b'{"a":NaN}', "", "", "there is no number NaN", id="NaN"),
        pytest.param(b'{"a":-Infinity}', "", "", "there is no number -Infinity", id="infinity"),
        pytest.param(b'{"a":"\x01"}', "", "", "control character", id="control character"),
        pytest.param(b'{"a":"\\x41"}', "", "", "not JSON", id="unknown escape"),
        pytest.param(b'{"a":1}//', "", "", "extra data", id="comment"),
        pytest.param(b'\xef\xbb\xbf{"a":1}', "", "", "not JSON", id="byte order mark"),
        pytest.param(b'{"a":"\xff"}', "not-utf8", "", "byte 6 is not UTF-8", id="not UTF-8"),
        pytest.param(b'{"a":"\xed\xa0\x80"}', "not-utf8", "", "not UTF-8", id="a surrogate as bytes"),
        pytest.param(b'{"a":["\\ud800"]}', "not-utf8", "a[0]", "half of a surrogate", id="half an escape"),
        pytest.param(b'{"\\udc00":1}', "not-utf8", "", "half of a surrogate", id="half an escape in a name"),
        pytest.param(b'{"a":1,"a":1}', "duplicate-name", "a", "the name occurs twice", id="twice"),
        pytest.param(
            b'{"a":[{"b":1,"\\u0062":2}]}', "duplicate-name", "a[0].b", "twice", id="twice, escaped"
        ),
        pytest.param(b"[" * 101 + b"]" * 101, "too-deep", "", "deeper than 100", id="101 levels"),
        pytest.param(b'{"a":' * 20000, "too-deep", "", "deeper than 100", id="20000 levels unfinished"),
    ],
)
def test_reading_forgives_nothing_and_names_the_rule(data: bytes, rule: str, path: str, told: str) -> None:
    with pytest.raises(BadClaims, match=told) as caught:
        wire.parse(data)
    assert (caught.value.rule, caught.value.path) == (rule, path)
    assert rule in {"", *wire.RULES}


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b' {"a" : [1 , 2]}\r\n\t', {"a": [1, 2]}),
        (b'"\\ud83d\\ude00"', "😀"),
        (b"12345678901234567890", 12345678901234567890),
        (b"[" * 100 + b"]" * 100, json.loads("[" * 100 + "]" * 100)),
        (b'"[[[{{{\\"["', '[[[{{{"['),
        (b'{"a":{"a":1}}', {"a": {"a": 1}}),
        (b'"' + b"[" * 200 + b'"', "[" * 200),
        (b'["\\"' + b"{" * 200 + b'\\\\"]', ['"' + "{" * 200 + "\\"]),
    ],
)
def test_plain_json_is_read(data: bytes, value: object) -> None:
    assert wire.parse(data) == value


@pytest.mark.parametrize("text", ["1.0", "1e3", "-0", "-0.0", "123456789012345678901", "1E+2"])
def test_a_number_that_is_no_plain_integer_stays_text(text: str) -> None:
    number = wire.parse(text.encode())
    assert type(number) is wire.Number
    assert number == text


def test_members_are_walked_parents_first_with_their_paths() -> None:
    value = {"a": [1, {"b.c": 2}], "d": {}}
    assert list(wire.walk(value)) == [
        ("", value),
        ("", "a"),
        ("a", [1, {"b.c": 2}]),
        ("a[0]", 1),
        ("a[1]", {"b.c": 2}),
        ("a[1]", "b.c"),
        ('a[1]."b.c"', 2),
        ("", "d"),
        ("d", {}),
    ]


def test_a_path_shows_unusual_names_quoted_and_ends_before_it_grows_without_bound() -> None:
    assert wire.join("", "a") == "a"
    assert wire.join("nats", "a b\n") == 'nats."a b\\n"'
    assert wire.join("nats", "k" * 1000) == f'nats."{"k" * 80}\\u2026"'
    path = ""
    for _ in range(1000):
        path = wire.at(wire.join(path, "a_member"), 12345678)
    assert len(path) < 450
    assert path.endswith("…")


_QUOTES = b'{"a":"' + b'\\"' * 300_000
_LONG_NAME = b'{"' + b"k" * 200_000 + b'":[' + b"{}," * 60_000 + b"{}]}"
_TWICE_LATE = b"{" + b",".join(b'"%d":1' % number for number in range(40_000)) + b',"39999":1}'


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(_QUOTES, id="an unfinished text of quotes"),
        pytest.param(_LONG_NAME, id="many values below a long name"),
        pytest.param(_TWICE_LATE, id="the last of many names twice"),
        pytest.param(b"[" * 600_000, id="brackets"),
        pytest.param(b'{"a":0.' + b"0" * 600_000 + b"1}", id="a long number"),
    ],
)
def test_hostile_text_takes_no_more_than_linear_time(data: bytes) -> None:
    before = time.process_time()
    try:  # noqa: SIM105 - both outcomes are right, within the time
        wire.parse(data)
    except BadClaims:
        pass
    assert time.process_time() - before < 5  # quadratic: minutes
