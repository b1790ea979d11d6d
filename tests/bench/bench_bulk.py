"""`seedless apply` of a thousand new accounts on a SoftHSM token, beside a C loop that only signs as many.

The whole command is timed: it starts, reads the file, plans, judges, shows all of it, signs by a worker,
verifies and records. Both sign on one token; the loop's messages are those of the rows of signatures.
"""

from __future__ import annotations

import atexit
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

_COUNT = 1_000
_ROUNDS = 3
_TEMPLATE = """
[templates.standard]
public_key = "{{key}}"
description = "tenant {{tenant}}"
limits = { conn = 100, disk_storage = "10G", streams = 10, consumer = 100 }
[[templates.standard.exports]]
subject = "{{tenant}}.>"
type = "stream"
"""
_TENANT = '[[tenants]]\ntemplate = "standard"\nname = "t{0:04}"\nvars = {{ key = "{1}" }}\n'


def rows() -> Iterator[dict[str, Any]]:
    """Yield the one row."""
    from bench_signing import _built, _loop, _token  # noqa: PLC0415 - as they are wanted

    stack = ExitStack()
    atexit.register(stack.close)
    folder = Path(tempfile.mkdtemp(prefix="seedless-bench-"))
    stack.callback(shutil.rmtree, folder)
    made = _token(folder)
    env = os.environ | {
        "SEEDLESS_STORE": str(folder / "store"),
        "SEEDLESS_MODULE": str(made.module),
        "SEEDLESS_TOKEN": made.uri,
        "SEEDLESS_PIN_SOURCE": "env:TOKEN_PIN",
        "TOKEN_PIN": made.pin,
    }
    _found(folder, env)

    def ours() -> None:
        shutil.rmtree(folder / "store")
        shutil.copytree(folder / "founded", folder / "store")
        _seedless(
            env, "apply", str(folder / "tenants.toml"), "--policy", str(folder / "policy.toml"), "--yes"
        )

    yield {
        "name": f"apply of {_COUNT} accounts, a whole command, beside a C loop",
        "ours": ours,
        "beside": _loop(_built(folder), made, _COUNT, stack),
        "items": _COUNT,
        "rounds": _ROUNDS,
    }


def _found(folder: Path, env: dict[str, str]) -> None:
    """Make an operator, a policy that pins it, and the file of the tenants."""
    from seedless.nkey import Role  # noqa: PLC0415 - only here
    from seedless.seeds import SoftwareKey  # noqa: PLC0415 - likewise

    operator = json.loads(_seedless(env, "operator", "add", "ACME", "--yes", "--json"))["subject"]
    (folder / "policy.toml").write_text(f'operator = "{operator}"\n', encoding="utf-8")
    keys = (hashlib.sha256(b"%d" % number).digest() for number in range(_COUNT))
    tenants = [
        _TENANT.format(number, SoftwareKey(Role.ACCOUNT, key).public_key) for number, key in enumerate(keys)
    ]
    (folder / "tenants.toml").write_text(_TEMPLATE + "".join(tenants), encoding="utf-8")
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
