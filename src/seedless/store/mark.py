"""The file `.nsc`, by which nsc and we know a folder to be a store."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from seedless import wire
from seedless.errors import StoreError
from seedless.store import atomic
from seedless.text import shown

if TYPE_CHECKING:
    from pathlib import Path

MARK_NAME = ".nsc"


class Mark(msgspec.Struct, frozen=True, kw_only=True):
    """What `.nsc` says, in nsc's order of members; *managed*: the operator's key is somebody else's."""

    managed: bool = False
    name: str
    kind: str = "operator"
    version: str = "1"


def mark_text(operator: str, *, managed: bool) -> str:
    """Return the text of the mark, byte for byte as nsc writes it."""
    return wire.encode(Mark(name=operator, managed=managed)).decode()


def read_mark(folder: Path) -> Mark | None:
    """Return the mark of the store *folder*, None if it has none; raise `StoreError` if it is damaged."""
    path = folder / MARK_NAME
    data = atomic.read(path)
    if data is None:
        return None
    try:
        return msgspec.json.decode(data, type=Mark)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise StoreError(
            f"{shown(path)} is damaged: {str(error)[:1].lower()}{str(error)[1:]}",
            f"it holds {mark_text('NAME', managed=False)}",
        ) from error
