"""An issuer in an account of its own, an account that asks it, and their server."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from seedless import Claims, Export, Import, Remote, SoftwareKey
from seedless.claims import Permission, Template
from seedless.client import connect
from seedless.creds import Creds, parse_creds
from seedless.serve.config import IssuerConfig, load_issuer
from seedless.serve.issuer_process import IssuerProcess
from seedless.serve.logs import EventLog
from seedless.server_config import full

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from nats.aio.client import Client
    from office import Office

CONFIGURATION = """
servers = ["{url}"]
creds = "{creds}"
listen = "127.0.0.1:0"

[delegation]
for = "12h"

[accounts.ORDERS]
key = "{orders}"
roles = {{ service = "delegated" }}

[[rules]]
from = ["{shop}"]
endpoints = ["user", "account", "revoke", "info"]
accounts = ["ORDERS"]
roles = ["service"]
longest = "1h"
"""


@dataclass
class World:
    """Accounts, their server, and the configuration of an issuer in an account of its own."""

    office: Office
    url: str
    config: IssuerConfig
    shop: Creds
    stranger: Creds
    inside: Creds
    orders: str

    @contextlib.asynccontextmanager
    async def running(
        self, replicas: int = 1, clock: Callable[[], float] = time.time
    ) -> AsyncIterator[list[IssuerProcess]]:
        stream, processes, tasks = io.StringIO(), [], []
        try:
            for _ in range(replicas):
                process = IssuerProcess(
                    lambda: self.config,
                    EventLog(stream, "issuer"),
                    "0",
                    self.office.workspace(clock=clock),
                    Remote(urls=(self.url,)),
                )
                processes.append(process)
                tasks.append(asyncio.create_task(process.run()))
                await asyncio.wait_for(process.connection.connected.wait(), 20)
            yield processes
        finally:
            for process in processes:
                process.stop()
            await asyncio.gather(*tasks)
            self.log = stream.getvalue()

    @contextlib.asynccontextmanager
    async def client(self, creds: Creds) -> AsyncIterator[Client]:
        client = await connect([self.url], creds.key, creds.jwt)
        try:
            yield client
        finally:
            await client.close()


def having(**members: object) -> Callable[[Claims[Any]], Claims[Any]]:
    """Return the change of an account to one with these *members*."""
    return lambda claims: replace(claims, body=replace(claims.body, **members))


def world_of(office: Office, nats_server: Callable[[str], Any], tmp_path: Path) -> World:
    """Return the accounts, on what *nats_server* starts."""
    with office.workspace() as ws:
        # Each edit of one account waits for the next second, so that accounts are made as they are to be.
        ws.operators.add("ACME", system_account=True).sign()
        ws.accounts.add("ORDERS").sign()
        stored = {"mem_storage": -1, "disk_storage": -1, "streams": -1, "consumer": -1}
        export = Export(name="issuer", subject="issuer.*", type="service")
        issuer = ws.accounts.add("ISSUER", having(exports=(export,)), limits=stored).sign().claims.sub
        imported = Import(name="issuer", account=issuer, subject="issuer.*", type="service", share=True)
        for name in ("SHOP", "STRANGER"):
            ws.accounts.add(name, having(imports=(imported,))).sign()
        users = {name: ws.users.add(name, "app").sign() for name in ("SHOP", "STRANGER", "ISSUER")}
        allowed = Permission(allow=("orders.{{name()}}",))
        ws.signing_keys.add(
            "ORDERS", role="service", template=Template(pub=allowed, sub=allowed, subs=9)
        ).sign()
        configuration = full(ws.operator(), ws.all_accounts(), allow_delete=True)
        server = nats_server(f'{configuration}\njetstream {{ store_dir: "{tmp_path}/js" }}\n')
        ws.resolver.push(everything=True, remote=server.url).send().require_done()
        keys = {name: ws.account(name).claims.sub for name in ("SHOP", "ORDERS")}
    path = tmp_path / "issuer.toml"
    path.write_text(
        CONFIGURATION.format(
            url=server.url, creds=users["ISSUER"].creds_path, orders=keys["ORDERS"], shop=keys["SHOP"]
        )
    )
    path.chmod(0o600)
    creds = {name: parse_creds(user.creds_path.read_text()) for name, user in users.items()}
    return World(
        office,
        server.url,
        load_issuer(path),
        creds["SHOP"],
        creds["STRANGER"],
        creds["ISSUER"],
        keys["ORDERS"],
    )


async def ask(client: Client, endpoint: str, headers: dict[str, str] | None = None, **members: Any) -> Any:  # noqa: ANN401 - JSON
    answer = await client.request(
        f"issuer.{endpoint}", json.dumps(members).encode(), timeout=15, headers=headers
    )
    return json.loads(answer.data)


def request_of(pair: SoftwareKey, **members: object) -> dict[str, Any]:
    return {"key": str(pair.public_key), "account": "ORDERS", "role": "service", "name": "ann"} | members
