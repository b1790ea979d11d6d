"""Signatures on a SoftHSM token beside a C loop over C_SignInit and C_Sign, which `raw_loop.c` is.

Both sign on one token, in turns, messages of 3 kB: the size of a large account's claims.
"""

from __future__ import annotations

import atexit
import os
import shutil
import subprocess
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytest_softhsm import Token
    from seedless.pkcs11.isolation.pool import Pool
    from seedless.signer import Signer

    Work = Callable[[], float | object]

_ROUND = 480  # signatures in a round, cut into slices in which both sides take turns:
_SLICE = 240  # signatures, for the first ones find the caches as the other side has left them
_SIZE = 3_000
_MESSAGES = [number.to_bytes(4, "big") * (_SIZE // 4) for number in range(_SLICE)]
_ONE = {min(os.sched_getaffinity(0))}  # processor for both sides of a row in which each has one thread
_ID = b"\x01\x02"


class _Pin:
    def __init__(self, pin: str) -> None:
        self._pin = pin

    def pin(self, *_: str) -> str:
        return self._pin


def rows() -> Iterator[tuple[str, Work, Work, None, int, None, int, float | None]]:
    """Yield name, ours, beside, signatures and slices of a round, and the bar: the speed beside a C loop."""
    from seedless.nkey import Role
    from seedless.pkcs11.isolation.pool import open_pool
    from seedless.pkcs11.token import open_token
    from seedless.pkcs11.uri import KeyUri
    from seedless.seeds import SoftwareKey

    stack = ExitStack()
    atexit.register(stack.close)
    folder = Path(tempfile.mkdtemp(prefix="seedless-bench-"))
    stack.callback(shutil.rmtree, folder)
    made, key = _token(folder), SoftwareKey(Role.ACCOUNT, bytes(range(32))).public_key
    program = _built(folder)
    uri, pins = KeyUri.parse(made.uri), _Pin(made.pin)
    token = stack.enter_context(open_token(uri, pins, module=made.module))
    one, two = (
        stack.enter_context(open_pool(uri, pins, module=made.module, workers=workers)) for workers in (1, 2)
    )
    unchecked, signer = token.unchecked_signer(key), token.signer(key)
    pinned, free = _loop(program, made, _SLICE, stack, _ONE), _loop(program, made, _SLICE, stack)
    yield _row("not verified", _each(unchecked), pinned, 0.95)
    yield _row("verified", _each(signer), pinned, 0.75)
    yield _row("verified, by 1 worker", _all(one, signer), free, 0.9)
    yield _row("verified, by 2 workers", _all(two, signer), free, 1.15)
    # A machine whose processors are busy or shared cannot give what the row above wants, as this one shows.
    halves = [_loop(program, made, _SLICE // 2, stack) for _ in range(2)]
    yield _row("by 2 C loops at once", lambda: _at_once(halves), free, None)


def _row(
    how: str, ours: Work, beside: Work, least: float | None
) -> tuple[str, Work, Work, None, int, None, int, float | None]:
    name = f"signatures of 3 kB, {how}, beside a C loop"
    return name, ours, beside, None, _ROUND, None, _ROUND // _SLICE, least


def _each(signer: Signer) -> Work:
    def work() -> float:
        place = os.sched_getaffinity(0)
        os.sched_setaffinity(0, _ONE)
        try:
            begin = time.perf_counter()
            for message in _MESSAGES:
                signer.sign(message)
            return time.perf_counter() - begin
        finally:
            os.sched_setaffinity(0, place)

    return work


def _all(pool: Pool, signer: Signer) -> Work:
    def work() -> None:
        for _ in pool.sign_all((signer.public_key, message) for message in _MESSAGES):
            pass

    return work


def _token(folder: Path) -> Token:
    from pytest_softhsm._find import find_module
    from pytest_softhsm._tokens import install

    module = find_module(os.environ.get("SOFTHSM2_MODULE"))
    if module is None:
        raise SystemExit("the rows of signatures need SoftHSM: install the package softhsm2")
    place = install(module, folder, None)
    os.environ.update(place.env)
    made = place.create("bench")
    made.import_ed25519(bytes(range(32)), label="account:bench", id=_ID)
    return made


def _built(folder: Path) -> Path:
    program, source = folder / "raw_loop", Path(__file__).with_name("raw_loop.c")
    subprocess.run(["cc", "-O2", "-o", program, source, "-ldl"], check=True)
    return program


class _Loop:
    """A C loop in a process of its own, which signs so many messages each time that it is told to."""

    def __init__(self, process: subprocess.Popen[str], count: int) -> None:
        self._process = process
        self._count = count

    def start(self) -> None:
        assert self._process.stdin
        self._process.stdin.write(f"{self._count}\n")

    def seconds(self) -> float:
        """Wait until it is done; return the seconds that it took, by its own clock."""
        return self._times()[0]

    def used(self) -> float:
        """Run; return the seconds of processor time."""
        self.start()
        return self._times()[1]

    def _times(self) -> tuple[float, float]:
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit("the C loop has ended")
        taken, used = line.split()
        return float(taken), float(used)

    def __call__(self) -> float:
        self.start()
        return self.seconds()


def _at_once(loops: list[_Loop]) -> float:
    for loop in loops:
        loop.start()
    return max(loop.seconds() for loop in loops)


def _loop(
    program: Path, made: Token, count: int, stack: ExitStack, place: set[int] | None = None, size: int = _SIZE
) -> _Loop:
    pin = program.with_name("pin")
    pin.write_text(made.pin, encoding="ascii")
    command = [str(program), str(made.module), made.serial, _ID.hex(), str(pin), str(size)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
    if place is not None:
        os.sched_setaffinity(process.pid, place)
    loop = _Loop(stack.enter_context(process), count)
    loop()  # SoftHSM cannot read a token (CKR_GENERAL_ERROR) while another process logs in to it
    return loop
