"""How long commands take to start, as whole processes, beside the least that any click program costs."""

from __future__ import annotations

import atexit
import resource
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_SEEDLESS = str(Path(sysconfig.get_path("scripts"), "seedless"))
_IMPORT_CLICK = (sys.executable, "-c", "import click")


def rows() -> Iterator[tuple[str, Callable[[], object], Callable[[], object], float | None]]:
    """Yield name, ours, beside, and the bar."""
    least = _run(*_IMPORT_CLICK)
    yield "seedless --help, beside python -c 'import click'", _run(_SEEDLESS, "--help"), least, 1.25
    yield "seedless show FILE, beside the same", _run(_SEEDLESS, "show", _jwt()), least, 2.0


def _run(*command: str) -> Callable[[], object]:
    def work() -> float:
        """Return the processor time of the process, in which other programs do not count."""
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    return work


def _jwt() -> str:
    """Write an account jwt to a file that goes when this process ends, and return its path."""
    from seedless.claims import Account
    from seedless.jwt import Claims, draft
    from seedless.nkey import Role
    from seedless.seeds import SoftwareKey

    key = SoftwareKey(Role.OPERATOR, bytes(32))
    account = SoftwareKey(Role.ACCOUNT, bytes(31) + b"\1").public_key
    made = draft(Claims(sub=str(account), body=Account.new(), name="ORDERS"), key.public_key, 1_700_000_000)
    jwt = made.complete(key.sign(made.signing_input))
    folder = tempfile.mkdtemp(prefix="seedless-bench-")
    atexit.register(shutil.rmtree, folder)
    file = Path(folder, "ORDERS.jwt")
    file.write_text(jwt.text, encoding="utf-8")
    return str(file)
