"""What a machine reports before a ceremony, read from folders as Linux has them in /proc and /sys."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from seedless.machine import examine_machine, ways_to_disk
from seedless.readiness import CheckStatus, Column

if TYPE_CHECKING:
    from pathlib import Path

    from seedless.readiness import ReadinessRow

NOW = 1_800_000_000
SWAPS = "Filename\tType\tSize\tUsed\tPriority\n"


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """An offline machine: no link, no swap, cores as files, an encrypted disk, a clock that nobody sets."""
    put(tmp_path, "proc/swaps", SWAPS)
    put(tmp_path, "proc/sys/kernel/core_pattern", "core\n")
    put(tmp_path, "proc/cmdline", "quiet\n")
    put(tmp_path, "sys/class/net/lo/operstate", "unknown\n")
    put(tmp_path, "sys/class/net/eth0/operstate", "down\n")
    put(tmp_path, "sys/class/rfkill/rfkill0/type", "wlan\n")
    put(tmp_path, "sys/class/rfkill/rfkill0/soft", "1\n")
    put(tmp_path, "sys/class/rfkill/rfkill0/hard", "0\n")
    put(tmp_path, "sys/module/zswap/parameters/enabled", "N\n")
    put(tmp_path, f"{block(tmp_path)}/dm/uuid", "CRYPT-LUKS2-0815-root\n")
    return tmp_path


def put(folder: Path, name: str, text: str) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def block(folder: Path) -> str:
    device = folder.stat().st_dev
    return f"sys/dev/block/{os.major(device)}:{os.minor(device)}"


def rows(machine: Path, state: int | None = 5) -> dict[str, ReadinessRow]:
    found = examine_machine(
        machine, NOW, proc=machine / "proc", sys=machine / "sys", clock_state=lambda: state
    )
    return {row.what: row for row in found}


def test_an_offline_machine_has_no_problem_and_its_clock_is_asked_for(machine: Path) -> None:
    found = rows(machine)
    assert {what: row.found for what, row in found.items()} == {
        "network": "down: eth0",
        "radio": "all are off",
        "swap": "off",
        "cores": "core pattern core",
        "disk encryption": f"{machine} is on an encrypted device",
        "synchronisation of the clock": "none, as on a machine without a network",
        "clock": "2027-01-15 08:00:00 UTC",
    }
    assert {row.status for row in found.values() if row.column is Column.READ} == {CheckStatus.OK}
    assert found["clock"].column is Column.PERSON


@pytest.mark.parametrize(
    ("name", "text", "what", "found"),
    [
        ("sys/class/net/eth0/operstate", "up\n", "network", "up: eth0"),
        ("sys/class/net/wg0/operstate", "unknown\n", "network", "up: wg0"),
        ("sys/class/rfkill/rfkill0/soft", "0\n", "radio", "on: wlan"),
        ("proc/swaps", f"{SWAPS}/dev/sda2 partition 1 0 -2\n", "swap", "on: /dev/sda2"),
        (
            "proc/sys/kernel/core_pattern", "|/usr/lib/systemd/systemd-coredump %P\n", "cores",
            "handed to a program: |/usr/lib/systemd/systemd-coredump %P",
        ),
    ],
)  # fmt: skip
def test_a_way_out_of_the_machine_is_a_problem(
    machine: Path, name: str, text: str, what: str, found: str
) -> None:
    put(machine, name, text)
    row = rows(machine)[what]
    assert (row.found, row.status, bool(row.advice)) == (found, CheckStatus.PROBLEM, True)


def test_hibernation_a_synchronised_clock_and_a_plain_disk_are_noted(machine: Path) -> None:
    put(machine, "proc/cmdline", "quiet resume=/dev/sda2\n")
    put(machine, f"{block(machine)}/dm/uuid", "LVM-0815\n")
    found = rows(machine, state=0)
    for what in ("hibernation", "synchronisation of the clock", "disk encryption"):
        assert found[what].status is CheckStatus.NOTE
    put(machine, f"{block(machine)}/slaves/dm-0/dm/uuid", "CRYPT-LUKS2-0815-root\n")
    assert rows(machine)["disk encryption"].found == f"{machine} is on an encrypted device"


def test_what_a_system_does_not_report_is_asked_for_and_never_taken_as_good(tmp_path: Path) -> None:
    found = rows(tmp_path, state=None)
    for what in ("network", "radio", "swap", "cores", "synchronisation of the clock"):
        assert (found[what].column, found[what].found) == (Column.PERSON, "this system does not report it")
    assert found["disk encryption"].column is Column.PERSON
    assert ways_to_disk(tmp_path / "proc") == []
