"""Our own files: every member is there, known, and of its type, or the error has its place."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import msgspec
import pytest

from seedless import strict_json, units, wire
from seedless.errors import BadClaims


class Leaf(msgspec.Struct, frozen=True, kw_only=True):
    text: str
    count: int | None
    is_on: bool = False
    role: Literal["user", "account"] = "user"


class Whole(msgspec.Struct, frozen=True, kw_only=True):
    version: int
    leaves: dict[str, Leaf]
    words: tuple[str, ...]
    first: Leaf | None = msgspec.field(name="the-first", default=None)


def test_a_file_that_is_as_it_should_be_becomes_its_struct() -> None:
    text = b'{"version":1,"leaves":{"a":{"text":"t","count":null}},"words":["w"],"the-first":null}'
    assert strict_json.read(wire.parse(text), Whole) == Whole(
        version=1, leaves={"a": Leaf(text="t", count=None)}, words=("w",), first=None
    )


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        pytest.param(
            '{"version":1,"leaves":{},"words":[],"the-first":{"text":"t","count":1,"role":"king"}}',
            "the-first.role is none of user, account",
            id="none of the choices",
        ),
        pytest.param("[]", "it is not an object", id="a list for an object"),
        pytest.param("{}", "leaves is missing", id="the first that is missing"),
        pytest.param('{"version":1,"leaves":{},"words":[],"x y":1}', '"x y" is not known', id="unknown"),
        pytest.param('{"version":true,"leaves":{},"words":[]}', "version is not an integer", id="true"),
        pytest.param('{"version":1.5,"leaves":{},"words":[]}', "version is not an integer", id="fraction"),
        pytest.param('{"version":1,"leaves":{},"words":{}}', "words is not a list", id="no list"),
        pytest.param('{"version":1,"leaves":{},"words":["a",1]}', "words[1] is not text", id="an item"),
        pytest.param('{"version":1,"leaves":{},"words":[2e0]}', "words[0] is not text", id="a number"),
        pytest.param(
            '{"version":1,"leaves":{"a.b":{"text":"t"}},"words":[]}',
            'leaves."a.b".count is missing',
            id="missing below",
        ),
        pytest.param(
            '{"version":1,"leaves":{"a":{"text":null,"count":1}},"words":[]}',
            "leaves.a.text is not text",
            id="null where there is a value",
        ),
        pytest.param(
            '{"version":1,"leaves":{"a":{"text":"","count":"1"}},"words":[]}',
            "leaves.a.count is not an integer",
            id="text for a number or null",
        ),
    ],
)
def test_what_is_not_as_it_should_be_is_reported_with_its_place(text: str, sentence: str) -> None:
    with pytest.raises(BadClaims) as caught:
        strict_json.read(wire.parse(text.encode()), Whole)
    assert caught.value.message == sentence


def test_a_file_of_another_version_is_reported_as_such_before_its_members() -> None:
    with pytest.raises(BadClaims, match="it is of version 2, this program reads 1"):
        strict_json.require_version({"version": 2, "new": 1}, 1)
    strict_json.require_version({"version": True}, 1)  # `read` reports that it is not an integer


class Circle(msgspec.Struct, frozen=True, tag_field="kind", tag="circle"):
    radius: int


class Text(msgspec.Struct, frozen=True, tag_field="kind", tag="text"):
    words: str | tuple[str, ...]
    after: Annotated[int, strict_json.Parsed("a span of time, as 30s", units.parse_span)] = 0
    path: Annotated[Path | None, strict_json.ABSOLUTE_PATH] = None


class Drawing(msgspec.Struct, frozen=True):
    shapes: tuple[Circle | Text, ...]


def test_a_tag_names_the_struct_of_a_union_and_text_becomes_other_values() -> None:
    text = (
        '[[shapes]]\nkind = "circle"\nradius = 2\n'
        '[[shapes]]\nkind = "text"\nwords = ["a"]\nafter = "2m"\npath = "/x"\n'
        '[[shapes]]\nkind = "text"\nwords = "b"\n'
    )
    assert strict_json.read_toml(text.encode(), Drawing) == Drawing(
        (Circle(2), Text(("a",), after=120, path=Path("/x")), Text("b"))
    )


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        pytest.param("shapes = [1]", "shapes[0] is not a table", id="no table"),
        pytest.param("[[shapes]]\nradius = 1", "shapes[0].kind is missing", id="no tag"),
        pytest.param('[[shapes]]\nkind = "x"', "shapes[0].kind is none of circle, text", id="unknown tag"),
        pytest.param('[[shapes]]\nkind = "circle"\nwords = "a"', "shapes[0].words is not known", id="other"),
        pytest.param('[[shapes]]\nkind = "text"\nwords = 1', "shapes[0].words is not text", id="neither"),
        pytest.param('[[shapes]]\nkind = "text"\nwords = [1]', "shapes[0].words[0] is not text", id="item"),
        pytest.param(
            '[[shapes]]\nkind = "text"\nwords = ""\nafter = 5',
            "shapes[0].after is not a span of time, as 30s",
            id="no text",
        ),
        pytest.param(
            '[[shapes]]\nkind = "text"\nwords = ""\nafter = "x"',
            "shapes[0].after is not a span of time, as 30s: "
            "'x' is not a span of time: write 12h, 30d, 6M, 1y",
            id="not parsed",
        ),
        pytest.param(
            '[[shapes]]\nkind = "text"\nwords = ""\npath = "x"',
            "shapes[0].path is not an absolute path",
            id="a sentence of its own",
        ),
    ],
)
def test_what_is_not_one_of_a_union_is_reported_with_its_place(text: str, sentence: str) -> None:
    with pytest.raises(BadClaims) as caught:
        strict_json.read_toml(text.encode(), Drawing)
    assert caught.value.message == sentence
