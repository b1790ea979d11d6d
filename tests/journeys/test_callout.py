"""`serve/` at real nats-servers: who logs in through a callout, who does not, and what is answered."""

from __future__ import annotations

import asyncio
import io
import json
import threading
import time
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace

from seedless.claims import (
    Account,
    ExternalAuthorization,
    Operator,
    Permission,
    Scope,
    Template,
    User,
)
from seedless.creds import format_creds
from seedless.errors import Refused
from seedless.jwt import Claims, Jwt, draft
from seedless.nkey import Role
from seedless.seeds import SoftwareKey
from seedless.serve.answer import operator_keys
from seedless.serve.bounds import Bounds
from seedless.serve.callout import CalloutSetup
from seedless.serve.connection import NatsAccess
from seedless.serve.login import Identity, Login, LoginGrant
from seedless.serve.logs import EventLog
from seedless.serve.process import CalloutProcess, CalloutService
from seedless.serve.sealing import Sealing
from seedless.server_config import memory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    StartServer = Callable[[str], Any]
    Connect = Callable[..., Any]
    NatsServer = Any  # of conftest.py

PASSWORD = "correct horse"


def signed(claims: Claims[Any], key: SoftwareKey) -> Jwt[Any]:
    made = draft(claims, key.public_key, int(time.time()))
    return made.complete(key.sign(made.signing_input))


class Passwords:
    """A backend that accepts one password, and waits where the user is `slow`."""

    async def identify(self, login: Login) -> Identity | None:
        if not login.user:
            return None
        if login.user == "slow":
            await asyncio.sleep(0.05)
        if login.user == "broken":
            raise RuntimeError(login.password)
        if login.password != PASSWORD:
            raise Refused("the password is wrong")
        return Identity(backend="passwords", name=login.user, role="clerk")


def grant(identity: Identity, login: Login) -> LoginGrant:
    return LoginGrant(account="ORDERS", name=identity.name, validity=60, role=identity.role)


@dataclass
class Running:
    """A callout in a thread of its own, and its log."""

    process: CalloutProcess
    stream: io.StringIO
    thread: threading.Thread
    loop: asyncio.AbstractEventLoop

    def events(self, name: str) -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in self.stream.getvalue().splitlines()]
        return [line for line in lines if line["event"] == name]

    def wait(self, name: str, count: int = 1) -> list[dict[str, Any]]:
        end = time.monotonic() + 10
        while len(found := self.events(name)) < count:
            assert time.monotonic() < end, self.stream.getvalue()
            time.sleep(0.005)
        return found

    def stop(self) -> None:
        self.loop.call_soon_threadsafe(self.process.stop)
        self.thread.join(10)
        assert not self.thread.is_alive(), self.stream.getvalue()


def start(load: Callable[[], CalloutService]) -> Running:
    stream, made = io.StringIO(), Future[tuple[CalloutProcess, asyncio.AbstractEventLoop]]()

    async def serve() -> None:
        process = CalloutProcess(load, EventLog(stream, "callout"), "0.0.0")
        made.set_result((process, asyncio.get_running_loop()))
        await process.run()

    thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    process, loop = made.result(10)
    running = Running(process, stream, thread, loop)
    running.wait("connected")
    return running


@dataclass(frozen=True)
class Keys:
    """Keys of an operator with accounts, each in memory."""

    operator: SoftwareKey = field(default_factory=lambda: SoftwareKey.generate(Role.OPERATOR))
    system: SoftwareKey = field(default_factory=lambda: SoftwareKey.generate(Role.ACCOUNT))
    callout: SoftwareKey = field(default_factory=lambda: SoftwareKey.generate(Role.ACCOUNT))
    target: SoftwareKey = field(default_factory=lambda: SoftwareKey.generate(Role.ACCOUNT))
    clerk: SoftwareKey = field(default_factory=lambda: SoftwareKey.generate(Role.ACCOUNT))
    curve: SoftwareKey = field(default_factory=lambda: SoftwareKey.generate(Role.CURVE))
    service: SoftwareKey = field(default_factory=lambda: SoftwareKey.generate(Role.USER))
    sentinel: SoftwareKey = field(default_factory=lambda: SoftwareKey.generate(Role.USER))
    watcher: SoftwareKey = field(default_factory=lambda: SoftwareKey.generate(Role.USER))


class OperatorSystem:
    """An operator whose account AUTH decides on logins to ORDERS, and the server that trusts it."""

    def __init__(self, *, is_sealed: bool) -> None:
        self.keys = keys = Keys()
        scope = Scope(
            key=str(keys.clerk.public_key),
            role="clerk",
            template=Template(
                pub=Permission(allow=("orders.{{name()}}.>",)),
                sub=Permission(allow=("orders.{{name()}}.>", "_INBOX.>")),
            ),
        )
        authorization = ExternalAuthorization(
            auth_users=(str(keys.service.public_key),),
            allowed_accounts=(str(keys.target.public_key),),
            xkey=str(keys.curve.public_key) if is_sealed else "",
        )
        self.system = self._account("SYS", keys.system, Account.new())
        self.callout = self._account(
            "AUTH", keys.callout, replace(Account.new(), authorization=authorization)
        )
        self.target = self._account("ORDERS", keys.target, replace(Account.new(), signing_keys=(scope,)))
        operator = Operator(system_account=self.system.claims.sub)
        self.operator = signed(
            Claims(sub=str(keys.operator.public_key), body=operator, name="ACME"), keys.operator
        )
        nothing = Permission(deny=(">",))
        self.sentinel = self.user(
            keys.sentinel, keys.callout, replace(User.new(), bearer_token=True, pub=nothing, sub=nothing)
        )
        self.sealing = Sealing(keys.curve) if is_sealed else None

    def _account(self, name: str, key: SoftwareKey, body: Account) -> Jwt[Account]:
        return signed(Claims(sub=str(key.public_key), body=body, name=name), self.keys.operator)

    def user(self, key: SoftwareKey, account: SoftwareKey, body: User | None = None) -> Jwt[User]:
        return signed(Claims(sub=str(key.public_key), body=body or User.new(), name="user"), account)

    @property
    def configuration(self) -> str:
        return memory(self.operator, [self.system, self.callout, self.target], self.system.claims.sub)

    def service(self, url: str, folder: Path, **changes: object) -> CalloutService:
        keys = self.keys
        paths = []
        for name, key, account in (
            ("service", keys.service, keys.callout),
            ("watcher", keys.watcher, keys.system),
        ):
            path = folder / f"{name}.creds"
            path.write_text(format_creds(self.user(key, account), key))
            path.chmod(0o600)
            paths.append(NatsAccess(servers=(url,), creds=path))
        setup = CalloutSetup(
            keys=operator_keys(self.callout, [self.callout, self.target], [keys.callout, keys.clerk]),
            backends=[Passwords()],
            grant=grant,
            sealing=self.sealing,
            bounds=Bounds(refusal_delay=0.05),
        )
        return CalloutService(access=paths[0], system=paths[1], setup=replace(setup, **changes))


@pytest.fixture(scope="module", params=[False, True], ids=["plain", "sealed"])
def system(request: pytest.FixtureRequest) -> OperatorSystem:
    return OperatorSystem(is_sealed=request.param)


@pytest.fixture(scope="module")
def server(system: OperatorSystem, shared_nats_server: StartServer) -> NatsServer:
    return shared_nats_server(system.configuration)


@pytest.fixture
def callout(system: OperatorSystem, server: NatsServer, tmp_path: Path) -> Iterator[Running]:
    running = start(lambda: system.service(server.url, tmp_path))
    yield running
    running.stop()


def test_a_login_with_the_right_password_is_placed_in_the_account_with_its_role(
    system: OperatorSystem, server: NatsServer, callout: Running, session: Connect
) -> None:
    client = session(server.url, jwt=system.sentinel, user="ann", **{"pass": PASSWORD})
    assert client.refusal == ""
    client.subscribe("orders.ann.>")
    client.publish("orders.ann.new", b"a dozen")
    assert client.message() == b"a dozen"
    client.publish("orders.bob.new", b"a dozen")
    assert client.refusal == 'Permissions Violation for Publish to "orders.bob.new"'
    (event,) = callout.wait("login accepted")
    assert (event["name"], event["host"], event["backend"]) == ("ann", "127.0.0.1", "passwords")
    assert event["account"] == system.target.claims.sub
    assert PASSWORD not in callout.stream.getvalue()


def test_a_wrong_password_is_refused_and_logged_and_nothing_is_signed(
    system: OperatorSystem, server: NatsServer, callout: Running, session: Connect
) -> None:
    client = session(server.url, jwt=system.sentinel, user="ann", **{"pass": "wrong battery"})
    assert client.refusal == "Authorization Violation"
    (event,) = callout.wait("login refused")
    assert (event["reason"], event["user"], event["host"]) == ("the password is wrong", "ann", "127.0.0.1")
    assert callout.events("login accepted") == []
    assert "battery" not in callout.stream.getvalue()
