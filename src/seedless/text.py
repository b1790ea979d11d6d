"""Text from elsewhere, made safe to print: it cannot leave its line, hide, or look like what it is not.

Shown as escapes: control and bidirectional characters, what cannot be seen, and look-alikes: letters of
another script in a Latin word, whole words that only look Latin, full-width and mathematical letters,
accents that are not composed, signs that look like those of subjects. Other scripts are left as they are.
A seed is shown as `S…`.
"""

from __future__ import annotations

import os
import re
import unicodedata

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
# Printable for Python, though nothing is seen: fillers, variation selectors, joiners (Unicode 16,
# Default_Ignorable_Code_Point), and the blank pattern of Braille. A pattern as text: `re` compiles it when
# the first text comes that is not ASCII.
# `str.isprintable` asks for the category alone, in which these are letters and marks.
_UNSEEN = "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
_SIGNS = frozenset(
    "\u2024\u2027\u00b7\u2219\u22c5\u0589\u06d4"  # a dot
    "\u2217\u204e\u2731\u066d\u22c6"  # *
    "\u203a\u276f\u27e9\u02c3\u1433"  # >
    "\u2215\u2044\u29f8\u02d0\ua789\u2236\u05c3\ua78c"  # / and : and '
)
_DASHES = frozenset("\u2010\u2011\u2012\u2013\u2212\u02d7")
# Cyrillic, Greek and Armenian letters that look like Latin ones (of Unicode's confusables.txt).
_LATIN_LOOKING = frozenset(
    "\u0430\u0435\u043e\u0440\u0441\u0443\u0445\u0455\u0456\u0458\u04bb\u0501\u051b\u051d\u04cf\u0432\u043a"
    "\u043c\u043d\u0442\u0433\u0410\u0412\u0415\u041a\u041c\u041d\u041e\u0420\u0421\u0422\u0423\u0425\u0405"
    "\u0406\u0408\u04ae\u0391\u0392\u0395\u0396\u0397\u0399\u039a\u039c\u039d\u039f\u03a1\u03a4\u03a5\u03a7"
    "\u03bf\u03bd\u03c1\u03b1\u03b9\u03ba\u03c5\u0585\u057d\u0578\u0581\u0563"
)
_WORD = r"\w+"
_LIKE_ASCII = frozenset("\u2026\u00b5")  # an ellipsis and a micro are what they look like
# More of them climb over the line above, and hide what is there.
_MOST_MARKS = 2  # on one letter; Thai and Vietnamese need two
# Seeds and private keys of nkeys (58 and 108 characters of base32), also in longer text, also with some
# characters missing at their end. No public key (56) and no `jti` (52) is among them. All in lower case too.
# Each begins with its letter, which lets `re` skip all others.
_SEED = (
    "S[OAUNCX](?:[A-Z2-7]{54,}|(?<![A-Z2-7]..)[A-Z2-7]{51,})"
    "|P(?<![A-Z2-7].)[A-Z2-7]{100,}"
    "|s(?<![a-z2-7].)[oauncx][a-z2-7]{56}(?![a-z2-7])"
)
# A seed of which people have cut off the end is still most of a seed: five characters are 25 bits to
# guess.
_SHORTEST_SEED = 53
LONGEST = 160
"""Characters of a value that are shown before it is cut."""


def quoted(text: str) -> str:
    """Return *text* in double quotes, what is not printable as escapes (Go's `strconv.Quote`, `%q`).

    Control, bidirectional and invisible characters, line separators and blanks other than U+0020 are
    escaped; other scripts are left as they are, look-alikes too: it is for files. For people: `shown`.
    """
    return '"' + "".join(map(_escaped, text)) + '"'


def shown(path: str | os.PathLike[str]) -> str:
    """Return text or a path as it is when it can be read as it is, else quoted, deceivers as escapes."""
    text = without_seeds(os.fspath(path))
    deceivers = _deceivers(text)
    if text.isprintable() and not deceivers and "\\" not in text and not text.startswith('"'):
        return text
    return '"' + _rewritten(text, deceivers, quotes=True) + '"'


def between_quotes(text: str) -> str:
    """Return *text* as it can be between double quotes: deceivers, quotes and backslashes as escapes."""
    text = without_seeds(text)
    return _rewritten(text, _deceivers(text), quotes=True)


def printable(text: str) -> str:
    """Return the sentence *text* as it is, but deceivers as escapes; backslashes and quotes stay."""
    text = without_seeds(text)
    return _rewritten(text, _deceivers(text), quotes=False)


def brief(text: str, longest: int = LONGEST) -> str:
    """Return `shown`, but of long *text* only the beginning, with size and digest of the whole.

    The digest is the first 16 hexadecimal digits of the SHA-256 of its UTF-8 bytes.
    """
    if len(text) <= longest:
        return shown(text)
    head = without_seeds(text)[: longest // 2]
    return f"{shown(head)}… ({len(text)} characters, sha256 {digest(text)})"


def cut(text: str, width: int = 16) -> str:
    """Return *text*, a public key by default, in *width* columns; what is longer ends with an ellipsis."""
    return text if len(text) <= width else f"{text[: width - 1]}…"


def holds_seed(text: str) -> bool:
    """Report whether *text* holds something like a seed or a private key of nkeys."""
    return len(text) >= _SHORTEST_SEED and re.search(_SEED, text) is not None


def without_seeds(text: str) -> str:
    """Return *text* with `S…` in the place of everything in it that is like a seed."""
    return re.sub(_SEED, "S…", text) if len(text) >= _SHORTEST_SEED else text


def digest(text: str) -> str:
    """Return the first 16 hexadecimal digits of the SHA-256 of *text*."""
    import hashlib  # OpenSSL takes longer to load than all that is needed to show a jwt

    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _rewritten(text: str, deceivers: set[int], *, quotes: bool) -> str:
    return "".join(
        _numbered(mark)
        if at in deceivers
        else mark
        if mark.isprintable() and not (quotes and mark in '\\"')
        else _escaped(mark)
        for at, mark in enumerate(text)
    )


def _deceivers(text: str) -> set[int]:
    """Return where in *text* characters are that are printable and not what they look like.

    An accent is loose where a composed letter would look the same, or on too many others.
    """
    # Nearly all names are, and looking at each character costs more than the rest of a review.
    if text.isascii():
        return set()
    found = {match.start() for match in re.finditer(_UNSEEN, text)}
    base, accents = " ", 0  # the letter that accents are on, and how many there are so far
    for at, mark in enumerate(text):
        is_accent = not mark.isascii() and unicodedata.category(mark).startswith("M")
        is_loose = is_accent and (not base.isalnum() or accents >= _MOST_MARKS or _is_latin(base))
        if is_loose or (not mark.isascii() and (_is_alike(mark) or _is_dash_in_word(text, at))):
            found.add(at)
        base, accents = (base, accents + 1) if is_accent else (mark, 0)
    for word in re.finditer(_WORD, text):
        found |= {word.start() + at for at in _foreign(word[0])}
    return found


def _is_alike(mark: str) -> bool:
    """Report whether *mark* is an ASCII character in another dress: full-width, mathematical, a ligature."""
    plain = unicodedata.normalize("NFKC", mark)
    return mark in _SIGNS or (
        plain != mark and plain.isascii() and mark not in _LIKE_ASCII and mark.isprintable()
    )


def _is_dash_in_word(text: str, at: int) -> bool:
    around = text[at - 1 : at] + text[at + 1 : at + 2]
    return text[at] in _DASHES and len(around) == 2 and around.isalnum()  # noqa: PLR2004 - one on each side


def _foreign(word: str) -> list[int]:
    """Return where in *word* letters of another script are, if it is Latin or looks as if it were."""
    letters = [(at, mark) for at, mark in enumerate(word) if mark.isalpha()]
    others = [(at, mark) for at, mark in letters if not _is_latin(mark)]
    disguised = all(mark in _LATIN_LOOKING for _, mark in letters)
    mixed = len(others) < len(letters)
    return [at for at, mark in others if (mixed or disguised) and mark not in _LIKE_ASCII]


def _is_latin(mark: str) -> bool:
    return unicodedata.name(mark, "").startswith("LATIN ")


def _escaped(character: str) -> str:
    short = _SHORT.get(character)
    return short or (character if character.isprintable() else _numbered(character))


def _numbered(character: str) -> str:
    code = ord(character)
    if code < 0x20 or code == 0x7F:  # noqa: PLR2004 - the ASCII control characters
        return f"\\x{code:02x}"
    if code in _ESCAPED_BYTES:
        return f"\\x{code & 0xFF:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"  # noqa: PLR2004 - the basic plane
