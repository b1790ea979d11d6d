"""The gate before a driver: who is inside a call, and a way to be alone.

Calls of several threads pass side by side, or one thread at a time for a driver that knows no locking. Before
C_Finalize the gate closes and waits for those inside: a driver that is shut down under a call crashes. A call
that hangs is not waited for long; then nobody is alone and the driver stays up.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator


class Gate:
    """Enter it as a context, as often nested as you like; `alone` is entered from outside only."""

    __slots__ = ("_closed", "_condition", "_inside", "_one_at_a_time")

    def __init__(self, *, one_at_a_time: bool) -> None:
        """Let many threads in, or *one_at_a_time*."""
        self._one_at_a_time: Final = one_at_a_time
        self._condition: Final = threading.Condition()
        self._inside: Final[dict[int, int]] = {}  # thread → how deep
        self._closed = False

    def __enter__(self) -> None:
        me = threading.get_ident()
        with self._condition:
            while me not in self._inside and (self._closed or (self._one_at_a_time and self._inside)):
                self._condition.wait()
            self._inside[me] = self._inside.get(me, 0) + 1

    def __exit__(self, *_: object) -> None:
        me = threading.get_ident()
        with self._condition:
            self._inside[me] -= 1
            if not self._inside[me]:
                del self._inside[me]
                self._condition.notify_all()

    @contextmanager
    def alone(self, patience: float) -> Iterator[bool]:
        """Close the gate, wait at most *patience* seconds until nobody is inside; give whether that is so."""
        with self._condition:
            while self._closed:
                self._condition.wait()
            self._closed = True
            empty = self._condition.wait_for(lambda: not self._inside, patience)
        try:
            yield empty
        finally:
            with self._condition:
                self._closed = False
                self._condition.notify_all()
