"""base64url (RFC 4648, section 5) without padding, in which jwts are written: one spelling for all bytes.

Refused, where others are lenient: line breaks, blanks, padding, the letters of plain base64, and bits to
spare that are not zero. `msgspec` does the work, as JSON text: it takes a third of the time of `binascii`.
"""

from __future__ import annotations

import msgspec

from seedless.errors import BadJwt

_ENCODER, _DECODER = msgspec.json.Encoder(), msgspec.json.Decoder(bytes)
_ENDS = ("", "", "AQgw", "AEIMQUYcgkosw048")
"""The last letters that leave no bits over, by how many letters there are beyond groups of four."""


def encode(data: bytes) -> str:
    """Return *data* as text."""
    spelled = _ENCODER.encode(data)[1:-1].rstrip(b"=")
    return spelled.replace(b"+", b"-").replace(b"/", b"_").decode("ascii")


def decode(text: str, what: str) -> bytes:
    """Return the bytes of which *text* is the spelling; raise `BadJwt`, which says *what* it was."""
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


def _loose(text: str, what: str) -> BadJwt:
    """Tell a spelling that the official library takes, in its leniency, from what is none."""
    import base64  # noqa: PLC0415 - only where a spelling is refused

    try:
        data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        data = b""
    strict = encode(data)
    is_broken = text.replace("\r", "").replace("\n", "") != text
    is_end = text.isascii() and strict[:-1] == text[:-1] and len(strict) == len(text)
    return BadJwt(
        f"the {what} is not plain base64url",
        "look for line breaks, blanks, padding or a damaged end",
        rule="loose-base64" if is_broken or is_end else "",
    )
