"""Text for a terminal: lines that are too long for it are wrapped between words.

A key, a URI, a path, a quoted name, JSON and a command are never broken: half of one can be neither compared
nor copied. Files and pipes get the text as it is.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import TextIO

__all__ = ["columns", "columns_where_asked", "fitted", "wrapped"]

_KEY: Final = 66  # columns of a digest, the longest of what is compared by eye, in brackets
_USUAL: Final = 80  # columns, where a terminal reports none, as a serial line
_ESCAPE = r"\x1b\[[0-9;]*m"
# A longer quotation is a sentence, which may be wrapped as others are. The last is one of a shell.
_QUOTED = r"(?:'[^']{,64}'|\"[^\"]{,64}\"|[A-Z_]+=\$\([^)]{,64}\))"
# Of punctuation, what has a blank behind it ends a command; within a word, as in a URI, it belongs to it.
_ARGUMENT = rf"(?:{_QUOTED}|[^\s;,:.]|[;,:.](?=\S))+"
_PROGRAM = r"(?:seedless(?= [-a-z])|apt|chmod|cp|dnf|gpg|ip(?= link)|pip|python(?= -)|rfkill|ykman)"
# With what follows it in its part of a sentence, as in `seedless key list shows the names`.
_COMMAND = rf"[(`]?{_PROGRAM}(?: {_ARGUMENT})+"
# Words belong to a path where a slash follows in the middle of one of them.
_PATH = r"[(\"]?~?/\S+(?<![:;,])(?: (?:[^\s/:;,]+ ){,2}[^\s/:;,]+/\S+)+"
_JSON = r"\{\".*\}"  # a record that no file takes is printed, and copied
_WHOLE = rf"(?P<gap>\s*)(?P<word>(?:(?P<copied>{_COMMAND}|{_JSON})|{_PATH}|{_QUOTED})?\S*)"
_WORD = r"(?P<gap>\s*)(?P<word>(?P<copied>(?!))?\S+)"
# Below what the next lines begin: below the text of a row with labels, or behind the word before a sentence.
_LABEL = r" *(?:(?:\S+(?: \S+)* {2,}){1,2}|(?:[a-z]+:|\d+\.|\[.\]) )"
_BELOW_BRANCHES: Final = {ord("├"): "│", ord("└"): " ", ord("─"): " "}


def columns(stream: TextIO | int) -> int:
    """Return the width of the terminal *stream*, or of a descriptor; `COLUMNS` is obeyed, as by the shell.

    `shutil.get_terminal_size` looks at the terminal of stdout alone, and loads four compressions.
    """
    given = os.environ.get("COLUMNS", "")
    try:
        descriptor = stream if isinstance(stream, int) else stream.fileno()
        width = int(given) if given.isdecimal() else os.get_terminal_size(descriptor).columns
    except (AttributeError, ValueError, OSError):  # no stream at all, a closed one, or no terminal
        width = 0
    return width or _USUAL


def columns_where_asked() -> int:
    """Return the width of the controlling terminal; raise `OSError` where this process has none."""
    descriptor = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    try:
        return columns(descriptor)
    finally:
        os.close(descriptor)


def fitted(text: str, stream: TextIO) -> str:
    """Return *text* as *stream* shows it: wrapped where that is a terminal, and else as it is."""
    return wrapped(text, columns(stream)) if stream.isatty() else text


def wrapped(text: str, width: int) -> str:
    """Return *text* with each of its lines wrapped to *width* columns, indented below its beginning.

    Every word stays, and in its order. What is wider than *width* and must stay whole is a line that is.
    """
    return "\n".join(line if _width(line) <= width else _wrapped(line, width) for line in text.split("\n"))


def _wrapped(line: str, width: int) -> str:
    import textwrap  # only for a line that is too long

    words = list(_words(line, width))
    # It counts characters, of which those of colours have no width and some others two, and breaks at every
    # blank: it gets a word of as many x as there are columns for each that is to stay whole.
    masks = ["x" * max(_width(found["word"]), 1) for found in words]
    if masks and len(masks[-1]) > width:
        masks[-1] = "x"  # it has place nowhere, and stays behind its label
    below = _below(re.sub(_ESCAPE, "", line), width, longest=max(map(len, masks), default=0))
    texts = [""]
    for number, (found, mask) in enumerate(zip(words, masks, strict=True)):
        is_own = found["copied"] and (found.end() == len(line.rstrip()) or found["word"][-1] in ";,:.")
        # A command that ends its part of the sentence has a line of its own, to be copied by a triple click;
        # that of a hint which begins with it has only `hint:` before it.
        if is_own and texts[-1] and number > 1:
            texts.append("")
        texts[-1] += (found["gap"] if texts[-1] else "") + mask
        if is_own:
            texts.append("")
    rows = [
        row
        for number, text in enumerate(filter(None, texts))
        for row in textwrap.wrap(
            text, width, initial_indent=below if number else words[0]["gap"], subsequent_indent=below,
            break_long_words=False,
        )
    ]  # fmt: skip
    left = (found["word"] for found in words)
    return re.sub("x+", lambda _: next(left), "\n".join(rows)) + line[len(line.rstrip()) :]


def _words(line: str, width: int) -> Iterator[re.Match[str]]:
    """Yield what of *line* is to stay whole; where a name or a path has no place, each of its words."""
    for found in re.finditer(_WHOLE, line):
        if found["word"] and (found["copied"] or _width(found["word"]) <= width):
            yield found
        else:
            yield from re.finditer(_WORD, found[0])


def _below(line: str, width: int, *, longest: int) -> str:
    """Return what lines below *line* begin with, so that a word of *longest* columns has place behind it."""
    lead = re.match("[ │├└─]*", line)[0]  # type: ignore[index]  # it matches always
    label = re.match(_LABEL, line) if lead.isspace() or not lead else None
    indent = len(label[0]) if label and len(label[0]) <= width // 2 else len(lead) + 2
    if longest <= width:
        # What somebody writes into a long description must not begin where a line of the review does: only a
        # key or a digest goes as far to the left, and no more than that has to on 80 columns.
        indent = min(indent, max(width - longest, 0 if longest <= _KEY else len(lead) + 1))
    return f"{lead.translate(_BELOW_BRANCHES):<{indent}}"[:indent]


def _width(text: str) -> int:
    """Return how many columns *text* takes: colours none, letters of East Asia two, accents none."""
    plain = re.sub(_ESCAPE, "", text)
    if plain.isascii():
        return len(plain)
    import unicodedata

    seen = [mark for mark in plain if unicodedata.category(mark) not in {"Mn", "Me", "Cf"}]
    return len(seen) + sum(unicodedata.east_asian_width(mark) in "WF" for mark in seen)
