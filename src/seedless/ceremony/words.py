"""Digests as words that can be read aloud, and read back (the PGP word list, even and odd positions).

Refused are a number of words that is not that of the digest, a word that is in neither list, one that is said
at the wrong place, and one that is not the digest's: each with its position, counted from 1.
"""

from __future__ import annotations

import difflib

from seedless.ceremony.word_lists import EVEN, ODD
from seedless.errors import UsageError
from seedless.text import quoted

IN_A_ROW = 8
_LISTS = (tuple(EVEN.split()), tuple(ODD.split()))
_BYTES = tuple({word.lower(): byte for byte, word in enumerate(words)} for words in _LISTS)


def words(digest: bytes) -> tuple[str, ...]:
    """Return the words of *digest*, one for each byte."""
    return tuple(_LISTS[at % 2][byte] for at, byte in enumerate(digest))


def rows(digest: bytes) -> tuple[str, ...]:
    """Return the words of *digest* in rows of eight, each word as wide as the longest."""
    said = words(digest)
    return tuple(
        " ".join(f"{word:<11}" for word in said[at : at + IN_A_ROW]).rstrip()
        for at in range(0, len(said), IN_A_ROW)
    )


def parse(text: str, first: int = 0) -> bytes:
    """Return the bytes that the words in *text* say, the first of them at position *first* of a digest.

    Raise `UsageError` with the position of a word that is none, or that belongs to the other list: then one
    was left out, said twice or swapped. Upper and lower case are the same.
    """
    said = text.split()
    return bytes(_byte(word, at) for at, word in enumerate(said, first))


def require_same(text: str, digest: bytes, first: int = 0) -> None:
    """Raise `UsageError` unless *text* says *digest* from position *first* on; the place is named.

    *digest* is what is compared, already cut to what *text* should say.
    """
    said = text.split()
    for at, (word, byte) in enumerate(zip(said, digest, strict=False), first):
        if _byte(word, at) != byte:
            swapped = _LISTS[at % 2][byte].lower() in {one.lower() for one in said}
            why = "two words may be swapped" if swapped else "this may be another digest"
            raise UsageError(f"word {at + 1} is not {quoted(word)}", f"compare it with the paper: {why}")
    if len(said) != len(digest):
        raise UsageError(
            f"{len(said)} words were given, there are {len(digest)}", "give every word, in order"
        )


def _byte(word: str, at: int) -> int:
    here, there = _BYTES[at % 2], _BYTES[1 - at % 2]
    found = here.get(word.lower())
    if found is not None:
        return found
    if word.lower() in there:
        raise UsageError(
            f"word {at + 1}, {quoted(word)}, does not belong at this place",
            "a word was left out, said twice, or swapped with the one beside it",
        )
    near = difflib.get_close_matches(word.lower(), here, n=1)
    hint = f"did you mean {_LISTS[at % 2][here[near[0]]]}?" if near else "it is in neither list of words"
    raise UsageError(f"word {at + 1}, {quoted(word)}, is none of the words", hint)
