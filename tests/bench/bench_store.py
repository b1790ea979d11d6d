"""Whole stores, verified: by one process and by two, a large one beside a small one, and their memory."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Work = Callable[[], float | object]

_LARGE, _MIDDLE, _SMALL = 100_000, 10_000, 1_000
_ROUNDS = 3  # each takes half a minute
_VERIFY = """
import pathlib, resource, sys, time
from seedless.cli.main import main
code = main(["verify", "--store", sys.argv[1], "--jobs", sys.argv[2]])
own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
status = pathlib.Path("/proc/self/status")
if status.exists():  # there, maxrss begins with that of the process that started this one
    own = int(next(line for line in status.read_text().splitlines() if line.startswith("VmHWM")).split()[1])
peak = max(own, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
print(time.process_time(), peak, file=sys.stderr)
sys.exit(code)
"""


def rows() -> Iterator[dict[str, Any]]:
    """Yield the rows; each time is that of the whole command."""
    from bench_bulk import _used

    large = f"verify {_LARGE} jwts"
    yield {
        "name": f"{large}: two processes, beside one",
        "ours": _seconds(_LARGE, 2), "beside": _seconds(_LARGE, 1),
        "least": 1.7, "items": _LARGE, "rounds": _ROUNDS,
    }  # fmt: skip
    # What the machine gives to two processes that share nothing: it limits the row above.
    yield {
        "name": "bare PyNaCl: two processes, beside one", "ours": _bare(2), "beside": _bare(1), "rounds": 9,
    }  # fmt: skip
    yield {
        "name": f"{large}: two processes, processor time, beside bare PyNaCl in two",
        "ours": lambda: _used(lambda: _verify(_LARGE, 2)), "beside": lambda: _used(_bare(2, _LARGE)),
        "most": 1.6, "items": _LARGE, "rounds": _ROUNDS,
    }  # fmt: skip
    yield {
        "name": f"{large}, a tenth of it, beside {_MIDDLE}", "ours": lambda: _verify(_LARGE, 1)[1] / 10,
        "beside": lambda: _verify(_MIDDLE, 1)[1], "most": 1.25, "items": _MIDDLE, "rounds": _ROUNDS,
    }  # fmt: skip
    for jobs in (1, 2):
        yield {
            "name": f"peak memory of verify --jobs {jobs}: {_LARGE} beside {_SMALL} jwts",
            "ours": _megabytes(_LARGE, jobs), "beside": _megabytes(_SMALL, jobs),
            "most": 1.2, "rounds": 1, "unit": "MB",
        }  # fmt: skip


def _seconds(jwts: int, jobs: int) -> Work:
    return lambda: _verify(jwts, jobs)[0]


def _megabytes(jwts: int, jobs: int) -> Work:
    return lambda: _verify(jwts, jobs)[2]


def _verify(jwts: int, jobs: int) -> tuple[float, float, float]:
    """Verify a store of *jwts* in a new process; return seconds, processor seconds, and its peak in MB."""
    from time import perf_counter

    from _stores import store_of

    root = store_of(jwts).root
    start = perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", _VERIFY, root, str(jobs)],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=True,
    )  # fmt: skip
    seconds = perf_counter() - start
    processor, peak = done.stderr.split()[-2:]
    return seconds, float(processor), int(peak) / (1 << 20 if sys.platform == "darwin" else 1024)


_LOOP = """
import sys
from nacl.bindings import crypto_sign, crypto_sign_open, crypto_sign_seed_keypair
public, secret = crypto_sign_seed_keypair(bytes(32))
signed = crypto_sign(bytes(600), secret)  # some as many as a user has
for _ in range(int(sys.argv[1])):
    crypto_sign_open(signed, public)
"""


def _bare(processes: int, verifications: int = 20_000) -> Work:
    """Return what shares so many *verifications* among *processes*."""

    def work() -> None:
        command = [sys.executable, "-c", _LOOP, str(verifications // processes)]
        started = [subprocess.Popen(command, env=os.environ) for _ in range(processes)]
        if any(process.wait() for process in started):
            raise SystemExit("a loop over PyNaCl has failed")

    return work
