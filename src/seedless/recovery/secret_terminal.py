"""The terminal where shares are shown and typed: alternate screen, nothing through the buffers of streams.

What is on the alternate screen goes into no history of the terminal (measured with tmux: none of it, while a
main screen that is cleared keeps all lines). A typed line is read by `os.readv` into pages that are locked,
and overwritten: `input` and `getpass` leave copies.
"""

from __future__ import annotations

import os
import termios
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from seedless.errors import Refused, UsageError
from seedless.recovery.protected_memory import locked_buffer
from seedless.terminal import columns, wrapped
from seedless.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType
    from typing import Self

_TERMINAL = "/dev/tty"
_LINE = 4096  # bytes; a terminal gives no longer lines
_ENTER, _LEAVE, _CLEAR = b"\x1b[?1049h", b"\x1b[?1049l", b"\x1b[H\x1b[2J"
_NO_TERMINAL = (
    "shares are shown and typed on a terminal, and there is none",
    "run it on a terminal of the machine itself; no file and no pipe takes shares",
)
_RECORDERS = {
    "TMUX": "tmux runs here, which can record what is shown",
    "STY": "screen runs here, which can record what is shown",
    "SSH_CONNECTION": "this terminal is reached by ssh: what is typed and shown crosses a network",
}


def recorders() -> list[str]:
    """Return warnings about what may record the terminal; `script` is not noticed."""
    return [warning for name, warning in _RECORDERS.items() if os.environ.get(name)]


class TerminalState:
    """How the terminal was, to restore it after a child that was killed; raise `UsageError` without one."""

    def __init__(self) -> None:
        """Remember it."""
        try:
            descriptor = os.open(_TERMINAL, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
        except OSError:
            raise UsageError(*_NO_TERMINAL) from None
        try:
            self._attributes = termios.tcgetattr(descriptor)
        finally:
            os.close(descriptor)

    def restore(self, *, is_left: bool) -> None:
        """Restore it, where it is still there; from the alternate screen too, unless that *is_left*."""
        with suppress(OSError, termios.error):
            descriptor = os.open(_TERMINAL, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
            try:
                # Only where something differs: setting attributes from a background job stops it with
                # SIGTTOU.
                if termios.tcgetattr(descriptor) != self._attributes:
                    # DRAIN and not FLUSH: what was typed ahead for the shell is the person's.
                    termios.tcsetattr(descriptor, termios.TCSADRAIN, self._attributes)
                if not is_left:
                    os.write(descriptor, _CLEAR + _LEAVE)
            finally:
                os.close(descriptor)


class SecretTerminal:
    """The controlling terminal, on its alternate screen as long as this is open."""

    def __init__(self) -> None:
        """Open it; raise `UsageError` where there is none."""
        try:
            self._descriptor = os.open(_TERMINAL, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
        except OSError:
            raise UsageError(*_NO_TERMINAL) from None
        self._line = locked_buffer(_LINE)

    def __enter__(self) -> Self:
        """Go to the alternate screen."""
        self._write(_ENTER + _CLEAR)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Clear it, and leave it."""
        with suppress(OSError):
            self._write(_CLEAR + _LEAVE)
        os.close(self._descriptor)

    @contextmanager
    def main_screen(self) -> Iterator[None]:
        """Go back to the main screen for a while, where drivers and sources of PINs ask."""
        self._write(_CLEAR + _LEAVE)
        try:
            yield
        finally:
            self._write(_ENTER + _CLEAR)

    def clear(self) -> None:
        """Clear the screen; what was typed ahead is lost, for it was meant for somebody else's question."""
        self._write(_CLEAR)
        with suppress(termios.error):
            # Words that were typed too early would be taken for the next share, and shown when its error
            # quotes them.
            termios.tcflush(self._descriptor, termios.TCIFLUSH)

    def show(self, *lines: str) -> None:
        """Show *lines*, each with a line end."""
        self._write("".join(f"{self._fitted(line)}\n" for line in lines).encode("utf-8", "replace"))

    def ask(self, question: str) -> str:
        """Show *question* and return the line that is typed; raise `Refused` at the end of the terminal."""
        self._write(self._fitted(question).encode("utf-8", "replace"))
        # In canonical mode a terminal gives one line at a time, so that the buffer holds no beginning of
        # the next one.
        count = os.readv(self._descriptor, [self._line])
        if not count:
            raise Refused("the terminal has ended: nothing was imported", "run the command again")
        try:
            return bytes(self._line[:count]).decode("utf-8", "replace").strip()
        finally:
            # The text that is returned is a copy that cannot be cleared: only the end of the process takes
            # it away.
            self._line[:count] = bytes(count)

    def _fitted(self, text: str) -> str:
        return wrapped(printable(text), columns(self._descriptor))

    def _write(self, data: bytes) -> None:
        left = memoryview(data)
        while left:
            left = left[os.write(self._descriptor, left) :]
