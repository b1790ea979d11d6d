"""Users by an issuing service, each recorded in JetStream, beside a service that only publishes there.

Both are in one process beside a real nats-server, handle requests in tasks, and are asked by one client of
nats-py, 64 requests at once: its share of the time is in both sides.
"""

from __future__ import annotations

import asyncio
import atexit
import json
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from nats.aio.client import Client

_REQUESTS = 600
_AT_ONCE = 64
_CONFIGURATION = """
listen: "127.0.0.1:-1"
ports_file_dir: "{folder}"
jetstream {{ store_dir: "{folder}/js" }}
accounts {{
  ISSUER {{
    jetstream: enabled, users: [{{ user: issuer, password: p }}]
    exports: [{{ service: "issuer.*" }}, {{ service: "plain" }}]
  }}
  SHOP {{
    users: [{{ user: shop, password: p }}]
    imports: [
      {{ service: {{ account: ISSUER, subject: "issuer.*" }}, share: true }}
      {{ service: {{ account: ISSUER, subject: "plain" }}, share: true }}
    ]
  }}
}}
"""
_SERVICE = """
import asyncio, sys, time
from nats.aio.client import Client
from seedless.nkey import Role
from seedless.seeds import SoftwareKey
from seedless.serve.audit import AuditStream
from seedless.serve.config import AccountKeys
from seedless.serve.issuer import Issuer
from seedless.serve.config import IssuerConfig, IssuerRule
from seedless.serve.logs import EventLog

async def serve(url):
    client = Client()
    await client.connect(url, user="issuer", password="p")
    account = str(SoftwareKey.generate(Role.ACCOUNT).public_key)
    rule = IssuerRule(requesters=("*",), endpoints=("user",), accounts=("ORDERS",), roles=("service",))
    config = IssuerConfig(servers=(url,), accounts={"ORDERS": AccountKeys(key=account)}, rules=(rule,))
    audit = AuditStream("ISSUED", "issued", time.time)
    await audit.open(client, 1)
    keys = {("ORDERS", "service"): SoftwareKey.generate(Role.ACCOUNT)}
    issuer = Issuer(config, keys, audit, EventLog(sys.stderr, "issuer"))
    await client.subscribe("issuer.user", cb=issuer.receiver("user"))
    jetstream, tasks = client.jetstream(), set()
    async def plain(message):
        await jetstream.publish("issued.plain", b"x" * 300)
        await message.respond(message.data)
    async def receive(message):
        task = asyncio.create_task(plain(message))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
    await client.subscribe("plain", cb=receive)
    await client.flush()
    print("ready", flush=True)
    await asyncio.Event().wait()

asyncio.run(serve(sys.argv[1]))
"""


def rows() -> Iterator[dict[str, Any]]:
    """Yield the speed of `issuer.user` beside that of an empty service with one publish to JetStream."""
    stack = ExitStack()
    atexit.register(stack.close)
    url = _start(stack)
    loop = asyncio.new_event_loop()
    stack.callback(loop.close)
    client = loop.run_until_complete(_connected(url))
    stack.callback(lambda: loop.run_until_complete(client.close()))
    numbers = iter(range(10**9))
    yield {
        "name": f"{_REQUESTS} users issued and recorded, an empty service that publishes to JetStream",
        "ours": lambda: loop.run_until_complete(_asked(client, "issuer.user", lambda: _user(next(numbers)))),
        "beside": lambda: loop.run_until_complete(_asked(client, "plain", lambda: b"x" * 200)),
        "items": _REQUESTS,
        "rounds": 5,
        "least": 0.35,
    }


def _start(stack: ExitStack) -> str:
    """Start a nats-server and the services, and return its URL."""
    folder = Path(tempfile.mkdtemp(prefix="seedless-bench-"))
    stack.callback(shutil.rmtree, folder, ignore_errors=True)
    (folder / "server.conf").write_text(_CONFIGURATION.format(folder=folder))
    binary = shutil.which("nats-server", path=sysconfig.get_path("scripts")) or "nats-server"
    server = subprocess.Popen([binary, "-c", str(folder / "server.conf")], stderr=subprocess.DEVNULL)
    stack.callback(server.wait)
    stack.callback(server.terminate)
    while not (files := list(folder.glob("*.ports"))) or not files[0].read_text().endswith("}"):
        time.sleep(0.01)
    url: str = json.loads(files[0].read_text())["nats"][0]
    service = subprocess.Popen([sys.executable, "-c", _SERVICE, url], stdout=subprocess.PIPE, text=True)
    stack.callback(service.wait)
    stack.callback(service.kill)
    assert service.stdout is not None
    assert service.stdout.readline() == "ready\n"
    return url


async def _connected(url: str) -> Client:
    from nats.aio.client import Client

    client = Client()
    await client.connect(url, user="shop", password="p")
    return client


def _user(number: int) -> bytes:
    from seedless.nkey import PublicKey, Role

    key = PublicKey(Role.USER, number.to_bytes(32, "big"))
    return json.dumps({"key": str(key), "account": "ORDERS", "role": "service", "name": "ann"}).encode()


async def _asked(client: Client, subject: str, data: Callable[[], bytes]) -> float:
    """Ask so many times, and return the seconds that it took."""
    requests = [data() for _ in range(_REQUESTS)]
    limit = asyncio.Semaphore(_AT_ONCE)

    async def ask(request: bytes) -> None:
        async with limit:
            answer = await client.request(subject, request, timeout=10)
            assert b"error" not in answer.data[:10], answer.data

    start = time.perf_counter()
    await asyncio.gather(*map(ask, requests))
    return time.perf_counter() - start
