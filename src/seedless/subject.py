"""NATS subjects: wildcards, containment, `$n` references.

The rules are those of nats-io/jwt v2.8.2 (types.go), which servers apply: a blank is U+0020 alone, and
`*` and `>` are wildcards only as whole tokens.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_SPACES = "\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"  # Go's unicode.IsSpace
_SPACE = re.compile(f"[{_SPACES}]+")
_BLANKS = frozenset(" \t\n\r\f")  # of nats-server's IsValidSubject, which differ
_REFERENCE = re.compile(r"\$[+-]?[0-9]+")
_INT64 = range(-(2**63), 2**63)
_Node = dict[str, Any]
# A dot cannot be a token, so it needs no other kind of node.
_END = "."  # in a node: the subject that ends there; no token holds a dot
# int() of thousands of digits takes quadratic time, and Python refuses more than 4,300.
_LONGEST_INT = 20  # digits: one more than any int64 has


def has_wildcard(subject: str) -> bool:
    """Report whether a token of *subject* is `*`, or its last one `>`."""
    tokens = subject.split(".")
    return "*" in tokens or tokens[-1] == ">"


def is_contained_in(subject: str, other: str) -> bool:
    """Report whether the official library takes *subject* to be in *other*: `a.b` and `a.*` are in `a.>`.

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
    """Report whether every message of *subject* is one of *other*."""
    mine, theirs = subject.split("."), other.split(".")
    open_ended = mine[-1] == ">" and theirs[-1] != ">"
    # The library's rule is kept for what it validates; access is decided by this one, which matches
    # messages.
    return not open_ended and is_contained_in(subject, other)


def is_subject(text: str) -> bool:
    """Report whether *text* is a subject for nats-server 2.15: `>` is the last token (`IsValidSubject`)."""
    tokens = text.split(".")
    return "" not in tokens and not _BLANKS & set(text) and ">" not in tokens[:-1]


def overlap(subject: str, other: str) -> bool:
    """Report whether a message can be of both subjects: `a.*` and `*.b` meet in `a.b`."""
    mine, theirs = subject.split("."), other.split(".")
    for index, (token, another) in enumerate(zip(mine, theirs, strict=False)):
        if (token == ">" and index == len(mine) - 1) or (another == ">" and index == len(theirs) - 1):
            return True
        if token != another and "*" not in {token, another}:
            return False
    return len(mine) == len(theirs)


def subject_and_queue(entry: str) -> tuple[str, str]:
    """Return subject and queue of a permission to subscribe, `orders.> workers`; the queue may be empty.

    Servers divide them at any white space, and take none around them into account (`splitSubjectQueue`).
    """
    # Any white space, as strings.Fields: a tab between subject and queue is a queue for servers, and no
    # blank for the library's rules.
    parts = [part for part in _SPACE.split(entry) if part]
    return (parts[0] if parts else "", " ".join(parts[1:]))


class SubjectIndex:
    """Subjects by their tokens, to find those that contain another without looking at each of them.

    Who asks for each of n subjects has the work of their tokens, not that of n times n.
    """

    __slots__ = ("_root",)

    def __init__(self, subjects: Iterable[str] = ()) -> None:
        """Take *subjects*."""
        self._root: _Node = {}
        for subject in subjects:
            node = self._root
            for token in subject.split("."):
                node = node.setdefault(token, {})
            node[_END] = subject

    def containing(self, subject: str) -> Iterator[str]:
        """Yield each subject of these that `is_contained_in` states *subject* is in, itself included."""
        nodes = [self._root]
        tokens = subject.split(".")
        for index, token in enumerate(tokens):
            below: list[_Node] = []
            for node in nodes:
                if _END in node.get(">", ()) and (token != ">" or index < len(tokens) - 1):
                    yield node[">"][_END]
                below += [node[name] for name in {token, "*"} if name in node]
            nodes = below
        yield from (node[_END] for node in nodes if _END in node)

    def contain(self, subject: str) -> bool:
        """Report whether *subject* `is_within` one of these."""
        return any(is_within(subject, other) for other in self.containing(subject))


def to_subject(renaming: str) -> str:
    """Return *renaming* (a local subject) with each `$n` as `*`: the subject that it subscribes to."""
    return ".".join("*" if _reference(token) is not None else token for token in renaming.split("."))


def references(renaming: str) -> tuple[int, ...]:
    """Return the numbers of the `$n` tokens of *renaming* (a local subject), in their order."""
    found = (_reference(token) for token in renaming.split("."))
    return tuple(number for number in found if number is not None)


def _reference(token: str) -> int | None:
    """Return the number of a `$n` token, read as Go's strconv.Atoi reads it, or None."""
    # With a sign, and with leading zeros, as Atoi takes them: `$+1` refers to the first wildcard.
    if not _REFERENCE.fullmatch(token):
        return None
    sign, digits = token[1:].rstrip("0123456789"), token[1:].lstrip("+-").lstrip("0")
    number = int(f"{sign}{digits[:_LONGEST_INT] or 0}")
    return number if number in _INT64 else None
