"""One worker process, seen from the pool: started, written to and read without ever waiting for it.

It is started as a new program, never by a fork of this one, which may have loaded a driver. Its environment
is ours without the PIN; the PIN itself goes through its stdin, which nobody else can read.
"""

from __future__ import annotations

import enum
import fcntl
import os
import signal
import subprocess
import sys
import time
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from seedless.errors import TokenError
from seedless.pin import without_pins
from seedless.pkcs11._frames import LONGEST_ANSWER, Kind, pack, taken

if TYPE_CHECKING:
    from collections.abc import Callable

    from seedless.nkey import PublicKey

_CHUNK = 1 << 16
_ROOM = 1 << 19  # bytes of a pipe: what a worker has next is there when it comes for it
_FLAGS = {"isolated": "-I", "ignore_environment": "-E", "no_user_site": "-s"}


class State(enum.Enum):
    """How far a worker is."""

    STARTED = enum.auto()  # and is not heard of yet
    HERE = enum.auto()  # and waits to be told what to open
    OPENING = enum.auto()
    READY = enum.auto()
    LOST = enum.auto()


class Job:
    """A message to be signed, its place among all, how many workers were lost over it, and when the last.

    `complete` makes the result of a signature, once it has verified it. A lost worker may have gone further
    than it told, so what it had is suspect, and is given out alone.
    """

    __slots__ = ("complete", "is_suspect", "key", "losses", "lost_at", "message", "number")

    def __init__(self, number: int, key: PublicKey, message: bytes, complete: Callable[[bytes], Any]) -> None:
        """Take the parts."""
        self.complete: Final = complete
        self.number: Final = number
        self.key: Final = key
        self.message: Final = message
        self.losses = 0
        self.lost_at = 0.0
        self.is_suspect = False


class WorkerProcess:
    """A worker process; `jobs` are those that it has, the first is the one that it is at."""

    __slots__ = (
        "_in",
        "_out",
        "_process",
        "asked",
        "holds_pin",
        "is_fresh",
        "is_watched",
        "jobs",
        "pace",
        "since",
        "started",
        "state",
    )

    def __init__(self, pin: str | None, turns: int) -> None:
        """Start it, with no variable that is *pin*, and the descriptor *turns*; raise `TokenError`."""
        environ = {name: text for name, text in without_pins(os.environ).items() if text != pin}
        self._process: Final = _started(environ, turns)
        for descriptor in (self.input, self.output):
            os.set_blocking(descriptor, False)
        with suppress(OSError, AttributeError):  # only Linux has it, and a user has so much of it
            fcntl.fcntl(self.input, fcntl.F_SETPIPE_SZ, _ROOM)
        self._in: Final = bytearray()
        self._out: Final = bytearray()
        self.state = State.STARTED
        self.jobs: Final[deque[Job]] = deque()
        self.asked: tuple[str, str] | None = None  # for the PIN, and not answered yet
        self.holds_pin = False  # and has not shown yet that it is right
        self.is_fresh = True  # and was given no job yet
        self.started: Final = time.monotonic()
        self.since = self.started  # when it began what it is at
        self.is_watched = False  # for room in a pipe that was full
        self.pace = 0.0  # seconds that it takes for a signature, of late

    @property
    def pid(self) -> int:
        """The process."""
        return self._process.pid

    @property
    def input(self) -> int:
        """The descriptor to write to."""
        assert self._process.stdin is not None  # noqa: S101 - it is a pipe
        return self._process.stdin.fileno()

    @property
    def output(self) -> int:
        """The descriptor to read from."""
        assert self._process.stdout is not None  # noqa: S101 - it is a pipe
        return self._process.stdout.fileno()

    @property
    def wants_to_write(self) -> bool:
        """Whether the pipe was full."""
        return bool(self._out)

    def send(self, kind: Kind, body: bytes) -> None:
        """Send one frame, now or when the pipe takes it."""
        self._out.extend(pack(kind, body))
        self.flush()

    def flush(self) -> None:
        """Write what the pipe takes."""
        try:
            while self._out:
                del self._out[: os.write(self.input, self._out)]
        except BlockingIOError:
            return
        except BrokenPipeError:
            self._out.clear()  # reading will tell why

    def read(self) -> tuple[list[tuple[Kind, bytes]], bool]:
        """Read what there is: whole frames, and whether more can come; raise `BrokenFrame`."""
        try:
            chunk = os.read(self.output, _CHUNK)
        except BlockingIOError:
            return [], True
        self._in.extend(chunk)
        return list(taken(self._in, LONGEST_ANSWER)), bool(chunk)

    def end(self) -> None:
        """Let it see the end of its input, on which it closes its session and ends."""
        self._out.clear()
        if self._process.stdin is not None:
            with suppress(OSError):
                self._process.stdin.close()

    def wait(self, until: float) -> None:
        """Wait for its end, until the clock shows *until*; then kill it."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(max(0.0, until - time.monotonic()))
        self.kill()

    def kill(self) -> int:
        """Kill it if it lives; return its exit code, negative for a signal."""
        self._process.kill()
        return self._process.wait()

    def release(self) -> None:
        """Free the pipes of a process that has ended."""
        self.state = State.LOST
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()


def ended(code: int) -> str:
    """Return how a process with this exit *code* ended, in words."""
    if code >= 0:
        return f"ended its process with exit code {code}"
    if -code == signal.SIGALRM:
        return "did not answer in time"  # its own clock was faster than ours
    verb = "was killed by" if was_killed(code) else "crashed with"
    name = f" ({signal.Signals(-code).name})" if -code in set(signal.Signals) else ""
    return f"{verb} signal {-code}{name}"


def was_killed(code: int) -> bool:
    """Say whether somebody outside ended the process."""
    return -code in {signal.SIGKILL, signal.SIGTERM}


def _started(environ: dict[str, str], turns: int) -> subprocess.Popen[bytes]:
    flags = [flag for name, flag in _FLAGS.items() if getattr(sys.flags, name)]
    # Blocked, not ignored: the worker inherits it, and a Ctrl-C before it is ready would end in a traceback.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        # -P: the folder that a person stands in may hold a module of any name.
        return subprocess.Popen(  # noqa: S603 - our own interpreter and module
            [sys.executable, *flags, "-P", "-m", "seedless.pkcs11._worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environ,
            pass_fds=[turns],
            bufsize=0,
        )
    except OSError as error:
        raise TokenError(f"cannot start a process for the driver: {error.strerror}") from error
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
