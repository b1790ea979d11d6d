"""A command that uses a driver goes on in a child process, which its parent supervises: see `supervisor`.

A driver is foreign code: it can crash, call exit, hang, or wait for a touch while Ctrl-C has no effect. The
process that it runs in can report nothing then. So the command forks before it loads the first module, and
the child continues. It reports to its parent when it enters and leaves a driver, and when it will exit.

Signals for the command reach the child too, from the terminal or the parent. A child that is interrupted
inside its driver has half a second to return; outside it ends by itself, and no file is half written.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

from seedless.errors import UsageError
from seedless.pin import forbid_dumps, overwrite_variables, without_pins
from seedless.pkcs11 import observer
from seedless.pkcs11.isolation.supervisor import FATAL, Supervisor
from seedless.text import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from seedless.pkcs11.token_info import TokenInfo

_DEADLINE = 60.0  # seconds inside a driver, a touch or typing on a PIN pad included
_PR_SET_PDEATHSIG = 1


class SupervisedProcess:
    """The process of one command; after `start` a child of its supervisor, which observes its drivers."""

    def __init__(self, report_end: Callable[[BaseException], int], report: Callable[[str], object]) -> None:
        """Take what reports the error of the command in the supervisor, and returns the exit code.

        *report* prints a line for the person at the terminal.
        """
        self._report_end: Final = report_end
        self._report: Final = report
        self._pipe: int | None = None
        self._driver = ""
        self._is_unsupervised = False
        self._numbered = (0, 0)
        self._is_announced = False

    def start(self, driver: Path) -> None:
        """Continue in a child process, before *driver* is loaded; raise `UsageError`.

        Not in such a child, and not in a process that has other threads, or had them at an earlier call.
        """
        deadline = _deadline()
        # A fork copies only the thread that calls it. And where a driver was loaded beside other threads,
        # their end allows no fork any more: the driver would not survive it.
        self._is_unsupervised = self._is_unsupervised or threading.active_count() > 1
        if self._pipe is not None or self._is_unsupervised:
            return
        # What is buffered exists in both processes after the fork, and would be printed twice.
        sys.stdout.flush()
        sys.stderr.flush()
        forbid_dumps()
        pipe_end, self._pipe = os.pipe()
        # Read before the fork: the child compares it with its parent then, which may have ended in between.
        me = os.getpid()
        supervisor = Supervisor(str(driver), deadline, self._report)
        # Before the fork, so that no signal finds a parent that has a child and no handler; the child
        # resets its own.
        supervisor.listen_for_signals()
        supervisor.child = os.fork()
        if supervisor.child:
            _clear_environment()
            supervisor.watch_until_the_end(pipe_end, self._report_end)
        os.close(pipe_end)
        _die_with(me)
        _restore_signals()
        observer.observe_drivers(self)

    def end(self, code: int) -> None:
        """End the child with *code*, and skip the exit handlers that its driver has registered."""
        if self._pipe is not None:
            os._exit(code)

    def announce_end(self) -> None:
        """Report to the parent that the command is done: what ends this process from now on is no error."""
        self._send("over")

    def entered(self, driver: str) -> None:
        """Report to the parent that the child is about to call *driver*."""
        self._driver = driver
        self._send(f"in {driver}")

    def left(self) -> None:
        """Report to the parent that the driver has returned."""
        self._driver = ""
        self._send("out")

    def signing(self, info: TokenInfo) -> None:
        """Give the parent the notice to print if this signature takes long."""
        # Announced once and before the first: people stay at the device when they know that more touches
        # follow.
        number, count = self._numbered
        if number == 1 < count and info.quirks.touch and not self._is_announced:
            self._is_announced = True
            self.waits(f"{count} signatures are needed, and {info.where} may require a touch for each")
        notice = observer.touch_notice(info)
        self._send(f"wait touch {number} of {count}: {notice}" if notice and count > 1 else f"wait {notice}")

    def numbered(self, number: int, count: int) -> None:
        """Remember which signature of how many comes next, for the notice of a touch."""
        self._numbered, self._is_announced = (number, count), False

    def waits(self, notice: str) -> None:
        """Print *notice* here: this process is not inside a driver, only its workers are."""
        self._report(printable(notice))

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Stop the deadline of the driver while a person enters the PIN."""
        driver = self._driver
        self.left()
        try:
            yield
        finally:
            if driver:
                self.entered(driver)

    def _send(self, line: str) -> None:
        if self._pipe is not None:
            try:
                os.write(self._pipe, f"{line}\n".encode())
            except OSError:
                os._exit(1)  # the supervisor has ended


def _clear_environment() -> None:
    """Remove the PINs from the environment of the parent, which needs none.

    All of it is overwritten: which variable contains a PIN may be decided only later, in the child.
    """
    # `del os.environ[...]` alone leaves the text in the memory that /proc/PID/environ shows.
    overwrite_variables(os.environ)
    for name in os.environ.keys() - without_pins(os.environ).keys():
        del os.environ[name]


def _deadline() -> float:
    text = os.environ.get("SEEDLESS_DEADLINE", "")
    try:
        seconds = float(text) if text else _DEADLINE
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise UsageError("SEEDLESS_DEADLINE is not a number of seconds", "as in SEEDLESS_DEADLINE=120")
    return seconds


def _die_with(parent: int) -> None:
    """Let the kernel kill this process when its parent is killed, where it can."""
    if sys.platform == "linux":
        import ctypes  # the driver needs it in any case

        with suppress(OSError, AttributeError):
            # KILL, since a driver that hangs in the kernel or in a loop of its own never returns to Python,
            # where a handler could run.
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def _restore_signals() -> None:
    """Handle one Ctrl-C only: it comes from the terminal and from the parent."""
    for number in FATAL:
        if callable(signal.getsignal(number)):
            signal.signal(number, signal.SIG_DFL)
    if not callable(signal.getsignal(signal.SIGINT)):
        return
    # A second Ctrl-C during the cleaning up would leave half of it; the terminal sends it to both
    # processes, and the parent passes it on too.
    received: list[bool] = []

    def interrupt(*_: object) -> None:
        if not received:
            received.append(True)
            raise KeyboardInterrupt

    signal.signal(signal.SIGINT, interrupt)
