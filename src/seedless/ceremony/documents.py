"""The files of a ceremony: canonical JSON (RFC 8785) and one line end, read strictly, once, from bytes.

Refused are other spellings of the same values (the first byte that differs is named), files that were cut
off, members that are missing or not known, and texts with characters that cannot be seen or that deceive.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from seedless import file_kind, plan_file, wire
from seedless.errors import BadClaims, UsageError
from seedless.store import atomic
from seedless.text import printable, shown

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from seedless.file_kind import FileKind

S = TypeVar("S")

_LONGEST_TEXT = 500  # characters of a reason or a name
_AGAIN = "get the file again from whoever made it, and compare the digests"


def read(path: Path, *kinds: FileKind) -> bytes:
    """Return what the file at *path*, of one of the kinds *kinds*, holds.

    Raise `UsageError` for no file and for one of another kind, `StoreError` for a long one.
    """
    data = atomic.read(path)
    if data is None:
        label, made_by = kinds[0].label, kinds[0].made_by
        raise UsageError(f"there is no file {shown(path)}", f"name {label}; {made_by} makes one")
    file_kind.require(data, path, *kinds)
    return data


def parse(data: bytes, what: str) -> object:
    """Return what *data*, called *what*, states; raise `UsageError` unless it is canonical JSON."""
    atomic.require_size(what, len(data))
    if not data.endswith(b"\n"):
        raise UsageError(f"{what} does not end with the end of a line: it was cut off", _AGAIN)
    try:
        value = wire.parse(data[:-1])
    except BadClaims as error:
        raise UsageError(f"{what} cannot be read: {error.message}", _AGAIN) from error
    canonical = plan_file.canonical(value)
    if canonical != data[:-1]:
        at = next(
            (n for n, (a, b) in enumerate(zip(canonical, data, strict=False)) if a != b), len(canonical)
        )
        raise UsageError(f"{what} is not canonical JSON: byte {at} is not as it is written", _AGAIN)
    return value


def to_bytes(value: Mapping[str, object]) -> bytes:
    """Return *value* as a file holds it."""
    return plan_file.canonical(value) + b"\n"


def members_of(value: object, kind: type[S], where: str) -> S:
    """Return *value*, parsed JSON, as the Struct *kind*; raise `UsageError` with the place below *where*."""
    return plan_file.members_of(value, kind, where, _AGAIN)


def require_plain(text: str, where: str) -> None:
    """Raise `UsageError` for *text* that is empty, long, or not what it looks like."""
    if not text.strip() or len(text) > _LONGEST_TEXT:
        raise UsageError(f"{where} has 1 to {_LONGEST_TEXT} characters", "shorten it")
    if printable(text) != text:
        raise UsageError(
            f"{where} holds characters that cannot be seen, or that look like others: {shown(text)}",
            "write it in plain letters",
        )


def text_of(data: bytes) -> str:
    """Return *data*, which `parse` has read, as text."""
    return data.decode("utf-8")
