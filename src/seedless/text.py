"""Text from elsewhere, made safe to print: names, paths and subjects cannot leave the line they stand in."""

from __future__ import annotations

import os

_SHORT = {
    "\a": "\\a",
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\v": "\\v",
    "\\": "\\\\",
    '"': '\\"',
}
_ESCAPED_BYTES = range(0xDC80, 0xDD00)  # what os.fsdecode makes of bytes that are not UTF-8


def quoted(text: str) -> str:
    """Return *text* in double quotes, what is not printable as escapes (Go's `strconv.Quote`, `%q`).

    Control, bidirectional and invisible characters, line separators and blanks other than U+0020 are
    escaped; other scripts are left as they are.
    """
    return '"' + "".join(map(_escaped, text)) + '"'


def shown(path: str | os.PathLike[str]) -> str:
    """Return *path* as it is when it can be printed, else quoted."""
    text = os.fspath(path)
    return text if text.isprintable() else quoted(text)


def _escaped(character: str) -> str:
    short = _SHORT.get(character)
    if short or character.isprintable():
        return short or character
    code = ord(character)
    if code < 0x20 or code == 0x7F:  # noqa: PLR2004 - the ASCII control characters
        return f"\\x{code:02x}"
    if code in _ESCAPED_BYTES:
        return f"\\x{code & 0xFF:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"  # noqa: PLR2004 - the basic plane
