"""Thousands of accounts by the library: drafted, signed on a SoftHSM token, verified and recorded.

Beside it is a C loop that only signs, messages of the same size. Drafts are made as the workers want them and
jwts are recorded a hundred at a time, so that memory stays where it is: that is measured, too. Each slice has
a store of its own, and all are removed at the end: for half a minute ext4 looks for a place for a new file
past all those that were removed, which makes it ten times slower.
"""

from __future__ import annotations

import atexit
import itertools
import os
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from _claims import NOW, OPERATOR, account

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from seedless.nkey import PublicKey
    from seedless.pkcs11.isolation.pool import Pool
    from seedless.store import NscStore

_ACCOUNTS = 5_000  # of a round, in slices in which both sides take turns
_SLICE = 1_000
_ROUNDS = 5
_TOGETHER = 100
_MANY, _FEW = 100_000, 1_000  # jwts of a process whose memory is measured


def rows() -> Iterator[dict[str, Any]]:
    """Yield the rows."""
    from bench_signing import _built, _loop, _Pin, _token

    from seedless.jwt import draft
    from seedless.pkcs11.isolation.pool import open_pool
    from seedless.pkcs11.uri import KeyUri

    stack = ExitStack()
    atexit.register(stack.close)
    folder = Path(tempfile.mkdtemp(prefix="seedless-bench-"))
    stack.callback(shutil.rmtree, folder)
    made, key = _token(folder), OPERATOR.public_key
    made.import_ed25519(bytes(32), label="operator:bench", id=b"\x03")
    size = len(draft(account(), key, NOW).signing_input)
    raw = _loop(_built(folder), made, _SLICE, stack, size=size)
    for workers, least in ((1, 0.92), (2, 1.1)):
        pool = stack.enter_context(
            open_pool(KeyUri.parse(made.uri), _Pin(made.pin), module=made.module, workers=workers)
        )
        for what, kept in (("store", True), ("jwt", False)):
            yield {
                "name": f"{_ACCOUNTS} accounts from claims to {what}, workers: {workers}, beside a C loop",
                "ours": _made(pool, key, folder / f"{workers} {what}", kept=kept),
                "beside": raw,
                "least": least if kept else None,
                "items": _ACCOUNTS,
                "rounds": _ROUNDS,
                "slices": _ACCOUNTS // _SLICE,
            }
    environment = os.environ | {"TOKEN_PIN": made.pin}
    command = [sys.executable, __file__, str(made.module), made.uri, str(key)]
    yield {
        "name": f"peak memory of the same: {_MANY} beside {_FEW} accounts",
        "ours": _megabytes([*command, str(folder / "many"), str(_MANY)], environment),
        "beside": _megabytes([*command, str(folder / "few"), str(_FEW)], environment),
        "most": 1.2,
        "rounds": 1,
        "unit": "MB",
    }


def _made(pool: Pool, key: PublicKey, root: Path, *, kept: bool) -> Callable[[], float]:
    claims = [account(number) for number in range(_SLICE)]
    roots = (root / str(number) for number in itertools.count())

    def work() -> float:
        store = _founded(next(roots))
        begin = time.perf_counter()
        _bulk(pool, key, iter(claims), store if kept else None)
        return time.perf_counter() - begin

    return work


def _bulk(pool: Pool, key: PublicKey, claims: Iterator[Any], store: NscStore | None) -> None:
    """Draft *claims*, sign them, and record them as they come; a hundred are held at a time."""
    from seedless.jwt import draft

    jwts = (jwt for _, jwt in pool.complete_all(draft(one, key, NOW) for one in claims))
    while batch := list(itertools.islice(jwts, _TOGETHER)):
        if store is not None:
            store.put({(jwt.claims.name,): jwt for jwt in batch})


def _founded(root: Path) -> NscStore:
    from seedless.claims import Operator
    from seedless.jwt import Claims, draft
    from seedless.store import create_store

    key, store = OPERATOR.public_key, create_store(root, "ACME")
    made = draft(Claims(sub=str(key), name="ACME", body=Operator.new()), key, NOW)
    store.put({(): made.complete(OPERATOR.sign(made.signing_input))})
    return store


def _megabytes(command: list[str], environment: dict[str, str]) -> Callable[[], float]:
    def work() -> float:
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
        return int(done.stdout) / (1 << 20 if sys.platform == "darwin" else 1 << 10)

    return work


def _alone(module: str, uri: str, key: str, root: str, count: str) -> None:
    """Make *count* accounts in this process, and print its peak of memory."""
    import resource

    from seedless.nkey import PublicKey
    from seedless.pin import parse_pin_source
    from seedless.pkcs11.isolation.pool import open_pool
    from seedless.pkcs11.uri import KeyUri

    pins = parse_pin_source("env:TOKEN_PIN")
    with open_pool(KeyUri.parse(uri), pins, module=Path(module), workers=1) as pool:
        claims = (account(number) for number in range(int(count)))
        _bulk(pool, PublicKey.parse(key), claims, _founded(Path(root)))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    status = Path("/proc/self/status")
    if status.exists():  # there, maxrss begins with that of the process that started this one
        lines = status.read_text(encoding="ascii").splitlines()
        peak = int(next(line for line in lines if line.startswith("VmHWM")).split()[1])
    print(peak)


if __name__ == "__main__":
    _alone(*sys.argv[1:])
