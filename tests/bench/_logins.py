"""A nats-server in operator mode, services that decide on logins to it, and a client that only logs in.

The client is a bare socket in threads of this process: libraries for clients take longer for a login than the
server. Everything is on loopback, and what services log goes to a file.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from base64 import urlsafe_b64encode
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace
from raw_nats import running

from seedless.claims import Account, ExternalAuthorization, Operator, Permission, Scope, Template, User
from seedless.creds import format_creds
from seedless.jwt import Claims, Jwt, draft
from seedless.nkey import Role
from seedless.seeds import SoftwareKey
from seedless.server_config import memory

if TYPE_CHECKING:
    from collections.abc import Callable

    Credentials = Callable[[int, str], dict[str, str]]
    """What the login of a number presents, for a nonce of the server."""

AT_ONCE = 16
_PATIENCE = 20.0
_EVERYTHING = Permission(allow=("orders.{{name()}}.>", "_INBOX.>"))


def _signed(claims: Claims[Any], key: SoftwareKey) -> Jwt[Any]:
    made = draft(claims, key.public_key, int(time.time()))
    return made.complete(key.sign(made.signing_input))


class Office:
    """A server whose account AUTH decides on logins to ORDERS, and `services` that do that.

    `backend` is the table of one backend, in TOML; requests are encrypted where it `is_sealed`.
    """

    def __init__(self, backend: str, *, services: int = 1, is_sealed: bool = False) -> None:
        """Start all of it; it ends with this process."""
        stack = contextlib.ExitStack()
        atexit.register(stack.close)
        self.folder = Path(tempfile.mkdtemp(prefix="seedless-bench-"))
        stack.callback(shutil.rmtree, self.folder, ignore_errors=True)
        operator = SoftwareKey.generate(Role.OPERATOR)
        self._auth, system, self._orders, clerk = (SoftwareKey.generate(Role.ACCOUNT) for _ in range(4))
        curve = SoftwareKey.generate(Role.CURVE)
        service, self._user = (SoftwareKey.generate(Role.USER) for _ in range(2))
        authorization = ExternalAuthorization(
            auth_users=(str(service.public_key),),
            allowed_accounts=(str(self._orders.public_key),),
            xkey=str(curve.public_key) if is_sealed else "",
        )
        scope = Scope(
            key=str(clerk.public_key), role="clerk", template=Template(pub=_EVERYTHING, sub=_EVERYTHING)
        )
        bodies = {
            "AUTH": (self._auth, replace(Account.new(), authorization=authorization)),
            "SYS": (system, Account.new()),
            "ORDERS": (self._orders, replace(Account.new(), signing_keys=(scope,))),
        }
        accounts = [
            _signed(Claims(sub=str(key.public_key), body=body, name=name), operator)
            for name, (key, body) in bodies.items()
        ]
        body = Operator(system_account=str(system.public_key))
        root = _signed(Claims(sub=str(operator.public_key), body=body, name="ACME"), operator)
        self._jwt = self._issued(self._user, self._orders, User.new())
        nothing = Permission(deny=(">",))
        sentinel = replace(User.new(), bearer_token=True, pub=nothing, sub=nothing)
        default = self._issued(SoftwareKey.generate(Role.USER), self._auth, sentinel)
        text = memory(root, accounts, str(system.public_key))
        (self.folder / "server").mkdir()
        # Longer than the usual 2 s: what is measured is a rate, on a machine that may be busy.
        configuration = f'{text}\ndefault_sentinel: "{default.text}"\nauthorization {{ timeout: 10 }}\n'
        self.port = stack.enter_context(running(self.folder / "server", configuration))
        self._write("service.creds", format_creds(self._issued(service, self._auth, User.new()), service))
        self._write("auth.nk", self._auth.reveal())
        self._write("clerk.nk", clerk.reveal())
        self._write("curve.nk", curve.reveal())
        sealing = f'curve-key = "file:{self.folder}/curve.nk"' if is_sealed else ""
        self._write("callout.toml", self._configuration(backend, sealing))
        self.services = [self._serve(stack, number) for number in range(services)]

    def _issued(self, key: SoftwareKey, account: SoftwareKey, body: User) -> Jwt[User]:
        return _signed(Claims(sub=str(key.public_key), body=body, name="user"), account)

    def _write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        path.chmod(0o600)
        return path

    def _configuration(self, backend: str, sealing: str) -> str:
        return f"""
servers = ["nats://127.0.0.1:{self.port}"]
mode = "operator"
creds = "{self.folder}/service.creds"
account = "{self._auth.public_key}"
signing-key = "file:{self.folder}/auth.nk"
{sealing}
[accounts.ORDERS]
key = "{self._orders.public_key}"
roles = {{ clerk = "file:{self.folder}/clerk.nk" }}
[backends.measured]
{backend}
[[rules]]
account = "ORDERS"
role = "clerk"
"""

    def _serve(self, stack: contextlib.ExitStack, number: int) -> subprocess.Popen[bytes]:
        log = self.folder / f"service-{number}.log"
        with log.open("wb") as stream:
            process = subprocess.Popen(
                [sys.executable, "-m", "seedless", "serve", "callout", str(self.folder / "callout.toml")],
                stdout=stream,
                stderr=stream,
                env={**os.environ, "HOME": str(self.folder)},
            )
        stack.callback(_end, process)
        end = time.monotonic() + _PATIENCE
        while b'"connected"' not in log.read_bytes():
            if process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(log.read_text(encoding="utf-8")[-2000:])
            time.sleep(0.02)
        return process

    def plain(self, _: int, nonce: str) -> dict[str, str]:
        """Return what a user with a jwt presents: no callout."""
        signature = urlsafe_b64encode(self._user.sign(nonce.encode())).decode().rstrip("=")
        return {"jwt": self._jwt.text, "sig": signature}

    def log_in(self, count: int, credentials: Credentials) -> float:
        """Log in *count* times, so many at once; return the seconds, raise `RuntimeError` for a failure."""

        def some(first: int) -> None:
            for number in range(first, count, AT_ONCE):
                _log_in(self.port, functools.partial(credentials, number))

        start = time.perf_counter()
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(some, range(AT_ONCE)))
        return time.perf_counter() - start


def _log_in(port: int, credentials: Callable[[str], dict[str, str]]) -> None:
    with socket.create_connection(("127.0.0.1", port), _PATIENCE) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        data = b""
        while not data.endswith(b"\r\n"):
            data += connection.recv(65536)
        nonce = json.loads(data[len(b"INFO ") :]).get("nonce", "")
        options = {"verbose": False, "pedantic": False, "protocol": 0, **credentials(nonce)}
        connection.sendall(b"CONNECT " + json.dumps(options).encode() + b"\r\nPING\r\n")
        answer = b""
        while b"\r\n" not in answer:
            received = connection.recv(4096)
            if not received:
                break
            answer += received
        if not answer.startswith(b"PONG"):
            raise RuntimeError(f"the login failed: {answer!r}")


def _end(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(_PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
