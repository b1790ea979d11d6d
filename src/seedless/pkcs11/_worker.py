"""A worker of a pool: one process with one library, one session and one login, which signs what it is sent.

Run as `python -m seedless.pkcs11._worker`, by `seedless.pkcs11.pool` and nobody else. It is told on stdin
what to open, asks there for the PIN when the token wants it, and ends when stdin does, even while the
driver hangs. The first error ends it too: whatever a driver did wrong, this process does not go on with it.
Signatures are not verified here; the pool does that while the token makes the next one.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import threading
import time
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Final

from seedless.errors import PinError, SeedlessError
from seedless.pkcs11._frames import SIGNATURE, BrokenFrame, Kind, jobs, pack, read_key, taken
from seedless.pkcs11.token import open_token
from seedless.pkcs11.uri import KeyUri

if TYPE_CHECKING:
    from collections.abc import Callable

    from seedless.pkcs11.token import Token

_GRACE = 0.5  # seconds, to close the session once stdin has ended
_CHUNK = 1 << 16  # what a pipe holds; more would be mapped and unmapped for each read
_SILENCE = 0.002  # seconds in which signatures are gathered; each write wakes the pool


class _Pool:
    """The pool, seen from here: what it sends is sorted by a thread, which also sees it go."""

    __slots__ = ("_answers", "_descriptor", "gone", "jobs", "orders", "pins")

    def __init__(self, descriptor: int, answers: int) -> None:
        self._descriptor: Final = descriptor
        self._answers: Final = answers
        self.orders: Final[SimpleQueue[bytes | None]] = SimpleQueue()
        self.pins: Final[SimpleQueue[bytes | None]] = SimpleQueue()
        self.jobs: Final[SimpleQueue[bytes | None]] = SimpleQueue()
        self.gone = False
        threading.Thread(target=self._listen, daemon=True).start()

    def say(self, kind: Kind, body: bytes) -> None:
        """Send one frame."""
        data = pack(kind, body)
        while data:
            data = data[os.write(self._answers, data) :]

    def _listen(self) -> None:
        queues = {Kind.OPEN: self.orders, Kind.PIN: self.pins, Kind.JOBS: self.jobs}
        buffer = bytearray()
        try:
            while chunk := os.read(self._descriptor, _CHUNK):
                buffer += chunk
                for kind, body in taken(buffer, 1 << 32):
                    queues[kind].put(body)
        except (OSError, BrokenFrame, KeyError):
            pass  # as good as gone
        self.gone = True
        for queue in queues.values():
            queue.put(None)
        time.sleep(_GRACE)
        os._exit(1)  # the driver hangs, and would outlive everybody


class _AskedPin:
    """A PinSource that asks the pool."""

    __slots__ = ("_pool",)

    def __init__(self, pool: _Pool) -> None:
        self._pool: Final = pool

    def pin(self, token: str, tries: str) -> str:
        """Ask, and wait for the answer."""
        self._pool.say(Kind.ASK, json.dumps([token, tries]).encode())
        answer = self._pool.pins.get()
        if answer is None:
            raise PinError("the program that wanted the token has ended")
        return answer.decode("utf-8")


def _work(pool: _Pool) -> None:
    order = pool.orders.get()
    if order is None:
        return
    wanted = json.loads(order)
    uri, module = KeyUri.parse(wanted["uri"]), Path(wanted["module"])
    with open_token(uri, _AskedPin(pool), module=module, last_try=wanted["last_try"]) as token:
        pool.say(Kind.READY, json.dumps(token.info.where).encode())
        keys = _Keys(token, frozenset(wanted["allow_extractable"]))
        while (batch := pool.jobs.get()) is not None:
            _sign(pool, keys, batch)


class _Keys(dict[bytes, "Callable[[bytes], bytes]"]):
    """How each key signs, looked for on the token when it is first wanted."""

    def __init__(self, token: Token, allowed: frozenset[str]) -> None:
        super().__init__()
        self._token: Final = token
        self._allowed: Final = allowed

    def __missing__(self, packed: bytes) -> Callable[[bytes], bytes]:
        key = read_key(packed)
        signer = self._token.unchecked_signer(key, allow_extractable=str(key) in self._allowed)
        return self.setdefault(packed, signer.sign)


def _sign(pool: _Pool, keys: _Keys, batch: bytes) -> None:
    """Sign one batch; tell each signature, but those of a fast token a few at a time."""
    told, untold = time.monotonic(), b""
    try:
        for number, key, message in jobs(batch):
            if pool.gone:
                return
            untold += SIGNATURE.pack(number, keys[key](message))
            if time.monotonic() - told >= _SILENCE:
                pool.say(Kind.SIGNED, untold)
                told, untold = time.monotonic(), b""
    finally:
        if untold and not pool.gone:
            pool.say(Kind.SIGNED, untold)


def main() -> None:
    """Serve the pool at the other ends of stdin and stdout until it is gone or an error has been told."""
    # Ctrl-C in a terminal reaches us as well; the pool decides what it means. It was blocked when we began.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    # The memory of a driver that crashes holds the PIN, and should not become a file.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    pool = _Pool(os.dup(0), os.dup(1))
    with suppress(OSError):
        pool.say(Kind.HERE, b"null")
    # A driver that reads stdin or prints would be heard by the pool.
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
    if failure is not None and not pool.gone:
        with suppress(OSError):
            pool.say(Kind.FAILED, json.dumps(failure).encode())


if __name__ == "__main__":
    main()
    os._exit(0)  # past whatever the driver does at the end of a process
