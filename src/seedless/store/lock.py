"""One writer at a time: a lock on a whole root folder, held by the process and gone with it."""

from __future__ import annotations

import fcntl
import os
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from seedless.errors import StoreError
from seedless.store.atomic import make_folder, store_errors
from seedless.text import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LOCK_NAME = ".seedless.lock"
# A command that asks for a PIN holds the lock: whoever waits may wait for a person, as the hint explains.
WAIT_SECONDS = 30.0
# flock has no time-out, and SIGALRM would be a signal for the whole program, which may have a handler.
_POLL_SECONDS = 0.02
# A run that asks nobody is over before; whoever waits longer is to know for whom.
_NOTICE_SECONDS = 0.3
_HOLDER, _FILE = 4, 5  # fields of /proc/locks: process, and MAJOR:MINOR:INODE


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
    def held(self, waits: Callable[[str], None] | None = None) -> Iterator[bool]:
        """Hold the lock; raise `StoreError` when others hold it for longer than the wait.

        Give whether it was taken just now, and not already held. *waits* receives a line when it has to
        be waited for.
        """
        if not self._threads.acquire(timeout=self._wait):
            raise self._busy()
        try:
            if self._held:
                yield False
                return
            descriptor = self._open()
            try:
                self._flock(descriptor, waits)
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

    def _flock(self, descriptor: int, waits: Callable[[str], None] | None) -> None:
        begun = time.monotonic()
        until = begun + self._wait
        with store_errors("locked", self._path):
            while True:
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    if time.monotonic() >= until:
                        raise self._busy() from None
                    if waits is not None and time.monotonic() - begun >= _NOTICE_SECONDS:
                        waits(self._notice(descriptor))
                        waits = None
                    time.sleep(_POLL_SECONDS)
                else:
                    return

    def _notice(self, descriptor: int) -> str:
        holder = _holder(os.fstat(descriptor).st_ino)
        who = f"another run (process {holder})" if holder else "another run"
        return (
            f"{who} has the lock of {shown(self._path.parent)}: waiting up to {self._wait:g} seconds for it"
        )

    def _busy(self) -> StoreError:
        return StoreError(
            f"another run has held the lock of {shown(self._path.parent)} for {self._wait:g} seconds",
            "wait until it ends; it may be asking somebody for a PIN",
        )


def _holder(inode: int) -> int | None:
    """Return the process that holds a flock on the file *inode*, None where the system does not report it."""
    with suppress(OSError, ValueError, IndexError):
        # proc_locks(5): `1: FLOCK ADVISORY WRITE 4242 08:01:131090 0 EOF`. The device is not compared, for
        # some file systems have another one here. A process of another namespace has the number 0.
        for line in Path("/proc/locks").read_text("ascii").splitlines():
            fields = line.split()
            if fields[1] == "FLOCK" and int(fields[_FILE].rpartition(":")[2]) == inode:
                return int(fields[_HOLDER]) or None
    return None
