from __future__ import annotations

from typing import Literal

import pytest

from seedless import typed_json
from seedless.claims.bodies import Int64, Part, UInt8, UInt64
from seedless.errors import BadClaims
from seedless.typed_json import Unknown
from seedless.wire import parse


class Leaf(Part, frozen=True, kw_only=True):
    text: str = ""
    on: bool = False


class Tree(Part, frozen=True, kw_only=True):
    number: Int64 = 0
    small: UInt8 = 0
    big: UInt64 = 0
    word: Literal["", "stream", "service"] = ""
    rate: Int64 | Literal["headers"] = "headers"
    leaf: Leaf | None = None
    leaves: tuple[Leaf, ...] = ()
    words: tuple[str, ...] = ()
    either: tuple[Leaf | str, ...] = ()
    by_name: dict[str, Int64] = {}  # noqa: RUF012 - a Struct copies it


def fit(text: str) -> tuple[Tree, tuple[Unknown, ...]]:
    return typed_json.fit(parse(text.encode()), Tree, "top")


@pytest.mark.parametrize(
    ("text", "path", "told"),
    [
        ("[]", "top", "expected an object, found []"),
        ('{"number":"1"}', "top.number", 'expected a whole number, found "1"'),
        ('{"number":true}', "top.number", "expected a whole number, found true"),
        ('{"number":1.0}', "top.number", "1.0 is not a whole number"),
        ('{"number":1e3}', "top.number", "1e3 is not a whole number"),
        ('{"number":9223372036854775808}', "top.number", "9223372036854775808 is not between"),
        ('{"number":-9223372036854775809}', "top.number", "-9223372036854775809 is not between"),
        ('{"number":123456789012345678901}', "top.number", "123456789012345678901 is not between"),
        ('{"small":256}', "top.small", "256 is not between 0 and 255"),
        ('{"small":-1}', "top.small", "-1 is not between 0 and 255"),
        ('{"small":-0}', "top.small", "-0 is not between 0 and 255"),
        ('{"big":18446744073709551616}', "top.big", "is not between 0 and 18446744073709551615"),
        ('{"big":-0}', "top.big", "-0 is not between 0 and"),
        ('{"word":"other"}', "top.word", '"other" is none of "service", "stream"'),
        ('{"word":""}', "top.word", '"" is none of "service", "stream"'),
        ('{"word":5}', "top.word", "5 is none of"),
        ('{"word":["stream"]}', "top.word", '["stream"] is none of'),
        ('{"rate":"often"}', "top.rate", '"often" is none of "headers"'),
        ('{"rate":5.5}', "top.rate", "5.5 is not a whole number"),
        ('{"rate":[]}', "top.rate", "expected a whole number, found []"),
        ('{"rate":false}', "top.rate", "expected a whole number, found false"),
        ('{"leaf":5}', "top.leaf", "expected text or an object, found 5"),
        ('{"leaf":{"on":1}}', "top.leaf.on", "expected true or false, found 1"),
        ('{"leaves":{}}', "top.leaves", "expected a list, found {}"),
        ('{"leaves":"ab"}', "top.leaves", 'expected a list, found "ab"'),
        ('{"leaves":[{},{"text":5}]}', "top.leaves[1].text", "expected text, found 5"),
        ('{"words":["a",5.0]}', "top.words[1]", "expected text, found 5.0"),
        ('{"either":["a",7]}', "top.either[1]", "expected text or an object, found 7"),
        ('{"either":["a",7.5]}', "top.either[1]", "expected text or an object, found 7.5"),
        ('{"by_name":[]}', "top.by_name", "expected an object, found []"),
        ('{"by_name":{"a.b":"c"}}', 'top.by_name."a.b"', "expected a whole number"),
    ],
)
def test_a_wrong_value_is_reported_with_its_path_and_what_should_be_there(
    text: str, path: str, told: str
) -> None:
    with pytest.raises(BadClaims) as caught:
        fit(text)
    assert caught.value.path == path
    assert told in caught.value.message
    assert caught.value.rule == ""


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ('{"number":null}', "top.number"),
        ('{"leaf":null}', "top.leaf"),
        ('{"leaves":[null]}', "top.leaves[0]"),
        ('{"either":[null]}', "top.either[0]"),
        ('{"by_name":{"a":null}}', "top.by_name.a"),
    ],
)
def test_null_is_refused_wherever_it_stands(text: str, path: str) -> None:
    with pytest.raises(BadClaims, match="null is not a value") as caught:
        fit(text)
    assert (caught.value.path, caught.value.rule) == (path, "null")


@pytest.mark.parametrize(
    ("text", "path", "hint"),
    [
        ('{"NUMBER":1}', "top.NUMBER", "write number"),
        ('{"leaf":{"Text":"a"}}', "top.leaf.Text", "write text"),
        ('{"word\\u017f":[]}', "top.word\u017f", "write words"),
        ('{"x":1,"X":1}', "top.X", "write x"),
    ],
)
def test_a_name_in_other_letters_is_refused(text: str, path: str, hint: str) -> None:
    with pytest.raises(BadClaims, match="only in upper and lower case") as caught:
        fit(text)
    assert (caught.value.path, caught.value.hint, caught.value.rule) == (path, hint, "folded-name")


def test_names_of_a_map_may_differ_only_by_case() -> None:
    tree, _ = fit('{"by_name":{"a":1,"A":2}}')
    assert tree.by_name == {"a": 1, "A": 2}


def test_members_that_nobody_knows_are_taken_out_and_reported_whole() -> None:
    long = "x" * 1000
    tree, unknown = fit(
        f'{{"number":7,"more":[1.50,{{"a":1e400}}],"leaf":{{"other":null}},"leaves":[{{"o":"{long}"}}]}}'
    )
    assert tree == Tree(number=7, leaf=Leaf(), leaves=(Leaf(),))
    assert unknown == (
        Unknown("top.more", '[1.50,{"a":1e400}]'),
        Unknown("top.leaf.other", "null"),
        Unknown("top.leaves[0].o", f'"{long}"'),
    )


def test_everything_of_its_type_is_taken() -> None:
    tree, unknown = fit(
        '{"number":-9223372036854775808,"small":255,"big":18446744073709551615,"word":"stream","rate":0,'
        '"leaf":{},"leaves":[{"text":"a","on":true}],"words":["",""],"either":["a",{"text":"b"}],'
        '"by_name":{"":-0}}'
    )
    assert tree == Tree(
        number=-(2**63),
        small=255,
        big=2**64 - 1,
        word="stream",
        rate=0,
        leaf=Leaf(),
        leaves=(Leaf(text="a", on=True),),
        words=("", ""),
        either=("a", Leaf(text="b")),
        by_name={"": 0},
    )
    assert unknown == ()


def test_a_large_value_is_cut_in_the_error() -> None:
    with pytest.raises(BadClaims) as caught:
        fit(f'{{"number":"{"x" * 10000}"}}')
    assert len(caught.value.message) < 300


def test_python_values_that_are_no_json_are_reported_by_their_type() -> None:
    with pytest.raises(BadClaims, match=r"top\.number: expected a whole number, found a object"):
        typed_json.fit({"number": object()}, Tree, "top")
    with pytest.raises(BadClaims, match=r"top\.by_name: expected text as the name of a member, found 5"):
        typed_json.fit({"by_name": {5: 1}}, Tree, "top")
