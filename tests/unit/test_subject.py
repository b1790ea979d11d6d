from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seedless.subject import (
    SubjectIndex,
    has_wildcard,
    is_contained_in,
    is_subject,
    is_within,
    overlap,
    references,
    subject_and_queue,
    to_subject,
)


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
    ("renaming", "numbers"),
    [
        ("a.$1", (1,)), ("$2.x.$1", (2, 1)), ("$+1.$01.$-1", (1, 1, -1)), ("$1x.$.$$1.*", ()), ("", ()),
        ("$9223372036854775808", ()), ("$9223372036854775807", (2**63 - 1,)),
    ],
)  # fmt: skip
def test_references_are_found_with_their_numbers(renaming: str, numbers: tuple[int, ...]) -> None:
    assert references(renaming) == numbers


TOKENS = st.sampled_from(["a", "b", "*", ">", "", "**"])
SUBJECTS = st.lists(TOKENS, min_size=1, max_size=4).map(".".join)


@given(st.lists(SUBJECTS, max_size=6), SUBJECTS)
def test_an_index_finds_what_looking_at_each_subject_finds(subjects: list[str], subject: str) -> None:
    found = list(SubjectIndex(subjects).containing(subject))
    assert sorted(found) == sorted({other for other in subjects if is_contained_in(subject, other)})
    assert SubjectIndex(subjects).contain(subject) is any(is_within(subject, other) for other in subjects)


@pytest.mark.parametrize(
    ("subject", "other"),
    [("a.>", "a.*"), (">", "*"), ("a.>", "*.*"), ("a.*", "a.b"), ("a.b.c", "a.*"), ("a", "a.>")],
)
def test_what_is_within_another_subject_has_no_message_outside_of_it(subject: str, other: str) -> None:
    assert not is_within(subject, other)
    assert is_within(subject, subject)
    assert is_within(subject, ">")


@pytest.mark.parametrize(
    ("one", "other", "met"),
    [
        ("a.*", "*.b", True), ("a.>", "*.b.c", True), (">", "a", True), ("a.>", "a", False),
        ("a.*", "a.b.c", False), ("a", "b", False), ("a.>.b", "a.c.b", False), ("*", "a.>", False),
    ],
)  # fmt: skip
def test_subjects_overlap_in_a_message(one: str, other: str, met: bool) -> None:  # noqa: FBT001 - a table
    assert overlap(one, other) is met
    assert overlap(other, one) is met


@pytest.mark.parametrize(
    ("entry", "subject", "queue"),
    [
        ("a.>", "a.>", ""), ("a.> q", "a.>", "q"), ("\ta\u00a0q ", "a", "q"), ("", "", ""),
        ("a b c", "a", "b c"), ("a\x1cb", "a\x1cb", ""),
    ],
)  # fmt: skip
def test_subject_and_queue_are_divided_as_servers_do(entry: str, subject: str, queue: str) -> None:
    assert subject_and_queue(entry) == (subject, queue)


def test_a_subject_has_no_empty_token_no_blank_and_its_rest_at_the_end() -> None:
    assert all(map(is_subject, ("a", "a.*", ">", "a.>", "a*.>b", "{{x}}", "a\x0b")))
    assert not any(map(is_subject, ("", "a..b", ".a", "a.", ">.a", "a b", "a\tb", "a\x0c")))


def test_subjects_of_any_number_of_tokens_are_compared() -> None:
    assert overlap("a." * 100_000 + "a", "*." * 100_000 + ">")
    assert not overlap("a." * 100_000 + "a", "a." * 100_000 + "b")
