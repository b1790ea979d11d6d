from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from unittest import mock

import click
import pytest

from seedless.cli.main import main, seedless
from seedless.pkcs11.module import load

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    import pytest_softhsm

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


@dataclass(frozen=True)
class Done:
    """What a command left: its exit code, and what it wrote to stdout and stderr."""

    code: int
    out: str
    err: str

    @property
    def data(self) -> Any:  # noqa: ANN401 - what JSON holds
        """The one JSON object on stdout."""
        found = json.loads(self.out)
        assert isinstance(found, dict)
        return found


@dataclass(frozen=True)
class Desk:
    """Somebody's desk: a home, an empty store, a token, and the command line that finds them."""

    home: Path
    token: pytest_softhsm.Token
    env: dict[str, str]

    @property
    def store(self) -> Path:
        return self.home / "store"

    def env_with(self, **changes: str | None) -> dict[str, str]:
        """Return the environment with *changes*; None takes a variable away."""
        merged = self.env | changes
        return {name: value for name, value in merged.items() if value is not None}

    def run(self, *words: str, stdin: str = "", **env: str | None) -> Done:
        """Run a command in this process."""
        out, err, given = (io.TextIOWrapper(io.BytesIO(), "utf-8", newline="") for _ in range(3))
        given.buffer.write(stdin.encode())
        given.seek(0)
        with (
            mock.patch.dict(os.environ, self.env_with(**env), clear=True),
            mock.patch.object(sys, "stdin", given),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            code = main(list(words))
        out.flush()
        err.flush()
        return Done(code, out.buffer.getvalue().decode(), err.buffer.getvalue().decode())  # type: ignore[attr-defined]  # a BytesIO

    def ok(self, *words: str, stdin: str = "", **env: str | None) -> Done:
        """Run a command in this process, which must end with 0."""
        done = self.run(*words, stdin=stdin, **env)
        assert done.code == 0, done
        return done

    def child(self, *words: str, stdin: str = "", **env: str | None) -> Done:
        """Run a command as a process of its own, without a terminal."""
        done = subprocess.run(
            [*COMMAND, *words],
            env=self.env_with(**env),
            cwd=self.home,
            input=stdin.encode(),
            capture_output=True,
            start_new_session=True,
            timeout=60,
            check=False,
        )
        return Done(done.returncode, done.stdout.decode(), done.stderr.decode())

    def found_system(self) -> None:
        """Make the operator ACME with its system account, and the account ORDERS with the user app."""
        self.ok("operator", "add", "ACME", "--sys")
        self.ok("account", "add", "ORDERS")
        self.ok("user", "add", "-a", "ORDERS", "app")

    def files(self) -> dict[str, str]:
        """Return every file and folder of the store with the hash of what it holds, but for the lock."""
        return {
            str(path.relative_to(self.home)): hashlib.sha256(path.read_bytes()).hexdigest()
            if path.is_file()
            else ""
            for path in sorted(self.store.rglob("*"))
            if path.name != ".seedless.lock"
        }


COMMAND = (sys.executable, "-m", "seedless")


@pytest.fixture(scope="session")
def commands() -> dict[tuple[str, ...], click.Command]:
    """Every command and group of the command line, by the words that call it."""

    def walk(words: tuple[str, ...], group: click.Group) -> Iterator[tuple[tuple[str, ...], click.Command]]:
        context = click.Context(group)
        for name in group.list_commands(context):
            command = group.get_command(context, name)
            assert command is not None
            yield (*words, name), command
            if isinstance(command, click.Group):
                yield from walk((*words, name), command)

    return dict(walk((), seedless))


_MANY_TOKENS = 20


@pytest.fixture
def few_tokens(softhsm: pytest_softhsm.SoftHSM) -> Iterator[None]:
    """Keep the list of tokens short: an initialised SoftHSM goes on listing those that are gone.

    Every command reads the list several times, so hundreds of them make it slow.
    """
    yield
    if len(list(softhsm.token_dir.iterdir())) >= _MANY_TOKENS:
        softhsm.purge()
        module = load(softhsm.module)
        module.start_anew(module.generation)


@pytest.fixture
def desk(few_tokens: None, softhsm_token: pytest_softhsm.Token, tmp_path: Path) -> Desk:
    """A desk with a fresh token whose PIN is in TOKEN_PIN, and nothing made yet."""
    kept = ("PATH", "LANG", "SOFTHSM2_CONF", "PYTEST_SOFTHSM_FOLDER", "TMPDIR", "PYTHONPATH")
    env = {name: os.environ[name] for name in kept if name in os.environ}
    env |= {
        "HOME": str(tmp_path),
        "SEEDLESS_STORE": str(tmp_path / "store"),
        "SEEDLESS_MODULE": str(softhsm_token.module),
        "SEEDLESS_TOKEN": softhsm_token.uri,
        "SEEDLESS_PIN_SOURCE": "env:TOKEN_PIN",
        "TOKEN_PIN": softhsm_token.pin,
    }
    return Desk(tmp_path, softhsm_token, env)
