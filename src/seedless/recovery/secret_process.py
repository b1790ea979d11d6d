"""All work with a secret, in a process of its own that ends; its parent receives public values only.

Python cannot clear memory, drivers and libraries copy what they are given, and no `del` and no collection
changes that: measured, after every object within reach was overwritten, a key was still in the process. So
the secret, the typed words, the PIN and the driver are in a child. It cannot be dumped or debugged (but by
root), writes no core, locks its memory where it may, and ends by `os._exit`. The kernel takes its pages back.

The child reports stages and one result as lines of JSON on a pipe. It is forked before the driver is loaded,
for drivers do not survive a fork.
"""

from __future__ import annotations

import json
import os
import select
import signal
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NoReturn

from seedless import errors
from seedless.errors import BadShare, SeedlessError, TokenError, UsageError
from seedless.machine import ways_to_disk
from seedless.pin import forbid_dumps, overwrite_variables, without_pins
from seedless.recovery.protected_memory import end_with_parent, lock_memory
from seedless.recovery.secret_terminal import SecretTerminal, TerminalState

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

_GRACE = 3.0  # seconds for a child that was interrupted
_CHUNK = 1 << 16
_ENDING = (signal.SIGTERM, signal.SIGHUP)
IMPORTING = "import"
"""The stage from which on keys may be on the token."""
_WAYS = {
    "swap": (
        "this machine has swap: secrets in memory may be written to a disk",
        "turn it off (swapoff -a), or give --allow-swap if it is encrypted with a key that is thrown away",
    ),
    "core-pipe": (
        "the kernel hands core files to a program (kernel.core_pattern begins with |)",
        "set it to core (sysctl kernel.core_pattern=core), or give --allow-core-pipe",
    ),
}


class _Terminated(BaseException):
    """A signal that ends programs has come."""


class SecretProcess:
    """What the work sees of its process: the terminal, and the pipe to the parent."""

    def __init__(self, pipe: int, terminal: SecretTerminal) -> None:
        """Take the *pipe* to write to, and the *terminal*."""
        self._pipe = pipe
        self.terminal = terminal

    def begin_import(self) -> None:
        """Report to the parent that keys are imported from now on, and let no signal but KILL end that."""
        self.report({"stage": IMPORTING})
        # An import that is interrupted between two keys leaves keys of which no record exists. Here it
        # takes a second or two, and ends by itself.
        for number in (signal.SIGINT, *_ENDING):
            signal.signal(number, signal.SIG_IGN)

    def report(self, message: dict[str, object]) -> None:
        """Send *message*, which has public values only, to the parent."""
        _report(self._pipe, message)


def _report(pipe: int, message: dict[str, object]) -> None:
    # Not through a Python file object: its buffer would be one more copy, and would be flushed by an
    # interpreter that never ends here.
    os.write(pipe, json.dumps(message).encode() + b"\n")


def require_no_way_to_disk(allowed: Collection[str]) -> None:
    """Raise `UsageError` where memory may be written to a disk, unless that way is *allowed*."""
    for way in ways_to_disk():
        if way not in allowed:
            raise UsageError(*_WAYS[way])


def run(work: Callable[[SecretProcess], Any], *, allowed: Collection[str] = ()) -> Any:  # noqa: ANN401 - JSON
    """Do *work* in a child process on the controlling terminal, and return its result, as JSON has it.

    Raise what the work has raised, without its cause; `UsageError` without a terminal, or on a machine that
    may write memory to a disk in a way that is not *allowed*; `TokenError` for a child that was killed.
    """
    # Before the terminal is looked at: that swap is on is worth reporting to a script as well.
    require_no_way_to_disk(allowed)
    state = TerminalState()  # raises where there is no terminal
    # A fork copies what is buffered: it is to be printed once, and before what the child shows.
    sys.stdout.flush()
    sys.stderr.flush()
    receives, sends = os.pipe()
    parent = os.getpid()
    child = os.fork()
    if not child:
        # With this end open the child could write to itself, and would not notice that its parent is gone.
        os.close(receives)
        _work(work, sends, parent)
    # A pipe ends when nobody can write to it: with this copy open, the end of a killed child is never seen.
    os.close(sends)
    # After the fork: the child needs the PIN, the parent only waits.
    _forget_pins()
    watching = _Parent(child, receives)
    try:
        return watching.result()
    finally:
        os.close(receives)
        state.restore(is_left=watching.is_left)


def looked_up(look: Callable[[], Any]) -> Any:  # noqa: ANN401 - JSON
    """Return what *look* returns, as JSON has it, from a child process: the driver that it loads ends there.

    It has no terminal and no PIN. Raise what it has raised.
    """
    receives, sends = os.pipe()
    child = os.fork()
    if not child:
        os.close(receives)
        code = 1
        try:
            _report(sends, _outcome(look))
            code = 0
        finally:
            os._exit(code)
    os.close(sends)
    try:
        return _Parent(child, receives).result()
    finally:
        os.close(receives)


def _forget_pins() -> None:
    """Leave no PIN in the environment of the parent, which needs none."""
    names = os.environ.keys() - without_pins(os.environ).keys()
    overwrite_variables(names)
    for name in names:
        del os.environ[name]


# The child.


def _work(work: Callable[[SecretProcess], object], pipe: int, parent: int) -> NoReturn:
    code = 1
    try:
        _protect(parent)
        with SecretTerminal() as terminal:
            process = SecretProcess(pipe, terminal)
            message = _outcome(lambda: work(process))
        process.report(message)
        code = 0
    except BaseException:  # noqa: BLE001, S110 - the parent is gone, or an interrupt: it sees how this ended
        pass
    finally:
        # sys.exit would run in the child, too, what the parent has registered with atexit.
        os._exit(code)


def _protect(parent: int) -> None:
    # The order matters: as long as the process can be dumped, memory that is locked can be read by any
    # program of the same user through /proc/PID/mem.
    forbid_dumps()
    # As an ordinary user this locks the pages that are allowed (RLIMIT_MEMLOCK is 8 MiB where a Python
    # process has 17): it is no promise, which is why swap is refused above.
    lock_memory()
    # The parent may have its own handlers, which would run in the child with what they know of the parent.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in _ENDING:
        signal.signal(number, _end)
    # A parent that has ended between the fork and this line causes no signal any more.
    if not end_with_parent(parent, signal.SIGTERM):
        raise _Terminated


def _end(*_: object) -> NoReturn:
    raise _Terminated


def _outcome(work: Callable[[], object]) -> dict[str, object]:
    """Return the message with the result of *work*, or with its error: one that has a sentence.

    Of other errors the kind alone is reported, since their texts may quote anything.
    """
    try:
        return {"result": work()}
    except KeyboardInterrupt:
        return {"interrupted": True}
    except BadShare:
        # `BadShare` may quote a word that was typed. On the terminal of the child that is right, in the
        # parent's output, which may be a file, it is not.
        return {"error": ["SeedlessError", "a share was not accepted", "run the command again"]}
    except SeedlessError as error:
        return {"error": [type(error).__name__, error.message, error.hint]}
    except Exception as error:  # noqa: BLE001 - a bug, which must not print what it saw
        return {"bug": type(error).__name__}


# The parent.


class _Parent:
    """Reads what the child reports, until its end."""

    def __init__(self, child: int, receives: int) -> None:
        self._child = child
        self._receives = receives
        self._left = b""
        self._stage = ""
        self._message: dict[str, Any] = {}
        self.is_left = False  # whether the child has left the terminal as it was

    def result(self) -> object:
        try:
            while self._read():
                pass
        except BaseException:
            # Keys that were imported by now are recorded: nobody would find them again.
            if "result" not in self._end():
                raise
            return self._message["result"]
        return self._answer(self._wait())

    def _wait(self) -> int:
        # The child is always waited for: a terminal that is restored while the child still writes to it
        # would show the words on the main screen, where they stay in the history.
        status = os.waitstatus_to_exitcode(os.waitpid(self._child, 0)[1])
        self.is_left = status == 0  # a second signal can come before it has left
        return status

    def _read(self) -> bool:
        """Read what there is; return whether more may come."""
        chunk = os.read(self._receives, _CHUNK)
        *lines, self._left = (self._left + chunk).split(b"\n")
        for message in map(json.loads, lines):
            if "stage" in message:
                self._stage = message["stage"]
            else:
                self._message = message
        return bool(chunk)

    def _end(self) -> dict[str, object]:
        """Give the child time to leave the terminal as it was, then kill it; return its last message."""
        # SIGTERM first: the child has switched to the alternate screen and turned the echo off, and only it
        # knows what it has to undo.
        with suppress(ProcessLookupError):
            os.kill(self._child, signal.SIGTERM)
        end = time.monotonic() + _GRACE
        while select.select([self._receives], [], [], max(end - time.monotonic(), 0))[0] and self._read():
            pass
        with suppress(ProcessLookupError):
            os.kill(self._child, signal.SIGKILL)
        self._wait()
        return self._message

    def _answer(self, status: int) -> Any:  # noqa: ANN401 - JSON
        match self._message:
            # A result counts whatever the exit status: the keys are on the token, and what is not recorded
            # now would be found by nobody.
            case {"result": result}:
                return result
            # Once the import has begun, a bare interrupt would hide that keys may be on the token.
            case {"interrupted": True} if self._stage != IMPORTING:
                raise KeyboardInterrupt
            case {"error": [kind, message, hint]}:
                raise error_of(kind, message, hint)
            case {"bug": kind}:
                raise SeedlessError(
                    f"seedless has a bug: {kind}, in the process that has the secret; {self._done()}",
                    "report it; what the process had in memory was not printed",
                )
        how = f"by signal {-status}" if status < 0 else f"with status {status}"
        raise TokenError(f"the process that has the secret was ended {how}: {self._done()}", _LOOK)

    def _done(self) -> str:
        return "keys may be on the token" if self._stage == IMPORTING else "nothing was imported"


_LOOK = "seedless key list --token URI shows what is there; run the command again"


def error_of(kind: str, message: str, hint: str) -> SeedlessError:
    """Return the error of the class called *kind*, as the child has reported it."""
    # By name and not pickled: what comes out of the process that had the secret is data, and cannot bring
    # code or other objects along.
    made = getattr(errors, kind, SeedlessError)
    try:
        error = made(message, hint)
    except TypeError:  # one that takes more than a sentence
        error = SeedlessError(message, hint)
    return error if isinstance(error, SeedlessError) else SeedlessError(message, hint)
