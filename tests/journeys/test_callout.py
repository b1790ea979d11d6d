"""`serve/` at real nats-servers: who logs in through a callout, who does not, and what is answered."""

from __future__ import annotations

import asyncio
import signal
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace

from seedless.errors import StoreError
from seedless.nkey import Role
from seedless.readiness import CheckStatus
from seedless.seeds import SoftwareKey
from seedless.serve import connection
from seedless.serve.backends.function import FunctionSettings, UserFunction
from seedless.serve.bounds import Bounds
from seedless.serve.doctor import examine
from seedless.serve.request import SUBJECT

sys.path.insert(0, str(Path(__file__).parents[1]))

from callout_systems import (
    PASSWORD,
    SYSTEMS,
    ConfigurationSystem,
    OperatorSystem,
    Passwords,
    Running,
    System,
    forged,
    start,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from nats.aio.msg import Msg

    from seedless.serve.process import CalloutService

    StartServer = Callable[[str], Any]
    Connect = Callable[..., Any]
    NatsServer = Any  # of conftest.py
    Session = Any  # likewise

ORDERS = "orders.ann.new"
_PATIENCE = 10.0


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


FUNCTION = """
import asyncio

async def identify(login):
    if login.user == "failing":
        raise ValueError("the database is away")
    if login.user == "cancelled":
        raise asyncio.CancelledError
    if login.user == "ended":
        raise SystemExit(2)
"""


def test_a_function_that_fails_refuses_the_login_at_once_and_does_not_count_against_its_source(
    system: System, server: NatsServer, tmp_path: Path, log_in: Connect
) -> None:
    (tmp_path / "own_function.py").write_text(FUNCTION)
    own = UserFunction("own", FunctionSettings(function="own_function:identify", path=tmp_path))
    bounds = Bounds(refusal_delay=0.01, source_failures=2, source_rate=0.001)
    running = start(lambda: system.service(server.url, tmp_path, bounds=bounds, backends=[own, Passwords()]))
    for user in ("failing", "cancelled", "ended"):
        began = time.monotonic()
        assert log_in(user).refusal == "Authorization Violation"
        assert time.monotonic() - began < 1.5, "before the server gives up"
    assert log_in("ann").refusal == ""
    reasons = [event["reason"].partition(" at ")[0] for event in running.wait("login refused", 3)]
    assert reasons == [
        f"the function failed: {error}" for error in ("ValueError", "CancelledError", "SystemExit")
    ]
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
    running.reload()
    assert running.wait("configuration not read")[0]["reason"] == "the file is damaged"
    assert log_in("ann").refusal == ""
    running.reload()
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
    with pytest.raises(urllib.error.HTTPError, match="404") as missing:
        get("/other")
    missing.value.close()


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
    first, second = sorted(problems(load()), key=lambda line: "without a queue group" in line)
    assert "receives requests in the queue group seedless-callout, and is not an instance of this" in first
    assert "receives requests without a queue group, and is not an instance of this service" in second


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
