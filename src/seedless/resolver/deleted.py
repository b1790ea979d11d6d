"""Which accounts were deleted on servers, and when: names and keys, never the orders that did it.

A server that was down during a delete brings the account back to all others; who remembers knows it again.
The file is JSON: `{"A…": {"name": "ORDERS", "at": 1795309226}}`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from seedless.errors import StoreError
from seedless.store import atomic
from seedless.text import shown

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path


class Deleted(msgspec.Struct, frozen=True):
    """The name of an account that was deleted, and when, in Unix seconds."""

    name: str
    at: int


def load(path: Path) -> dict[str, Deleted]:
    """Return what was deleted, by the key of the account; raise `StoreError` when that cannot be read."""
    data = atomic.read(path)
    if data is None:
        return {}
    try:
        return msgspec.json.decode(data, type=dict[str, Deleted])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise StoreError(
            f"{shown(path)} is damaged: {error}", "move it away: it only helps to name what has come back"
        ) from error


def note(path: Path, deleted: Mapping[str, Deleted], alive: Collection[str] = ()) -> None:
    """Add *deleted* to the file, take out who is *alive* again; call it with the store's lock held."""
    before = load(path)
    after = {key: one for key, one in {**before, **deleted}.items() if key not in alive}
    if after != before:
        text = msgspec.json.format(msgspec.json.encode(after, order="sorted"), indent=2).decode()
        atomic.write({path: text + "\n"})
