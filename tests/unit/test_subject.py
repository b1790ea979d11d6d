from __future__ import annotations

import pytest

from seedless.subject import has_wildcard, is_contained_in, problems, renaming_problems, to_subject


@pytest.mark.parametrize(
    ("subject", "found"),
    [
        ("a.b", ()),
        ("a.*.>", ()),
        ("a.>.b", ()),
        ("a\tb", ()),
        ("", ("is empty",)),
        ("a b", ("has a blank in it",)),
        (".a", ("starts or ends with a dot",)),
        ("a.", ("starts or ends with a dot",)),
        ("a..b", ("has two dots in a row",)),
        (". ..", ("has a blank in it", "starts or ends with a dot", "has two dots in a row")),
    ],
)
def test_what_is_wrong_with_a_subject(subject: str, found: tuple[str, ...]) -> None:
    assert problems(subject) == found


@pytest.mark.parametrize(
    ("subject", "wild"),
    [
        ("*", True), (">", True), ("a.*", True), ("*.a", True), ("a.*.b", True), ("a.>", True),
        ("a", False), ("a.b*", False), ("a.>b", False), ("a.>.b", False), ("", False), ("a.**", False),
    ],
)  # fmt: skip
def test_wildcards_are_whole_tokens(subject: str, wild: bool) -> None:  # noqa: FBT001 - a table
    assert has_wildcard(subject) is wild


@pytest.mark.parametrize(
    ("subject", "other", "contained"),
    [
        ("a.b", "a.b", True), ("a.b", "a.*", True), ("a.b", "*.*", True), ("a.b", ">", True),
        ("a.b.c", "a.>", True), ("a.*", "a.*", True), ("a.>", "a.>", True), ("a.*", "a.>", True),
        ("a", "a.>", False), ("a.b.c", "a.*", False), ("a.b", "a.c", False), ("a.*", "a.b", False),
        ("a.>", "a.*", True), ("a", "b", False), ("a.b", "a", False), ("a.x.c", "a.>.c", False),
    ],
)  # fmt: skip
def test_containment_is_by_tokens(subject: str, other: str, contained: bool) -> None:  # noqa: FBT001 - a table
    assert is_contained_in(subject, other) is contained


@pytest.mark.parametrize(
    ("renaming", "subject"),
    [
        ("a.$1", "a.*"), ("$2.$1", "*.*"), ("$+1.$01", "*.*"), ("$-1", "*"), ("$0", "*"), ("$1x", "$1x"),
        ("$", "$"), ("$$1", "$$1"), ("a.$1_0", "a.$1_0"), ("$9223372036854775807", "*"),
        ("$9223372036854775808", "$9223372036854775808"), ("$-9223372036854775808", "*"),
        ("$" + "0" * 60 + "1", "*"), ("$" + "9" * 60, "$" + "9" * 60), ("$\u0661", "$\u0661"),
    ],
)  # fmt: skip
def test_references_stand_for_a_wildcard_each_as_atoi_reads_them(renaming: str, subject: str) -> None:
    assert to_subject(renaming) == subject


@pytest.mark.parametrize(
    ("renaming", "subject", "found"),
    [
        ("b.$1", "a.*", ()),
        ("b.*", "a.*", ()),
        ("b.>", "a.>", ()),
        (">", "a.>", ()),
        ("b>", "a>", ()),
        ("b>", "a", ()),
        ("$2.$1", "*.*", ()),
        ("b", "a", ()),
        ("", "a", ("is empty",)),
        ("b", "", ("stands for an empty subject",)),
        ("b c", "a", ("has a blank in it", "has a blank in it")),
        ("b", "a.>", ("and its subject do not both end in >",)),
        ("b", "a.*", ("takes over 0 wildcards, but a.* has 1",)),
        (
            "b.$2",
            "a.*",
            ("refers to $2, but a.* has 1 wildcards *", "takes over 0 wildcards, but a.* has 1"),
        ),
        ("$1.$1", "a.*", ("takes over 2 wildcards, but a.* has 1",)),
    ],
)
def test_what_is_wrong_with_a_renaming(renaming: str, subject: str, found: tuple[str, ...]) -> None:
    assert renaming_problems(renaming, subject) == found
