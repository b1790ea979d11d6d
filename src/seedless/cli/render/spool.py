"""Rows of a long answer, written to a file until all of them are known."""

from __future__ import annotations

import json
import tempfile
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_IN_MEMORY = 64 * 1024  # bytes
_PAGE = 250  # rows that are written at once


class Spool:
    """Rows of what JSON knows, in the order in which they came: first all are added, then they are read."""

    def __init__(self, file: IO[str]) -> None:
        """Write to *file*, which is empty."""
        self._file = file
        self._page: list[Sequence[Any]] = []

    def add(self, row: Sequence[Any]) -> None:
        """Write *row* behind the others."""
        self._page.append(row)
        if len(self._page) == _PAGE:
            self._turn()

    def __iter__(self) -> Iterator[list[Any]]:
        """Read all rows again."""
        if self._page:
            self._turn()
        self._file.seek(0)
        for line in self._file:
            yield from json.loads(line)

    def _turn(self) -> None:
        self._file.write(f"{json.dumps(self._page)}\n")
        self._page.clear()


@contextmanager
def spooled() -> Iterator[Spool]:
    """Give a `Spool`, whose file is gone at the end; the first rows stay in memory."""
    with tempfile.SpooledTemporaryFile(_IN_MEMORY, "w+", encoding="ascii") as file:
        yield Spool(file)
