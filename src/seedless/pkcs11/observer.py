"""The observer of drivers: notified when a thread of this process enters one and when it leaves.

A driver can hang, crash, or wait for a touch; then this process cannot report it, and another one can.
Nothing is decided here and no time measured. There is one watch for the whole process, as there is one of
each driver; without one nothing happens.
"""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

from seedless.pkcs11.families import GENERAL

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from contextlib import AbstractContextManager

    from seedless.pkcs11.token_info import TokenInfo


T = TypeVar("T")


class DriverObserver(Protocol):
    """Is notified of what happens; none of these may raise."""

    def entered(self, driver: str) -> None:
        """Note that a thread, which was outside, is about to call *driver*, the path of a module."""

    def left(self) -> None:
        """Note that the thread is back."""

    def signing(self, info: TokenInfo) -> None:
        """Note that the next call of the driver is a signature, by the token of *info*."""

    def numbered(self, number: int, count: int) -> None:
        """Note that the signature that comes next is *number* of *count*; 0 of 0 for one by itself."""

    def waits(self, notice: str) -> None:
        """Note that a signature by a worker has taken half a second; *notice* may be shown to a person."""

    def asking(self) -> AbstractContextManager[None]:
        """Be held while a person is asked for a PIN, and no driver is called."""


class _NoObserver:
    def entered(self, driver: str) -> None:
        pass

    def left(self) -> None:
        pass

    def signing(self, info: TokenInfo) -> None:
        pass

    def numbered(self, number: int, count: int) -> None:
        pass

    def waits(self, notice: str) -> None:
        pass

    def asking(self) -> AbstractContextManager[None]:
        return nullcontext()


NO_OBSERVER: Final[DriverObserver] = _NoObserver()
current: DriverObserver = NO_OBSERVER


def observe_drivers(observer: DriverObserver) -> None:
    """Report all calls of drivers by all threads of this process to *observer*; `NO_OBSERVER` ends that."""
    global current  # noqa: PLW0603 - a process has each driver once, and so one observer
    current = observer


def number_signatures(drafts: Iterable[T]) -> Iterator[T]:
    """Yield each of *drafts*; the signature that is made before the next is so many of so many."""
    # To count them: a person at a device that requires touches reads *3 of 50*.
    drafts = list(drafts)
    for number, draft in enumerate(drafts, 1):
        current.numbered(number, len(drafts))
        yield draft
        current.numbered(0, 0)


def touch_notice(info: TokenInfo) -> str:
    """Return what to report when a signature by the token takes long; empty where no touch can be wanted."""
    if info.quirks.touch:
        return f"{info.where} waits: touch it if it blinks (Ctrl-C ends the wait)"
    if info.quirks.family == GENERAL.family:
        return f"{info.where} takes its time: if it blinks or has a button, touch it (Ctrl-C ends the wait)"
    return ""
