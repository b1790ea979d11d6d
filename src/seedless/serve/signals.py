"""Signals of a service: SIGTERM and SIGINT end it in order, SIGHUP reads its configuration again."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

__all__ = ["handle_signals"]


def handle_signals(stop: Callable[[], None], reload: Callable[[], Coroutine[object, object, object]]) -> None:
    """Call *stop* or *reload* for the signals that this process receives from now on, in the running loop."""
    loop = asyncio.get_running_loop()
    tasks: set[asyncio.Task[object]] = set()  # a loop keeps no reference to a task of its own

    def begin() -> None:
        task = loop.create_task(reload())
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    with contextlib.suppress(RuntimeError, ValueError):  # only the main thread receives signals
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop)
        loop.add_signal_handler(signal.SIGHUP, begin)
