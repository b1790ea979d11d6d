"""JetStream permissions against real nats-servers: the work of nats-py is allowed, its neighbours are not."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import nats
import pytest
from nats.js.api import ConsumerConfig, KeyValueConfig, ObjectMeta, StreamConfig, StreamSource
from nats.js.errors import KeyNotFoundError, NoKeysError

from seedless.change import Context, Statement
from seedless.claims import Account, Operator, Permission, ResponsePermission, Scope, Template, User
from seedless.claims.jetstream import INBOX, JetStreamPermissions, allow
from seedless.creds import format_creds
from seedless.jwt import Claims, Draft, Jwt, draft
from seedless.nkey import Role
from seedless.rules.jetstream import c124_jetstream_permissions_are_whole
from seedless.seeds import SoftwareKey
from seedless.server_config import memory

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from nats.aio.client import Client

ROOT = Path(__file__).parents[2]
OPERATOR = SoftwareKey(Role.OPERATOR, bytes([41]) * 32)
ACCOUNT = SoftwareKey(Role.ACCOUNT, bytes([42]) * 32)
WORKERS = SoftwareKey(Role.ACCOUNT, bytes([44]) * 32)
"""The signing key with a scope: consumers and inboxes have the names of their users."""
SYSTEM = SoftwareKey(Role.ACCOUNT, bytes([43]) * 32)


def signed(by: SoftwareKey, claims: Claims[Any]) -> Jwt[Any]:
    made: Draft[Any] = draft(claims, by.public_key, int(time.time()) - 10)
    return made.complete(by.sign(made.signing_input))


def user(body: User, name: str = "app") -> tuple[Jwt[Any], SoftwareKey]:
    key = SoftwareKey.generate(Role.USER)
    issuer = WORKERS if body.issuer_account else ACCOUNT
    return signed(issuer, Claims(sub=str(key.public_key), name=name, body=body)), key


@pytest.fixture(scope="module")
def urls(
    shared_nats_server: Callable[[str], Any], tmp_path_factory: pytest.TempPathFactory
) -> Mapping[str, str]:
    """Two servers with JetStream in the domain `hub`, and a leaf of the first one in a domain of its own.

    `v1` has the reply subjects of today, `v2` those of nats-server 2.16. Each has streams and buckets.
    """
    folder = tmp_path_factory.mktemp("jetstream")
    limits = msgspec.structs.replace(
        Account.new().limits, mem_storage=-1, disk_storage=-1, streams=-1, consumer=-1
    )
    workers = JetStreamPermissions(consume=("ORDERS:{{name()}}",), inbox_prefix="_INBOX_{{name()}}")
    scope = Scope(key=str(WORKERS.public_key), role="worker", template=allow(Template(), workers))
    account = msgspec.structs.replace(Account.new(), limits=limits, signing_keys=(scope,))
    operator = signed(
        OPERATOR,
        Claims(sub=str(OPERATOR.public_key), name="O", body=Operator(system_account=str(SYSTEM.public_key))),
    )
    orders = signed(OPERATOR, Claims(sub=str(ACCOUNT.public_key), name="ORDERS", body=account))
    system = signed(OPERATOR, Claims(sub=str(SYSTEM.public_key), name="SYS", body=Account.new()))
    base = memory(operator, [orders, system])
    creds = folder / "leaf.creds"
    creds.write_text(format_creds(*user(User.new())))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    def start(name: str, domain: str, more: str) -> str:
        jetstream = f'jetstream {{ store_dir: "{folder / name}", domain: {domain} }}'
        url: str = shared_nats_server(f"server_name: {name}\n{jetstream}\n{more}\n{base}").url
        return url

    found = {
        "v1": start("v1", "hub", f'leafnodes {{ listen: "127.0.0.1:{port}" }}'),
        "v2": start("v2", "hub", "feature_flags { js_ack_fc_v2: true }"),
        "leaf": start(
            "leaf",
            "edge",
            f'leafnodes {{ reconnect: 1, remotes: [{{ url: "nats-leaf://127.0.0.1:{port}", '
            f'credentials: "{creds}", account: {ACCOUNT.public_key} }}] }}',
        ),
    }
    asyncio.run(_fill(found))
    return found


async def _fill(urls: Mapping[str, str]) -> None:
    """Create streams, consumers, buckets and a few messages as a user who may do everything."""
    for name in ("v1", "v2"):
        client, _ = await login(urls[name], User.new())
        context = client.jetstream()
        for stream, subject in (("ORDERS", "orders"), ("ORDERS2", "orders2")):
            await context.add_stream(StreamConfig(name=stream, subjects=[f"{subject}.>"]))
            for number in range(8):
                await context.publish(f"{subject}.new", str(number).encode())
            for consumer in ("app", "app2"):
                await context.add_consumer(
                    stream,
                    ConsumerConfig(durable_name=consumer, ack_policy="explicit"),  # type: ignore[arg-type]
                )
        await context.add_consumer(
            "ORDERS",
            ConsumerConfig(durable_name="push", deliver_subject="_INBOX_app.push", ack_policy="explicit"),  # type: ignore[arg-type]
        )
        for bucket in ("SETTINGS", "SETTINGS2"):
            values = await context.create_key_value(
                KeyValueConfig(bucket=bucket, history=5, direct=bucket == "SETTINGS")
            )
            await values.put("colour", b"red")
            objects = await context.create_object_store(bucket)
            await objects.put("file", b"content")
        large = await context.create_key_value(KeyValueConfig(bucket="LARGE"))
        for number in range(64):  # until the server controls the flow of a watch
            await large.put(f"key{number}", bytes(32768))
        await client.close()
    client, _ = await login(urls["leaf"], User.new())
    context = client.jetstream(domain="hub", timeout=0.3)
    for _ in range(50):  # until the leaf is connected
        try:
            await context.stream_info("ORDERS")
            break
        except Exception:  # noqa: BLE001 - no responders, or a time-out
            await asyncio.sleep(0.1)
    await client.close()


async def login(
    url: str, body: User, inbox_prefix: str = INBOX, name: str = "app"
) -> tuple[Client, list[str]]:
    """Log in a new user with *body*; the list receives the errors that the server reports."""
    token, key = user(body, name)
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
    """What a user with some permissions does at a server, and what the server refuses."""

    def __init__(self, client: Client, errors: list[str], domain: str) -> None:
        self.client, self.errors = client, errors
        options = {"domain": domain} if domain else {}
        self.js = client.jetstream(timeout=2, **options)

    async def refused_publishing(self, *subjects: str) -> None:
        """Fail unless the server reports a violation for each of *subjects*: it does before its next PONG."""
        self.errors.clear()
        for subject in subjects:
            await self.client.publish(subject, b"{}")
        await self.answered()
        text = " ".join(self.errors).lower()
        assert [one for one in subjects if f'publish to "{one}"'.lower() not in text] == []
        self.errors.clear()

    async def answered(self) -> None:
        """Wait for the server's answers: nats-py sends the PING of a first flush before what is pending."""
        await self.client.flush()
        await self.client.flush()

    async def refused(self, doing: Awaitable[Any]) -> None:
        """Fail unless the server reports a permissions violation for *doing*, which is then given up."""
        self.errors.clear()
        task = asyncio.ensure_future(doing)
        for _ in range(1000):
            await asyncio.sleep(0.005)
            if self.errors or task.done():
                break
        task.cancel()
        assert "permissions violation" in " ".join(self.errors).lower(), task


class Place(msgspec.Struct, frozen=True):
    """Where the client connects to, and what it is told of the domain and of its inbox."""

    server: str
    domain: str = ""
    inbox_prefix: str = INBOX


PLACES = [
    pytest.param(Place("v1"), id="no domain"),
    pytest.param(Place("v1", "hub", "_INBOX_app"), id="domain and inbox prefix"),
    pytest.param(Place("v2", "", "_INBOX_app"), id="v2 acks, inbox prefix"),
    pytest.param(Place("v2", "hub"), id="v2 acks, domain"),
    pytest.param(Place("leaf", "hub"), id="domain of the hub of a leaf"),
]
at_each_place = pytest.mark.parametrize("place", PLACES)
# Buckets are read without acks; nats-py watches them by ordered consumers, see below.
at_each_place_of_v1 = pytest.mark.parametrize(
    "place",
    [one for one in PLACES if one.values[0].server != "v2"],  # type: ignore[union-attr]  # a Place
)


def run(
    urls: Mapping[str, str],
    place: Place,
    doing: Callable[[Work], Awaitable[None]],
    **permissions: tuple[str, ...],
) -> None:
    asked: dict[str, Any] = dict(permissions)
    table = JetStreamPermissions(**asked, domain=place.domain, inbox_prefix=place.inbox_prefix)

    async def do() -> None:
        client, errors = await login(urls[place.server], allow(User.new(), table), place.inbox_prefix)
        try:
            await doing(Work(client, errors, place.domain))
        finally:
            await client.close()

    asyncio.run(do())


@at_each_place
def test_a_publisher_gets_acks_and_publishes_nothing_else(urls: Mapping[str, str], place: Place) -> None:
    async def doing(work: Work) -> None:
        ack = await work.js.publish("orders.new", b"x", stream="ORDERS")
        assert ack.stream == "ORDERS"
        assert (await (await work.js.publish_async("orders.new", b"x"))).stream == "ORDERS"
        assert (await work.js.stream_info("ORDERS")).config.name == "ORDERS"
        assert work.errors == []
        await work.refused(work.js.publish("orders2.new", b"x"))
        await work.refused_publishing(
            "$JS.other.API.STREAM.INFO.ORDERS",
            "$JS.API.STREAM.NAMES",
            "$JS.API.STREAM.MSG.GET.ORDERS",
            "$JS.API.DIRECT.GET.ORDERS.orders.new",
            "$JS.API.STREAM.INFO.ORDERS2",
            "$JS.API.STREAM.PURGE.ORDERS",
            "$JS.API.CONSUMER.MSG.NEXT.ORDERS.app",
            "$JS.API.CONSUMER.CREATE.ORDERS",
        )

    run(urls, place, doing, publish=("ORDERS:orders.>",))


def test_a_client_reports_a_time_out_and_beside_it_what_was_refused(urls: Mapping[str, str]) -> None:
    page = (ROOT / "docs/howto/jetstream-permissions.md").read_text(encoding="utf-8")

    async def doing(work: Work) -> None:
        short = work.client.jetstream(timeout=0.1)
        for call in (short.pull_subscribe("orders.>", "mine"), short.account_info()):
            with pytest.raises(nats.errors.TimeoutError):
                await call
        await work.answered()
        shown, account = work.errors
        assert shown in page
        assert account == 'nats: permissions violation for publish to "$js.api.info"'
        future = await short.publish_async("orders2.new", b"x")
        assert (await asyncio.wait([future], timeout=0.3))[0] == set()

    run(urls, Place("v1"), doing, consume=("ORDERS",))


async def _fetch(work: Work, stream: str, consumer: str) -> None:
    subscription = await work.js.pull_subscribe_bind(consumer, stream)
    (message,) = await subscription.fetch(1, timeout=2)
    await message.ack_sync(timeout=2)


async def _change_consumer(work: Work, stream: str, consumer: str) -> None:
    await work.js.pause_consumer(stream, consumer, pause_until="2030-01-01T00:00:00Z")
    await work.js.resume_consumer(stream, consumer)
    await work.js.reset_consumer(stream, consumer)


async def _ordered(work: Work, stream: str, subject: str) -> None:
    subscription = await work.js.subscribe(subject, stream=stream, ordered_consumer=True)
    await subscription.next_msg(timeout=2)
    await subscription.unsubscribe()


@at_each_place
def test_a_consumer_of_a_stream_creates_any_consumer_of_it_and_of_no_other(
    urls: Mapping[str, str], place: Place
) -> None:
    async def doing(work: Work) -> None:
        pull = await work.js.pull_subscribe("orders.>", durable="mine", stream="ORDERS")
        (message,) = await pull.fetch(1, timeout=2)
        await message.ack_sync(timeout=2)
        push = await work.js.subscribe("orders.>", stream="ORDERS", manual_ack=True)
        await (await push.next_msg(timeout=2)).ack_sync(timeout=2)
        if place.server != "v2":  # nats-py 2.16 reads the numbers of an ordered consumer by the places of v1
            await _ordered(work, "ORDERS", "orders.>")
        await _change_consumer(work, "ORDERS", "mine")
        await work.js.delete_consumer("ORDERS", "mine")
        assert work.errors == []
        await work.refused(work.js.pull_subscribe("orders2.>", durable="mine", stream="ORDERS2"))
        await work.refused(_ordered(work, "ORDERS2", "orders2.>"))
        await work.refused_publishing(
            "$JS.API.CONSUMER.MSG.NEXT.ORDERS2.app",
            "$JS.API.CONSUMER.DELETE.ORDERS2.app",
            "$JS.ACK.ORDERS2.app.1.1.1.1.0",
            "$JS.ACK.hub.HASH.ORDERS2.app.1.1.1.1.0",
            "$JS.FC.ORDERS2.app.x",
            "$JS.API.CONSUMER.PAUSE.ORDERS2.app",
            "$JS.API.STREAM.MSG.GET.ORDERS",
            "$JS.API.DIRECT.GET.ORDERS",
            "$JS.API.STREAM.UPDATE.ORDERS",
            "$JS.API.STREAM.DELETE.ORDERS",
            "$JS.API.STREAM.PURGE.ORDERS",
            "orders.new",
        )

    run(urls, place, doing, consume=("ORDERS",))


@at_each_place
def test_the_user_of_a_consumer_uses_no_other_and_creates_none(urls: Mapping[str, str], place: Place) -> None:
    async def doing(work: Work) -> None:
        await _fetch(work, "ORDERS", "app")
        assert (await work.js.consumer_info("ORDERS", "app")).name == "app"
        assert work.errors == []
        await work.refused(work.js.add_consumer("ORDERS", ConsumerConfig(durable_name="mine")))
        await work.refused_publishing(
            "$JS.API.CONSUMER.MSG.NEXT.ORDERS.app2",
            "$JS.API.CONSUMER.MSG.NEXT.ORDERS2.app",
            "$JS.API.CONSUMER.DELETE.ORDERS.app",
            "$JS.API.CONSUMER.PAUSE.ORDERS.app",
            "$JS.API.CONSUMER.RESET.ORDERS.app",
            "$JS.API.STREAM.MSG.GET.ORDERS",
            "$JS.FC.ORDERS.app2.x",
            "$JS.ACK.ORDERS.app2.1.1.1.1.0",
            "$JS.ACK.ORDERS2.app.1.1.1.1.0",
            "$JS.ACK.hub.HASH.ORDERS.app2.1.1.1.1.0",
            "$JS.ACK.hub.HASH.ORDERS2.app.1.1.1.1.0",
        )

    run(urls, place, doing, consume=("ORDERS:app",))


@pytest.mark.parametrize("server", ["v1", "v2"])
def test_a_push_consumer_delivers_below_the_inbox_prefix(urls: Mapping[str, str], server: str) -> None:
    async def doing(work: Work) -> None:
        subscription = await work.js.subscribe("orders.>", durable="push", stream="ORDERS", manual_ack=True)
        await (await subscription.next_msg(timeout=2)).ack_sync(timeout=2)
        assert work.errors == []

    run(urls, Place(server, "", "_INBOX_app"), doing, consume=("ORDERS:push",))


async def _listed(ask: Callable[[], Awaitable[list[Any]]]) -> list[Any]:
    """Return what *ask* lists: nats-py takes a bucket for empty whose keys arrive late."""
    for _ in range(10):
        with contextlib.suppress(NoKeysError):
            if found := await ask():
                return found
    return []


async def _watched(values: Any) -> list[str]:  # noqa: ANN401 - nats-py's
    watcher = await values.watchall()
    keys = []
    while (entry := await watcher.updates(timeout=2)) is not None:
        keys.append(entry.key)
    await watcher.stop()
    return keys


@at_each_place_of_v1
@pytest.mark.parametrize("mode", ["read", "write"])
def test_a_key_value_bucket_is_read_or_written_and_no_other_is(
    urls: Mapping[str, str], place: Place, mode: str
) -> None:
    async def doing(work: Work) -> None:
        values = await work.js.key_value("SETTINGS")
        assert (await values.get("colour")).value == b"red"
        assert "colour" in await _listed(values.keys)
        assert "colour" in await _listed(lambda: _watched(values))
        assert [entry.value for entry in await _listed(lambda: values.history("colour"))] == [b"red"]
        assert (await values.status()).bucket == "SETTINGS"
        # nats-py writes to `$KV` itself, which does not leave a leaf that has a domain of its own.
        if mode == "write" and place.server != "leaf":
            await values.create("size", b"1")
            await values.update("size", b"2", (await values.get("size")).revision)
            await values.delete("size")
            await values.purge("size")
            await values.purge_deletes()
            with pytest.raises(KeyNotFoundError):
                await values.get("size")
        assert work.errors == []
        if mode == "read":
            await work.refused(values.put("size", b"1"))
            await work.refused_publishing("$KV.SETTINGS.size", "$JS.API.STREAM.PURGE.KV_SETTINGS")
        await work.refused(work.js.key_value("SETTINGS2"))
        await work.refused_publishing(
            "$JS.API.STREAM.MSG.GET.KV_SETTINGS2",
            "$JS.API.DIRECT.GET.KV_SETTINGS2",
            "$JS.API.DIRECT.GET.KV_SETTINGS2.$KV.SETTINGS2.colour",
            "$JS.API.CONSUMER.CREATE.KV_SETTINGS2.x.$KV.SETTINGS2.>",
            "$JS.API.CONSUMER.DELETE.KV_SETTINGS2.x",
            "$JS.API.STREAM.PURGE.KV_SETTINGS2",
            "$JS.API.STREAM.MSG.DELETE.KV_SETTINGS",
            "$JS.API.STREAM.DELETE.KV_SETTINGS",
            "$JS.API.STREAM.UPDATE.KV_SETTINGS",
            "$KV.SETTINGS2.colour",
        )

    run(urls, place, doing, kv=(f"SETTINGS:{mode}",))


@pytest.mark.parametrize("server", ["v1", "leaf"])
def test_keys_are_written_below_the_api_prefix_of_a_domain_as_nats_go_does(
    urls: Mapping[str, str], server: str
) -> None:
    async def doing(work: Work) -> None:
        await work.client.request("$JS.hub.API.$KV.SETTINGS.other", b"1", timeout=2)
        assert (await (await work.js.key_value("SETTINGS")).get("other")).value == b"1"
        assert work.errors == []
        work.errors.clear()
        await work.client.publish("$JS.hub.API.$KV.SETTINGS2.other", b"1")
        await work.answered()
        assert "permissions violation" in " ".join(work.errors).lower()

    run(urls, Place(server, "hub"), doing, kv=("SETTINGS:write",))


@at_each_place_of_v1
@pytest.mark.parametrize("mode", ["read", "write"])
def test_an_object_store_is_read_or_written_and_no_other_is(
    urls: Mapping[str, str], place: Place, mode: str
) -> None:
    async def doing(work: Work) -> None:
        objects = await work.js.object_store("SETTINGS")
        assert (await objects.get("file")).data == b"content"
        assert "file" in [info.name for info in await objects.list()]
        if mode == "write":
            await objects.put("more", b"1" * 300_000)
            await objects.put("more", b"2")
            await objects.update_meta("more", ObjectMeta(name="more", description="two"))
            assert (await objects.get("more")).data == b"2"
            await objects.delete("more")
        assert work.errors == []
        if mode == "read":
            await work.refused(objects.put("more", b"1"))
            await work.refused(objects.delete("file"))
            await work.refused(objects.update_meta("file", ObjectMeta(name="file")))
        await work.refused(objects.seal())  # type: ignore[no-untyped-call]  # of nats-py
        await work.refused(work.js.object_store("SETTINGS2"))
        await work.refused_publishing(
            "$O.SETTINGS2.M.x",
            "$O.SETTINGS2.C.x",
            "$JS.API.STREAM.MSG.GET.OBJ_SETTINGS2",
            "$JS.API.DIRECT.GET.OBJ_SETTINGS2.$O.SETTINGS2.M.x",
            "$JS.API.STREAM.PURGE.OBJ_SETTINGS2",
            "$JS.API.STREAM.UPDATE.OBJ_SETTINGS",
            "$JS.API.STREAM.DELETE.OBJ_SETTINGS",
        )

    run(urls, place, doing, object_store=(f"SETTINGS:{mode}",))


@at_each_place
def test_the_manager_of_a_stream_creates_changes_purges_and_deletes_it_and_no_other(
    urls: Mapping[str, str], place: Place
) -> None:
    async def doing(work: Work) -> None:
        await work.js.add_stream(StreamConfig(name="JOBS", subjects=["jobs.>"]))
        await work.js.update_stream(StreamConfig(name="JOBS", subjects=["jobs.>"], max_msgs=10))
        await work.js.add_consumer("JOBS", ConsumerConfig(durable_name="app"))
        await _change_consumer(work, "JOBS", "app")
        assert [info.name for info in await work.js.consumers_info("JOBS")] == ["app"]
        await work.js.delete_consumer("JOBS", "app")
        await work.js.purge_stream("JOBS")
        await work.js.delete_stream("JOBS")
        assert work.errors == []
        await work.refused(work.js.add_stream(StreamConfig(name="MORE", subjects=["more.>"])))
        await work.refused_publishing(
            "$JS.API.STREAM.CREATE.JOBS2",
            "$JS.API.STREAM.SNAPSHOT.JOBS",
            "$JS.API.STREAM.RESTORE.JOBS",
            "$JS.API.CONSUMER.MSG.NEXT.JOBS.app",
            "$JS.ACK.JOBS.app.1.1.1.1.0",
            "$JS.API.STREAM.UPDATE.ORDERS",
            "$JS.API.STREAM.PURGE.ORDERS",
            "$JS.API.STREAM.DELETE.ORDERS",
            "$JS.API.CONSUMER.MSG.NEXT.ORDERS.app",
            "jobs.new",
        )

    run(urls, place, doing, manage=("JOBS",))


def test_an_inbox_prefix_of_its_own_keeps_answers_from_other_users(urls: Mapping[str, str]) -> None:
    async def doing(work: Work) -> None:
        for subject in ("_INBOX.>", "_INBOX_other.>", ">"):
            work.errors.clear()
            await work.client.subscribe(subject)
            await work.answered()
            assert "permissions violation" in " ".join(work.errors).lower(), subject

    run(urls, Place("v1", "", "_INBOX_app"), doing, consume=("ORDERS",))


def test_the_users_of_a_scope_use_the_consumer_and_the_inbox_of_their_name(urls: Mapping[str, str]) -> None:
    async def doing() -> None:
        body = User(issuer_account=str(ACCOUNT.public_key))
        for name, other in (("app", "app2"), ("app2", "app")):
            client, errors = await login(urls["v1"], body, f"_INBOX_{name}", name)
            work = Work(client, errors, "")
            await _fetch(work, "ORDERS", name)
            assert errors == []
            await work.refused(_fetch(work, "ORDERS", other))
            for subject in (f"_INBOX_{other}.>", "_INBOX.>"):
                errors.clear()
                await client.subscribe(subject)
                await work.answered()
                assert "permissions violation" in " ".join(errors).lower(), subject
            await client.close()

    asyncio.run(doing())


def test_subjects_do_not_restrict_what_a_stream_copies_and_a_manager_reads_it(
    urls: Mapping[str, str],
) -> None:
    """The page names these, so that nobody relies on the contrary."""

    async def doing(work: Work) -> None:
        await work.js.add_stream(StreamConfig(name="COPY", sources=[StreamSource(name="ORDERS2")]))
        push = await work.js.subscribe("orders2.>", stream="COPY")
        assert (await push.next_msg(timeout=2)).data == b"0"
        assert (await work.js.get_msg("COPY", 1)).data == b"0"
        await work.js.delete_stream("COPY")
        assert work.errors == []

    run(urls, Place("v1"), doing, manage=("COPY",))


def test_the_server_refuses_a_request_whose_subject_names_another_stream(urls: Mapping[str, str]) -> None:
    async def doing(work: Work) -> None:
        for subject, request in (
            ("$JS.API.STREAM.UPDATE.JOBS", {"name": "ORDERS2", "subjects": ["orders2.>"], "max_msgs": 1}),
            ("$JS.API.CONSUMER.CREATE.JOBS.x", {"stream_name": "ORDERS2", "config": {"name": "x"}}),
        ):
            answer = await work.client.request(subject, msgspec.json.encode(request), timeout=2)
            error = msgspec.json.decode(answer.data)["error"]
            assert error["description"] == "stream name in subject does not match request"

    run(urls, Place("v1"), doing, manage=("JOBS",))


def test_acks_are_responses_too(urls: Mapping[str, str]) -> None:
    """C124 does not warn of acks that are missing where responses are allowed."""

    async def do() -> None:
        body = allow(User.new(), JetStreamPermissions(consume=("ORDERS:app",)))
        kept = tuple(text for text in body.pub.allow if not text.startswith("$JS.ACK"))
        response = ResponsePermission(max=1, ttl=0)
        body = msgspec.structs.replace(body, pub=Permission(allow=kept), resp=response)
        statement = Statement(Claims(sub="", body=body), "")
        assert list(c124_jetstream_permissions_are_whole(statement, Context(0))) == []
        client, errors = await login(urls["v1"], body)
        await _fetch(Work(client, errors, ""), "ORDERS", "app")
        assert errors == []
        await client.close()

    asyncio.run(do())


@pytest.mark.parametrize(
    ("missing", "lists"),
    [
        pytest.param("inbox", {"consume": ("ORDERS:app2",)}, id="inbox"),
        pytest.param("$JS.ACK", {"consume": ("ORDERS:app2",)}, id="ack"),
        pytest.param("$JS.API.CONSUMER.INFO", {"consume": ("ORDERS:app2",)}, id="look up"),
        pytest.param("$JS.API.DIRECT.GET", {"kv": ("SETTINGS",)}, id="direct get"),
        pytest.param("$JS.FC", {"kv": ("LARGE",)}, id="flow control"),
    ],
)
def test_what_c124_warns_of_is_missed(urls: Mapping[str, str], missing: str, lists: dict[str, Any]) -> None:
    """Without one of the subjects the work of the same client fails."""

    async def do() -> None:
        body = allow(User.new(), JetStreamPermissions(**lists))
        if missing == "inbox":
            body = msgspec.structs.replace(body, sub=Permission(allow=("nothing",)))
        else:
            kept = tuple(text for text in body.pub.allow if not text.startswith(missing))
            body = msgspec.structs.replace(body, pub=Permission(allow=kept))
        statement = Statement(Claims(sub="", body=body), "")
        assert [one.code for one in c124_jetstream_permissions_are_whole(statement, Context(0))] == ["C124"]
        client, errors = await login(urls["v1"], body)
        work = Work(client, errors, "")
        await work.refused(WORK[lists.get("kv", lists.get("consume"))](work))
        await client.close()

    asyncio.run(do())


async def _get(work: Work) -> None:
    await (await work.js.key_value("SETTINGS")).get("colour")


async def _watch(work: Work) -> None:
    await _watched(await work.js.key_value("LARGE"))


async def _pull(work: Work) -> None:
    await work.js.pull_subscribe("orders.>", durable="app2", stream="ORDERS")
    await _fetch(work, "ORDERS", "app2")


WORK: Mapping[Any, Callable[[Work], Awaitable[None]]] = {
    ("ORDERS:app2",): _pull,
    ("SETTINGS",): _get,
    ("LARGE",): _watch,
}
