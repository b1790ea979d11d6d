"""What is asked of holders: shares shown one holder at a time, typed word by word, dice.

It runs in the process of the secret. A word that is in no list is refused with one that is like it; of a
wrong checksum the place is named, and no word (SLIP-0039 forbids to suggest what the checksum implies).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from seedless.errors import BadShare, Refused
from seedless.recovery import slip39
from seedless.text import shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from seedless.recovery.record import RecoveryRecord
    from seedless.recovery.secret_terminal import SecretTerminal
    from seedless.recovery.slip39 import Share

_COLUMNS = 3
_FACES = "123456"
_AGAIN, _SHOW = "!", "?"
_MOST_CORRECTED = 5  # words of one share


def show_share(terminal: SecretTerminal, words: Sequence[str], number: int, holder: str) -> None:
    """Show the *words* of share *number* to its *holder* alone, until Enter."""
    terminal.clear()
    terminal.show(
        f"Share {number}, for {shown(holder)}.",
        "Only the holder looks at this screen. No camera, no copy, no printer.",
        "",
    )
    terminal.ask("Press Enter to show the words. ")
    terminal.clear()
    terminal.show(f"Share {number}, for {shown(holder)}: {len(words)} words", "", *_columns(words), "")
    terminal.ask("Write them on the form by hand, compare each, then press Enter: they disappear. ")
    terminal.clear()


def _columns(words: Sequence[str]) -> list[str]:
    """Return *words* with their numbers, in columns to be read downwards."""
    rows = -(-len(words) // _COLUMNS)
    cells = [f"{place:2}. {word:<10}" for place, word in enumerate(words, 1)]
    return ["   ".join(cells[row::rows]).rstrip() for row in range(rows)]


def read_back(terminal: SecretTerminal, words: Sequence[str], number: int, holder: str) -> None:
    """Return when the *holder* of share *number* has typed all its *words* from the paper."""
    terminal.clear()
    while True:
        terminal.show(f"Share {number}: {shown(holder)} types it from the paper.")
        terminal.show(f"{_AGAIN} begins again, {_SHOW} shows the share again.", "")
        typed = _typed(terminal, len(words), can_show=True)
        if typed is None:
            show_share(terminal, words, number, holder)
            continue
        if not _corrected(terminal, typed, words):
            continue
        terminal.clear()
        return


def _corrected(terminal: SecretTerminal, typed: list[str], words: Sequence[str]) -> bool:
    """Have the words that differ typed again; return whether all are right then."""
    wrong = [place for place, (mine, right) in enumerate(zip(typed, words, strict=True)) if mine != right]
    if not wrong:
        return True
    # Somebody else's paper: its words one by one would take thirty answers, of which each is wrong.
    if len(wrong) > _MOST_CORRECTED:
        terminal.show(f"{len(wrong)} words are not what was shown: is this the paper of this share?", "")
        return False
    names = ", ".join(str(place + 1) for place in wrong)
    what = "word" if len(wrong) == 1 else "words"
    terminal.show(
        f"not what was shown: {what} {names}. Look at the paper, and correct it if it is wrong there."
    )
    if not _retyped(terminal, typed, wrong):
        return False
    if typed == list(words):
        return True
    terminal.show("still not what was shown; the share is to be typed again", "")
    return False


def ask_share(terminal: SecretTerminal, record: RecoveryRecord, title: str, given: Sequence[Share]) -> Share:
    """Return a share of *record* that is none of those *given*: each is checked as it is typed."""
    terminal.clear()
    while True:
        terminal.show(title, f"{_AGAIN} begins again.", "")
        typed = _typed(terminal, record.words)
        share = _decoded(terminal, typed or [])
        if share is None:
            continue
        try:
            entry = record.check_share(share)
        except Refused as error:
            terminal.show(f"{error.message}; {error.hint}", "")
            continue
        if share in given:
            terminal.show(f"share {entry.number} was typed already; another one is required", "")
            continue
        terminal.clear()
        return share


def _decoded(terminal: SecretTerminal, typed: list[str]) -> Share | None:
    """Return the share of the words *typed*; where one place is wrong, that word is asked for again."""
    while True:
        try:
            return slip39.decode(typed)
        except BadShare as error:
            terminal.show(f"{error.message}; {error.hint}" if error.hint else error.message)
            if not error.places:
                terminal.show("")
                return None
            before = list(typed)
            if not _retyped(terminal, typed, error.places):
                return None
            if typed == before:
                terminal.show("then another word is wrong, too: the share is to be typed again", "")
                return None


def _typed(terminal: SecretTerminal, count: int, *, can_show: bool = False) -> list[str] | None:
    """Return *count* words of the list, several on a line; None where the share is to be shown again."""
    words: list[str] = []
    while len(words) < count:
        line = terminal.ask(f"Words {len(words) + 1} to {count}, several on a line: ")
        if line == _AGAIN:
            words = []
        elif line == _SHOW and can_show:
            return None
        else:
            _add(terminal, words, line, count)
    return words


def _add(terminal: SecretTerminal, words: list[str], line: str, count: int) -> None:
    """Add the words of *line*, up to the first that is in no list; numbers before words are left out."""
    texts = [text for text in line.replace(",", " ").split() if not text.rstrip(".").isdecimal()]
    if len(words) + len(texts) > count:
        terminal.show(f"that would be {len(words) + len(texts)} words, and the share has {count}")
        return
    for text in texts:
        word = slip39.word_of(text)
        if word is None:
            near = slip39.similar_word(text)
            hint = f": did you mean {near}?" if near else ""
            terminal.show(f"word {len(words) + 1} is not in the list{hint}")
            return
        words.append(word)


def _retyped(terminal: SecretTerminal, typed: list[str], places: Iterable[int]) -> bool:
    """Have the words at *places* typed again, into *typed*; return whether nobody has begun again."""
    for place in places:
        word = _one_word(terminal, place)
        if word is None:
            return False
        typed[place] = word
    return True


def _one_word(terminal: SecretTerminal, place: int) -> str | None:
    """Return the word that is typed for *place*; None where the share is to be typed again."""
    while True:
        text = terminal.ask(f"Word {place + 1}: ")
        if text == _AGAIN:
            return None
        word = slip39.word_of(text)
        if word is not None:
            return word
        near = slip39.similar_word(text)
        hint = "type this word alone" if " " in text.strip() else f"did you mean {near}?" if near else ""
        terminal.show(f"not in the list{f': {hint}' if hint else ''}")


def ask_dice(terminal: SecretTerminal, count: int) -> bytes:
    """Return *count* throws of a die, as their digits in ASCII."""
    terminal.clear()
    terminal.show(f"Throw a die {count} times, and type what it shows: 1 to 6, several on a line.", "")
    throws = ""
    while len(throws) < count:
        line = terminal.ask(f"{count - len(throws)} more: ").replace(" ", "")
        if set(line) <= set(_FACES):
            throws += line
        else:
            terminal.show("a die shows 1 to 6; this line does not count")
    terminal.clear()
    return throws.encode()
