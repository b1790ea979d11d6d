"""The stage of the demo: the screen, the shell, the environment of the commands, the nats-server."""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import shutil
import signal
import subprocess
import sysconfig
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_softhsm._find import find_module, install_hint  # SoftHSM is found as the tests find it

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator, Mapping
    from types import FrameType

PATIENCE = 10.0
"""Seconds for a server to start or to end, and for one conversation with it."""

_WIDTH = 100


class DemoError(Exception):
    """A step of the demo failed; the text is a sentence."""


class Interruption:
    """Ctrl-C, and what ends a program: an exception, but for a conversation, whose task is cancelled.

    An exception from a signal in the middle of asyncio would be reported by it, or be lost; and a client
    may finish although it was cancelled. So it is remembered, and asked for when the conversation is over.
    """

    def __init__(self) -> None:
        """Listen to the signals from now on."""
        self._came = False
        self._talking = False
        self._cancel: Callable[[], object] | None = None
        for ending in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(ending, self._heard)

    def talk(self, conversation: Callable[[], Coroutine[object, object, str]]) -> str:
        """Hold *conversation* and return what it returns; raise `KeyboardInterrupt` if it was interrupted."""
        self._talking = True
        text = ""
        try:
            text = asyncio.run(self._watched(conversation))
        except asyncio.CancelledError:
            self._came = True
        finally:
            self._talking = False
        if self._came:
            raise KeyboardInterrupt
        return text

    async def _watched(self, conversation: Callable[[], Coroutine[object, object, str]]) -> str:
        task = asyncio.ensure_future(asyncio.wait_for(conversation(), PATIENCE))
        loop = asyncio.get_running_loop()
        self._cancel = lambda: loop.call_soon_threadsafe(task.cancel)
        try:
            if self._came:
                task.cancel()
            return await task
        finally:
            self._cancel = None

    def _heard(self, _signal: int, _frame: FrameType | None) -> None:
        self._came = True
        if not self._talking:
            raise KeyboardInterrupt
        if self._cancel is not None:
            self._cancel()


@dataclass(frozen=True)
class Screen:
    """Print for people; with colours only where *coloured*."""

    coloured: bool

    def step(self, number: int, text: str) -> None:
        """Say what comes next, in plain English."""
        print(self._styled(f"\n{number}. {text}", "1"))

    def command(self, line: str) -> None:
        """Show a command as a person types it."""
        print(self._styled(f"   $ {line}", "36"))

    def output(self, text: str) -> None:
        """Show what came of it; long lines are cut."""
        for line in text.rstrip().splitlines():
            print(f"   {line if len(line) <= _WIDTH else line[: _WIDTH - 1] + '…'}".rstrip())

    def _styled(self, text: str, code: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self.coloured else text


@dataclass(frozen=True)
class Shell:
    """Run commands in the *folder* of the demo, with *environment* and no other, and show them."""

    screen: Screen
    folder: Path
    environment: Mapping[str, str]

    def run(self, line: str, *, show: Callable[[str], bool] = lambda _: True) -> None:
        """Run and show the command *line*; of what it says on both streams, the lines that *show* takes."""
        self.screen.command(line)
        words = shlex.split(line)
        done = subprocess.run(
            [self.program(words[0]), *words[1:]],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            check=False,
        )
        if done.returncode:
            raise DemoError(f"`{line}` ended with {done.returncode}: {done.stdout.strip()}")
        self.screen.output("\n".join(filter(show, done.stdout.splitlines())))

    def program(self, name: str) -> str:
        """Return the path of the program *name*."""
        found = shutil.which(name, path=self.environment["PATH"])
        if found is None:
            raise DemoError(f"{name} is not installed in .venv; make setup installs it")
        return found


def environment(folder: Path) -> dict[str, str]:
    """Return the environment of every command: this folder, the module, and where the PIN is."""
    module = find_module(os.environ.get("SOFTHSM2_MODULE"))
    if module is None:
        raise DemoError(f"SoftHSM is not installed: {install_hint()}")
    (folder / "tokens").mkdir(mode=0o700)
    write(
        folder / "softhsm2.conf",
        f"directories.tokendir = {folder / 'tokens'}\nobjectstore.backend = file\nlog.level = ERROR\n",
    )
    write(folder / "pin", "1234\n")
    write(folder / "so-pin", "12345678\n")
    return {
        "PATH": os.pathsep.join([sysconfig.get_path("scripts"), os.environ.get("PATH", os.defpath)]),
        "HOME": str(folder),  # so that no configuration of yours is read
        "LC_ALL": "C.UTF-8",
        "PYTHONUTF8": "1",
        "SOFTHSM2_CONF": str(folder / "softhsm2.conf"),
        "SEEDLESS_MODULE": str(module),
        "SEEDLESS_STORE": "store",
        "SEEDLESS_PIN_SOURCE": "file:pin",
    }


@contextmanager
def inside(shell: Shell) -> Iterator[None]:
    """Work in the folder and the environment of the commands, for the steps in Python."""
    before, outside = Path.cwd(), dict(os.environ)
    os.chdir(shell.folder)
    os.environ.update(shell.environment)
    try:
        yield
    finally:
        os.chdir(before)
        os.environ.clear()
        os.environ.update(outside)


@contextmanager
def nats_server(shell: Shell) -> Iterator[str]:
    """Run nats-server, which finds a free port itself, and give its URL."""
    shell.screen.command("nats-server -c server.conf")
    log = shell.folder / "nats-server.log"
    with log.open("wb") as stream:
        server = subprocess.Popen(
            [shell.program("nats-server"), "-c", "server.conf"],
            cwd=shell.folder,
            stdout=stream,
            stderr=stream,
        )
    try:
        url = _url(shell.folder, server, log)
        shell.screen.output(f"listening on {url}")
        yield url
    finally:
        server.terminate()
        try:
            server.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _url(folder: Path, server: subprocess.Popen[bytes], log: Path) -> str:
    end = time.monotonic() + PATIENCE
    while server.poll() is None and time.monotonic() < end:
        for file in folder.glob("*.ports"):
            try:
                return str(json.loads(file.read_text(encoding="utf-8"))["nats"][0])
            except ValueError:
                continue  # not yet written to its end
        time.sleep(0.01)
    raise DemoError(f"nats-server did not start: {log.read_text(encoding='utf-8').strip()}")


def write(path: Path, text: str) -> None:
    """Write a file that its owner alone can read."""
    path.touch(mode=0o600)
    path.write_text(text, encoding="utf-8")
