"""The supervisor of a command: it calls no driver, receives the reports of its child, and reports the end.

It handles signals, reports that a touch may be needed, kills a child whose driver does not answer in time,
and reports in one sentence how a child ended that did not exit by itself. It never continues the command: it
has closed its descriptors, locks among them.
"""

from __future__ import annotations

import os
import select
import signal
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final, NoReturn

from seedless.errors import TokenError
from seedless.text import printable

if TYPE_CHECKING:
    from collections.abc import Callable

FATAL: Final = (signal.SIGTERM, signal.SIGHUP)
"""Signals that end the supervisor and its child."""
_GRACE = 0.5  # seconds for a signature before a touch is announced, and for an interrupted driver
_TICK = 0.1  # seconds
_CHUNK = 1 << 16
_AGAIN = "what was recorded is kept; run the command again; if it ends so again, look for a newer driver"


class Supervisor:
    """The parent of a command, created before the fork, which sets `child`."""

    def __init__(self, driver: str, deadline: float, report: Callable[[str], object]) -> None:
        """Take the driver that is loaded first, and the seconds that a call of a driver may take.

        *report* prints a line for the person at the terminal.
        """
        self.child = 0
        self._driver = driver
        self._deadline: Final = deadline
        self._report: Final = report
        self._reported: Final[set[str]] = set()
        self._notice = ""
        self._since: float | None = None  # when the child entered its driver, None outside
        self._asked = 0.0  # when the signature was asked for
        self._interrupted: float | None = None
        self._is_over = False

    def listen_for_signals(self) -> None:
        """Take Ctrl-C, and what ends programs, for the child."""
        # A signal that was ignored, as in the background of a shell, stays ignored.
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, self._interrupt)
        for number in FATAL:
            if signal.getsignal(number) is signal.SIG_DFL:
                signal.signal(number, self._end_with)

    def watch_until_the_end(self, pipe: int, report_end: Callable[[BaseException], int]) -> NoReturn:
        """Read from the child by *pipe*; end as it ends, or with the code of *report_end* for its error."""
        os.closerange(3, pipe)  # locks among them, which are the child's now
        os.closerange(pipe + 1, os.sysconf("SC_OPEN_MAX"))
        try:
            code = self._status(pipe)
        except (TokenError, KeyboardInterrupt) as error:
            code = report_end(error)
        os._exit(code)

    def _status(self, pipe: int) -> int:
        """Return the exit code of a child that ended by itself; raise for one that did not."""
        received = b""
        while not self._is_over:
            if pipe in select.select([pipe], [], [], _TICK)[0]:
                chunk = os.read(pipe, _CHUNK)
                *lines, received = (received + chunk).split(b"\n")
                for line in lines:
                    self._receive(line.decode(errors="replace"))
                if not chunk:
                    break
            elif (ended := os.waitpid(self.child, os.WNOHANG))[0]:  # its pipe may live on in a daemon
                return self._judge(ended[1])
            self._check_time()
        return self._judge(os.waitpid(self.child, 0)[1])

    def _receive(self, line: str) -> None:
        word, _, rest = line.partition(" ")
        match word:
            case "in":
                self._driver, self._since = rest, time.monotonic()
            case "out":
                self._since, self._notice = None, ""
            case "wait":
                self._notice, self._asked = rest, time.monotonic()
            case "over":
                self._is_over = True

    def _check_time(self) -> None:
        """Report a touch that is waited for, and kill a child whose driver has exceeded its time."""
        if self._since is None:
            return
        now = time.monotonic()
        # From the later of both: a driver that is entered after the Ctrl-C gets its half second as well.
        if self._interrupted is not None and now - max(self._interrupted, self._since) > _GRACE:
            self._kill()
            raise KeyboardInterrupt
        if now - self._since > self._deadline:
            self._kill()
            did = f"did not answer within {self._deadline:g} seconds"
            raise TokenError(f"cannot go on: the driver {self._driver} {did}", _AGAIN)
        # After half a second only: a software token answers sooner, and requires no touch.
        if self._notice not in {"", *self._reported} and now - self._asked > _GRACE:
            self._reported.add(self._notice)
            self._report(printable(self._notice))

    def _judge(self, status: int) -> int:
        code = os.waitstatus_to_exitcode(status)
        # The child has reported that the command is done: a crash from then on is the unloading of the
        # driver, and no error of the command.
        if self._is_over:
            return code if code >= 0 else 128 - code
        if self._interrupted is not None and code == -signal.SIGINT:
            raise KeyboardInterrupt
        from seedless.pkcs11.isolation.worker_group import exit_reason  # loaded for a crash only

        raise TokenError(f"cannot go on: the driver {self._driver} {exit_reason(code)}", _AGAIN)

    def _kill(self) -> None:
        os.kill(self.child, signal.SIGKILL)
        os.waitpid(self.child, 0)

    def _interrupt(self, *_: object) -> None:
        if not self.child:
            raise KeyboardInterrupt
        if self._interrupted is None:
            self._interrupted = time.monotonic()
        with suppress(ProcessLookupError):
            os.kill(self.child, signal.SIGINT)

    def _end_with(self, number: int, _: object) -> None:
        if self.child:
            with suppress(ProcessLookupError):
                os.kill(self.child, number)
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
