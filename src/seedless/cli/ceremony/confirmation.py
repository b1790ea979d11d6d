"""What is asked of a person before a request is signed: the time by another clock, and its words."""

from __future__ import annotations

from seedless.app.ceremony_reviews import CeremonyConsent
from seedless.ceremony import words
from seedless.cli import consent, printing
from seedless.errors import UsageError


def confirmed(digest: str, clock: int, expect: str | None, *, clock_checked: bool) -> CeremonyConsent:
    """Return what a person confirms of the request with *digest*: *expect*, or words that they type.

    A digest that is that of another request raises `Refused`. Somebody who is asked also confirms the time of
    day, *clock* in Unix seconds; without a terminal *clock_checked* does. Raise `UsageError` where nobody can
    be asked.
    """
    if expect is not None:
        words.require_digest(expect, digest)
    left = [*([] if expect else ["--expect DIGEST"]), *([] if clock_checked else ["--clock-checked"])]
    if left and not consent.has_terminal():
        hint = "" if expect else "the digest is on the paper of whoever prepared the request"
        raise consent.not_confirmed(" and ".join(left), hint)
    if not clock_checked:
        _ask_clock(clock)
    return CeremonyConsent(request=expect or _typed_words(bytes.fromhex(digest)), clock_checked=True)


def _ask_clock(clock: int) -> None:
    question = f"Is it {printing.moment(clock)} now, by another clock?"
    if not consent.is_confirmed(question, add="--clock-checked"):
        text = "not confirmed that the clock of this machine is right"
        raise UsageError(text, "answer y where it is; else set it right, and begin again")


def _typed_words(digest: bytes) -> str:
    """Ask for the words, and return them; a line with a wrong one is reported and asked again."""
    printing.report(
        "Type the words of the request as they are read aloud from the paper, one row or more a line."
    )
    typed: list[str] = []
    while len(typed) < len(digest):
        typed += _typed_line(digest, len(typed))
    return " ".join(typed)


def _typed_line(digest: bytes, first: int) -> list[str]:
    # As many as somebody likes: a row on paper has four words or eight, by the width of what printed it.
    while True:
        line = consent.answer(f"words from {first + 1} to {len(digest)}: ", add="--expect DIGEST")
        typed = line.split()
        try:
            words.require_same(line, digest[first : first + len(typed)], first)
        except UsageError as error:
            printing.report_safe(f"{error.message}: {error.hint}")
        else:
            return typed
