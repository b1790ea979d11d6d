"""Strangers beside a callout, with a login of its account and without its keys: they let nobody in."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from seedless._nats import server_id
from seedless.claims import AuthorizationResponse, User
from seedless.jwt import Claims, read
from seedless.nkey import Role
from seedless.readiness import CheckStatus
from seedless.seeds import SoftwareKey
from seedless.serve import connection, doctor
from seedless.serve.connection import NatsAccess
from seedless.serve.connection import log_in as connect
from seedless.serve.request import HEADER, SUBJECT, Sealing, is_sealed

sys.path.insert(0, str(Path(__file__).parents[1]))

from callout_systems import (
    PASSWORD,
    SYSTEMS,
    ConfigurationSystem,
    OperatorSystem,
    Running,
    System,
    signed,
    start,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from nats.aio.client import Client
    from nats.aio.msg import Msg

    from seedless.doctor import CheckResult

    StartServer = Callable[[str], Any]
    Connect = Callable[..., Any]
    NatsServer = Any  # of conftest.py


@pytest.fixture(scope="module", params=SYSTEMS)
def system(request: pytest.FixtureRequest) -> System:
    return SYSTEMS[request.param]()


@pytest.fixture(scope="module")
def server(system: System, shared_nats_server: StartServer) -> NatsServer:
    return shared_nats_server(system.configuration)


@pytest.fixture(scope="module")
def callout(
    system: System, server: NatsServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("callout")
    running = start(lambda: system.service(server.url, folder))
    yield running
    running.stop()


class Stranger:
    """Somebody with the login of the service, who sees all answers, and answers with `answers` itself."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.answers: Callable[[Msg], list[bytes]] = lambda _: []
        self.seen: list[bytes] = []

    async def answer(self, message: Msg) -> None:
        for data in self.answers(message):
            await self.client.publish(message.reply, data)

    async def keep(self, message: Msg) -> None:
        self.seen.append(message.data)

    async def has_seen(self, count: int) -> list[bytes]:
        end = time.monotonic() + 10
        while len(self.seen) < count:
            assert time.monotonic() < end
            await asyncio.sleep(0.005)
        return self.seen


async def _ignore(_: Exception) -> None:
    return


@contextlib.asynccontextmanager
async def stranger(system: System, url: str, folder: Path, queue: str = "") -> AsyncIterator[Stranger]:
    """Subscribe to the requests in *queue*, and to the answers."""
    access, _ = system.access(url, folder)
    made = Stranger(await connect(access, "stranger", error_cb=_ignore))
    await made.client.subscribe("$SYS._INBOX.>", cb=made.keep)
    await made.client.subscribe(SUBJECT, queue=queue, cb=made.answer)
    await made.client.flush()
    try:
        yield made
    finally:
        await made.client.close()


def own_answer(system: System, message: Msg) -> bytes:
    """An answer by keys of its own; the user key of a request that is encrypted it can only guess."""
    own, curve = SoftwareKey.generate(Role.ACCOUNT), SoftwareKey.generate(Role.CURVE)
    user, server = str(SoftwareKey.generate(Role.USER).public_key), message.reply.split(".")[2]
    if not is_sealed(message.data):
        request = read(message.data.decode()).claims.body
        user, server = request.user_nkey, request.server_id.id
    audience = "" if isinstance(system, OperatorSystem) else "ORDERS"
    claims = Claims(sub=user, body=User.new(), name="mallory", aud=audience, exp=int(time.time()) + 60)
    body = AuthorizationResponse(jwt=signed(claims, own).text)
    text = signed(Claims(sub=user, aud=server, body=body), own).text
    curve_key = (message.headers or {}).get(HEADER, "")
    return Sealing(curve).seal(text, curve_key) if curve_key else text.encode()


def test_a_stranger_who_answers_first_refuses_logins_and_lets_nobody_in(
    system: System, server: NatsServer, callout: Running, session: Connect, tmp_path: Path
) -> None:
    async def log_in(user: str, password: str) -> str:
        given = system.credentials(user, password)
        return str((await asyncio.to_thread(session, server.url, **given)).refusal)

    async def journey() -> dict[str, list[str]]:
        found = {}
        async with stranger(system, server.url, tmp_path) as mallory:
            assert await log_in("ann", PASSWORD) == ""
            captured = (await mallory.has_seen(1))[0]
            answers: dict[str, Callable[[Msg], bytes]] = {
                "nothing": lambda _: b"",
                "junk": lambda _: b"eyJ.eyJ.x",
                "by a key of its own": lambda message: own_answer(system, message),
                "the answer to another login": lambda _: captured,
            }
            for name, answer in answers.items():
                mallory.answers = lambda message, answer=answer: [answer(message)]
                # The callout takes 0.3 s for the user `slow`, so the stranger is first.
                found[name] = [await log_in("slow", PASSWORD), await log_in("ann", "wrong battery")]
        assert await log_in("ann", PASSWORD) == ""
        return found

    found = asyncio.run(journey())
    assert [one for one in found.values() if one != ["Authorization Violation"] * 2] == []
    assert callout.events("internal") == []


def test_a_stranger_in_the_queue_group_lets_nobody_in_and_leaves_the_other_requests_to_the_service(
    system: System, server: NatsServer, callout: Running, session: Connect, tmp_path: Path
) -> None:
    async def journey() -> list[str]:
        async with stranger(system, server.url, tmp_path, callout.process.service.queue) as mallory:
            mallory.answers = lambda message: [own_answer(system, message)]
            given = [system.credentials("ann", PASSWORD), system.credentials("ann", "wrong battery")]
            return [
                (await asyncio.to_thread(session, server.url, **given[number % 2])).refusal
                for number in range(12)
            ]

    refusals = asyncio.run(journey())
    assert set(refusals[1::2]) == {"Authorization Violation"}
    assert set(refusals[::2]) <= {"", "Authorization Violation"}


def test_three_answers_of_a_stranger_to_a_request_let_nobody_in_and_the_service_goes_on(
    nats_server: StartServer, session: Connect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # More than two answers can block a connection inside the server, that of the service too.
    monkeypatch.setattr(connection, "_WATCH", 0.2)
    monkeypatch.setattr(connection, "_ROUND_TRIP", 1)
    system = OperatorSystem(is_sealed=False)
    server = nats_server(system.configuration)
    running = start(lambda: system.service(server.url, tmp_path))

    async def journey() -> list[str]:
        async with stranger(system, server.url, tmp_path) as mallory:
            mallory.answers = lambda message: [own_answer(system, message)] * 3
            given = system.credentials("slow", "wrong battery")
            return [(await asyncio.to_thread(session, server.url, **given)).refusal for _ in range(6)]

    try:
        assert asyncio.run(journey()) == ["Authorization Violation"] * 6
        right = system.credentials("ann", PASSWORD)
        assert any(session(server.url, **right).refusal == "" for _ in range(8))
    finally:
        running.stop()
        server.process.kill()  # it waits for the connection that it has blocked


def test_an_answer_that_somebody_has_seen_is_no_login(
    nats_server: StartServer, session: Connect, tmp_path: Path
) -> None:
    system = OperatorSystem(is_sealed=False)
    server = nats_server(system.configuration)
    running = start(lambda: system.service(server.url, tmp_path))

    async def seen() -> bytes:
        async with stranger(system, server.url, tmp_path) as mallory:
            await asyncio.to_thread(session, server.url, **system.credentials("ann", PASSWORD))
            return (await mallory.has_seen(1))[0]

    user = read(read(asyncio.run(seen()).decode()).claims.body.jwt)
    assert user.claims.name == "ann"
    assert session(server.url, None, user).refusal == "Authorization Violation"
    running.stop()


def test_users_of_a_role_that_log_in_without_their_key_are_refused(
    nats_server: StartServer, session: Connect, tmp_path: Path
) -> None:
    system = OperatorSystem(is_sealed=False, bearer_token=True)
    server = nats_server(system.configuration)
    running = start(lambda: system.service(server.url, tmp_path))
    session(server.url, **system.credentials("ann", PASSWORD))  # servers load an account with its first user
    assert session(server.url, **system.credentials("ann", PASSWORD)).refusal == "Authorization Violation"
    reason = running.wait("login refused")[0]["reason"]
    assert reason.startswith("the role lets users log in without their key")
    running.stop()


def test_the_doctor_names_a_missing_permission_and_takes_no_instance_for_a_stranger(
    nats_server: StartServer, tmp_path: Path
) -> None:
    system = ConfigurationSystem(is_sealed=False)
    allowed = 'permissions: { publish: ["$SYS._INBOX.>", "_INBOX.>"] }'
    user = "user: service, password: p"
    url = nats_server(system.configuration.replace(user, f"{user}, {allowed}")).url
    running = start(lambda: system.service(url, tmp_path))
    found = asyncio.run(doctor.examine(running.process.service))
    running.stop()
    assert [(result.what, result.found) for result in found if result.verdict == CheckStatus.PROBLEM] == [
        ("instances", "not asked: the service's own user may not publish $SRV.INFO.seedless-callout")
    ]


PRETENDERS: dict[str, tuple[Callable[[dict[str, str]], bytes], str, str]] = {
    "an instance like the others": (
        lambda metadata: json.dumps({"id": "X", "metadata": metadata}).encode(),
        "users",
        "instances log in as mallory from 127.0.0.1, service from 127.0.0.1",
    ),
    "something else": (
        lambda _: b"[]",
        "instance",
        "somebody answers for this service in a way that it does not",
    ),
}


@pytest.mark.parametrize("name", PRETENDERS)
def test_the_doctor_finds_who_pretends_to_be_an_instance_and_ends_however_many_answers_come(
    name: str, nats_server: StartServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer, what, sentence = PRETENDERS[name]
    monkeypatch.setattr(doctor, "_LONGEST", 0.5)
    system = ConfigurationSystem(is_sealed=False)
    url = nats_server(system.configuration).url
    running = start(lambda: system.service(url, tmp_path))

    async def journey() -> list[CheckResult]:
        access = NatsAccess(servers=(url,), user="mallory", password="p")
        client = await connect(access, "stranger", error_cb=_ignore)
        place = {"server": server_id(client), "cid": str(client.client_id)}
        known = {**place, "response_key": str(system.keys.response.public_key)}

        async def respond(message: Msg) -> None:
            for _ in range(40):
                await client.publish(message.reply, answer(known))
                await asyncio.sleep(0.05)

        await client.subscribe("$SRV.INFO.seedless-callout", cb=respond)
        await client.subscribe(SUBJECT, queue="seedless-callout")
        await client.flush()
        try:
            return await asyncio.wait_for(doctor.examine(running.process.service), 5)
        finally:
            await client.close()

    found = asyncio.run(journey())
    running.stop()
    assert sentence in [result.found for result in found if result.what == what]
