"""What one item more takes among many, beside one among few: what is linear comes to 1.

Whole commands, by the processor time of all their processes; what they take for ten items is taken off, which
is mostly their start. Stores and tokens lie in memory where the system has a file system there.
"""

from __future__ import annotations

import atexit
import functools
import os
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_FEW, _MANY = 1_000, 10_000
_LEAST = 10
_MOST = 1.15
_ROUNDS = 3


def rows() -> Iterator[dict[str, Any]]:
    """Yield the rows."""
    yield {
        "name": f"apply of nothing changed, {_MANY} accounts, processor time, beside verifying them",
        "ours": lambda: _nothing(_MANY), "beside": lambda: _read(_MANY),
        "most": 2.0, "items": _MANY, "rounds": _ROUNDS,
    }  # fmt: skip
    kinds: dict[str, tuple[Callable[[int], float], int]] = {
        "verify, jwts": (_verified, 1),
        "lint, jwts": (_linted, 1),
        "key list --all, jwts": (_listed, 1),
        "apply of nothing changed, accounts": (_nothing, 1),
        "apply that changes accounts and signs them": (_changed, 1),
        # SoftHSM takes 9 ms to create a key: a tenth of the sizes.
        "apply of new accounts and users, keys created": (_new, 10),
    }
    for name, (work, smaller) in kinds.items():
        few, many = _FEW // smaller, _MANY // smaller
        yield {
            "name": f"growth of {name}: one of {many} beside one of {few}, processor time",
            "ours": functools.partial(_each, work, many),
            "beside": functools.partial(_each, work, few),
            "most": _MOST,
            "rounds": _ROUNDS,
        }


def _each(work: Callable[[int], float], size: int) -> float:
    return (work(size) - work(_LEAST)) / (size - _LEAST)


def _verified(size: int) -> float:
    return _store_command(size, "verify", "--jobs", "1")


def _linted(size: int) -> float:
    return _store_command(size, "lint")


def _listed(size: int) -> float:
    return _store_command(size, "key", "list", "--all")


def _store_command(size: int, *words: str) -> float:
    from _stores import store_of
    from bench_bulk import _seedless, _used

    env = os.environ | {"SEEDLESS_STORE": str(store_of(size).root)}
    return _used(lambda: _seedless(env, *words))


def _nothing(size: int) -> float:
    from bench_bulk import _seedless, _used

    made = _accounts(size)
    return _used(lambda: _seedless(made.env, "apply", str(made.file), "--plan-only"))


def _read(size: int) -> float:
    """Read and verify the accounts of `_nothing` in this process."""
    from seedless.store import open_store

    store = open_store(_accounts(size).folder / "store", "ACME")
    begin = time.process_time()
    for name in store.children():
        store.get(name)
    return time.process_time() - begin


def _changed(size: int) -> float:
    from bench_bulk import _seedless, _used

    made = _accounts(size)
    changed = made.folder / "changed.toml"
    changed.write_text(made.file.read_text(encoding="utf-8").replace("conn = 100,", "conn = 200,"))
    shutil.copytree(made.folder / "store", made.folder / "before")
    try:
        words = ("apply", str(changed), "--policy", str(made.folder / "policy.toml"), "--yes")
        return _used(lambda: _seedless(made.env, *words))
    finally:
        shutil.rmtree(made.folder / "store")
        (made.folder / "before").rename(made.folder / "store")


def _new(size: int) -> float:
    from bench_bulk import _seedless, _used

    made = _accounts(0)
    for name in ("store", "tokens"):
        shutil.copytree(made.folder / name, made.folder / f"{name}-before")
    try:
        file = made.folder / "new.toml"
        file.write_text("".join(f"[accounts.A{n}]\n[accounts.A{n}.users.u]\n" for n in range(size)))
        words = ("apply", str(file), "--policy", str(made.folder / "policy.toml"), "--yes")
        return _used(lambda: _seedless(made.env, *words))
    finally:
        for name in ("store", "tokens"):
            shutil.rmtree(made.folder / name)
            (made.folder / f"{name}-before").rename(made.folder / name)


@dataclass(frozen=True)
class Accounts:
    """A store of accounts on a token of their own, and the desired state that it is in."""

    folder: Path
    file: Path
    env: dict[str, str]


@functools.cache
def _accounts(size: int) -> Accounts:
    """Make the operator of `bench_bulk`, on a token, and *size* accounts, which a software key signs."""
    from _stores import fill_accounts
    from bench_bulk import _environment
    from bench_signing import _token

    folder = Path(tempfile.mkdtemp(prefix="seedless-bench-", dir=in_memory()))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    made = _token(folder)
    made.import_ed25519(bytes(32), label="operator:ACME", id=b"\x03")
    fill_accounts(folder, size, f"{made.uri};object=operator%3AACME;id=%03")
    return Accounts(folder, folder / "tenants.toml", _environment(folder, made))


def in_memory() -> str | None:
    """Return a folder of a file system in memory, None where there is none: then it is the usual one."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108 - a name of its own is made there
