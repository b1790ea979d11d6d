"""`serve/` at real nats-servers: who logs in through a callout, who does not, and what is answered."""

from __future__ import annotations

import asyncio
import io
import json
import signal
import threading
import time
import urllib.error
import urllib.request
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace
from nats.aio.client import Client
from nats.aio.msg import Msg

from seedless.claims import (
    Account,
    AuthorizationRequest,
    ClientInfo,
    ConnectOptions,
    ExternalAuthorization,
    Operator,
    Permission,
    Permissions,
    Scope,
    ServerId,
    Template,
    User,
)
from seedless.creds import format_creds
from seedless.errors import Refused, StoreError
from seedless.jwt import Claims, Jwt, draft
from seedless.nkey import Role
from seedless.readiness import CheckStatus
from seedless.seeds import SoftwareKey
from seedless.serve import connection
from seedless.serve.answer import AccountSigners, configuration_keys, operator_keys
from seedless.serve.bounds import Bounds
from seedless.serve.callout import CalloutSetup
from seedless.serve.connection import NatsAccess
from seedless.serve.doctor import examine
from seedless.serve.login import Identity, Login, LoginGrant
from seedless.serve.logs import EventLog
from seedless.serve.process import CalloutProcess, CalloutService
from seedless.serve.request import AUDIENCE, SUBJECT
from seedless.serve.sealing import HEADER, Sealing
from seedless.server_config import memory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from seedless.serve.answer import AnswerKeys

    StartServer = Callable[[str], Any]
    Connect = Callable[..., Any]
    NatsServer = Any  # of conftest.py
    Session = Any  # likewise

PASSWORD = "correct horse"
ORDERS = "orders.ann.new"
_PATIENCE = 10.0


def signed(claims: Claims[Any], key: SoftwareKey) -> Jwt[Any]:
    made = draft(claims, key.public_key, int(time.time()))
    return made.complete(key.sign(made.signing_input))


class Passwords:
    """A backend that accepts one password, is slow for one user, and fails for another."""

    async def identify(self, login: Login) -> Identity | None:
        if not login.user:
            return None
        if login.user == "slow":
            await asyncio.sleep(0.3)
        if login.user == "broken":
            raise RuntimeError(login.password)
        if login.password != PASSWORD:
            raise Refused("the password is wrong")
        return Identity(backend="passwords", name=login.user)


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
        end = time.monotonic() + _PATIENCE
        while len(found := self.events(name)) < count:
            assert time.monotonic() < end, self.stream.getvalue()
            time.sleep(0.005)
        return found

    def wait_for(self, holds: Callable[[], bool]) -> None:
        end = time.monotonic() + _PATIENCE
        while not holds():
            assert time.monotonic() < end, self.stream.getvalue()
            time.sleep(0.005)

    def call(self, function: Callable[[], object]) -> None:
        self.loop.call_soon_threadsafe(function)

    def receive(self, message: Msg) -> None:
        """Let the callout receive *message*, as from a server."""
        asyncio.run_coroutine_threadsafe(self.process.callout.receive(message), self.loop).result(_PATIENCE)

    def stop(self) -> None:
        if self.thread.is_alive():
            self.call(self.process.stop)
        self.thread.join(_PATIENCE)
        assert not self.thread.is_alive(), self.stream.getvalue()


def start(load: Callable[[], CalloutService]) -> Running:
    stream, made = io.StringIO(), Future[tuple[CalloutProcess, asyncio.AbstractEventLoop]]()

    async def serve() -> None:
        process = CalloutProcess(load, EventLog(stream, "callout"), "0.1.0")
        made.set_result((process, asyncio.get_running_loop()))
        await process.run()

    thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    process, loop = made.result(_PATIENCE)
    running = Running(process, stream, thread, loop)
    running.wait("connected", 2)  # to the system account too
    return running


class System:
    """Accounts of which one decides on logins to another, and the server that they are on."""

    def __init__(self, *, is_sealed: bool) -> None:
        self.curve = SoftwareKey.generate(Role.CURVE)
        self.sealing = Sealing(self.curve) if is_sealed else None
        self.xkey = str(self.curve.public_key) if is_sealed else ""

    account: str
    configuration: str
    keys: AnswerKeys

    def access(self, url: str, folder: Path) -> tuple[NatsAccess, NatsAccess]:
        """The logins of the service: to the account of the callout, and to the system account."""
        raise NotImplementedError

    def grant(self, identity: Identity, _: Login) -> LoginGrant:
        raise NotImplementedError

    def credentials(self, user: str, password: str) -> dict[str, Any]:
        return {"user": user, "pass": password}

    def stranger(self) -> dict[str, Any]:
        """What somebody logs in with who has got the login of the service."""
        return {"user": "service", "pass": "p"}

    def service(self, url: str, folder: Path, **changes: Any) -> CalloutService:  # noqa: ANN401 - of a Struct
        access, system = self.access(url, folder)
        setup = CalloutSetup(
            keys=self.keys,
            backends=[Passwords()],
            grant=self.grant,
            sealing=self.sealing,
            bounds=Bounds(refusal_delay=0.05),
        )
        return CalloutService(
            account=self.account,
            access=access,
            system=system,
            listen=("127.0.0.1", 0),
            setup=replace(setup, **changes),
        )


class OperatorSystem(System):
    """Operator mode: users are signed by a scoped key of the account ORDERS."""

    def __init__(self, *, is_sealed: bool) -> None:
        super().__init__(is_sealed=is_sealed)
        operator, *accounts = (SoftwareKey.generate(Role.OPERATOR), *accounts_keys(4))
        self._callout, self._system, self._orders, self._clerk = accounts
        self._service, self._watcher, sentinel = (SoftwareKey.generate(Role.USER) for _ in range(3))
        allow = Permission(allow=("orders.{{name()}}.>", "_INBOX.>"))
        scope = Scope(
            key=str(self._clerk.public_key), role="clerk", template=Template(pub=allow, sub=allow, payload=9)
        )
        authorization = ExternalAuthorization(
            auth_users=(str(self._service.public_key),),
            allowed_accounts=(str(self._orders.public_key),),
            xkey=self.xkey,
        )

        def account(name: str, key: SoftwareKey, **changes: object) -> Jwt[Account]:
            body = replace(Account.new(), **changes)
            return signed(Claims(sub=str(key.public_key), body=body, name=name), operator)

        self.jwts = [
            account("AUTH", self._callout, authorization=authorization),
            account("SYS", self._system),
            account("ORDERS", self._orders, signing_keys=(scope,)),
        ]
        self.account = self.jwts[0].claims.sub
        body = Operator(system_account=self.jwts[1].claims.sub)
        root = signed(Claims(sub=str(operator.public_key), body=body, name="ACME"), operator)
        self.configuration = memory(root, self.jwts, self.jwts[1].claims.sub)
        nothing = Permission(deny=(">",))
        bearer = replace(User.new(), bearer_token=True, pub=nothing, sub=nothing)
        self._sentinel = self._user(sentinel, self._callout, bearer)
        self.keys = operator_keys(
            self.jwts[0].claims.sub,
            self._callout,
            {"ORDERS": AccountSigners(key=self.jwts[2].claims.sub, roles={"clerk": self._clerk})},
            self.xkey,
        )

    def _user(self, key: SoftwareKey, account: SoftwareKey, body: User | None = None) -> Jwt[User]:
        return signed(Claims(sub=str(key.public_key), body=body or User.new(), name="user"), account)

    def access(self, url: str, folder: Path) -> tuple[NatsAccess, NatsAccess]:
        pairs = ((self._service, self._callout), (self._watcher, self._system))
        first, second = (self._creds(folder, url, *pair) for pair in pairs)
        return first, second

    def _creds(self, folder: Path, url: str, key: SoftwareKey, account: SoftwareKey) -> NatsAccess:
        path = folder / f"{key.public_key}.creds"
        path.write_text(format_creds(self._user(key, account), key))
        path.chmod(0o600)
        return NatsAccess(servers=(url,), creds=path)

    def grant(self, identity: Identity, _: Login) -> LoginGrant:
        return LoginGrant(account="ORDERS", name=identity.name, validity=60, role="clerk")

    def stranger(self) -> dict[str, Any]:
        return {"key": self._service, "jwt": self._user(self._service, self._callout)}

    def credentials(self, user: str, password: str) -> dict[str, Any]:
        return {"jwt": self._sentinel, **super().credentials(user, password)}


class ConfigurationSystem(System):
    """Configuration mode: the issuer signs everything, and mallory is another user of the callout."""

    def __init__(self, *, is_sealed: bool) -> None:
        super().__init__(is_sealed=is_sealed)
        (issuer,) = accounts_keys(1)
        self.account = "AUTH"
        self.keys = configuration_keys(issuer, ["ORDERS"], "AUTH", self.xkey)
        xkey = f", xkey: {self.xkey}" if is_sealed else ""
        users = ", ".join(f"{{ user: {name}, password: p }}" for name in ("service", "mallory"))
        self.configuration = (
            f"accounts {{ AUTH {{ users: [{users}] }}, ORDERS {{}}, "
            "SYS { users: [{ user: watcher, password: p }] } }\n"
            "system_account: SYS\n"
            f"authorization {{ auth_callout {{ issuer: {issuer.public_key}, account: AUTH, "
            f"auth_users: [service, mallory, watcher]{xkey} }} }}\n"
        )

    def access(self, url: str, folder: Path) -> tuple[NatsAccess, NatsAccess]:  # noqa: ARG002 - no creds
        first, second = (
            NatsAccess(servers=(url,), user=user, password="p") for user in ("service", "watcher")
        )
        return first, second

    def grant(self, identity: Identity, _: Login) -> LoginGrant:
        own = Permission(allow=(f"orders.{identity.name}.>", "_INBOX.>"))
        permissions = Permissions(pub=own, sub=own)
        return LoginGrant(account="ORDERS", name=identity.name, validity=60, permissions=permissions)


def accounts_keys(count: int) -> list[SoftwareKey]:
    return [SoftwareKey.generate(Role.ACCOUNT) for _ in range(count)]


SYSTEMS: dict[str, Callable[[], System]] = {
    "operator": lambda: OperatorSystem(is_sealed=False),
    "operator, encrypted": lambda: OperatorSystem(is_sealed=True),
    "configuration": lambda: ConfigurationSystem(is_sealed=False),
    "configuration, encrypted": lambda: ConfigurationSystem(is_sealed=True),
}


@pytest.fixture(scope="module", params=SYSTEMS)
def system(request: pytest.FixtureRequest) -> System:
    return SYSTEMS[request.param]()


@pytest.fixture(scope="module")
def server(system: System, shared_nats_server: StartServer) -> NatsServer:
    return shared_nats_server(system.configuration)


@pytest.fixture
def load(system: System, server: NatsServer, tmp_path: Path) -> Callable[[], CalloutService]:
    return lambda: system.service(server.url, tmp_path)


@pytest.fixture
def callout(load: Callable[[], CalloutService]) -> Iterator[Running]:
    running = start(load)
    yield running
    running.stop()


@pytest.fixture
def log_in(system: System, server: NatsServer, session: Connect) -> Callable[..., Session]:
    """Log in as a user of the callout: `log_in(user, password)`."""
    return lambda user, password=PASSWORD, **options: session(
        server.url, **system.credentials(user, password), **options
    )


def test_a_login_with_the_right_password_is_placed_in_the_account_with_its_permissions(
    callout: Running, log_in: Connect
) -> None:
    client = log_in("ann")
    assert client.refusal == ""
    client.subscribe("orders.ann.>")
    client.publish(ORDERS, b"a dozen")
    assert client.message() == b"a dozen"
    client.publish("orders.bob.new", b"a dozen")
    assert client.refusal == 'Permissions Violation for Publish to "orders.bob.new"'
    (event,) = callout.wait("login accepted")
    assert (event["name"], event["host"], event["backend"]) == ("ann", "127.0.0.1", "passwords")
    assert PASSWORD not in callout.stream.getvalue()


REFUSED = {
    "a wrong password": ("ann", "wrong battery", "the password is wrong"),
    "nothing that a backend is responsible for": ("", "wrong battery", "no backend is responsible"),
    "a backend that fails": ("broken", "wrong battery", "RuntimeError in a backend"),
}


def test_a_login_that_proves_nobody_is_refused_and_logged_and_nothing_is_signed(
    callout: Running, log_in: Connect
) -> None:
    for number, (user, password, reason) in enumerate(REFUSED.values(), 1):
        began = time.monotonic()
        assert log_in(user, password).refusal == "Authorization Violation"
        assert 0.04 < time.monotonic() - began < 1.5, "after the delay, and before the server gives up"
        event = callout.wait("login refused", number)[-1]
        assert reason in event["reason"]
        assert (event.get("user", ""), event["host"]) == (user, "127.0.0.1")
    assert callout.events("login accepted") == []
    assert "battery" not in callout.stream.getvalue()


def test_logins_are_decided_on_side_by_side(callout: Running, log_in: Connect) -> None:
    began = time.monotonic()
    threads = [threading.Thread(target=log_in, args=("slow",)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    callout.wait("login accepted", 6)
    assert time.monotonic() - began < 6 * 0.3


def test_a_login_in_flight_is_answered_when_the_service_is_asked_to_end(
    callout: Running, log_in: Connect
) -> None:
    clients: list[Session] = []
    thread = threading.Thread(target=lambda: clients.append(log_in("slow")))
    thread.start()
    end = time.monotonic() + _PATIENCE
    while not callout.process.callout.in_flight and time.monotonic() < end:
        time.sleep(0.002)
    callout.stop()
    thread.join()
    assert [client.refusal for client in clients] == [""]
    assert callout.events("ended") != []


def test_a_source_that_fails_too_often_is_refused_without_asking_a_backend(
    system: System, server: NatsServer, tmp_path: Path, log_in: Connect
) -> None:
    bounds = Bounds(refusal_delay=0.01, source_failures=2, source_rate=0.001)
    running = start(lambda: system.service(server.url, tmp_path, bounds=bounds))
    assert [log_in("ann").refusal for _ in range(3)] == ["", "", ""], "a success costs nothing"
    for _ in range(3):
        log_in("ann", "wrong battery")
    assert log_in("ann").refusal == "Authorization Violation"
    reasons = [event["reason"] for event in running.wait("login refused", 4)]
    assert reasons == [*["the password is wrong"] * 2, *["too many logins from this source have failed"] * 2]
    running.stop()


def test_a_configuration_that_cannot_be_read_again_changes_nothing(
    system: System, server: NatsServer, tmp_path: Path, log_in: Connect
) -> None:
    services: list[CalloutService | StoreError] = [
        system.service(server.url, tmp_path),
        StoreError("the file is damaged"),
        system.service(server.url, tmp_path, backends=[]),
    ]

    def load() -> CalloutService:
        service = services.pop(0)
        if isinstance(service, StoreError):
            raise service
        return service

    running = start(load)
    running.call(running.process.reload)
    assert running.wait("configuration not read")[0]["reason"] == "the file is damaged"
    assert log_in("ann").refusal == ""
    running.call(running.process.reload)
    running.wait("configuration read")
    assert log_in("ann").refusal == "Authorization Violation"
    running.stop()


def test_metrics_health_and_discovery_report_what_was_answered(
    system: System, server: NatsServer, callout: Running, log_in: Connect, session: Connect
) -> None:
    log_in("ann")
    log_in("ann", "wrong battery")
    callout.wait("login refused")
    address = callout.wait("listening")[0]["address"]

    def get(path: str) -> str:
        with urllib.request.urlopen(f"http://{address}{path}", timeout=_PATIENCE) as answer:
            text: str = answer.read().decode()
            return text

    metrics = get("/metrics")
    assert 'seedless_callout_logins_total{reason="",result="accepted"} 1.0' in metrics
    assert 'seedless_callout_logins_total{reason="refused",result="refused"} 1.0' in metrics
    assert "seedless_nats_connected 1.0" in metrics
    assert (get("/healthz"), get("/readyz")) == ("alive\n", "ready\n")
    with pytest.raises(urllib.error.HTTPError, match="404"):
        get("/other")


def test_a_connection_that_the_server_blocks_is_replaced(
    nats_server: StartServer, tmp_path: Path, session: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    system = ConfigurationSystem(is_sealed=False)
    monkeypatch.setattr(connection, "_WATCH", 0.1)
    monkeypatch.setattr(connection, "_ROUND_TRIP", 1)
    server = nats_server(system.configuration)
    running = start(lambda: system.service(server.url, tmp_path))
    server.process.send_signal(signal.SIGSTOP)
    running.wait("disconnected")
    assert "did not answer a PING" in running.events("disconnected")[0]["reason"]
    running.wait_for(lambda: running.process.problem() == "not connected to NATS")
    server.process.send_signal(signal.SIGCONT)
    running.wait("connected", 4)
    assert session(server.url, **system.credentials("ann", PASSWORD)).refusal == ""
    running.stop()


def test_a_limit_of_a_role_that_servers_do_not_enforce_is_logged(
    system: System, callout: Running, log_in: Connect
) -> None:
    log_in("ann")  # servers load an account with its first user
    log_in("ann")
    expected = ["servers do not enforce payload of the role clerk for logins by callout"]
    found = [event["reason"] for event in callout.events("not as servers have it")]
    assert found == (expected if isinstance(system, OperatorSystem) else [])


def forged(system: System, **changes: Any) -> Msg:  # noqa: ANN401 - of a Struct
    """A request as a server makes it, by keys that somebody has made, with *changes* of its claims."""
    server, curve = SoftwareKey.generate(Role.SERVER), SoftwareKey.generate(Role.CURVE)
    body = AuthorizationRequest(
        server_id=ServerId(name="n0", id=str(server.public_key), xkey=str(curve.public_key)),
        user_nkey=str(SoftwareKey.generate(Role.USER).public_key),
        client_info=ClientInfo(host="10.0.0.1", kind="Client", type="nats"),
        connect_opts=ConnectOptions(user="ann", password=PASSWORD),
    )
    claims = Claims(sub=system.keys.subject, aud=AUDIENCE, exp=int(time.time()) + 2, body=body)
    text = signed(replace(claims, **changes), server).text
    if system.sealing is None:
        return Msg(Client(), SUBJECT, "$SYS._INBOX.n0.1", text.encode())
    sealed = Sealing(curve).seal(text, system.xkey)
    return Msg(Client(), SUBJECT, "$SYS._INBOX.n0.1", sealed, {HEADER: str(curve.public_key)})


FORGED = {
    "is none of those that the system account lists": {},
    "the audience of the request is not nats-authorization-request": {"aud": "nats"},
    "the request is for another account": {"sub": str(SoftwareKey(Role.ACCOUNT, bytes(32)).public_key)},
    "which no server waits": {"exp": 1},
}


def test_forged_requests_are_logged_and_not_answered(system: System, callout: Running) -> None:
    for number, (reason, changes) in enumerate(FORGED.items(), 1):
        callout.receive(forged(system, **changes))
        assert reason in callout.wait("request not answered", number)[-1]["reason"]
    callout.receive(Msg(Client(), SUBJECT, "orders.new", b"eyJ", None))
    callout.receive(Msg(Client(), SUBJECT, "$SYS._INBOX.n0.1", b"xkv1" + bytes(90), None))
    callout.wait("request not answered", 6)
    assert callout.process.callout.answered == 0


def test_a_request_that_comes_again_is_not_answered_again(
    callout: Running, log_in: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests: list[Msg] = []
    decide = callout.process.callout.decide_on

    async def recorded(message: Msg, slots: asyncio.Semaphore) -> None:
        requests.append(message)
        await decide(message, slots)

    monkeypatch.setattr(callout.process.callout, "decide_on", recorded)
    assert log_in("ann").refusal == ""
    callout.receive(requests[0])
    assert "this is a replay" in callout.wait("request not answered")[0]["reason"]
    assert callout.process.callout.answered == 1


def problems(service: CalloutService) -> list[str]:
    return [
        f"{result.what}: {result.found}"
        for result in asyncio.run(examine(service))
        if result.verdict is CheckStatus.PROBLEM and "servers do not enforce payload" not in result.found
    ]


def test_the_doctor_finds_nothing_where_the_service_is_alone(
    callout: Running, load: Callable[[], CalloutService]
) -> None:
    assert problems(load()) == []


def test_the_doctor_finds_a_stranger_in_the_queue_group_and_one_outside(
    system: System,
    server: NatsServer,
    callout: Running,
    load: Callable[[], CalloutService],
    session: Connect,
) -> None:
    for subject in (f"{SUBJECT} seedless-callout", SUBJECT):
        session(server.url, **system.stranger()).subscribe(subject)
    first, second = sorted(problems(load()))
    assert "receives requests in the queue group seedless-callout, and is no instance of this" in first
    assert "receives requests without a queue group, and is no instance of this service" in second


def test_the_doctor_finds_an_instance_with_a_key_that_servers_ignore(
    system: System, server: NatsServer, tmp_path: Path, load: Callable[[], CalloutService]
) -> None:
    keys = replace(system.keys, response=SoftwareKey.generate(Role.ACCOUNT))
    running = start(lambda: system.service(server.url, tmp_path, keys=keys))
    (problem,) = problems(load())
    assert f"signs with {keys.response.public_key}: servers ignore that" in problem
    running.stop()


def test_servers_forbid_the_users_of_the_callout_to_publish_requests(
    nats_server: StartServer, session: Connect
) -> None:
    system = ConfigurationSystem(is_sealed=False)
    mallory = session(nats_server(system.configuration).url, user="mallory", **{"pass": "p"})
    mallory.publish(SUBJECT, forged(system).data, "$SYS._INBOX.n0.1")
    assert mallory.refusal == f'Permissions Violation for Publish to "{SUBJECT}"'
