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
    """Ask for the words row by row, and return them; a row that is wrong is reported and asked again."""
    printing.report("Type the words of the request, as they are read aloud from the paper.")
    rows = range(0, len(digest), words.IN_A_ROW)
    return " ".join(_typed_row(digest[at : at + words.IN_A_ROW], at) for at in rows)


def _typed_row(row: bytes, first: int) -> str:
    while True:
        typed = consent.answer(f"words {first + 1} to {first + len(row)}: ", add="--expect DIGEST")
        try:
            words.require_same(typed, row, first)
        except UsageError as error:
            printing.report_safe(f"{error.message}: {error.hint}")
        else:
            return typed
