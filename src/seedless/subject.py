"""NATS subjects: wildcards, containment, `$n` references.

The rules are those of nats-io/jwt v2.8.2 (types.go), which servers apply: a blank is U+0020 alone, and
`*` and `>` are wildcards only as whole tokens.
"""

from __future__ import annotations

import re

_SPACES = "\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"  # Go's unicode.IsSpace
_SPACE = re.compile(f"[{_SPACES}]+")
_BLANKS = frozenset(" \t\n\r\f")  # of nats-server's IsValidSubject, which differ
_REFERENCE = re.compile(r"\$[+-]?[0-9]+")
_INT64 = range(-(2**63), 2**63)
_LONGEST_INT = 20  # digits: one more than any int64 has


def has_wildcard(subject: str) -> bool:
    """Tell whether a token of *subject* is `*`, or its last one `>`."""
    tokens = subject.split(".")
    return "*" in tokens or tokens[-1] == ">"


def is_contained_in(subject: str, other: str) -> bool:
    """Tell whether the official library takes *subject* to be in *other*: `a.b` and `a.*` are in `a.>`.

    It also takes `a.>` to be in `a.*`, which `a.b.c` is not; what decides on access asks `is_within`.
    """
    mine, theirs = subject.split("."), other.split(".")
    if len(mine) > len(theirs) and theirs[-1] != ">":
        return False
    if len(mine) < len(theirs):
        return False
    for index, token in enumerate(theirs):
        if token == ">" and index == len(theirs) - 1:
            return True
        if token not in {"*", mine[index]}:
            return False
    return True


def is_within(subject: str, other: str) -> bool:
    """Tell whether every message of *subject* is one of *other*."""
    mine, theirs = subject.split("."), other.split(".")
    open_ended = mine[-1] == ">" and theirs[-1] != ">"
    return not open_ended and is_contained_in(subject, other)


def is_subject(text: str) -> bool:
    """Tell whether *text* is a subject for nats-server 2.15: `>` is the last token (`IsValidSubject`)."""
    tokens = text.split(".")
    return "" not in tokens and not _BLANKS & set(text) and ">" not in tokens[:-1]


def overlap(one: str, other: str) -> bool:
    """Tell whether a message can be of both subjects: `a.*` and `*.b` meet in `a.b`."""
    return _overlap(one.split("."), other.split("."))


def _overlap(one: list[str], other: list[str]) -> bool:
    if one == [">"] or other == [">"]:
        return True
    if one[0] != other[0] and "*" not in {one[0], other[0]}:
        return False
    if len(one) == 1 or len(other) == 1:
        return len(one) == len(other)
    return _overlap(one[1:], other[1:])


def subject_and_queue(entry: str) -> tuple[str, str]:
    """Return subject and queue of a permission to subscribe, `orders.> workers`; the queue may be empty.

    Servers divide them at any white space, and take none around them into account (`splitSubjectQueue`).
    """
    parts = [part for part in _SPACE.split(entry) if part]
    return (parts[0] if parts else "", " ".join(parts[1:]))


def to_subject(renaming: str) -> str:
    """Return *renaming* (a local subject) with each `$n` as `*`: the subject that it subscribes to."""
    return ".".join("*" if _reference(token) is not None else token for token in renaming.split("."))


def references(renaming: str) -> tuple[int, ...]:
    """Return the numbers of the `$n` tokens of *renaming* (a local subject), in their order."""
    found = (_reference(token) for token in renaming.split("."))
    return tuple(number for number in found if number is not None)


def _reference(token: str) -> int | None:
    """Return the number of a `$n` token, read as Go's strconv.Atoi reads it, or None."""
    if not _REFERENCE.fullmatch(token):
        return None
    sign, digits = token[1:].rstrip("0123456789"), token[1:].lstrip("+-").lstrip("0")
    number = int(f"{sign}{digits[:_LONGEST_INT] or 0}")
    return number if number in _INT64 else None
