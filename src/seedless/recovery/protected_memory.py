"""Memory of the process that has a secret: out of swap, out of cores."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import Any

_PR_SET_PDEATHSIG = 1
_MCL_CURRENT_AND_FUTURE = 3
_MADV_DONTDUMP = 16


def lock_memory() -> bool:
    """Keep all memory of this process, now and later, out of swap; return whether the system let it.

    For who is not root, `RLIMIT_MEMLOCK` is smaller than a process of Python. A lock ends with a fork.
    """
    try:
        # By ctypes, since Python has no mlockall. Measured as an ordinary user it fails: a process of Python
        # has 17 MB, and RLIMIT_MEMLOCK is 8 MiB. Single pages can be locked then, see `locked_buffer`.
        return int(_libc().mlockall(_MCL_CURRENT_AND_FUTURE)) == 0
    except (OSError, AttributeError):
        return False


def locked_buffer(size: int) -> memoryview:
    """Return *size* zero bytes in pages of their own: out of swap where the system lets it, out of cores."""
    import ctypes  # help of a command loads this module, and needs none of it
    import mmap

    # madvise takes whole pages from their first byte: an object of the heap begins anywhere in a page, and
    # shares it with others.
    pages = mmap.mmap(-1, size)
    address = ctypes.addressof(ctypes.c_char.from_buffer(pages))
    with suppress(OSError, AttributeError):
        # As a pointer: of a bare number ctypes passes 32 bits.
        _libc().mlock(ctypes.c_void_p(address), ctypes.c_size_t(size))
        _libc().madvise(ctypes.c_void_p(address), ctypes.c_size_t(size), _MADV_DONTDUMP)
    return memoryview(pages)


def end_with_parent(parent: int, number: int) -> bool:
    """Have the kernel send signal *number* when the process *parent* ends; return whether it lives still."""
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):
            _libc().prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0)
    # PR_SET_PDEATHSIG is armed for deaths after the call: a parent that ended before has to be noticed by
    # its number.
    return os.getppid() == parent


def _libc() -> Any:  # noqa: ANN401 - ctypes has no types for it
    import ctypes

    return ctypes.CDLL(None)
