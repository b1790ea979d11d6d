from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

# Root ignores file modes, so a folder that cannot be written is a real mount, in a namespace of its own.
_READ_ONLY = """
mount --bind "$1" "$1"
mount -o remount,bind,ro "$1" 2>/dev/null || mount -o remount,bind,ro,nosuid,nodev "$1"
shift; "$@"
"""
_FULL = """
cp -a "$1" "$1.kept"
mount -t tmpfs -o size=1m,mode=0700 full "$1"
cp -a "$1.kept/." "$1"
dd if=/dev/zero of="$1/.filler" bs=4096 2>/dev/null || true
truncate -s "-$2" "$1/.filler"
folder="$1"; shift 2; code=0; "$@" || code=$?
rm "$folder/.filler"; rm -rf "$folder.kept"; cp -a "$folder" "$folder.kept"
umount "$folder"
find "$folder" -mindepth 1 -delete; cp -a "$folder.kept/." "$folder"; rm -rf "$folder.kept"
exit "$code"
"""


@dataclass(frozen=True)
class Mounts:
    """Run commands for which a folder is read-only, or lies on a disk without a free block."""

    namespace: tuple[str, ...]

    def run_read_only(
        self, folder: Path, *command: str, env: Mapping[str, str] | None = None, stdin: str = ""
    ) -> subprocess.CompletedProcess[str]:
        """Run *command* while *folder* lies on a read-only file system."""
        return self._run(_READ_ONLY, [str(folder), *command], env or os.environ, stdin)

    def run_full(
        self,
        folder: Path,
        *command: str,
        env: Mapping[str, str] | None = None,
        stdin: str = "",
        free_blocks: int = 0,
    ) -> subprocess.CompletedProcess[str]:
        """Run *command* while *folder* is on a full disk; afterwards *folder* holds what that disk held.

        A block has 4096 bytes.
        """
        free = str(free_blocks * 4096)
        return self._run(_FULL, [str(folder), free, *command], env or os.environ, stdin)

    def _run(
        self, script: str, arguments: list[str], env: Mapping[str, str], stdin: str
    ) -> subprocess.CompletedProcess[str]:
        if self.namespace[0] == "sudo":  # which hands no environment on
            at = 2 if script is _FULL else 1
            arguments[at:at] = ["env", *(f"{name}={value}" for name, value in env.items())]
        whole = [*self.namespace, "sh", "-e", "-c", script, "sh", *arguments]
        return subprocess.run(
            whole, env=env, input=stdin, capture_output=True, text=True, timeout=60, check=False
        )


@pytest.fixture(scope="session")
def mounts() -> Mounts:
    """Mounts for one command: as root, in a user namespace, or through sudo."""
    ways = [["unshare", "-m"]] if os.geteuid() == 0 else [["unshare", "-rm"], ["sudo", "-n", "unshare", "-m"]]
    said = []
    for way in ways:
        if shutil.which(way[0]):
            tried = subprocess.run(
                [*way, "mount", "-t", "tmpfs", "probe", "/mnt"], capture_output=True, text=True, check=False
            )
            if tried.returncode == 0:
                return Mounts(tuple(way))
            said.append(f"{shlex.join(way)}: {tried.stderr.strip()}")
    pytest.fail(
        "the tests of a read-only and of a full disk need to mount: run them as root (in a container: with "
        f"CAP_SYS_ADMIN), with user namespaces, or with a sudo that asks no password. {'; '.join(said)}"
    )
