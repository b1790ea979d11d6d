"""Logins at a real nats-server that is slow to trust, guarded by TLS, open to anybody, or gone."""

from __future__ import annotations

import asyncio
import base64
import ssl
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from seedless.client import connect
from seedless.errors import ServerError
from seedless.nkey import PublicKey, Role
from seedless.seeds import SoftwareKey

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from pathlib import Path

    from nats.aio.client import Client

    StartServer = Callable[[str], Any]

USER = SoftwareKey(Role.USER, bytes(range(32)))
ONLY_USER = f"users: [ {{nkey: {USER.public_key}}} ]"
PATIENCE = 5.0
TOO_SLOW = "did not wait for the signature|closed the connection during the login"
"""The server says why and hangs up; whether its word arrives before the hanging up is a race."""


def run(journey: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(journey, 20))


async def passes_a_message(client: Client) -> bool:
    subscription = await client.subscribe("orders.new")
    await client.publish("orders.new", b"one dozen")
    return (await subscription.next_msg(PATIENCE)).data == b"one dozen"


async def unheard(error: Exception) -> None:
    """Take errors that a test does not look at."""


def test_a_token_slower_than_the_time_out_of_the_server_is_reported(nats_server: StartServer) -> None:
    @dataclass(frozen=True)
    class Slow:
        public_key: PublicKey = USER.public_key

        def sign(self, message: bytes, /) -> bytes:
            time.sleep(0.5)
            return USER.sign(message)

    server = nats_server(f"authorization {{ timeout: 0.2, {ONLY_USER} }}")

    async def journey() -> None:
        with pytest.raises(ServerError, match=TOO_SLOW) as caught:
            await connect(server.url, Slow())
        assert "authorization { timeout: … }" in caught.value.hint

    run(journey())


def test_a_server_that_lets_anybody_in_lets_us_in_as_ourselves(nats_server: StartServer) -> None:
    anybody = '{user: anybody, password: "", permissions: {publish: lobby, subscribe: lobby}}'
    server = nats_server(
        f"no_auth_user: anybody\nauthorization {{ users: [ {anybody}, {{nkey: {USER.public_key}}} ] }}"
    )

    async def journey() -> None:
        async with await connect(server.url, USER) as client:
            assert await passes_a_message(client)

    run(journey())


def test_a_server_that_asks_for_no_signature_is_refused(nats_server: StartServer) -> None:
    server = nats_server("")

    async def journey() -> None:
        with pytest.raises(ServerError, match="the server sent no nonce") as caught:
            await connect(server.url, USER)
        assert "has to name this user's key" in caught.value.hint

    run(journey())


def test_the_key_signs_again_when_the_client_moves_to_another_server(nats_server: StartServer) -> None:
    servers = [nats_server(f"authorization {{ {ONLY_USER} }}") for _ in range(2)]

    async def journey() -> None:
        moved = asyncio.Event()

        async def reconnected() -> None:
            moved.set()

        client = await connect(
            [server.url for server in servers],
            USER,
            dont_randomize=True,
            reconnected_cb=reconnected,
            error_cb=unheard,
            reconnect_time_wait=0.01,
        )
        assert client.connected_url.netloc == servers[0].url.removeprefix("nats://")
        servers[0].stop()
        await asyncio.wait_for(moved.wait(), PATIENCE)
        assert client.connected_url.netloc == servers[1].url.removeprefix("nats://")
        assert await passes_a_message(client)
        await client.close()

    run(journey())


def test_a_server_that_is_down_does_not_keep_us_from_the_next(nats_server: StartServer) -> None:
    server = nats_server(f"authorization {{ {ONLY_USER} }}")
    heard: list[Exception] = []

    async def told(error: Exception) -> None:
        heard.append(error)

    async def journey() -> None:
        addresses = ["nats://127.0.0.1:1", server.url]
        async with await connect(addresses, USER, dont_randomize=True, error_cb=told) as client:
            assert await passes_a_message(client)

    run(journey())
    assert [type(error) for error in heard] == [ConnectionRefusedError]


def test_a_server_under_tls_is_logged_in_to_if_its_certificate_is_known(
    nats_server: StartServer, tmp_path: Path
) -> None:
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    write_certificate(certificate, key)
    server = nats_server(
        f'tls {{ cert_file: "{certificate}", key_file: "{key}" }}\nauthorization {{ {ONLY_USER} }}'
    )
    knowing = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    knowing.load_verify_locations(certificate)
    address = server.url.replace("nats://", "tls://")

    async def journey() -> None:
        async with await connect(address, USER, tls=knowing) as client:
            assert await passes_a_message(client)
        with pytest.raises(ServerError) as caught:
            await connect(address, USER)
        with pytest.raises(ServerError, match="is not trusted"):
            await connect([address, address], USER)  # nats-py alone waits here for good
        where = address.removeprefix("tls://")
        assert caught.value.message == f"the certificate of {where} is not trusted: self-signed certificate"
        assert caught.value.hint == "give tls= an SSLContext that knows the certificate's authority"

    run(journey())


def test_a_server_that_leaves_tls_to_the_client_is_logged_in_to_through_tls_where_it_was_asked_for(
    nats_server: StartServer, tmp_path: Path
) -> None:
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    write_certificate(certificate, key)
    server = nats_server(
        f'allow_non_tls: true\ntls {{ cert_file: "{certificate}", key_file: "{key}" }}\n'
        f"authorization {{ {ONLY_USER} }}"
    )
    knowing = ssl.create_default_context(cafile=certificate)

    async def is_encrypted(**options: ssl.SSLContext) -> bool:
        async with await connect(server.url, USER, **options) as client:
            assert await passes_a_message(client)
            return client._transport._io_writer.get_extra_info("ssl_object") is not None

    assert asyncio.run(is_encrypted(tls=knowing)) is True
    assert asyncio.run(is_encrypted()) is False


def write_certificate(certificate: Path, key: Path) -> None:
    """Write a self-signed Ed25519 certificate for 127.0.0.1 (RFC 5280, RFC 8410), good from 2000 to 2049."""

    def der(tag: int, *parts: bytes) -> bytes:
        body = b"".join(parts)
        size = len(body)
        if size < 0x80:
            return bytes([tag, size]) + body
        octets = size.to_bytes((size.bit_length() + 7) // 8, "big")
        return bytes([tag, 0x80 | len(octets)]) + octets + body

    def pem(label: str, data: bytes) -> str:
        return f"-----BEGIN {label}-----\n{base64.encodebytes(data).decode()}-----END {label}-----\n"

    signer = SoftwareKey(Role.SERVER, bytes(range(1, 33)))
    ed25519 = der(0x30, bytes.fromhex("06032b6570"))
    name = der(0x30, der(0x31, der(0x30, bytes.fromhex("0603550403"), der(0x0C, b"localhost"))))
    times = der(0x30, der(0x17, b"000101000000Z"), der(0x17, b"491231235959Z"))
    addresses = der(0x04, der(0x30, der(0x87, bytes([127, 0, 0, 1]))))
    extensions = der(0xA3, der(0x30, der(0x30, bytes.fromhex("0603551d11"), addresses)))
    subject_key = der(0x30, ed25519, der(0x03, b"\0", signer.public_key.raw))
    head = bytes.fromhex("a003020102020101")
    signed = der(0x30, head, ed25519, name, times, name, subject_key, extensions)
    whole = der(0x30, signed, ed25519, der(0x03, b"\0", signer.sign(signed)))
    certificate.write_text(pem("CERTIFICATE", whole))
    private = der(0x30, bytes.fromhex("020100"), ed25519, der(0x04, der(0x04, signer.reveal_raw())))
    key.write_text(pem("PRIVATE KEY", private))
