"""A worker of a pool: one process with one library, one session and one login, which signs what it is sent.

Run as `python -m seedless.pkcs11.isolation.worker`, by the pool (`pool.py` beside this) and nothing else. It
reads on stdin what to open, asks there for the PIN when the token requires it, and ends when stdin does;
while the driver hangs, at the deadline. The first error ends it too: whatever a driver did wrong, this
process does not go on with it. Signatures are not verified here; the pool does that while the token makes the
next one.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import time
from collections import deque
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from seedless.challenges import ChallengeJournal
from seedless.errors import PinError, SeedlessError
from seedless.pin import forbid_dumps
from seedless.pkcs11.binding import load_binding
from seedless.pkcs11.isolation.frames import (
    SIGNATURE,
    BrokenFrame,
    FrameKind,
    pack_frame,
    read_key,
    take_frames,
    unpack_jobs,
)
from seedless.pkcs11.observer import touch_notice
from seedless.pkcs11.uri import KeyUri

if TYPE_CHECKING:
    from collections.abc import Callable

    from seedless.pkcs11.signing import TokenSigner
    from seedless.pkcs11.token import Token

_GRACE = 0.5  # seconds, to close the session once stdin has ended, and for the pool to act before we do
# 64 KiB, the size of a pipe on Linux.
_CHUNK = 1 << 16  # what a pipe holds; more would be mapped and unmapped for each read
# Ten signatures of SoftHSM: gathered they cost one write and one wake-up of the pool instead of ten.
_SILENCE = 0.002  # seconds in which signatures are gathered; each write wakes the pool


class _PoolConnection:
    """The pool, seen from here. Between a request and its answer a worker runs against the clock.

    That is an alarm, which ends a process that hangs in its driver when nobody is left to kill it. A thread
    would see the end of stdin at once, but a process with two threads signs some 5 % slower.
    """

    __slots__ = ("_answers", "_buffer", "_descriptor", "_jobs", "_pins", "_requests", "gone", "patience")

    def __init__(self, descriptor: int, answers: int) -> None:
        self._descriptor: Final = descriptor
        self._answers: Final = answers
        self._buffer: Final = bytearray()
        self._requests: Final[deque[bytes]] = deque()
        self._pins: Final[deque[bytes]] = deque()
        self._jobs: Final[deque[bytes]] = deque()
        self.gone = False
        self.patience = 0.0

    def send(self, kind: FrameKind, body: bytes) -> None:
        """Send one frame; the clock starts anew."""
        data = pack_frame(kind, body)
        while data:
            data = data[os.write(self._answers, data) :]
        self._set_alarm(self.patience)

    def request(self) -> bytes | None:
        """Wait for what to open; None: the pool is gone."""
        return self._next(self._requests)

    def pin(self) -> bytes | None:
        """Wait for the PIN; None: the pool is gone."""
        return self._next(self._pins)

    def jobs(self) -> bytes | None:
        """Wait for a batch; None: the pool is gone."""
        return self._next(self._jobs)

    def _next(self, queue: deque[bytes]) -> bytes | None:
        self._set_alarm(0)
        while not queue and not self.gone:
            self._listen()
        self._set_alarm(_GRACE if self.gone else self.patience)
        return None if self.gone else queue.popleft()

    def _listen(self) -> None:
        queues = {FrameKind.OPEN: self._requests, FrameKind.PIN: self._pins, FrameKind.JOBS: self._jobs}
        try:
            chunk = os.read(self._descriptor, _CHUNK)
            self._buffer.extend(chunk)
            for kind, body in take_frames(self._buffer, 1 << 32):
                queues[kind].append(body)
        except (OSError, BrokenFrame, KeyError):
            chunk = b""  # as good as gone
        self.gone = not chunk

    def _set_alarm(self, seconds: float) -> None:
        # With the default action, which ends the process: a handler would run only when the driver
        # returns, which is what it may never do.
        signal.setitimer(signal.ITIMER_REAL, seconds + _GRACE if seconds else 0)


class _PoolPinSource:
    """A PinSource that asks the pool."""

    __slots__ = ("_pool",)

    def __init__(self, pool: _PoolConnection) -> None:
        self._pool: Final = pool

    def pin(self, token: str, tries: str) -> str:
        """Ask, and wait for the answer."""
        self._pool.send(FrameKind.ASK, json.dumps([token, tries]).encode())
        answer = self._pool.pin()
        if answer is None:
            raise PinError("the program that wanted the token has ended")
        return answer.decode("utf-8")


def _work(pool: _PoolConnection) -> None:
    request = pool.request()
    if request is None:
        return
    load_binding()
    from seedless.pkcs11.token import open_token  # behind the line before

    options = json.loads(request)
    pool.patience = options["opening"]
    uri, module, turns = KeyUri.parse(options["uri"]), Path(options["module"]), _LoginLock(options["turns"])
    with ExitStack() as stack:
        pins, journal = _PoolPinSource(pool), _journal(options)
        opening = open_token(uri, pins, module=module, last_try=options["last_try"], challenges=journal)
        with turns:
            token = stack.enter_context(opening)
        pool.patience = options["deadline"]
        pool.send(FrameKind.READY, json.dumps([token.info.where, touch_notice(token.info)]).encode())
        keys = _KeySigners(token, frozenset(options["allow_extractable"]), turns)
        while (batch := pool.jobs()) is not None:
            _sign(pool, keys, batch)


def _journal(options: dict[str, Any]) -> ChallengeJournal | None:
    if options["challenges"] is None:
        return None
    path, command, has_jwts = options["challenges"]
    return ChallengeJournal(path=Path(path), command=command, has_jwts=has_jwts)


class _LoginLock:
    """Turns that the workers of a pool take where one logs in; the end of a process ends its turn.

    SoftHSM writes at each login, that for one signature as well, and answers CKR_GENERAL_ERROR, or shows no
    token, to another process that reads meanwhile.
    """

    __slots__ = ("_descriptor",)

    def __init__(self, descriptor: int) -> None:
        self._descriptor: Final = descriptor

    def __enter__(self) -> None:
        fcntl.lockf(self._descriptor, fcntl.LOCK_EX)

    def __exit__(self, *_: object) -> None:
        fcntl.lockf(self._descriptor, fcntl.LOCK_UN)


class _KeySigners(dict[bytes, "Callable[[bytes], bytes]"]):
    """How each key signs, looked for on the token when it is first needed."""

    def __init__(self, token: Token, allowed: frozenset[str], turns: _LoginLock) -> None:
        super().__init__()
        self._token: Final = token
        self._allowed: Final = allowed
        self._turns: Final = turns

    def __missing__(self, packed: bytes) -> Callable[[bytes], bytes]:
        key = read_key(packed)
        signer = self._token.unchecked_signer(key, allow_extractable=str(key) in self._allowed)
        return self.setdefault(packed, self._in_turn(signer) if signer.logs_in_for_each else signer.sign)

    def _in_turn(self, signer: TokenSigner) -> Callable[[bytes], bytes]:
        def sign(message: bytes) -> bytes:
            with self._turns:
                return signer.sign(message)

        return sign


def _sign(pool: _PoolConnection, keys: _KeySigners, batch: bytes) -> None:
    """Sign one batch; report each signature, but those of a fast token a few at a time."""
    # What can be done before and after is not done between signatures, where a driver has emptied the caches.
    clock = time.monotonic
    reported, unreported = clock(), []
    try:
        for number, key, message in list(unpack_jobs(batch)):
            unreported.append((number, keys[key](message)))
            if clock() - reported >= _SILENCE:
                _report(pool, unreported)
                reported = clock()
    finally:
        _report(pool, unreported)


def _report(pool: _PoolConnection, unreported: list[tuple[int, bytes]]) -> None:
    if unreported:
        pool.send(FrameKind.SIGNED, b"".join(SIGNATURE.pack(*signed) for signed in unreported))
        unreported.clear()


def main() -> None:
    """Serve the pool at the other ends of stdin and stdout until it is gone or an error has been reported."""
    # Ctrl-C in a terminal reaches us as well; the pool decides what it means. It was blocked when we began.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT, signal.SIGALRM})
    # The memory of a driver that crashes holds the PIN, and should not become a file.
    forbid_dumps()
    pool = _PoolConnection(os.dup(0), os.dup(1))
    with suppress(OSError):
        pool.send(FrameKind.HERE, b"null")
    # A driver that reads stdin or prints would reach the pool.
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(nothing, 1)
    failure = None
    try:
        _work(pool)
    except SeedlessError as error:
        failure = {"error": type(error).__name__, "message": error.message, "hint": error.hint}
    except Exception as error:  # noqa: BLE001 - its text may hold anything, a PIN as well
        failure = {"error": "", "message": f"a worker failed with {type(error).__name__}", "hint": ""}
    if failure is not None:
        with suppress(OSError):
            pool.send(FrameKind.FAILED, json.dumps(failure).encode())


if __name__ == "__main__":
    main()
    os._exit(0)  # past whatever the driver does at the end of a process
