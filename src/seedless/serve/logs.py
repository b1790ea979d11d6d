"""The log of a service: one JSON object a line, without secrets, in ASCII."""

from __future__ import annotations

import functools
import json
import logging
import time
from typing import TYPE_CHECKING, TextIO

import msgspec

from seedless.text import without_seeds
from seedless.units import moment

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["EventLog", "LoggedEvents"]

_LONGEST = 200  # characters of a value, most of which clients choose


class EventLog:
    """Write events to *stream*; what is written there has no line ends but its own."""

    def __init__(self, stream: TextIO, service: str, clock: Callable[[], float] = time.time) -> None:
        """Write as *service*, with the times of *clock* (Unix seconds)."""
        self._stream = stream
        self._service = service
        self._clock = clock

    def info(self, event: str, **members: object) -> None:
        """Report *event*, which needs nobody's attention."""
        self._write("info", event, members)

    def warning(self, event: str, **members: object) -> None:
        """Report *event*, which somebody should look at."""
        self._write("warning", event, members)

    def error(self, event: str, **members: object) -> None:
        """Report *event*, with which the service does not do what it is for."""
        self._write("error", event, members)

    def _write(self, level: str, event: str, members: dict[str, object]) -> None:
        line: dict[str, object] = {"time": _moment(int(self._clock())), "level": level}
        line |= {"service": self._service, "event": event}
        line |= {name: _safe(value) for name, value in members.items() if value not in {None, ""}}
        try:
            self._stream.write(_encoded(line) + "\n")
            self._stream.flush()
        except (OSError, ValueError):
            # Nobody reads the log any more: logins do not depend on that.
            return


class LoggedEvents(logging.Handler):
    """Write what modules log, such as a backend whose file is damaged, as events."""

    def __init__(self, log: EventLog) -> None:
        """Write to *log*."""
        super().__init__(logging.WARNING)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        """Write *record*; its message names the event."""
        self._log.warning("notice", module=record.name, reason=record.getMessage())


@functools.lru_cache(2)
def _moment(second: int) -> str:
    return moment(second)


def _encoded(line: dict[str, object]) -> str:
    """Return *line* as JSON in ASCII: what else is in it would turn around what a terminal shows."""
    try:
        text = msgspec.json.encode(line).decode()  # in a tenth of the time
    except UnicodeEncodeError:  # half of a surrogate pair
        text = "\u2026"
    return text if text.isascii() else json.dumps(line)


def _safe(value: object) -> object:
    """Return *value* for a line: numbers as they are, text cut, and without what looks like a seed."""
    if isinstance(value, bool | int | float):
        return value
    text = without_seeds(str(value))
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
