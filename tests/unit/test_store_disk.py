"""The disk as it can be: read-only, full, shared with other runs, left by a killed one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Protocol

import pytest

from seedless.errors import StoreError
from seedless.store import FolderLock, atomic

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class Mounts(Protocol):
    def run_read_only(self, folder: Path, *command: str) -> subprocess.CompletedProcess[str]: ...
    def run_full(
        self, folder: Path, *command: str, free_blocks: int = 0
    ) -> subprocess.CompletedProcess[str]: ...


# Makes or changes a store: an operator, an account, a user, and the user's creds, in one put.
_PUT = """
import sys
from pathlib import Path
from seedless.claims import Account, Operator, User
from seedless.errors import SeedlessError
from seedless.jwt import Claims, draft
from seedless.nkey import Role
from seedless.seeds import SoftwareKey
from seedless.store import create_store, open_store, operators

root, name, at = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
operator, account, user = (SoftwareKey(role, bytes(32)) for role in (Role.OPERATOR, Role.ACCOUNT, Role.USER))

def signed(key, signer, name, body):
    made = draft(Claims(sub=str(key.public_key), name=name, body=body), signer.public_key, at)
    return made.complete(signer.sign(made.signing_input))

try:
    store = open_store(root) if operators(root) else create_store(root, "OP")
    changes = {
        (): signed(operator, operator, "OP", Operator.new()),
        (name,): signed(account, operator, name, Account.new()),
        (name, "ann"): signed(user, account, "ann", User.new()),
    }
    store.put(changes, {store.creds_path(name, "ann"): "creds" * 2000})
except SeedlessError as error:
    print(error.message, "|", error.hint)
    sys.exit(error.exit_code)
"""


def tree(root: Path) -> dict[str, str | None]:
    """Every file and folder below *root* but the lock, and what the files hold."""
    found = {str(path.relative_to(root)): path for path in root.rglob("*")}
    found.pop(".seedless.lock", None)
    return {name: path.read_text() if path.is_file() else None for name, path in found.items()}


def put(root: Path, name: str, at: int) -> list[str]:
    return [sys.executable, "-c", _PUT, str(root), name, str(at)]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    subprocess.run(put(root, "A", 1_700_000_000), check=True)
    return root


def test_a_read_only_store_is_reported_and_stays_as_it_was(mounts: Mounts, root: Path) -> None:
    before = tree(root)
    done = mounts.run_read_only(root, *put(root, "B", 1_700_000_001))
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout == (
        f"{root}/.seedless.lock cannot be written: the file system is read-only"
        " | mount it for writing, or choose another place\n"
    )
    assert tree(root) == before


def test_a_store_is_not_begun_on_a_read_only_disk(mounts: Mounts, tmp_path: Path) -> None:
    done = mounts.run_read_only(tmp_path, *put(tmp_path / "new", "A", 1))
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.startswith(f"{tmp_path}/new cannot be made: the file system is read-only")
    assert tree(tmp_path) == {}


def test_a_full_disk_is_reported_and_the_store_stays_as_it_was(mounts: Mounts, root: Path) -> None:
    before = tree(root)
    for name in ("A", "B"):  # replaced files, and new folders
        done = mounts.run_full(root, *put(root, name, 1_700_000_001))
        assert (done.returncode, done.stderr) == (1, "")
        assert done.stdout == (
            f"{root}/keys/creds/OP/{name}/ann.creds cannot be written: the disk is full"
            " | free some space and run it again; nothing was changed\n"
        )
        assert tree(root) == before


def test_a_disk_that_fills_up_on_the_way_leaves_no_part_of_the_change(mounts: Mounts, root: Path) -> None:
    before = tree(root)
    done = mounts.run_full(root, *put(root, "B", 1_700_000_001), free_blocks=4)
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.startswith(f"{root}/stores/OP/accounts/B/B.jwt cannot be written: the disk is full")
    assert tree(root) == before


def test_the_same_run_with_room_on_the_disk_does_change_the_store(root: Path) -> None:
    before = tree(root)
    subprocess.run(put(root, "A", 1_700_000_001), check=True)
    assert sorted(before) == sorted(tree(root))
    assert before != tree(root)


# Several files


def test_a_rename_that_fails_takes_back_the_ones_before_it(tmp_path: Path) -> None:
    (tmp_path / "old").write_text("old")
    (tmp_path / "folder").mkdir()
    before = tree(tmp_path)
    with pytest.raises(StoreError, match="folder is not a regular file"):
        atomic.write(
            {tmp_path / "old": "new", tmp_path / "deep/new": "new", tmp_path / "folder": "not possible"}
        )
    assert tree(tmp_path) == before


@pytest.mark.parametrize("call", ["replace", "unlink"])
def test_an_interrupt_right_behind_a_change_takes_that_one_back_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    (tmp_path / "old").write_text("old")
    (tmp_path / "gone").write_text("gone")
    before = tree(tmp_path)
    real = getattr(os, call)

    def interrupted(*arguments: str) -> None:
        monkeypatch.setattr(os, call, real)
        real(*arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr(os, call, interrupted)
    with pytest.raises(KeyboardInterrupt):
        atomic.write({tmp_path / "old": "new", tmp_path / "gone": None})
    assert tree(tmp_path) == before


def test_a_device_is_not_replaced_by_a_file(tmp_path: Path) -> None:
    device = tmp_path / "device"
    device.symlink_to("/dev/null")
    with pytest.raises(StoreError, match="device is not a regular file"):
        atomic.write({device: "text"})
    assert device.is_char_device()


def test_what_a_killed_run_left_is_swept_by_the_next(root: Path) -> None:
    before = tree(root)
    leftover = root / "stores/OP/accounts/A/.seedless-0123456789abcdef.tmp"
    leftover.write_text("half")
    subprocess.run(put(root, "A", 1_700_000_000), check=True)
    assert tree(root) == before


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        pytest.param(lambda path: path.write_text("x"), "not a directory", id="a file"),
        pytest.param(
            lambda path: path.symlink_to(path), "something else is in the place of its folder", id="a loop"
        ),
    ],
)
def test_a_path_that_is_no_folder_is_reported_in_a_sentence(
    tmp_path: Path, make: Callable[[Path], object], sentence: str
) -> None:
    make(tmp_path / "folder")
    with pytest.raises(StoreError, match=sentence):
        atomic.write({tmp_path / "folder" / "file": "text"})


# The lock


def test_eight_runs_at_once_lose_nothing(root: Path) -> None:
    runs = [subprocess.Popen(put(root, f"N{number}", 1_700_000_001)) for number in range(8)]
    assert [run.wait(60) for run in runs] == [0] * 8
    accounts = {path.name for path in (root / "stores/OP/accounts").iterdir()}
    assert accounts == {"A", "N0", "N1", "N2", "N3", "N4", "N5", "N6", "N7"}


_HOLD = """
import sys, time
from pathlib import Path
from seedless.store import FolderLock
with FolderLock(Path(sys.argv[1])).held():
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_lock_held_too_long_is_reported_and_a_killed_holder_frees_it(tmp_path: Path) -> None:
    lock = FolderLock(tmp_path, wait=0.2)
    with subprocess.Popen([sys.executable, "-c", _HOLD, str(tmp_path)], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(StoreError) as caught, lock.held():
            pass
        assert caught.value.message == f"another run has held the lock of {tmp_path} for 0.2 seconds"
        holder.send_signal(signal.SIGKILL)
    with lock.held():
        pass


def test_who_waits_for_a_lock_is_reported_once_and_at_once_which_process_has_it(tmp_path: Path) -> None:
    notices: list[tuple[float, str]] = []
    with subprocess.Popen([sys.executable, "-c", _HOLD, str(tmp_path)], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"

        def told(notice: str) -> None:
            notices.append((time.monotonic(), notice))
            holder.send_signal(signal.SIGKILL)

        begun = time.monotonic()
        with FolderLock(tmp_path).held(told):
            pass
    ((at, notice),) = notices
    assert at - begun < 3
    assert notice in {
        f"another run{who} has the lock of {tmp_path}: waiting up to 30 seconds for it"
        for who in (f" (process {holder.pid})", "")  # not every system tells who has a lock
    }


def test_the_holder_may_take_its_lock_again_and_other_threads_may_not(tmp_path: Path) -> None:
    lock = FolderLock(tmp_path, wait=0.1)
    refused = []

    def other() -> None:
        try:
            with lock.held():
                pass
        except StoreError as error:
            refused.append(error.message)

    with lock.held():
        with lock.held():
            pass
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
        with pytest.raises(StoreError), FolderLock(tmp_path, wait=0.1).held():
            pass
    assert refused == [f"another run has held the lock of {tmp_path} for 0.1 seconds"]
    with lock.held():
        pass
