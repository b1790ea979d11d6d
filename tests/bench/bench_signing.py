"""Signatures on a SoftHSM token beside a C loop over C_SignInit and C_Sign, which `raw_loop.c` is.

Both sign on one token, in turns, messages of 3 kB: the size of a large account's claims.
"""

from __future__ import annotations

import atexit
import os
import shutil
import subprocess
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytest_softhsm import Token
    from seedless.pkcs11.pool import Pool
    from seedless.signer import Signer

    Work = Callable[[], object]

_COUNT = 500  # signatures in a round
_SIZE = 3_000
_MESSAGES = [number.to_bytes(4, "big") * (_SIZE // 4) for number in range(_COUNT)]
_ID = b"\x01\x02"


class _Pin:
    def __init__(self, pin: str) -> None:
        self._pin = pin

    def pin(self, *_: str) -> str:
        return self._pin


def rows() -> Iterator[tuple[str, Work, Work, float | None]]:
    """Yield name, ours, beside, and the bar: a speed of at least S is a time of at most 1/S."""
    from seedless.nkey import Role  # noqa: PLC0415 - only here
    from seedless.pkcs11.pool import open_pool  # noqa: PLC0415 - likewise
    from seedless.pkcs11.token import open_token  # noqa: PLC0415 - likewise
    from seedless.pkcs11.uri import KeyUri  # noqa: PLC0415 - likewise
    from seedless.seeds import SoftwareKey  # noqa: PLC0415 - likewise

    stack = ExitStack()
    atexit.register(stack.close)
    folder = Path(tempfile.mkdtemp(prefix="seedless-bench-"))
    stack.callback(shutil.rmtree, folder)
    made, key = _token(folder), SoftwareKey(Role.ACCOUNT, bytes(range(32))).public_key
    program = _built(folder)
    raw, raw_two = (_raw_loops(program, made, loops, stack) for loops in (1, 2))
    uri, pins = KeyUri.parse(made.uri), _Pin(made.pin)
    token = stack.enter_context(open_token(uri, pins, module=made.module))
    one, two = (
        stack.enter_context(open_pool(uri, pins, module=made.module, workers=workers)) for workers in (1, 2)
    )
    what = f"{_COUNT} signatures of 3 kB,"
    unchecked, signer = token.unchecked_signer(key), token.signer(key)
    yield f"{what} not verified, beside a C loop (0.95)", _each(unchecked), raw, round(1 / 0.95, 3)
    yield f"{what} verified (0.75)", _each(signer), raw, round(1 / 0.75, 3)
    yield f"{what} verified, 1 worker (0.9)", _all(one, signer), raw, round(1 / 0.9, 3)
    yield f"{what} verified, 2 workers (1.15)", _all(two, signer), raw, round(1 / 1.15, 3)
    # A machine whose processors are busy or shared cannot give what the row above wants, as this one shows.
    yield f"{what} by 2 C loops at once", raw_two, raw, None


def _each(signer: Signer) -> Work:
    def work() -> None:
        for message in _MESSAGES:
            signer.sign(message)

    return work


def _all(pool: Pool, signer: Signer) -> Work:
    def work() -> None:
        for _ in pool.sign_all((signer.public_key, message) for message in _MESSAGES):
            pass

    return work


def _token(folder: Path) -> Token:
    from pytest_softhsm._find import find_module  # noqa: PLC0415 - only here
    from pytest_softhsm._tokens import install  # noqa: PLC0415 - likewise

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


def _raw_loops(program: Path, made: Token, loops: int, stack: ExitStack) -> Work:
    """Start C loops, each in a session of its own, that share the signatures of a round."""
    pin = program.with_name("pin")
    pin.write_text(made.pin, encoding="ascii")
    command = [program, made.module, made.serial, _ID.hex(), pin, str(_SIZE)]
    started: list[subprocess.Popen[str]] = []

    def work() -> None:
        for loop in started:
            assert loop.stdin
            loop.stdin.write(f"{_COUNT // loops}\n")
        for loop in started:
            assert loop.stdout
            if not loop.stdout.readline():
                raise SystemExit("the C loop has ended")

    for _ in range(loops):
        popen = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        started.append(stack.enter_context(popen))
        work()  # SoftHSM cannot read a token (CKR_GENERAL_ERROR) while another process logs in to it
    return work
