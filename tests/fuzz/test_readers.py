"""Whatever reads bytes of others returns a value or raises a `SeedlessError`, in a time that grows with them.

A short run, with other bytes each time; `make fuzz` runs for as long as it is told to.
"""

from __future__ import annotations

import json
import os
import re
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

import readers  # noqa: E402 - the folder of a script, as `make fuzz` has it

import seedless  # noqa: E402 - after the one above
from seedless import plan_file  # noqa: E402 - likewise

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "40"))
SOURCE = Path(seedless.__file__).parent
PARSING = re.compile(
    r"wire\.parse\(|json\.decode\(|json\.loads\(|tomllib\.loads\(|shlex\.split\(|b32decode\(|b64decode\("
    r"|\.decoder\.decode\(|_decoder\(.*\)\.decode\("
)
PIECES = [
    b"{",
    b"}",
    b"[",
    b"]",
    b'"',
    b",",
    b":",
    b".",
    b">",
    b"*",
    b"{{",
    b"}}",
    b"\\",
    b"\n",
    b"\r\n",
    b"=",
    b"-----",
    b"null",
    b"true",
    b"1e999",
    b"-0",
    b"9" * 400,
    b"0.1",
    b"NaN",
    b"\\ud800",
    b"\x00",
    b"\xff",
    b"\xed\xa0\x80",
    b"\xe2\x80\xae",
    b"\xef\xbb\xbf",
    b"include ",
    b"$",
    b"%00",
    b"'",
    b"#",
    b"\x04\x20",
    b"A" * 300,
    b" " * 50,
]
LEAVES: list[Any] = [
    None,
    True,
    0,
    -1,
    2**63,
    2**70,
    1.5,
    "",
    "a",
    "\ud7ff",
    "a\u202eb",
    "A" * 300,
    [],
    {},
    [[]],
    {"": {}},
    "1970",
    "O" * 56,
]


@st.composite
def spoiled(draw: st.DrawFn, seeds: tuple[bytes, ...]) -> bytes:
    """A good example with some bytes changed, or some values of its JSON, or no example at all."""
    way = draw(st.sampled_from(["bytes", "bytes", "values", "anything"]))
    if way == "anything":
        return draw(st.binary(max_size=200) | st.lists(st.sampled_from(PIECES)).map(b"".join))
    data = draw(st.sampled_from(seeds))
    if way == "values" and data[:1] == b"{":
        try:
            value = json.loads(data)
        except ValueError:
            value = None
        if value is not None:
            for _ in range(draw(st.integers(1, 3))):
                value = _changed(draw, value)
            return plan_file.canonical(value) + data[len(data.rstrip()) :]
    for _ in range(draw(st.integers(1, 4))):
        data = _edited(draw, data)
    return data


def _edited(draw: st.DrawFn, data: bytes) -> bytes:
    begin = draw(st.integers(0, len(data)))
    end = draw(st.integers(begin, min(len(data), begin + draw(st.sampled_from([0, 1, 4, 40, 4000])))))
    piece = draw(st.sampled_from(PIECES) | st.binary(max_size=3) | st.just(data[begin:end] * 2))
    return data[:begin] + piece + data[end:]


def _changed(draw: st.DrawFn, value: Any) -> Any:  # noqa: ANN401 - what JSON holds
    """Return *value* with one value in it replaced, removed, or doubled."""
    way = draw(st.integers(0, 9))
    if way == 0 or not value or not isinstance(value, dict | list):
        return draw(st.sampled_from(LEAVES))
    if isinstance(value, list):
        at = draw(st.integers(0, len(value) - 1))
        changed = [[], [value[at]] * 2][way - 1] if way < 3 else [_changed(draw, value[at])]
        return [*value[:at], *changed, *value[at + 1 :]]
    name = draw(st.sampled_from(sorted(value)))
    if way == 1:
        return {key: item for key, item in value.items() if key != name}
    if way == 2:
        return {**value, draw(st.sampled_from(["", "x", "a.b", name.upper()])): value[name]}
    return {**value, name: _changed(draw, value[name])}


@pytest.mark.parametrize("name", readers.READERS)
def test_bytes_of_others_are_a_value_or_an_error_of_ours(name: str, tmp_path: Path) -> None:
    @settings(
        max_examples=EXAMPLES, deadline=None, database=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )  # fmt: skip
    @given(spoiled(readers.READERS[name].seeds))
    def read(data: bytes) -> None:
        assert readers.attempt(name, data, tmp_path / "it") in {"value", "refused"}

    read()


@pytest.mark.parametrize("name", readers.READERS)
def test_a_good_example_is_a_value(name: str, tmp_path: Path) -> None:
    assert {readers.attempt(name, data, tmp_path / "it") for data in readers.READERS[name].seeds} == {"value"}


HOSTILE = {
    "open brackets": b"[",
    "open braces": b"{",
    "open members": b'{"a":',
    "quotes": b'"',
    "digits": b"9",
    "letters": b"A",
    "dots": b".",
    "blanks": b" ",
    "line ends": b"\n",
    "accents": "\u0301".encode(),
    "stars": b"*.",
    "dashes": b"-----\n",
    "tables": b"[a]\n",
    "names": b"a=1\n",
    "escapes": b"\\u0041",
    "templates": b"{{a()}}",
    "comments": b"#\n",
    "percent signs": b"%41",
    "minus signs": b"-",
    "binary": b"\x00\xff",
}


@pytest.mark.parametrize("name", readers.READERS)
def test_the_time_grows_with_the_bytes_and_not_with_their_square(name: str, tmp_path: Path) -> None:
    def seconds(data: bytes) -> float:
        begin = time.process_time()
        readers.attempt(name, data, tmp_path / "it")
        return time.process_time() - begin

    def is_square(data: Any) -> bool:  # noqa: ANN401 - a function of a size
        large = seconds(data(16))
        return large > 0.2 and min(seconds(data(16)) for _ in range(2)) > 40 * max(seconds(data(1)), 0.002)

    repeated = {
        title: lambda size, piece=piece: piece * (size * 2000 // len(piece))
        for title, piece in HOSTILE.items()
    }
    for number, seed in enumerate(readers.READERS[name].seeds):
        half = len(seed) // 2
        repeated |= {
            f"{title} inside {number}": lambda size, p=piece, s=seed, h=half: (
                s[:h] + p * (size * 1000) + s[h:]
            )
            for title, piece in HOSTILE.items()
        }
    assert [title for title, data in repeated.items() if is_square(data)] == []


def test_every_module_that_parses_is_reached_by_a_reader() -> None:
    found = {
        str(path.relative_to(SOURCE))
        for path in SOURCE.rglob("*.py")
        if PARSING.search(path.read_text("utf-8")) and path.name != "wire.py"
    }
    assert found <= readers.PARSERS.keys(), "a new module parses: give it a reader in tests/fuzz/readers.py"
    assert {name for names in readers.PARSERS.values() for name in names} <= readers.READERS.keys()
