"""The workers of a pool: kept at their number, opened one after the other, given the PIN, watched.

One worker at a time opens the token: the first alone, and no other before it is logged in, so that a wrong
PIN is sent once in all. The PIN is asked for once and kept until the crew is dismissed, because a worker
that takes the place of a lost one needs it, and so does a key that wants it for each signature; nobody else
is given it while a worker that has it has not shown that it is right. A worker lost while it logs in with a
PIN that never worked is not replaced: nobody knows whether that was a try.
"""

from __future__ import annotations

import json
import selectors
import tempfile
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from seedless import errors
from seedless.errors import PinError, TokenError
from seedless.pin import asks_again
from seedless.pkcs11 import watch
from seedless.pkcs11._frames import BrokenFrame, Kind
from seedless.pkcs11._worker_process import State, WorkerProcess, ended, was_killed
from seedless.pkcs11.refused import RefusedPin

if TYPE_CHECKING:
    from pathlib import Path

    from seedless.pin import PinSource
    from seedless.pkcs11.uri import KeyUri

SPOILED = "spoiled what was to be said over the pipe"
PATIENCE = 2  # losses in a row by the driver's doing, and where somebody outside killed the process:
_PATIENCE_WHEN_KILLED = 5  # no driver does that, but want of memory can, again and again
_LONG = 0.5  # seconds of a signature that may wait for a touch
_GRACE = 1.0  # seconds for a worker to close its session, all together
_ERRORS = {
    error.__name__: error
    for error in (TokenError, errors.ModuleError, errors.NoToken, errors.NoKey, PinError)
}
_AGAIN = "so did a fresh process; what was signed before stands: ask the token's maker for a newer driver"
_LOOK = "look at the driver's configuration and at the connection of the token"
_TRY = "python -m seedless.pkcs11._worker tells why"


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What each worker opens, and how many seconds it may take to open it and to make one signature."""

    uri: KeyUri
    module: Path
    last_try: bool
    allow_extractable: frozenset[str]
    opening: float
    deadline: float

    def told(self, *, last_try: bool, turns: int) -> bytes:
        """Return it for a worker, with the descriptor of *turns*; only the first may use the last try."""
        return json.dumps(
            {
                "uri": str(self.uri),
                "module": str(self.module),
                "last_try": last_try,
                "allow_extractable": sorted(self.allow_extractable),
                "opening": self.opening,
                "deadline": self.deadline,
                "turns": turns,
            }
        ).encode()


@dataclass(frozen=True, slots=True)
class Answer:
    """The body of a SIGNED frame; or, where a worker was lost, why, and the losses that are too many."""

    worker: WorkerProcess
    signed: bytes = b""
    lost: TokenError | None = None
    patience: int = PATIENCE


class Crew:
    """Up to *size* workers. Whatever it raises, it can only be dismissed afterwards."""

    def __init__(self, order: Order, pins: PinSource, size: int) -> None:
        """Start nothing yet."""
        self._order: Final = order
        self._pins: Final = pins
        self._size: Final = size
        self._workers: Final[list[WorkerProcess]] = []
        self._selector: Final = selectors.DefaultSelector()
        self._turns: Final = tempfile.TemporaryFile()  # noqa: SIM115 - locked by workers, as long as they live
        self._pin: str | None = None
        self._sent: RefusedPin | None = None  # the PIN, and the token that it went to last
        self._has_opened = False  # ever
        self._failed_openings = 0  # since then
        self._where = f"the token {order.uri}"
        self._end: TokenError | None = None  # which the next `wait` raises
        self._notice: str | None = None  # what to say of a slow signature, empty once it was said

    @property
    def ready(self) -> list[WorkerProcess]:
        """The workers that sign."""
        return [worker for worker in self._workers if worker.state is State.READY]

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
        here = [worker for worker in self._workers if worker.state is State.HERE]
        if here and not any(worker.state is State.OPENING for worker in self._workers):
            self._open(here[0])

    def wait(self, longest: float | None = None) -> list[Answer]:
        """Wait until a worker says something, a deadline is over, or *longest* seconds; return what there is.

        Raise `PinError`, and `TokenError` if the token cannot be opened (again), but no answer is lost by it.
        """
        if self._end is not None:
            raise self._end
        self.replenish()
        self._watch_full_pipes()
        answers: list[Answer] = []
        heard = set()
        for key, events in self._selector.select(self._patience() if longest is None else longest):
            worker = key.data
            if events & selectors.EVENT_WRITE and worker.state is not State.LOST:
                worker.flush()
            if events & selectors.EVENT_READ and worker.state is not State.LOST:
                heard.add(worker)
                answers += self._hear(worker)
        for worker in [worker for worker in self._workers if worker not in heard]:
            answers += self._judge_silence(worker)
        if self._slow and min(self._slow) <= time.monotonic():
            watch.current.waits(self._notice or "")
            self._notice = ""
        self._give_pin()
        return answers

    def discard(self, worker: WorkerProcess) -> None:
        """End *worker* now. A fresh one takes its place at the next `wait`."""
        if worker.state is not State.LOST:
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
        """Return the error that says what the driver in *worker* *did*."""
        if worker.state is State.STARTED:
            return TokenError(
                f"a process for the driver {self._order.module} {did} before it loaded it", _TRY
            )
        doing, hint = ("open", _LOOK) if worker.state is State.OPENING else ("sign on", _AGAIN)
        return TokenError(f"cannot {doing} {self._where}: its driver {self._order.module} {did}", hint)

    def _open(self, worker: WorkerProcess) -> None:
        worker.state = State.OPENING
        worker.since = time.monotonic()
        last_try = self._order.last_try and not self._has_opened
        worker.send(Kind.OPEN, self._order.told(last_try=last_try, turns=self._turns.fileno()))

    def _watch_full_pipes(self) -> None:
        for worker in self._workers:
            if worker.wants_to_write and not worker.is_watched:
                self._selector.register(worker.input, selectors.EVENT_WRITE, worker)
            elif worker.is_watched and not worker.wants_to_write:
                self._selector.unregister(worker.input)
            worker.is_watched = worker.wants_to_write

    def _due(self, worker: WorkerProcess) -> float | None:
        """Return when the patience with *worker* ends, None while it has nothing to do or waits for us."""
        if worker.asked or worker.state is State.HERE:
            return None
        if worker.state in {State.STARTED, State.OPENING}:
            return worker.since + self._order.opening
        return worker.since + self._order.deadline if worker.jobs else None

    @property
    def _slow(self) -> list[float]:
        """When each signature of now will have taken long, if there is anything to say of it yet."""
        return [worker.since + _LONG for worker in self.ready if worker.jobs] if self._notice else []

    def _patience(self) -> float | None:
        ends = [end for end in map(self._due, self._workers) if end is not None] + self._slow
        return max(0.0, min(ends) - time.monotonic()) if ends else None

    def _hear(self, worker: WorkerProcess) -> list[Answer]:
        answers: list[Answer] = []
        try:
            frames, is_open = worker.read()
            for kind, body in frames:
                if kind is Kind.FAILED:
                    return [*answers, *self._lost(worker, _told(body))]
                if kind is Kind.SIGNED:
                    if worker.state is not State.READY:
                        raise BrokenFrame  # noqa: TRY301 - as in `taken`, one way out for all
                    worker.holds_pin = False
                    answers.append(Answer(worker, body))
                else:
                    self._attend(worker, kind, body)
        except (BrokenFrame, ValueError):
            return [*answers, *self._lost(worker, self.blame(worker, SPOILED))]
        return answers if is_open else [*answers, *self._lost(worker, None)]

    def _attend(self, worker: WorkerProcess, kind: Kind, body: bytes) -> None:
        match kind, json.loads(body), worker.state:
            case Kind.ASK, [str(token), str(tries)], State.OPENING | State.READY:
                worker.asked = (token, tries)
            case Kind.HERE, None, State.STARTED:
                worker.state = State.HERE
            case Kind.READY, [str(where), str(notice)], State.OPENING:
                self._where = where
                self._notice = notice if self._notice is None else self._notice
                worker.state = State.READY
                worker.holds_pin = False
                self._has_opened = True
                self._failed_openings = 0
            case _:
                raise BrokenFrame

    def _give_pin(self) -> None:
        for worker in self._workers:
            if worker.asked and not any(other.holds_pin for other in self._workers):
                token, tries = worker.asked
                worker.send(Kind.PIN, self._pin_for(token, tries))
                worker.asked, worker.holds_pin, worker.since = None, True, time.monotonic()

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

    def _accepted(self, given: str | None, token: str) -> bytes:
        """Return the bytes of the PIN that is *given*; raise `PinError` for one that must not be sent."""
        if not given:
            raise PinError(
                f"no PIN was given for {token}",
                "give one by a prompt, env:NAME, file:PATH, fd:N or cmd:PROGRAM",
            )
        try:
            pin = given.encode("utf-8")
        except UnicodeEncodeError:
            raise PinError(f"the PIN for {token} is not UTF-8") from None
        self._sent = RefusedPin.of(self._order.module, token, pin)
        self._sent.check()
        return pin

    def _judge_silence(self, worker: WorkerProcess) -> list[Answer]:
        end = self._due(worker)
        if end is None or time.monotonic() < end:
            return []
        seconds = self._order.deadline if worker.state is State.READY else self._order.opening
        return self._lost(worker, self.blame(worker, f"did not answer within {seconds:g} seconds"))

    def _lost(self, worker: WorkerProcess, error: TokenError | None) -> list[Answer]:
        """Take *worker* out; it is the end of all if nothing can come of another one."""
        code = worker.kill()
        patience = _PATIENCE_WHEN_KILLED if error is None and was_killed(code) else PATIENCE
        error = error or self.blame(worker, ended(code))
        if isinstance(error, PinError):
            if worker.holds_pin and self._sent:
                self._sent.remember()
                if asks_again(self._pins, error.message):
                    # The next worker looks at the tries that are left before it asks for another PIN.
                    self._pin = None
                    self.discard(worker)
                    return [Answer(worker, lost=error, patience=patience)]
            self._end = error
        if worker.state is not State.READY:
            self._failed_openings += 1
            if not self._has_opened or self._failed_openings >= patience:
                self._end = error
        self.discard(worker)
        return [Answer(worker, lost=error, patience=patience)]


def _told(body: bytes) -> TokenError:
    match json.loads(body):
        case {"error": str(name), "message": str(message), "hint": str(hint)}:
            return _ERRORS.get(name, TokenError)(message, hint)
    raise BrokenFrame
