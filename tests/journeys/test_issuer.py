"""`serve issuer` at a real nats-server: users for public keys, each recorded before it is answered."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace
from nats.errors import NoRespondersError
from prometheus_client import generate_latest

from seedless import Remote, Role, ServerError, SoftwareKey, read
from seedless.claims import signing_key
from seedless.errors import WrongFile
from seedless.serve import delegated_keys
from seedless.serve.config import AccountKeys, Delegation, KeySource, load_issuer
from seedless.serve.delegated_keys import TokenOperations

sys.path.insert(0, str(Path(__file__).parents[1]))

from issuer_systems import CONFIGURATION, World, ask, request_of, world_of
from office import Office, open_office

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest_softhsm
    from seedless.nkey import PublicKey


@pytest.fixture
def office(
    few_tokens: None, softhsm_token: pytest_softhsm.Token, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Office:
    """An office with nothing in it."""
    return open_office(softhsm_token, tmp_path, monkeypatch)


@pytest.fixture
def world(office: Office, tmp_path: Path, nats_server: Callable[[str], Any]) -> World:
    """The account SHOP imports the service of ISSUER, which issues users of ORDERS."""
    return world_of(office, nats_server, tmp_path)


async def until(condition: Callable[[], bool]) -> None:
    """Return when *condition* holds, which other tasks and threads bring about."""
    while not condition():  # noqa: ASYNC110 - what is waited for sets no event
        await asyncio.sleep(0.02)


def test_a_user_is_issued_to_whom_a_rule_allows_recorded_and_logs_in(
    world: World, session: Callable[..., Any]
) -> None:
    key = SoftwareKey.generate(Role.USER)

    async def journey() -> tuple[str, dict[str, Any], list[Any]]:
        async with world.running(), world.client(world.shop) as shop, world.client(world.stranger) as other:
            issued = await ask(shop, "user", **request_of(key, validity=600, tags=["team:a"]))
            async with world.client(world.inside) as inside:
                found = await inside.jetstream().get_last_msg("ISSUED", f"issued.user.{key.public_key}")
                info = json.dumps({"acc": str(world.shop.jwt.issuer)})
                forged, lower = {"Nats-Request-Info": info}, {"nats-request-info": info}
                refused = [
                    await ask(other, "user", **request_of(key)),
                    await ask(other, "user", forged, **request_of(key)),
                    await ask(other, "user", lower, **request_of(key)),
                    await ask(inside, "user", **request_of(key)),
                    await ask(inside, "user", lower, **request_of(key)),
                    await ask(shop, "user", **request_of(key, role="admin")),
                    await ask(shop, "user", **request_of(key, validity=3601)),
                    await ask(shop, "user", **request_of(key, name="a.*")),
                    await ask(shop, "user", **request_of(key, name="{{tag(team)}}")),
                    await ask(shop, "user", **request_of(key, name="ann\u202e")),
                    await ask(shop, "user", **request_of(key, tags=["team:a.b"])),
                    await ask(shop, "user", **request_of(key, tags=["team:a\tb"])),
                    await ask(shop, "user", **request_of(key, tags=["team:{{name()}}"])),
                    await ask(shop, "user", **request_of(key, key=world.orders)),
                    await ask(shop, "user", **request_of(key, more=1)),
                    await ask(shop, "account", desired="[operator]\nname = 'ACME'"),
                    await ask(shop, "account", desired="[accounts.SHOP]\n"),
                ]
            rules = await ask(shop, "info")
            assert (rules["account"], rules["rules"][0]["accounts"]) == (
                str(world.shop.jwt.issuer),
                ["ORDERS"],
            )
            return issued["jwt"], json.loads(found.data or b""), refused

    text, entry, refused = asyncio.run(journey())
    jwt = read(text)
    assert (jwt.claims.exp - jwt.issued_at, jwt.claims.body.tags) == (600, ("team:a",))
    assert (entry["digest"], entry["iat"]) == (hashlib.sha256(text.encode()).hexdigest(), jwt.issued_at)
    assert (entry["requester"], entry["user"]) == (str(world.shop.jwt.issuer), world.shop.jwt.claims.sub)
    assert all("jwt" not in one and one["error"] for one in refused), refused
    assert session(world.url, key, jwt).refusal == ""  # the account keeps the key for what it signed


def test_a_delegated_key_is_replaced_at_half_of_its_time_and_what_it_signed_has_expired(
    world: World, session: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delegated_keys, "_IN_FLIGHT", 0.0)
    rule = replace(world.config.rules[0], longest=8)
    delegation = Delegation(span=20)
    world.config = replace(world.config, delegation=delegation, rules=(rule,), validity=8)
    key, ahead, delegations = SoftwareKey.generate(Role.USER), [0], world.office.workspace().delegations

    async def journey() -> tuple[PublicKey, str]:
        async with (
            world.running(clock=lambda: time.time() + ahead[0]) as (process,),
            world.client(world.shop) as shop,
        ):
            first = process.issuer.keys["ORDERS", "service"].public_key
            assert "jwt" in await ask(shop, "user", **request_of(key))
            ahead[0] = 11
            async with asyncio.timeout(30):
                await until(lambda: process.issuer.keys["ORDERS", "service"].public_key != first)
                await until(lambda: first not in {one.public_key for one in delegations.entries()})
            issued = await ask(shop, "user", **request_of(SoftwareKey.generate(Role.USER)))
            second = await ask(shop, "user", **request_of(key))
            assert read(issued["jwt"]).issuer == read(second["jwt"]).issuer
            return first, second["jwt"]

    first, text = asyncio.run(journey())
    assert session(world.url, key, read(text)).refusal == ""
    (entry,) = delegations.entries()
    assert (entry.public_key, entry.state) == (read(text).issuer, "ended")
    assert entry.public_key != first


def test_the_configuration_is_read_again_and_one_that_cannot_be_read_changes_nothing(
    world: World, tmp_path: Path
) -> None:
    key, before, seed = request_of(SoftwareKey.generate(Role.USER)), world.config, tmp_path / "clerk.nk"
    seed.write_text(SoftwareKey.generate(Role.ACCOUNT).reveal())
    seed.chmod(0o600)
    orders = AccountKeys(key=world.orders, roles={"clerk": KeySource("file", str(seed))})
    rule = replace(before.rules[0], roles=("clerk",))
    clerks = replace(before, accounts={"ORDERS": orders}, rules=(rule,), stream="OTHER")

    async def journey() -> None:
        async with world.running() as (process,), world.client(world.shop) as shop:
            assert "jwt" in await ask(shop, "user", **key)
            world.config = replace(clerks, listen="nowhere")
            assert await process.reload() is True, "members of the start stay"
            assert "jwt" in await ask(shop, "user", **key | {"role": "clerk"})
            assert "no users" in (await ask(shop, "user", **key))["error"]
            assert process.config == replace(clerks, stream="ISSUED")
            assert list(process.delegated.keys if process.delegated else ()) == []
            seed.unlink()
            assert await process.reload() is False
            assert "jwt" in await ask(shop, "user", **key | {"role": "clerk"})
            world.config = before
            assert await process.reload() is True
            assert "jwt" in await ask(shop, "user", **key)

    asyncio.run(journey())
    assert '"event":"not changed","reason":"read at the start of the service: listen, stream"' in world.log
    assert '"event":"configuration not read"' in world.log


def test_two_replicas_never_date_two_jwts_of_a_user_alike_or_back(world: World) -> None:
    key = SoftwareKey.generate(Role.USER)

    async def journey() -> list[int]:
        async with world.running(replicas=2) as processes, world.client(world.shop) as shop:
            answers = await asyncio.gather(*(ask(shop, "user", **request_of(key)) for _ in range(3)))
            many = [request_of(SoftwareKey.generate(Role.USER)) for _ in range(60)]
            others = await asyncio.gather(*(ask(shop, "user", **one) for one in many))
            assert all("jwt" in one for one in others)
            counts = [process.issuer.counts["user"]["num_requests"] for process in processes]
            assert min(counts) > 0
            async with world.client(world.inside) as inside:
                info = await inside.jetstream().stream_info(
                    "ISSUED", subjects_filter=f"issued.user.{key.public_key}"
                )
                assert info.state.subjects == {f"issued.user.{key.public_key}": len(answers)}
        return [read(one["jwt"]).issued_at for one in answers]

    times = asyncio.run(journey())
    assert len(set(times)) == 3


class LostAcknowledgement:
    """JetStream whose first acknowledgement does not arrive."""

    def __init__(self, jetstream: Any) -> None:  # noqa: ANN401 - of nats-py
        self._jetstream = jetstream
        self._lost = 0

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - of nats-py
        return getattr(self._jetstream, name)

    async def publish(self, *given: Any, **options: Any) -> Any:  # noqa: ANN401 - of nats-py
        acknowledged = await self._jetstream.publish(*given, **options)
        self._lost += 1
        if self._lost == 1:
            raise TimeoutError
        return acknowledged


def test_an_entry_whose_acknowledgement_was_lost_is_found_and_metrics_count_one_user(world: World) -> None:
    key = SoftwareKey.generate(Role.USER)

    async def journey() -> tuple[str, list[Any], str]:
        async with world.running() as (process,), world.client(world.shop) as shop:
            audit: Any = process._audit
            audit._jetstream = LostAcknowledgement(audit._jetstream)
            issued = await ask(shop, "user", **request_of(key))
            async with world.client(world.inside) as inside:
                stream = inside.jetstream()
                count = (await stream.stream_info("ISSUED")).state.messages
                found = await stream.get_last_msg("ISSUED", f"issued.user.{key.public_key}")
            metrics = generate_latest(process.metrics.registry).decode()
            return issued["jwt"], [count, json.loads(found.data or b"")["digest"]], metrics

    text, found, metrics = asyncio.run(journey())
    assert found == [1, hashlib.sha256(text.encode()).hexdigest()]
    assert 'seedless_issuer_requests_total{code="200",endpoint="user"} 1.0' in metrics
    assert 'seedless_delegation_end_seconds{account="ORDERS",role="service"}' in metrics


def test_accounts_are_signed_and_users_revoked_for_whom_a_rule_allows(
    world: World, session: Callable[..., Any]
) -> None:
    key = SoftwareKey.generate(Role.USER)

    async def journey() -> None:
        async with world.running(), world.client(world.shop) as shop:
            issued = await ask(shop, "user", **request_of(key))
            client = await asyncio.to_thread(session, world.url, key, read(issued["jwt"]))
            assert client.refusal == ""
            changed = await ask(shop, "account", desired="[accounts.ORDERS.limits]\nconn = 7\n")
            assert changed == {"accounts": ["ORDERS"]}
            revoked = await ask(shop, "revoke", account="ORDERS", key=str(key.public_key))
            assert "issued_at" in revoked, revoked
            await asyncio.to_thread(client.flush)
            assert client.refusal != ""

    asyncio.run(journey())
    claims = world.office.workspace().account("ORDERS").claims
    assert (claims.body.limits.conn, list(claims.body.revocations)) == (7, [str(key.public_key)])


def test_the_command_ends_on_sigterm_when_what_was_received_is_answered(world: World, tmp_path: Path) -> None:
    key = SoftwareKey.generate(Role.USER)
    environment = os.environ | {
        f"SEEDLESS_{name.upper()}": str(value) for name, value in world.office.arguments.items()
    }
    with (tmp_path / "log").open("wb") as log:
        command = [sys.executable, "-m", "seedless", "serve", "issuer", str(tmp_path / "issuer.toml")]
        process = subprocess.Popen(command, env=environment, stderr=log)

    async def journey() -> str:
        async with world.client(world.shop) as shop:
            for _ in range(100):
                with contextlib.suppress(NoRespondersError):
                    issued = await ask(shop, "user", **request_of(key))
                    asking = asyncio.create_task(
                        ask(shop, "user", **request_of(SoftwareKey.generate(Role.USER)))
                    )
                    await asyncio.sleep(0)  # the request goes first, so that its answer proves something
                    await shop.flush()
                    process.send_signal(signal.SIGTERM)
                    assert "jwt" in await asking
                    return str(issued["jwt"])
                await asyncio.sleep(0.1)
        raise AssertionError((tmp_path / "log").read_text())

    try:
        assert read(asyncio.run(journey())).claims.name == "ann"
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.wait()
    events = [json.loads(line)["event"] for line in (tmp_path / "log").read_text().splitlines()]
    assert (events[:2], events[-1]) == (["listening", "delegated"], "ended")
    assert [one.state for one in world.office.workspace().delegations.entries()] == ["ended"]


def test_a_replica_that_was_killed_leaves_a_key_which_the_next_start_removes(
    world: World, tmp_path: Path
) -> None:
    environment = os.environ | {
        f"SEEDLESS_{name.upper()}": str(value) for name, value in world.office.arguments.items()
    }
    command = [sys.executable, "-m", "seedless", "serve", "issuer", str(tmp_path / "issuer.toml")]
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE)
    assert process.stderr is not None
    while b"connected" not in (line := process.stderr.readline()):
        assert line, "it has ended"
    process.kill()
    process.wait()
    process.stderr.close()
    workspace = world.office.workspace()
    (lost,) = workspace.delegations.entries()
    assert lost.state == "lost"

    async def journey() -> None:
        async with world.running(), world.client(world.shop) as shop:
            issued = await ask(shop, "user", **request_of(SoftwareKey.generate(Role.USER)))
            assert "jwt" in issued

    asyncio.run(journey())
    (left,) = workspace.delegations.entries()
    assert (left.state, left.public_key != lost.public_key) == ("ended", True)


def test_replicas_with_one_store_that_delegate_at_the_same_moment_get_a_key_each(world: World) -> None:
    replicas = [TokenOperations(world.office.workspace(), Remote(urls=(world.url,)), 600) for _ in range(3)]
    with ThreadPoolExecutor(3) as pool:
        keys = list(pool.map(lambda operations: operations.delegate("ORDERS", "service"), replicas))
    listed = [
        str(signing_key(one)) for one in world.office.workspace().account("ORDERS").claims.body.signing_keys
    ]
    assert all(str(key.public_key) in listed for key in keys)


def test_a_key_that_servers_did_not_take_is_removed_with_the_next_one(world: World) -> None:
    away = Remote(urls=(world.url,), servers=2)
    operations = TokenOperations(world.office.workspace(), away, 600)
    for _ in range(2):
        with pytest.raises(ServerError, match="1 of 2 servers answered"):
            operations.delegate("ORDERS", "service")
    states = [one.state for one in world.office.workspace().delegations.entries("ORDERS")]
    assert states == ["over"]


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ('creds = "', 'cred = "', "cred"),
        ('[delegation]\nfor = "12h"', "", "delegated keys, and there is no"),
        ('endpoints = ["user"', 'endpoints = ["users"', "endpoints"),
        ('longest = "1h"', 'longest = "7h"', "is longer than half"),
        ('service = "delegated"', 'service = "pkcs11:token=ACME"', "signs a few jwts a second"),
    ],
)
def test_a_configuration_that_is_not_right_is_refused_with_the_place(
    tmp_path: Path, old: str, new: str, sentence: str
) -> None:
    path = tmp_path / "issuer.toml"
    text = CONFIGURATION.format(url="nats://h", creds="/c", orders="A", shop="A")
    assert old in text
    path.write_text(text.replace(old, new))
    path.chmod(0o600)
    with pytest.raises(WrongFile, match=sentence):
        load_issuer(path)
