"""What this machine reports of itself before a ceremony: network, radios, swap, cores, its disk, its clock.

Read from /proc and /sys of Linux, without root. What is not there is reported as such, and never as good.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from seedless.readiness import CheckStatus, Column, ReadinessRow
from seedless.units import moment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["examine_machine", "ways_to_disk"]

ABOUT: Final = "this machine"
_PROC, _SYS = Path("/proc"), Path("/sys")
_NOT_SYNCHRONISED = 5  # TIME_ERROR, what adjtimex(2) returns then
_TIMEX = 512  # bytes: a struct timex has 208 on 64 bits


def ways_to_disk(proc: Path = _PROC) -> list[str]:
    """Return how this machine may write the memory of a process to a disk or to a program: none if empty.

    A core pattern with a `|` hands cores to a program, whatever the limit of their size.
    """
    found = []
    # The first line is the heading of the table; the kernel prints it without any swap too.
    if len((_text(proc / "swaps") or "").splitlines()) > 1:
        found.append("swap")
    if (_text(proc / "sys/kernel/core_pattern") or "").startswith("|"):
        found.append("core-pipe")
    return found


def examine_machine(
    folder: Path,
    now: int,
    *,
    proc: Path = _PROC,
    sys: Path = _SYS,
    clock_state: Callable[[], int | None] | None = None,
) -> tuple[ReadinessRow, ...]:
    """Return the rows of this machine; *folder* is where the state is kept, *now* its clock in Unix seconds.

    *clock_state* returns what adjtimex(2) returns, None where that is not known.
    """
    state = (clock_state or _adjtimex)()
    return (
        _network(sys),
        *_radios(sys),
        *_memory(proc, sys),
        _disk(folder, sys),
        *_clock(state, now),
    )


def _network(sys: Path) -> ReadinessRow:
    try:
        names = sorted(path.name for path in (sys / "class/net").iterdir() if path.name != "lo")
    except OSError:
        return _unknown("network")
    # A tunnel, and a card of a container, report `unknown` while they carry packets.
    states = {name: _text(sys / "class/net" / name / "operstate") for name in names}
    on = [name for name, state in states.items() if state in {"up", "unknown"}]
    if on:
        return _read(
            "network", f"up: {', '.join(on)}", CheckStatus.PROBLEM, "cables out; ip link set NAME down"
        )
    return _read("network", f"down: {', '.join(names)}" if names else "no interface")


def _radios(sys: Path) -> Iterator[ReadinessRow]:
    paths: list[Path] = []
    with suppress(OSError):
        paths = sorted((sys / "class/rfkill").iterdir())
    on = [
        _text(path / "type") or path.name
        for path in paths
        if {_text(path / "soft"), _text(path / "hard")} == {"0"}
    ]
    if on:
        yield _read("radio", f"on: {', '.join(on)}", CheckStatus.PROBLEM, "rfkill block all")
    elif paths:
        yield _read("radio", "all are off")
    else:
        # A card without a driver is not listed either.
        yield _unknown("radio")


def _memory(proc: Path, sys: Path) -> Iterator[ReadinessRow]:
    ways = ways_to_disk(proc)
    swaps = _text(proc / "swaps")
    if swaps is None:
        yield _unknown("swap")
    elif "swap" in ways:
        names = ", ".join(line.split()[0] for line in swaps.splitlines()[1:] if line.split())
        yield _read("swap", f"on: {names}", CheckStatus.PROBLEM, "swapoff -a")
    else:
        zswap = _text(sys / "module/zswap/parameters/enabled") == "Y"
        yield _read("swap", "off, zswap is enabled" if zswap else "off")
    if "resume=" in (_text(proc / "cmdline") or ""):
        found = "the kernel resumes from a disk: hibernation writes all memory there"
        yield _read("hibernation", found, CheckStatus.NOTE, "do not let it sleep")
    pattern = _text(proc / "sys/kernel/core_pattern")
    if pattern is None:
        yield _unknown("cores")
    elif "core-pipe" in ways:
        advice = "sysctl kernel.core_pattern=core"
        yield _read("cores", f"handed to a program: {pattern}", CheckStatus.PROBLEM, advice)
    else:
        yield _read("cores", f"core pattern {pattern}")


def _disk(folder: Path, sys: Path) -> ReadinessRow:
    try:
        device = (folder if folder.exists() else folder.parent).stat().st_dev
        block = sys / "dev/block" / f"{os.major(device)}:{os.minor(device)}"
        if not block.exists():
            found = f"{folder} is on no disk of its own (device {os.major(device)}:{os.minor(device)})"
            return ReadinessRow(
                about=ABOUT, what="disk encryption", column=Column.PERSON, found=found,
                advice="is the disk encrypted, or is this a live system in memory?",
            )  # fmt: skip
        is_encrypted = _is_crypt(block)
    except OSError:
        return _unknown("disk encryption")
    if is_encrypted:
        return _read("disk encryption", f"{folder} is on an encrypted device")
    advice = (
        "state and transcripts are public, secrets in shares are never written; a thief can read the rest"
    )
    return _read("disk encryption", f"{folder} is on no encrypted device", CheckStatus.NOTE, advice)


def _is_crypt(block: Path) -> bool:
    """Report whether a block device, or one below it (LVM on LUKS), is one of dm-crypt."""
    if (_text(block / "dm/uuid") or "").startswith("CRYPT-"):
        return True
    below = block / "slaves"
    return below.is_dir() and any(_is_crypt(path) for path in below.iterdir())


def _clock(state: int | None, now: int) -> Iterator[ReadinessRow]:
    if state is None:
        yield _unknown("synchronisation of the clock")
    elif state == _NOT_SYNCHRONISED:
        yield _read("synchronisation of the clock", "none, as on a machine without a network")
    else:
        found = "the kernel reports that a server sets it"
        yield _read("synchronisation of the clock", found, CheckStatus.NOTE, "a machine offline has none")
    yield ReadinessRow(
        about=ABOUT, what="clock", column=Column.PERSON, found=moment(now),
        advice="is it that time, by another clock?",
    )  # fmt: skip


def _adjtimex() -> int | None:
    import ctypes  # asked for by few

    try:
        state = int(ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(_TIMEX)))  # modes 0: it only reads
    except (OSError, AttributeError):
        return None
    return state if state >= 0 else None


def _text(path: Path) -> str | None:
    try:
        return path.read_text().strip()
    except (OSError, UnicodeDecodeError):
        return None


def _read(what: str, found: str, status: CheckStatus = CheckStatus.OK, advice: str = "") -> ReadinessRow:
    return ReadinessRow(about=ABOUT, what=what, column=Column.READ, found=found, status=status, advice=advice)


def _unknown(what: str) -> ReadinessRow:
    return ReadinessRow(
        about=ABOUT, what=what, column=Column.PERSON, found="this system does not report it",
        advice="look yourself",
    )  # fmt: skip
