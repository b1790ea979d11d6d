"""JetStream permissions against a real nats-server: the work of nats-py is allowed, its neighbours are not."""

from __future__ import annotations

import asyncio
import base64
import time
from typing import TYPE_CHECKING, Any

import msgspec
import nats
import pytest
from nats.js.api import ConsumerConfig, KeyValueConfig, StreamConfig
from nats.js.errors import KeyNotFoundError

from seedless.claims import Account, Operator, Permission, User
from seedless.claims import jetstream as js
from seedless.jwt import Claims, Draft, Jwt, draft
from seedless.nkey import Role
from seedless.seeds import SoftwareKey
from seedless.server_config import memory

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from nats.aio.client import Client

OPERATOR = SoftwareKey(Role.OPERATOR, bytes([41]) * 32)
ACCOUNT = SoftwareKey(Role.ACCOUNT, bytes([42]) * 32)
SYSTEM = SoftwareKey(Role.ACCOUNT, bytes([43]) * 32)

PLACES = [
    pytest.param(js.Place(), id="plain"),
    pytest.param(js.Place("hub"), id="domain"),
    pytest.param(js.Place("", "_INBOX_app"), id="inbox prefix"),
    pytest.param(js.Place("hub", "_INBOX_app"), id="domain and inbox prefix"),
]


def signed(by: SoftwareKey, claims: Claims[Any]) -> Jwt[Any]:
    made: Draft[Any] = draft(claims, by.public_key, int(time.time()) - 10)
    return made.complete(by.sign(made.signing_input))


@pytest.fixture(scope="module", params=["v1 acks", "v2 acks"])
def url(
    shared_nats_server: Callable[[str], Any],
    tmp_path_factory: pytest.TempPathFactory,
    request: pytest.FixtureRequest,
) -> Iterator[str]:
    """A server with JetStream in the domain `hub`, with reply subjects of today, and of nats-server 2.16."""
    limits = msgspec.structs.replace(
        Account.new().limits, mem_storage=-1, disk_storage=-1, streams=-1, consumer=-1
    )
    account = msgspec.structs.replace(Account.new(), limits=limits)
    operator = signed(
        OPERATOR,
        Claims(sub=str(OPERATOR.public_key), name="O", body=Operator(system_account=str(SYSTEM.public_key))),
    )
    orders = signed(OPERATOR, Claims(sub=str(ACCOUNT.public_key), name="ORDERS", body=account))
    system = signed(OPERATOR, Claims(sub=str(SYSTEM.public_key), name="SYS", body=Account.new()))
    store = tmp_path_factory.mktemp("jetstream")
    flags = "feature_flags { js_ack_fc_v2: true }\n" if request.param == "v2 acks" else ""
    configuration = (
        f'jetstream {{ store_dir: "{store}", domain: hub }}\n{flags}{memory(operator, [orders, system])}'
    )
    server = shared_nats_server(configuration)
    asyncio.run(_fill(server.url))
    yield server.url
    server.stop()


async def _fill(url: str) -> None:
    """Create streams, consumers, buckets and a few messages as a user who may do everything."""
    client, _ = await login(url, User.new())
    context = client.jetstream()
    for stream, subject in (("ORDERS", "orders"), ("AUDIT", "audit")):
        await context.add_stream(StreamConfig(name=stream, subjects=[f"{subject}.>"]))
        for number in range(3):
            await context.publish(f"{subject}.new", str(number).encode())
        for name in ("app", "other"):
            await context.add_consumer(stream, ConsumerConfig(durable_name=name, ack_policy="explicit"))  # type: ignore[arg-type]
        await context.add_consumer(
            stream,
            ConsumerConfig(durable_name="push", deliver_subject="_INBOX_app.push", ack_policy="explicit"),  # type: ignore[arg-type]
        )
    for bucket in ("SETTINGS", "SECRETS"):
        values = await context.create_key_value(KeyValueConfig(bucket=bucket, history=5))
        await values.put("colour", b"red")
        objects = await context.create_object_store(bucket)
        await objects.put("file", b"content")
    await client.close()


async def login(url: str, body: User, inbox_prefix: str = js.INBOX) -> tuple[Client, list[str]]:
    """Log in a new user with *body*; the list receives the errors that the server reports."""
    key = SoftwareKey.generate(Role.USER)
    token = signed(ACCOUNT, Claims(sub=str(key.public_key), name="app", body=body))
    errors: list[str] = []

    async def note(error: Exception) -> None:
        errors.append(str(error))

    client = await nats.connect(
        url,
        user_jwt_cb=token.text.encode,
        signature_cb=lambda nonce: base64.b64encode(key.sign(nonce.encode())),
        error_cb=note,
        inbox_prefix=inbox_prefix,
        allow_reconnect=False,
    )
    return client, errors


class Work:
    """What a user with some capabilities does at a server, and what the server refuses."""

    def __init__(self, client: Client, errors: list[str], where: js.Place) -> None:
        self.client, self.errors = client, errors
        options = {"domain": where.domain} if where.domain else {}
        self.js = client.jetstream(timeout=1, **options)

    async def refused(self, doing: Awaitable[Any]) -> None:
        """Fail unless the server reports a permissions violation for *doing*, and nothing comes of it."""
        self.errors.clear()
        with pytest.raises(Exception):  # noqa: B017, PT011 - a time-out, or what nats-py makes of it
            await asyncio.wait_for(doing, 0.5)
        await self.client.flush()
        assert any("permissions violation" in error.lower() for error in self.errors), self.errors

    async def publish_refused(self, subject: str) -> None:
        self.errors.clear()
        await self.client.publish(subject, b"x")
        await self.client.flush()
        await asyncio.sleep(0.02)
        assert any("permissions violation" in error.lower() for error in self.errors), subject


def run(
    url: str, where: js.Place, *capabilities: js.Capability, doing: Callable[[Work], Awaitable[None]]
) -> None:
    async def do() -> None:
        client, errors = await login(url, js.allow(User.new(), capabilities, where), where.inbox_prefix)
        work = Work(client, errors, where)
        try:
            await doing(work)
        finally:
            await client.close()

    asyncio.run(do())


@pytest.mark.parametrize("where", PLACES)
def test_a_publisher_gets_acks_and_publishes_nothing_else(url: str, where: js.Place) -> None:
    async def doing(work: Work) -> None:
        ack = await work.js.publish("orders.new", b"x", stream="ORDERS")
        assert ack.stream == "ORDERS"
        assert (await work.js.stream_info("ORDERS")).config.name == "ORDERS"
        assert work.errors == []
        await work.refused(work.js.publish("audit.new", b"x"))
        await work.refused(work.js.stream_info("AUDIT"))
        await work.refused(_fetch(work, "ORDERS", "app"))
        await work.refused(work.js.purge_stream("ORDERS"))

    run(url, where, js.parse("publish", "ORDERS:orders.>"), doing=doing)


async def _fetch(work: Work, stream: str, consumer: str) -> None:
    subscription = await work.js.pull_subscribe_bind(consumer, stream)
    (message,) = await subscription.fetch(1, timeout=0.4)
    await message.ack_sync(timeout=1)


async def _ordered(work: Work, stream: str, subject: str) -> None:
    subscription = await work.js.subscribe(subject, stream=stream, ordered_consumer=True)
    await subscription.next_msg(timeout=1)
    await subscription.unsubscribe()


@pytest.mark.parametrize("where", PLACES)
def test_a_consumer_of_a_stream_makes_any_consumer_of_it_and_of_no_other(url: str, where: js.Place) -> None:
    async def doing(work: Work) -> None:
        pull = await work.js.pull_subscribe("orders.>", durable="mine", stream="ORDERS")
        (message,) = await pull.fetch(1, timeout=2)
        await message.ack_sync(timeout=1)
        push = await work.js.subscribe("orders.>", stream="ORDERS", manual_ack=True)
        await (await push.next_msg(timeout=2)).ack_sync(timeout=1)
        await _ordered(work, "ORDERS", "orders.>")
        await work.js.delete_consumer("ORDERS", "mine")
        assert work.errors == []
        await work.refused(work.js.pull_subscribe("audit.>", durable="mine", stream="AUDIT"))
        await work.refused(_fetch(work, "AUDIT", "app"))
        await work.refused(_ordered(work, "AUDIT", "audit.>"))
        await work.refused(work.js.publish("orders.new", b"x"))
        await work.refused(work.js.purge_stream("ORDERS"))

    run(url, where, js.parse("consume", "ORDERS"), doing=doing)


@pytest.mark.parametrize("where", PLACES)
def test_the_user_of_a_consumer_uses_no_other_and_creates_none(url: str, where: js.Place) -> None:
    async def doing(work: Work) -> None:
        await _fetch(work, "ORDERS", "app")
        assert (await work.js.consumer_info("ORDERS", "app")).name == "app"
        assert work.errors == []
        await work.refused(_fetch(work, "ORDERS", "other"))
        await work.refused(_fetch(work, "AUDIT", "app"))
        await work.refused(work.js.add_consumer("ORDERS", ConsumerConfig(durable_name="mine")))
        await work.refused(work.js.delete_consumer("ORDERS", "app"))
        for stream, consumer in (("ORDERS", "other"), ("AUDIT", "app")):
            await work.publish_refused(f"$JS.ACK.{stream}.{consumer}.1.1.1.1.0")
            await work.publish_refused(f"$JS.ACK.hub.HASH.{stream}.{consumer}.1.1.1.1.0")

    run(url, where, js.parse("consume", "ORDERS:app"), doing=doing)


def test_a_push_consumer_delivers_below_the_inbox_prefix(url: str) -> None:
    async def doing(work: Work) -> None:
        subscription = await work.js.subscribe("orders.>", durable="push", stream="ORDERS", manual_ack=True)
        await (await subscription.next_msg(timeout=2)).ack_sync(timeout=1)
        assert work.errors == []

    run(url, js.Place("", "_INBOX_app"), js.parse("consume", "ORDERS:push"), doing=doing)


async def _watched(values: Any) -> list[str]:  # noqa: ANN401 - nats-py's
    watcher = await values.watchall()
    keys = []
    while (entry := await watcher.updates(timeout=1)) is not None:
        keys.append(entry.key)
    await watcher.stop()
    return keys


@pytest.mark.parametrize("where", PLACES)
@pytest.mark.parametrize("mode", ["read", "write"])
def test_a_key_value_bucket_is_read_or_written_and_no_other_is(url: str, where: js.Place, mode: str) -> None:
    async def doing(work: Work) -> None:
        values = await work.js.key_value("SETTINGS")
        assert (await values.get("colour")).value == b"red"
        assert "colour" in await values.keys()
        assert "colour" in await _watched(values)
        assert (await values.status()).bucket == "SETTINGS"
        if mode == "write":
            await values.put("size", b"1")
            await values.update("size", b"2", (await values.get("size")).revision)
            await values.delete("size")
            await values.purge("size")
            await values.purge_deletes()
            with pytest.raises(KeyNotFoundError):
                await values.get("size")
        assert work.errors == []
        if mode == "read":
            await work.refused(values.put("size", b"1"))
            await work.refused(work.js.purge_stream("KV_SETTINGS"))
        await work.refused(work.js.key_value("SECRETS"))
        await work.refused(work.js.get_last_msg("KV_SECRETS", "$KV.SECRETS.colour"))
        await work.refused(work.js.get_last_msg("KV_SECRETS", "$KV.SECRETS.colour", direct=True))
        await work.refused(work.js.publish("$KV.SECRETS.colour", b"x"))
        await work.refused(work.js.delete_key_value("SETTINGS"))
        await work.refused(_ordered(work, "KV_SECRETS", "$KV.SECRETS.>"))
        for subject in ("$JS.hub.API.$KV.SECRETS.colour", "$JS.API.STREAM.UPDATE.KV_SETTINGS"):
            await work.publish_refused(subject)

    run(url, where, js.parse("kv", f"SETTINGS:{mode}"), doing=doing)


def test_keys_are_written_below_the_api_prefix_of_a_domain_as_other_clients_do(url: str) -> None:
    async def doing(work: Work) -> None:
        await work.client.request("$JS.hub.API.$KV.SETTINGS.other", b"1", timeout=1)
        assert (await (await work.js.key_value("SETTINGS")).get("other")).value == b"1"
        assert work.errors == []

    run(url, js.Place("hub"), js.parse("kv", "SETTINGS:write"), doing=doing)


@pytest.mark.parametrize("where", PLACES)
@pytest.mark.parametrize("mode", ["read", "write"])
def test_an_object_store_is_read_or_written_and_no_other_is(url: str, where: js.Place, mode: str) -> None:
    async def doing(work: Work) -> None:
        objects = await work.js.object_store("SETTINGS")
        assert (await objects.get("file")).data == b"content"
        assert "file" in [info.name for info in await objects.list()]
        if mode == "write":
            await objects.put("more", b"1" * 300_000)
            await objects.put("more", b"2")
            assert (await objects.get("more")).data == b"2"
            await objects.delete("more")
        assert work.errors == []
        if mode == "read":
            await work.refused(objects.put("more", b"1"))
            await work.refused(objects.delete("file"))
        await work.refused(work.js.object_store("SECRETS"))
        await work.refused(work.js.publish("$O.SECRETS.M.x", b"x"))
        await work.refused(work.js.get_last_msg("OBJ_SECRETS", "$O.SECRETS.M.>"))
        await work.refused(work.js.delete_object_store("SETTINGS"))

    run(url, where, js.parse("object_store", f"SETTINGS:{mode}"), doing=doing)


@pytest.mark.parametrize("where", PLACES)
def test_the_manager_of_a_stream_creates_changes_purges_and_deletes_it_and_no_other(
    url: str, where: js.Place
) -> None:
    async def doing(work: Work) -> None:
        await work.js.add_stream(StreamConfig(name="JOBS", subjects=["jobs.>"]))
        await work.js.update_stream(StreamConfig(name="JOBS", subjects=["jobs.>"], max_msgs=10))
        await work.js.add_consumer("JOBS", ConsumerConfig(durable_name="app"))
        assert [info.name for info in await work.js.consumers_info("JOBS")] == ["app"]
        await work.js.delete_consumer("JOBS", "app")
        await work.js.purge_stream("JOBS")
        await work.js.delete_stream("JOBS")
        assert work.errors == []
        await work.refused(work.js.add_stream(StreamConfig(name="MORE", subjects=["more.>"])))
        await work.refused(work.js.update_stream(StreamConfig(name="ORDERS", subjects=["orders.>"])))
        await work.refused(work.js.purge_stream("ORDERS"))
        await work.refused(work.js.delete_stream("ORDERS"))
        await work.refused(work.js.publish("jobs.new", b"x"))
        await work.refused(_fetch(work, "ORDERS", "app"))

    run(url, where, js.parse("manage", "JOBS"), doing=doing)


def test_an_inbox_prefix_of_its_own_keeps_answers_from_other_users(url: str) -> None:
    async def doing(work: Work) -> None:
        for subject in ("_INBOX.>", "_INBOX_other.>", ">"):
            work.errors.clear()
            await work.client.subscribe(subject)
            await work.client.flush()
            await asyncio.sleep(0.02)
            assert any("permissions violation" in error.lower() for error in work.errors), subject

    run(url, js.Place("", "_INBOX_app"), js.parse("consume", "ORDERS"), doing=doing)


@pytest.mark.parametrize("missing", ["inbox", "ack"])
def test_what_is_left_out_of_a_consumer_is_missed(url: str, missing: str) -> None:
    """The subjects are needed: without one of them the work of the same client fails."""

    async def do() -> None:
        body = js.allow(User.new(), [js.parse("consume", "ORDERS:app")])
        if missing == "inbox":
            body = msgspec.structs.replace(body, sub=Permission(allow=("nothing",)))
        else:
            kept = tuple(text for text in body.pub.allow if not text.startswith("$JS.ACK"))
            body = msgspec.structs.replace(body, pub=Permission(allow=kept))
        client, errors = await login(url, body)
        work = Work(client, errors, js.Place())
        await work.refused(_fetch(work, "ORDERS", "app"))
        await client.close()

    asyncio.run(do())
