"""`seedless apply` of a thousand accounts on a SoftHSM token, beside a C loop that signs or creates as many.

The whole command is timed: it starts, reads the file, plans, judges, shows all of it, signs by a worker,
verifies and records. Both sign on one token; the loop's messages are those of the rows of signatures. Where
processor time is measured, it is that of all processes of the command: how long a disk takes to make what is
written last does not count, nor what other programs do.
"""

from __future__ import annotations

import atexit
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytest_softhsm import Token

_COUNT = 1_000
_ROUNDS = 3
_SIZE = 800  # of what is signed for a new account, and for a user


def rows() -> Iterator[dict[str, Any]]:
    """Yield the rows."""
    from bench_signing import _built, _loop, _token

    stack = ExitStack()
    atexit.register(stack.close)
    folder = Path(tempfile.mkdtemp(prefix="seedless-bench-"))
    stack.callback(shutil.rmtree, folder)
    made = _token(folder)
    env = _environment(folder, made)
    _found(folder, env)
    apply = ("apply", "--policy", str(folder / "policy.toml"), "--yes")

    def ours() -> None:
        _restore(folder, "founded")
        _seedless(env, *apply, str(folder / "tenants.toml"))

    raw = _loop(_built(folder), made, _COUNT, stack)
    yield {
        "name": f"apply of {_COUNT} accounts, a whole command, beside a C loop",
        "ours": ours,
        "beside": raw,
        "items": _COUNT,
        "rounds": _ROUNDS,
    }
    ours()
    shutil.copytree(folder / "store", folder / "applied")
    changed = folder / "changed.toml"
    changed.write_text(
        (folder / "tenants.toml").read_text(encoding="utf-8").replace("conn = 100,", "conn = 200,")
    )

    def changes() -> float:
        _restore(folder, "applied")
        return _used(lambda: _seedless(env, *apply, str(changed)))

    yield {
        "name": f"apply that changes {_COUNT} accounts, processor time, beside a C loop",
        "ours": changes,
        "beside": raw.used,
        "most": 4.0,
        "items": _COUNT,
        "rounds": _ROUNDS,
    }
    yield _new_keys(stack)


def _new_keys(stack: ExitStack) -> dict[str, Any]:
    """Return the row in which all keys of accounts are created, each round on the token as it was before."""
    from bench_signing import _ID, _built, _token

    folder = Path(tempfile.mkdtemp(prefix="seedless-bench-"))
    stack.callback(shutil.rmtree, folder)
    made = _token(folder)
    env = _environment(folder, made)
    _found(folder, env)
    tenants, pin, program = folder / "new.toml", folder / "pin", _built(folder)
    tenants.write_text(
        "".join(f"[accounts.A{n}]\n[accounts.A{n}.users.u]\n" for n in range(_COUNT)), encoding="utf-8"
    )
    pin.write_text(made.pin, encoding="ascii")
    shutil.copytree(folder / "tokens", folder / "tokens-before")

    def restore() -> None:
        _restore(folder, "founded")
        shutil.rmtree(folder / "tokens")
        shutil.copytree(folder / "tokens-before", folder / "tokens")

    def ours() -> float:
        restore()
        policy = str(folder / "policy.toml")
        return _used(lambda: _seedless(env, "apply", str(tenants), "--policy", policy, "--yes"))

    def beside() -> float:
        restore()
        command = [str(program), str(made.module), made.serial, _ID.hex(), str(pin), str(_SIZE)]
        done = subprocess.run(
            command, env=env, input=f"{_COUNT} new\n", stdout=subprocess.PIPE, text=True, check=True
        )
        return float(done.stdout.split()[1])

    return {
        "name": f"apply of {_COUNT} new accounts and users, keys created, processor time, beside a C loop",
        "ours": ours,
        "beside": beside,
        "most": 1.5,
        "items": _COUNT,
        "rounds": _ROUNDS,
    }


def _environment(folder: Path, made: Token) -> dict[str, str]:
    return os.environ | {
        "SEEDLESS_STORE": str(folder / "store"),
        "SEEDLESS_MODULE": str(made.module),
        "SEEDLESS_TOKEN": made.uri,
        "SEEDLESS_PIN_SOURCE": "env:TOKEN_PIN",
        "TOKEN_PIN": made.pin,
    }


def _restore(folder: Path, which: str) -> None:
    shutil.rmtree(folder / "store")
    shutil.copytree(folder / which, folder / "store")


def _used(work: Callable[[], object]) -> float:
    """Return the processor time of the processes that *work* starts and waits for, and of theirs."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    work()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _found(folder: Path, env: dict[str, str]) -> None:
    """Make an operator, a policy that pins it, and the file of the tenants."""
    from _stores import tenant_keys, tenants

    operator = json.loads(_seedless(env, "operator", "add", "ACME", "--yes", "--json"))["subject"]
    (folder / "policy.toml").write_text(f'operator = "{operator}"\n', encoding="utf-8")
    (folder / "tenants.toml").write_text(tenants(tenant_keys(_COUNT)), encoding="utf-8")
    shutil.copytree(folder / "store", folder / "founded")


def _seedless(env: dict[str, str], *words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "seedless", *words],
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        check=True,
    )
    return done.stdout
