"""Bytes have one spelling: what is taken is what the standard library writes, and nothing else."""

from __future__ import annotations

import base64
import itertools

import pytest

from seedless import base64url
from seedless.errors import BadJwt
from seedless.nkey import base32

# Letters whose last bits are zero or not, those of both alphabets, and what JSON and lenient decoders know.
_LETTERS = 'ABQgw4_-+/=\\"nu\n '


def spelled(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def leniently(text: str) -> bytes:
    """Return what the standard library reads, whatever it skips on its way; nothing where it gives up."""
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        return b""


def taken(text: str) -> bytes | None:
    try:
        return base64url.decode(text, "text")
    except BadJwt:
        return None


@pytest.mark.parametrize("length", range(5))
def test_of_all_short_texts_those_are_taken_that_are_the_spelling_of_their_bytes(length: int) -> None:
    for letters in itertools.product(_LETTERS, repeat=length):
        text = "".join(letters)
        lenient = leniently(text)
        assert taken(text) == (lenient if spelled(lenient) == text else None)


@pytest.mark.parametrize("size", [1, 2, 3, 32, 64, 3000])
def test_bytes_come_back_from_their_text(size: int) -> None:
    data = bytes((7 * at + 250) % 256 for at in range(size))
    assert base64url.encode(data) == spelled(data)
    assert base64url.decode(spelled(data), "text") == data


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        pytest.param("QQ==", "", id="padding"),
        pytest.param("QR", "loose-base64", id="bits to spare"),
        pytest.param("Q\nQ", "loose-base64", id="a line break"),
        pytest.param("\\u0051Q", "", id="an escape of JSON"),
        pytest.param("QQ\\/w", "", id="an escaped slash"),
        pytest.param("Q", "", id="a letter alone"),
        pytest.param("++++", "", id="the plain alphabet"),
        pytest.param("QQé", "", id="beyond ASCII"),
        pytest.param("QQ\ud800", "", id="half a surrogate pair"),
    ],
)
def test_another_spelling_is_refused_by_the_name_of_the_part(text: str, rule: str) -> None:
    with pytest.raises(BadJwt, match="the payload is not plain base64url") as refused:
        base64url.decode(text, "payload")
    assert refused.value.rule == rule


@pytest.mark.parametrize("size", range(41))
def test_base32_is_that_of_the_standard_library_without_padding(size: int) -> None:
    data = bytes((11 * at + 200) % 256 for at in range(size))
    assert base32(data) == base64.b32encode(data).decode().rstrip("=")
