from __future__ import annotations

import contextlib
import fcntl
import functools
import hashlib
import io
import json
import os
import pty
import re
import select
import shlex
import shutil
import signal
import subprocess
import sys
import termios
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

import click
import pytest
from hypothesis import settings

from seedless.cli.main import main, seedless
from seedless.pkcs11.module import load

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import IO

    import pytest_softhsm

# A machine that is busy is no error; for tests of every folder, whichever of them run.
settings.register_profile("ci", deadline=None, derandomize=True)
settings.register_profile("here", deadline=None)
settings.load_profile("ci" if os.environ.get("CI") else "here")


def pytest_configure() -> None:
    """Give the controlling terminal up: no command of a test asks whoever runs the tests.

    Tests that want a terminal make one, see `Terminal`. Signals that a shell ignores for what it runs in the
    background would be ignored by the commands of the tests too, which are interrupted on purpose.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    try:
        terminal = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY)
    except OSError:
        return
    # Where the tests are the first process of their session, the kernel hangs up on all of it.
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    fcntl.ioctl(terminal, termios.TIOCNOTTY)
    signal.signal(signal.SIGHUP, before)
    os.close(terminal)


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


@functools.cache
def takes_yes(words: tuple[str, ...]) -> bool:
    """Tell whether the command that *words* begin with has --yes."""
    command: click.Command | None = seedless
    context = click.Context(seedless)
    for word in words:
        if not isinstance(command, click.Group):
            break
        command = command.get_command(context, word)
    return command is not None and any("--yes" in param.opts for param in command.params)


def agreed(words: tuple[str, ...]) -> tuple[str, ...]:
    """Return *words* with --yes, where the command has it: who runs it in a test wants what it does."""
    if {"--help", "-h", "--version", "--yes", "-y"} & set(words) or not takes_yes(words):
        return words
    end = words.index("--") if "--" in words else len(words)  # what follows is not an option
    return (*words[:end], "--yes", *words[end:])


# Makes the terminal with the number of its first argument the controlling one, and becomes the command. The
# descriptor stays open, as a shell has it: nobody hangs up when no stream is the terminal.
_ON_ITS_TERMINAL = """
import fcntl, os, sys, termios
fcntl.ioctl(int(sys.argv[1]), termios.TIOCSCTTY, 0)
os.execv(sys.executable, [sys.executable, "-m", "seedless", *sys.argv[2:]])
"""


class Terminal:
    """A command on a terminal of its own: what is shown there is `said`, and what a person types is typed.

    The terminal is stdin, stdout and stderr too, where they are not given.
    """

    PATIENCE = 20.0

    def __init__(
        self,
        words: tuple[str, ...],
        env: Mapping[str, str],
        folder: Path,
        *,
        stdin: IO[bytes] | int | None = None,
        stdout: IO[bytes] | int | None = None,
        stderr: IO[bytes] | int | None = None,
        columns: int = 80,
    ) -> None:
        self.terminal, theirs = pty.openpty()
        termios.tcsetwinsize(theirs, (24, columns))
        held = os.dup(theirs)  # beside the streams, which may be others
        self.process = subprocess.Popen(
            [sys.executable, "-S", "-c", _ON_ITS_TERMINAL, str(held), *words],
            env=env,
            cwd=folder,
            stdin=theirs if stdin is None else stdin,
            stdout=theirs if stdout is None else stdout,
            stderr=theirs if stderr is None else stderr,
            pass_fds=[held],
            start_new_session=True,
        )
        os.close(held)
        os.close(theirs)
        self.said = ""
        self._seen = 0

    @property
    def text(self) -> str:
        """What is shown, without colours, and with one blank for each end of a line: those are wrapped."""
        return " ".join(re.sub(r"\x1b\[[0-9;]*m", "", self.said).split())

    def wait_for(self, text: str) -> None:
        """Wait until *text* is shown after what was waited for before; a blank may be the end of a line."""
        end = time.monotonic() + self.PATIENCE
        shown = re.compile(re.escape(text).replace(r"\ ", r"\s+"))
        while not (found := shown.search(self.said, self._seen)):
            assert self._speaks(end - time.monotonic()), f"{text!r} was never shown: {self.said}"
            try:
                self.said += os.read(self.terminal, 4096).decode("utf-8", "replace")
            except OSError:  # the other side is gone
                assert shown.search(self.said, self._seen), f"{text!r} was never shown: {self.said}"
        self._seen = found.end()

    def is_asked(self) -> bool:
        """Wait for a question behind what was seen before; return whether there is one before the end."""
        while not self.said[self._seen :].rstrip(" ").endswith(":"):
            if not self._speaks(self.PATIENCE):
                return False
            try:
                self.said += os.read(self.terminal, 4096).decode("utf-8", "replace")
            except OSError:  # the other side is gone
                return False
        self._seen = len(self.said)
        return True

    def type(self, text: str) -> None:
        """Type *text*, which ends with a line end where Enter is pressed."""
        os.write(self.terminal, text.encode())

    def interrupt(self, how: Callable[[], None]) -> None:
        """Interrupt, and again when nothing happens, as a person does.

        A signal between the prompt and the read behind it is only noticed after that read.
        """
        for _ in range(int(self.PATIENCE)):
            how()
            if self._speaks(1):
                return

    def end(self) -> int:
        """Wait for the end of the command, read what is left, and return the exit code."""
        try:
            while self._speaks(self.PATIENCE) and (data := os.read(self.terminal, 4096)):
                self.said += data.decode("utf-8", "replace")
        except OSError:  # the other side is gone
            pass
        # Only then: who closes a terminal hangs up on the processes there.
        code = self.process.wait(self.PATIENCE)
        os.close(self.terminal)
        return code

    def _speaks(self, patience: float) -> bool:
        """Tell whether there is something to read, or an end, within *patience* seconds."""
        return bool(select.select([self.terminal], [], [], max(patience, 0))[0])


@dataclass(frozen=True)
class Cli:
    """The command line in a home of its own, with an empty store and a token."""

    home: Path
    token: pytest_softhsm.Token
    env: dict[str, str]

    @property
    def store(self) -> Path:
        return self.home / "store"

    @contextlib.contextmanager
    def whole_tokens(self) -> Iterator[None]:
        """Put a token of SoftHSM back that a process destroys which is killed within.

        At each login SoftHSM truncates the file of the token and writes it again: killed in between, it loses
        the token. That is a fault of SoftHSM, which no device has.
        """
        files = list((Path(self.env["SOFTHSM2_CONF"]).parent / "tokens").glob("*/token.object"))
        before = {file: file.read_bytes() for file in files}
        yield
        for file, data in before.items():
            if file.exists() and file.stat().st_size < len(data):
                file.write_bytes(data)

    def env_with(self, **changes: str | None) -> dict[str, str]:
        """Return the environment with *changes*; None takes a variable away."""
        merged = self.env | changes
        return {name: value for name, value in merged.items() if value is not None}

    def run(self, *words: str, stdin: str = "", asks: bool = False, **env: str | None) -> Done:
        """Run a command in this process: with --yes where it has that, unless it *asks*; nobody answers."""
        out, err, given = (io.TextIOWrapper(io.BytesIO(), "utf-8", newline="") for _ in range(3))
        given.buffer.write(stdin.encode())
        given.seek(0)
        with (
            mock.patch.dict(os.environ, self.env_with(**env), clear=True),
            mock.patch.object(sys, "stdin", given),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            code = main(list(words if asks else agreed(words)))
        out.flush()
        err.flush()
        return Done(code, out.buffer.getvalue().decode(), err.buffer.getvalue().decode())  # type: ignore[attr-defined]  # a BytesIO

    def ok(self, *words: str, stdin: str = "", **env: str | None) -> Done:
        """Run a command in this process, which must end with 0."""
        done = self.run(*words, stdin=stdin, **env)
        assert done.code == 0, done
        return done

    def agreed(self, *words: str) -> tuple[str, ...]:
        """Return *words* with --yes where the command has that, for commands that a test starts itself."""
        return agreed(words)

    def terminal_for(self, *words: str, columns: int = 80, **streams: IO[bytes] | int) -> Terminal:
        """Start a command, as it is, on a terminal of its own; *streams* are others than that."""
        return Terminal(words, self.env, self.home, columns=columns, **streams)

    def child(self, *words: str, stdin: str = "", asks: bool = False, **env: str | None) -> Done:
        """Run a command as `run` does, as a process of its own, without a terminal."""
        done = subprocess.run(
            [*COMMAND, *(words if asks else agreed(words))],
            env=self.env_with(**env),
            cwd=self.home,
            input=stdin.encode(),
            capture_output=True,
            start_new_session=True,  # without a controlling terminal
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
def registry() -> None:
    """Required by tests that install from the registry of packages that pip is configured for."""
    if "SEEDLESS_TEST_PACKAGES" not in os.environ:
        pytest.skip("installs packages from a registry: make test-packages")


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


@pytest.fixture(scope="session", autouse=True)
def core_files() -> Iterator[None]:
    """Let the process of the tests itself keep its limit of core files, which no child could raise again."""
    with mock.patch("seedless.pin.forbid_dumps"):
        yield


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
def cli(few_tokens: None, softhsm_token: pytest_softhsm.Token, tmp_path: Path) -> Cli:
    """The command line with a new token whose PIN is in TOKEN_PIN, and an empty store."""
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
    return Cli(tmp_path, softhsm_token, env)
