"""NATS subjects: wildcards, containment, `$n` references.

The rules are those of nats-io/jwt v2.8.2 (types.go), which servers apply: a blank is U+0020 alone, and
`*` and `>` are wildcards only as whole tokens.
"""

from __future__ import annotations

import re

_REFERENCE = re.compile(r"\$[+-]?[0-9]+")
_INT64 = range(-(2**63), 2**63)
_LONGEST_INT = 20  # digits: one more than any int64 has


def has_wildcard(subject: str) -> bool:
    """Tell whether a token of *subject* is `*`, or its last one `>`."""
    tokens = subject.split(".")
    return "*" in tokens or tokens[-1] == ">"


def is_contained_in(subject: str, other: str) -> bool:
    """Tell whether every message of *subject* is one of *other*: `a.b` and `a.*` are in `a.>`."""
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
