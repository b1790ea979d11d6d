"""How files are made to last: few of them one by one, many by one flush of their file system.

A flush of each of a thousand files and folders takes a thousand turns of the disk; `syncfs` (Linux) takes one
for all, and tells errors since 5.8. What lies on another file system, or where there is no `syncfs`, is
flushed by itself.
"""

from __future__ import annotations

import ctypes
import functools
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MANY = 64
"""Files from which on their file system is flushed as a whole: it may hold much that others wrote."""


class Flush:
    """Makes the files of one batch last; made by `flushing`."""

    def __init__(self, descriptor: int | None) -> None:
        """Take an open folder of the file system that is flushed as a whole, None for none."""
        self._whole = descriptor
        self._device = None if descriptor is None else os.fstat(descriptor).st_dev
        self._covered: dict[str, bool] = {}

    def covers(self, folder: Path | str) -> bool:
        """Say whether what is in *folder*, and its names, are left to `finish`: not on another device."""
        if self._device is None:
            return False
        place = os.fspath(folder)
        if place not in self._covered:
            self._covered[place] = os.stat(place).st_dev == self._device
        return self._covered[place]

    def finish(self) -> None:
        """Flush all that was left to it; raise `OSError`."""
        if self._whole is not None and _syncfs()(self._whole) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))


@contextmanager
def flushing(count: int, folder: str) -> Iterator[Flush]:
    """Give what makes *count* files last that are about to be written below *folder*, there or not."""
    if count < MANY or _syncfs() is None:
        yield Flush(None)
        return
    while not os.path.exists(folder):
        folder = os.path.dirname(folder) or "."
    # Before anything is written: an error of the disk is told to those who had the file system open.
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield Flush(descriptor)
    finally:
        os.close(descriptor)


@functools.cache
def _syncfs() -> Any:  # noqa: ANN401 - a function of the C library, or None
    try:
        return ctypes.CDLL(None, use_errno=True).syncfs
    except (OSError, AttributeError):
        return None
