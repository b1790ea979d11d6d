"""Whatever text it is: a configuration is read, or refused with a sentence, and soon."""

from __future__ import annotations

import contextlib

from hypothesis import given
from hypothesis import strategies as st

from seedless.errors import SeedlessError
from seedless.nats_config import parse

PIECES = st.sampled_from(
    [
        *"{}[]()'\"\\=:;,#/$ \t\n\r-.0159kKbiezA\0\x85\ud800",
        *(
            "//",
            "\\x",
            "\\x4",
            "include ",
            "include",
            "true",
            "$v",
            "v: ",
            "$2a$",
            "$LOOP",
            "$MAP",
            "nkey",
            "\n)\n",
        ),
    ]
)
TEXTS = st.one_of(st.text(), st.lists(PIECES, max_size=60).map("".join))
ENVIRONMENT = {"LOOP": "[$LOOP]", "MAP": "{a: $LOOP2}", "LOOP2": "$MAP"}


@given(TEXTS)
def test_no_text_raises_anything_but_our_errors(text: str) -> None:
    with contextlib.suppress(SeedlessError):
        parse(text, "/nowhere/s.conf", ENVIRONMENT)


@given(TEXTS)
def test_a_refusal_names_a_place(text: str) -> None:
    told = ""
    try:
        parse(text, "/nowhere/s.conf", ENVIRONMENT)
    except SeedlessError as error:
        told = error.message
    assert told == "" or told.startswith(("/nowhere/s.conf:", "$LOOP:", "$LOOP2:", "$MAP:"))


@given(TEXTS)
def test_every_place_is_within_the_text(text: str) -> None:
    with contextlib.suppress(SeedlessError):
        lines = text.split("\n")
        for member in parse(text, "/nowhere/s.conf", {}).root.members:
            assert 1 <= member.place.line <= len(lines)
            assert 1 <= member.place.column <= len(lines[member.place.line - 1]) + 1


@given(
    st.sampled_from(
        ['a: "\\', "[", "{", "a: {b ", "(\n", "'", "a ", "$", "-", "9", "\\x41", "a: $2a$ ", "#", "/", " \n"]
    )
)
def test_long_texts_take_linear_time(piece: str) -> None:
    with contextlib.suppress(SeedlessError):
        parse(piece * 20_000, "/nowhere/s.conf", {})
