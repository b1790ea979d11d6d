"""Shares and secrets that a test has seen, looked for in processes and files."""

from __future__ import annotations

import os
import re
import sys
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from seedless.nkey import Role
from seedless.recovery import slip39
from seedless.recovery.paths import key_of

if TYPE_CHECKING:
    from collections.abc import Iterator

root_of_linux = pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0, reason="root of Linux reads /proc/PID/mem of every process"
)


def children(pid: int) -> list[int]:
    """The processes that *pid* has forked."""
    files = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for file in files for child in file.read_text().split()]


def memory(pid: int) -> bytes:
    """All that can be read of the memory of a process."""
    found = []
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as file:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            span, rights, *_ = line.split()
            if not rights.startswith("r") or "[v" in line:
                continue
            start, end = (int(part, 16) for part in span.split("-"))
            file.seek(start)
            try:
                found.append(file.read(end - start))
            except OSError:
                continue
    return b"\0".join(found)


def needles(shares: list[list[str]]) -> dict[str, bytes]:
    """What must be nowhere, by what it is."""
    read = [slip39.decode(share) for share in shares]
    secret = slip39.combine(read[:2])
    key = key_of(secret, Role.OPERATOR, "ACME")
    hidden = {f"value {share.number}": share.value for share in read}
    hidden |= {f"words {at}": " ".join(share[4:12]).encode() for at, share in enumerate(shares)}
    hidden |= {"secret": secret, "key": key.reveal_raw(), "seed": key.reveal().encode()}
    return hidden | {f"{name} in hex": value.hex().encode() for name, value in list(hidden.items())}


def found_in(data: bytes, shares: list[list[str]]) -> list[str]:
    return [name for name, needle in needles(shares).items() if needle in data]


def files_below(*folders: Path) -> Iterator[Path]:
    for folder in folders:
        yield from (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


def words_in(text: str, share: list[str]) -> list[str]:
    """What *text* has of a share: words with their numbers, as they are shown, and two in a row, as typed.

    One word alone is no trace: the list has *random* and others that messages have too.
    """
    numbered = (f"{place}. {word}" for place, word in enumerate(share, 1))
    neighbours = (f"{one} {other}" for one, other in pairwise(share))
    return [found for found in (*numbered, *neighbours) if re.search(rf"(?<!\w){found}(?!\w)", text)]
