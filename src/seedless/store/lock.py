"""One writer at a time: a lock on a whole root folder, held by the process and gone with it."""

from __future__ import annotations

import fcntl
import os
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from seedless.errors import StoreError
from seedless.store.atomic import make_folder, store_errors
from seedless.text import shown

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LOCK_NAME = ".seedless.lock"
# A command that asks for a PIN holds the lock: whoever waits may wait for a person, as the hint explains.
WAIT_SECONDS = 30.0
# flock has no time-out, and SIGALRM would be a signal for the whole program, which may have a handler.
_POLL_SECONDS = 0.02


class FolderLock:
    """An exclusive lock (flock) on *folder*; may be taken again by the thread that holds it.

    It lies in a file of its own that is never removed; removing it would let two in.
    """

    __slots__ = ("_held", "_path", "_threads", "_wait")

    def __init__(self, folder: Path, wait: float = WAIT_SECONDS) -> None:
        """Lock *folder*, which is made if need be, and *wait* as many seconds for others."""
        self._path = folder / LOCK_NAME
        self._wait = wait
        # flock belongs to the open file and not to the thread: two threads of one process with
        # descriptors of their own would block each other, and one that comes again would wait for itself.
        self._threads = threading.RLock()
        self._held = False

    @contextmanager
    def held(self) -> Iterator[bool]:
        """Hold the lock; raise `StoreError` when others hold it for longer than the wait.

        Give whether it was taken just now, and not already held.
        """
        if not self._threads.acquire(timeout=self._wait):
            raise self._busy()
        try:
            if self._held:
                yield False
                return
            descriptor = self._open()
            try:
                self._flock(descriptor)
                self._held = True
                yield True
            finally:
                self._held = False
                os.close(descriptor)
        finally:
            self._threads.release()

    def _open(self) -> int:
        make_folder(self._path.parent)
        with store_errors("written", self._path):
            # O_CLOEXEC: a child that inherited the descriptor would hold the lock as long as it lives.
            return os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)

    def _flock(self, descriptor: int) -> None:
        until = time.monotonic() + self._wait
        with store_errors("locked", self._path):
            while True:
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    if time.monotonic() >= until:
                        raise self._busy() from None
                    time.sleep(_POLL_SECONDS)
                else:
                    return

    def _busy(self) -> StoreError:
        return StoreError(
            f"another run has held the lock of {shown(self._path.parent)} for {self._wait:g} seconds",
            "wait until it ends; it may be asking somebody for a PIN",
        )
