"""The worker processes of a pool: started, opened one after the other, given the PIN, watched, replaced.

A worker is started as a new program, never by a fork of this one, which may have loaded a driver. Its
environment is ours without the PIN; the PIN itself goes through its stdin, which nobody else can read.

One worker at a time opens the token: the first alone, and no other before it is logged in, so that a wrong
PIN is sent once in all. The PIN is asked for once and cached until the group is closed, because a worker that
replaces a lost one needs it, and so does a key that requires it for each signature; no other worker gets it
while one that has it has not shown that it is right. A worker lost while it logs in with a PIN that never
worked is not replaced: it cannot be known whether that was a try.
"""

from __future__ import annotations

import enum
import fcntl
import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from seedless import errors
from seedless.errors import PinError, TokenError
from seedless.pin import RejectedPin, asks_again, without_pins
from seedless.pkcs11 import observer
from seedless.pkcs11.isolation.frames import LONGEST_ANSWER, BrokenFrame, FrameKind, pack_frame, take_frames

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from seedless.challenges import ChallengeJournal
    from seedless.nkey import PublicKey
    from seedless.pin import PinSource
    from seedless.pkcs11.uri import KeyUri


_CHUNK = 1 << 16
_ROOM = 1 << 19  # bytes of a pipe: what a worker has next is there when it comes for it
_FLAGS = {"isolated": "-I", "ignore_environment": "-E", "no_user_site": "-s"}


class WorkerState(enum.Enum):
    """How far a worker is."""

    STARTED = enum.auto()  # and has not reported yet
    HERE = enum.auto()  # and waits for the request that names what to open
    OPENING = enum.auto()
    READY = enum.auto()
    LOST = enum.auto()


class SigningJob:
    """A message to be signed, its place among all, how many workers were lost over it, and when the last.

    `complete` makes the result of a signature, once it has verified it. A lost worker may have gone further
    than it reported, so what it had is suspect, and is given out alone.
    """

    __slots__ = ("complete", "is_suspect", "key", "losses", "lost_at", "message", "number")

    def __init__(
        self, number: int, key: PublicKey, message: bytes, complete: Callable[[bytes], object]
    ) -> None:
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
        "holds_pin",
        "is_fresh",
        "is_watched",
        "jobs",
        "pace",
        "pin_request",
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
        self.state = WorkerState.STARTED
        self.jobs: Final[deque[SigningJob]] = deque()
        self.pin_request: tuple[str, str] | None = None  # for the PIN, and not answered yet
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
    def has_unsent(self) -> bool:
        """Whether the pipe was full."""
        return bool(self._out)

    def send(self, kind: FrameKind, body: bytes) -> None:
        """Send one frame, now or when the pipe takes it."""
        self._out.extend(pack_frame(kind, body))
        self.flush()

    def flush(self) -> None:
        """Write what the pipe takes."""
        try:
            while self._out:
                del self._out[: os.write(self.input, self._out)]
        except BlockingIOError:
            return
        except BrokenPipeError:
            self._out.clear()  # reading will report why

    def read(self) -> tuple[list[tuple[FrameKind, bytes]], bool]:
        """Read what there is: whole frames, and whether more can come; raise `BrokenFrame`."""
        try:
            chunk = os.read(self.output, _CHUNK)
        except BlockingIOError:
            return [], True
        self._in.extend(chunk)
        return list(take_frames(self._in, LONGEST_ANSWER)), bool(chunk)

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
        self.state = WorkerState.LOST
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()


def exit_reason(code: int) -> str:
    """Return how a process with this exit *code* ended, in words."""
    if code >= 0:
        return f"ended its process with exit code {code}"
    if -code == signal.SIGALRM:
        return "did not answer in time"  # its own clock was faster than ours
    verb = "was killed by" if was_killed(code) else "crashed with"
    name = f" ({signal.Signals(-code).name})" if -code in set(signal.Signals) else ""
    return f"{verb} signal {-code}{name}"


def was_killed(code: int) -> bool:
    """Report whether somebody outside ended the process."""
    return -code in {signal.SIGKILL, signal.SIGTERM}


def _started(environ: dict[str, str], turns: int) -> subprocess.Popen[bytes]:
    # A worker runs under the flags of its parent: without -I or -E it would read variables that the
    # parent ignores.
    flags = [flag for name, flag in _FLAGS.items() if getattr(sys.flags, name)]
    # Blocked, not ignored: the worker inherits it, and a Ctrl-C before it is ready would end in a traceback.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        # -P: the folder that a person is in may hold a module of any name.
        return subprocess.Popen(  # noqa: S603 - our own interpreter and module
            [sys.executable, *flags, "-P", "-m", "seedless.pkcs11.isolation.worker"],
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


BROKE_PROTOCOL = "broke the protocol of its pipe"
# One may be bad luck (a device that was unplugged), the second in a row is the driver; a third attempt
# would only cost the person time.
MOST_LOSSES = 2  # losses in a row by the driver's doing, and where somebody outside killed the process:
_MOST_LOSSES_WHEN_KILLED = 5  # no driver does that, but lack of memory can, again and again
# As ykman does: sooner and every signature of a slow token would ask for a touch, later and people have
# given up.
_LONG = 0.5  # seconds of a signature that may wait for a touch
# Closing a session is one call; a driver that takes longer hangs, and a killed process closes its
# sessions as well.
_GRACE = 1.0  # seconds for a worker to close its session, all together
_ERRORS = {
    error.__name__: error
    for error in (TokenError, errors.ModuleError, errors.NoToken, errors.NotConnected, errors.NoKey, PinError)
}
_AGAIN = "so did a fresh process; what was signed before is kept: ask the token's maker for a newer driver"
_LOOK = "look at the driver's configuration and at the connection of the token"
_TRY = "python -m seedless.pkcs11.isolation.worker shows why"


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenRequest:
    """What each worker opens, and how many seconds it may take to open it and to make one signature."""

    uri: KeyUri
    module: Path
    last_try: bool
    allow_extractable: frozenset[str]
    challenges: ChallengeJournal | None
    opening: float
    deadline: float

    def reported(self, *, last_try: bool, turns: int) -> bytes:
        """Return it for a worker, with the descriptor of *turns*; only the first may use the last try."""
        journal = self.challenges
        return json.dumps(
            {
                "uri": str(self.uri),
                "module": str(self.module),
                "last_try": last_try,
                "allow_extractable": sorted(self.allow_extractable),
                "challenges": journal and (str(journal.path), journal.command, journal.has_jwts),
                "opening": self.opening,
                "deadline": self.deadline,
                "turns": turns,
            }
        ).encode()


@dataclass(frozen=True, slots=True)
class WorkerAnswer:
    """The body of a SIGNED frame; or, where a worker was lost, why, and the losses that are too many."""

    worker: WorkerProcess
    signed: bytes = b""
    lost: TokenError | None = None
    patience: int = MOST_LOSSES


class WorkerGroup:
    """Up to *size* workers. Whatever it raises, it can only be dismissed afterwards."""

    def __init__(self, request: OpenRequest, pins: PinSource, size: int) -> None:
        """Start nothing yet."""
        self._request: Final = request
        self._pins: Final = pins
        self._size: Final = size
        self._workers: Final[list[WorkerProcess]] = []
        self._selector: Final = selectors.DefaultSelector()
        self._turns: Final = tempfile.TemporaryFile()  # noqa: SIM115 - locked by workers, as long as they live
        self._pin: str | None = None
        self._sent: RejectedPin | None = None  # the PIN, and the token that it went to last
        self._has_opened = False  # ever
        self._failed_openings = 0  # since then
        self._where = f"the token {request.uri}"
        self._end: TokenError | None = None  # which the next `wait` raises
        self._notice: str | None = None  # what to report of a slow signature, empty once it was reported

    @property
    def ready(self) -> list[WorkerProcess]:
        """The workers that sign."""
        return [worker for worker in self._workers if worker.state is WorkerState.READY]

    @property
    def is_full(self) -> bool:
        """Whether all workers are there and ready."""
        return len(self.ready) == self._size

    def replenish(self) -> None:
        """Start the workers that are missing, and let the next one open the token."""
        while len(self._workers) < self._size:
            worker = WorkerProcess(self._pin, self._turns.fileno())
            self._workers.append(worker)
            self._selector.register(worker.output, selectors.EVENT_READ, worker)
        here = [worker for worker in self._workers if worker.state is WorkerState.HERE]
        # One after the other: two that log in at once with a wrong PIN would cost two tries.
        if here and not any(worker.state is WorkerState.OPENING for worker in self._workers):
            self._open(here[0])

    def wait(self, longest: float | None = None) -> list[WorkerAnswer]:
        """Wait until a worker reports, a deadline is over, or *longest* seconds; return what there is.

        Raise `PinError`, and `TokenError` if the token cannot be opened (again), but no answer is lost by it.
        """
        if self._end is not None:
            raise self._end
        self.replenish()
        self._watch_full_pipes()
        answers: list[WorkerAnswer] = []
        answered = set()
        for key, events in self._selector.select(self._patience() if longest is None else longest):
            worker = key.data
            if events & selectors.EVENT_WRITE and worker.state is not WorkerState.LOST:
                worker.flush()
            if events & selectors.EVENT_READ and worker.state is not WorkerState.LOST:
                answered.add(worker)
                answers += self._receive(worker)
        for worker in [worker for worker in self._workers if worker not in answered]:
            answers += self._judge_silence(worker)
        if self._slow and min(self._slow) <= time.monotonic():
            observer.current.waits(self._notice or "")
            self._notice = ""
        self._give_pin()
        return answers

    def discard(self, worker: WorkerProcess) -> None:
        """End *worker* now. A fresh one takes its place at the next `wait`."""
        if worker.state is not WorkerState.LOST:
            self._workers.remove(worker)
            self._selector.unregister(worker.output)
            if worker.is_watched:
                self._selector.unregister(worker.input)
            worker.kill()
            worker.release()

    def dismiss(self) -> None:
        """End all workers, those at work at once; forget the PIN."""
        self._pin = None
        until = time.monotonic() + _GRACE
        try:
            for worker in self._workers:
                worker.end()
            for worker in self._workers:
                worker.wait(time.monotonic() if worker.jobs else until)
        finally:
            for worker in self._workers:
                worker.kill()
                worker.release()
            self._workers.clear()
            self._selector.close()
            self._turns.close()

    def blame(self, worker: WorkerProcess, did: str) -> TokenError:
        """Return the error that reports what the driver in *worker* *did*."""
        if worker.state is WorkerState.STARTED:
            return TokenError(
                f"a process for the driver {self._request.module} {did} before it loaded it", _TRY
            )
        doing, hint = ("open", _LOOK) if worker.state is WorkerState.OPENING else ("sign on", _AGAIN)
        return TokenError(f"cannot {doing} {self._where}: its driver {self._request.module} {did}", hint)

    def _open(self, worker: WorkerProcess) -> None:
        worker.state = WorkerState.OPENING
        worker.since = time.monotonic()
        # Only the first worker may spend the last try: once the token was opened, the PIN is known to be
        # right, and a rejection means that something else has changed.
        last_try = self._request.last_try and not self._has_opened
        worker.send(FrameKind.OPEN, self._request.reported(last_try=last_try, turns=self._turns.fileno()))

    def _watch_full_pipes(self) -> None:
        for worker in self._workers:
            if worker.has_unsent and not worker.is_watched:
                self._selector.register(worker.input, selectors.EVENT_WRITE, worker)
            elif worker.is_watched and not worker.has_unsent:
                self._selector.unregister(worker.input)
            worker.is_watched = worker.has_unsent

    def _due(self, worker: WorkerProcess) -> float | None:
        """Return when the patience with *worker* ends, None while it has nothing to do or waits for us."""
        if worker.pin_request or worker.state is WorkerState.HERE:
            return None
        if worker.state in {WorkerState.STARTED, WorkerState.OPENING}:
            return worker.since + self._request.opening
        return worker.since + self._request.deadline if worker.jobs else None

    @property
    def _slow(self) -> list[float]:
        """When each signature of now will have taken long, if there is anything to report of it yet."""
        return [worker.since + _LONG for worker in self.ready if worker.jobs] if self._notice else []

    def _patience(self) -> float | None:
        ends = [end for end in map(self._due, self._workers) if end is not None] + self._slow
        return max(0.0, min(ends) - time.monotonic()) if ends else None

    def _receive(self, worker: WorkerProcess) -> list[WorkerAnswer]:
        answers: list[WorkerAnswer] = []
        try:
            frames, is_open = worker.read()
            for kind, body in frames:
                if kind is FrameKind.FAILED:
                    return [*answers, *self._lost(worker, _reported_error(body))]
                if kind is FrameKind.SIGNED:
                    if worker.state is not WorkerState.READY:
                        raise BrokenFrame  # noqa: TRY301 - as in `take_frames`, one way out for all
                    worker.holds_pin = False
                    answers.append(WorkerAnswer(worker, body))
                else:
                    self._attend(worker, kind, body)
        except (BrokenFrame, ValueError):
            return [*answers, *self._lost(worker, self.blame(worker, BROKE_PROTOCOL))]
        return answers if is_open else [*answers, *self._lost(worker, None)]

    def _attend(self, worker: WorkerProcess, kind: FrameKind, body: bytes) -> None:
        match kind, json.loads(body), worker.state:
            case FrameKind.ASK, [str(token), str(tries)], WorkerState.OPENING | WorkerState.READY:
                worker.pin_request = (token, tries)
            case FrameKind.HERE, None, WorkerState.STARTED:
                worker.state = WorkerState.HERE
            case FrameKind.READY, [str(where), str(notice)], WorkerState.OPENING:
                self._where = where
                self._notice = notice if self._notice is None else self._notice
                worker.state = WorkerState.READY
                worker.holds_pin = False
                self._has_opened = True
                self._failed_openings = 0
            case _:
                raise BrokenFrame

    def _give_pin(self) -> None:
        for worker in self._workers:
            # For the same reason, where keys ask for the PIN at each signature.
            if worker.pin_request and not any(other.holds_pin for other in self._workers):
                token, tries = worker.pin_request
                worker.send(FrameKind.PIN, self._pin_for(token, tries))
                worker.pin_request, worker.holds_pin, worker.since = None, True, time.monotonic()

    def _pin_for(self, token: str, tries: str) -> bytes:
        while True:
            if self._pin is None:
                self._pin = self._pins.pin(token, tries)
            try:
                return self._accepted(self._pin, token)
            except PinError as error:
                if not asks_again(self._pins, error.message):
                    raise
                self._pin = None

    def _accepted(self, text: str | None, token: str) -> bytes:
        """Return the bytes of the PIN that is *text*; raise `PinError` for one that must not be sent."""
        if not text:
            raise PinError(
                f"no PIN was given for {token}",
                "give one by a prompt, env:NAME, file:PATH, fd:N or cmd:PROGRAM",
            )
        try:
            pin = text.encode("utf-8")
        except UnicodeEncodeError:
            raise PinError(f"the PIN for {token} is not UTF-8") from None
        self._sent = RejectedPin.of(self._request.module, token, pin)
        self._sent.check()
        return pin

    def _judge_silence(self, worker: WorkerProcess) -> list[WorkerAnswer]:
        end = self._due(worker)
        if end is None or time.monotonic() < end:
            return []
        seconds = self._request.deadline if worker.state is WorkerState.READY else self._request.opening
        return self._lost(worker, self.blame(worker, f"did not answer within {seconds:g} seconds"))

    def _lost(self, worker: WorkerProcess, error: TokenError | None) -> list[WorkerAnswer]:
        """Take *worker* out; it is the end of all if nothing can come of another one."""
        code = worker.kill()
        # Somebody outside, or the kernel for lack of memory: no reason to blame the driver.
        patience = _MOST_LOSSES_WHEN_KILLED if error is None and was_killed(code) else MOST_LOSSES
        error = error or self.blame(worker, exit_reason(code))
        if isinstance(error, PinError):
            if worker.holds_pin and self._sent:
                self._sent.remember()
                if asks_again(self._pins, error.message):
                    # The next worker looks at the tries that are left before it asks for another PIN.
                    self._pin = None
                    self.discard(worker)
                    return [WorkerAnswer(worker, lost=error, patience=patience)]
            self._end = error
        if worker.state is not WorkerState.READY:
            self._failed_openings += 1
            if not self._has_opened or self._failed_openings >= patience:
                self._end = error
        self.discard(worker)
        return [WorkerAnswer(worker, lost=error, patience=patience)]


def _reported_error(body: bytes) -> TokenError:
    match json.loads(body):
        case {"error": str(name), "message": str(message), "hint": str(hint)}:
            return _ERRORS.get(name, TokenError)(message, hint)
    raise BrokenFrame
