"""Many files are made to last together: as safe as one by one, with two flushes of the disk."""

from __future__ import annotations

import ctypes
import errno
import os
from typing import TYPE_CHECKING

import pytest

from seedless.errors import StoreError
from seedless.store import atomic

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is flushed, as it is: `fsync` and `syncfs`."""
    told: list[str] = []
    fsync, syncfs = os.fsync, atomic._syncfs()
    monkeypatch.setattr(os, "fsync", lambda descriptor: told.append("fsync") or fsync(descriptor))
    monkeypatch.setattr(atomic, "_syncfs", lambda: lambda one: told.append("syncfs") or syncfs(one))
    return told


def files(folder: Path, count: int) -> dict[Path, str | None]:
    return {folder / f"a{number}" / "file": f"text {number}" for number in range(count)}


def test_many_files_are_flushed_twice_in_all(tmp_path: Path, calls: list[str]) -> None:
    atomic.write(files(tmp_path, 100))
    assert calls == ["syncfs", "syncfs"]
    assert (tmp_path / "a99" / "file").read_text() == "text 99"


def test_few_files_are_flushed_by_themselves(tmp_path: Path, calls: list[str]) -> None:
    atomic.write(files(tmp_path, 2))
    assert calls == ["fsync"] * 5  # two files, their folders, and the one that these are in


def test_without_syncfs_each_file_is_flushed(
    tmp_path: Path, calls: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(atomic, "_syncfs", lambda: None)
    atomic.write(files(tmp_path, 100))
    assert calls == ["fsync"] * 201


def test_a_disk_that_fails_leaves_everything_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(_descriptor: int) -> int:
        ctypes.set_errno(errno.ENOSPC)
        return -1

    (tmp_path / "a1").mkdir()
    (tmp_path / "a1" / "file").write_text("before")
    monkeypatch.setattr(atomic, "_syncfs", lambda: failing)
    with pytest.raises(StoreError, match="cannot be written: the disk is full"):
        atomic.write(files(tmp_path, 100))
    assert [path.name for path in tmp_path.iterdir()] == ["a1"]
    assert (tmp_path / "a1" / "file").read_text() == "before"


def test_nothing_is_written_for_no_files(calls: list[str]) -> None:
    atomic.write({})
    assert calls == []
