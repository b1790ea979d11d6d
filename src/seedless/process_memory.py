"""What others can read of this process: its environment, and its memory in a core file.

Linux shows in `/proc/PID/environ`, and macOS in `ps -E`, the memory where a program found its environment
when it started; taking a variable out of `os.environ` leaves it there. So it is overwritten. Core files and
debuggers are kept away for good: a process that has held a PIN may still have it in memory that was freed.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_PR_SET_DUMPABLE = 4
_ENV_START, _ENV_END = (
    47,
    48,
)  # of proc_pid_stat(5), where they have the numbers 50 and 51, behind pid and comm


def forbid_dumps() -> None:
    """Write no core file of this process from now on, and let only root read its memory.

    It holds for the children of a fork, and not for programs that are started. On Linux the files of the
    process in /proc belong to root then, so a debugger and `py-spy` need root as well.
    """
    import resource  # noqa: PLC0415 - only where there is a PIN

    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        # A core that goes to a program (core_pattern with |) ignores the limit, and heeds this.
        with suppress(OSError, AttributeError):
            _libc().prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def overwrite_variables(names: Iterable[str]) -> None:
    """Overwrite the values of the environment variables *names* with zeros, where the process was given them.

    `os.environ` is left as it is.
    """
    import ctypes  # noqa: PLC0415 - only where there is a PIN; a driver requires it in any case

    block = list(_block())
    getenv = _libc().getenv
    getenv.restype = ctypes.c_void_p
    for name in map(os.fsencode, names):
        # Where it is now: Python and others may have put it elsewhere since.
        if address := getenv(name):
            ctypes.memset(address, 0, len(ctypes.string_at(address)))
        for start, entry in block:
            if entry.startswith(name + b"="):
                ctypes.memset(start + len(name) + 1, 0, len(entry) - len(name) - 1)


def _block() -> Iterator[tuple[int, bytes]]:
    """Yield the entries with which this process was started, NAME=VALUE, and their addresses."""
    if sys.platform != "linux":
        return
    import ctypes  # noqa: PLC0415 - see above

    try:
        fields = Path("/proc/self/stat").read_bytes().rpartition(b")")[2].split()
        at, end = int(fields[_ENV_START]), int(fields[_ENV_END])
    except (OSError, ValueError, IndexError):
        return
    for entry in ctypes.string_at(at, end - at).split(b"\0") if at else ():
        yield at, entry
        at += len(entry) + 1


def _libc() -> Any:  # noqa: ANN401 - ctypes has no types for it
    import ctypes  # noqa: PLC0415 - see above

    return ctypes.CDLL(None)
