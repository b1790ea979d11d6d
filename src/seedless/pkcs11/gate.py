"""The gate before a driver: who is inside a call, and a way to be alone.

Calls of several threads pass side by side, or one thread at a time for a driver that knows no locking. Before
C_Finalize the gate closes and waits for those inside: a driver that is shut down under a call crashes. A call
that hangs is not waited for long; then nobody is alone and the driver stays up. The watch is told who passes.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from seedless.pkcs11 import watch

if TYPE_CHECKING:
    from collections.abc import Iterator


class Gate:
    """Enter it as a context, as often nested as you like; `alone` is entered from outside only."""

    __slots__ = ("_closed", "_condition", "_driver", "_inside", "_one_at_a_time", "_waiting")

    def __init__(self, driver: str, *, one_at_a_time: bool) -> None:
        """Let many threads into *driver*, or *one_at_a_time*."""
        self._driver: Final = driver
        self._one_at_a_time: Final = one_at_a_time
        self._condition: Final = threading.Condition(threading.Lock())
        self._inside: Final[dict[int, int]] = {}  # thread → how deep
        self._waiting = 0  # threads, who want to be told when somebody leaves
        self._closed = False

    def __enter__(self) -> None:
        # Without the lock, which would be taken twice for each signature: whoever comes puts itself down
        # before it looks, whoever wants to be alone closes before it looks, so one of them sees the other.
        me, inside = threading.get_ident(), self._inside
        if me in inside:
            inside[me] += 1
            return
        inside[me] = 1
        if self._closed or (self._one_at_a_time and len(inside) > 1):
            self._come_again(me)
        if watch.current is not watch.NOBODY:
            watch.current.entered(self._driver)

    def __exit__(self, *_: object) -> None:
        me, inside = threading.get_ident(), self._inside
        if inside[me] > 1:
            inside[me] -= 1
            return
        del inside[me]
        if self._waiting:
            with self._condition:
                self._condition.notify_all()
        if watch.current is not watch.NOBODY:
            watch.current.left()

    def _come_again(self, me: int) -> None:
        with self._condition:
            del self._inside[me]
            self._condition.notify_all()
            self._waiting += 1
            try:
                while self._closed or (self._one_at_a_time and self._inside):
                    self._condition.wait()
                self._inside[me] = 1
            finally:
                self._waiting -= 1

    @contextmanager
    def alone(self, patience: float) -> Iterator[bool]:
        """Close the gate, wait at most *patience* seconds until nobody is inside; give whether that is so."""
        with self._condition:
            self._waiting += 1
            try:
                while self._closed:
                    self._condition.wait()
                self._closed = True
                empty = self._condition.wait_for(lambda: not self._inside, patience)
            finally:
                self._waiting -= 1
        try:
            yield empty
        finally:
            with self._condition:
                self._closed = False
                self._condition.notify_all()
