"""base64url (RFC 4648, section 5) without padding, in which jwts are written: one spelling for all bytes.

Refused by `decode`, where others are lenient: line breaks, blanks, padding, the letters of plain base64,
and bits to spare that are not zero. `decode_lenient` reads what Go's `base64.RawURLEncoding` does.
`msgspec` does the work, as JSON text: it takes a third of the time of `binascii`.
"""

from __future__ import annotations

import re

import msgspec

from seedless.errors import BadJwt

_ENCODER, _DECODER = msgspec.json.Encoder(), msgspec.json.Decoder(bytes)
# Four letters are three bytes; two are 12 bits of which 8 count, three are 18 of which 16 count. Where
# the rest is not zero Go decodes the same bytes, so one jwt would have several texts, and several hashes.
_ENDS = ("", "", "AQgw", "AEIMQUYcgkosw048")
"""The last letters that leave no bits over, by how many letters there are beyond groups of four."""
_LETTERS = re.compile("[A-Za-z0-9_-]*")
_LOOK = "look for line breaks, blanks, padding or a damaged end"


def encode(data: bytes) -> str:
    """Return *data* as text."""
    spelled = _ENCODER.encode(data)[1:-1].rstrip(b"=")
    return spelled.replace(b"+", b"-").replace(b"/", b"_").decode("ascii")


def decode(text: str, what: str) -> bytes:
    """Return the bytes of which *text* is the spelling; raise `BadJwt`, which states *what* it was."""
    over = len(text) % 4
    is_plain = "+" in text or "/" in text
    plain = text.replace("-", "+").replace("_", "/")
    try:
        data = _DECODER.decode(f'"{plain}{"=" * (-over % 4)}"')
    except (msgspec.MsgspecError, ValueError):
        raise _loose(text, what) from None
    # Padding within the text, and what JSON writes as escapes, give fewer bytes than there should be.
    if is_plain or len(data) != len(text) * 3 // 4 or (over and text[-1] not in _ENDS[over]):
        raise _loose(text, what)
    return data


def decode_lenient(text: str, what: str) -> bytes:
    """Return the bytes that Go's RawURLEncoding reads from *text*; raise `BadJwt` where it refuses.

    It skips CR and LF anywhere, and ignores unused bits at the end; blanks and padding are refused.
    """
    import base64  # only for what is spelled unusually

    # Go's decoder skips CR and LF anywhere, also between the letters: a jwt that a mail program has
    # wrapped still decodes.
    bare = text.replace("\r", "").replace("\n", "")
    if not _LETTERS.fullmatch(bare) or len(bare) % 4 == 1:
        raise BadJwt(f"the {what} is not base64url", _LOOK)
    return base64.urlsafe_b64decode(bare + "=" * (-len(bare) % 4))


def _loose(text: str, what: str) -> BadJwt:
    """Distinguish a spelling that the official library takes, in its leniency, from what is none."""
    import base64  # only where a spelling is refused

    try:
        data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        data = b""
    strict = encode(data)
    is_broken = text.replace("\r", "").replace("\n", "") != text
    is_end = text.isascii() and strict[:-1] == text[:-1] and len(strict) == len(text)
    return BadJwt(
        f"the {what} is not plain base64url",
        _LOOK,
        rule="loose-base64" if is_broken or is_end else "",
    )
