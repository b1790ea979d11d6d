"""Who asks for TLS never logs in through plain text (promise 9).

nats-py starts TLS only for a server whose INFO requires it, so whoever is on the way could take that member
out and read the jwt, and the signature that logs in with it. The servers here send what they are told to
send, and keep every byte that they get.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import ssl
import sys
import threading
import warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import WSMsgType, web

from seedless.claims import User
from seedless.client import connect
from seedless.errors import ServerError
from seedless.jwt import Claims, Jwt, draft
from seedless.nkey import PublicKey, Role
from seedless.seeds import SoftwareKey

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator
    from pathlib import Path

    Cli = Any  # the fixture in tests/conftest.py

# nats-py hands aiohttp a timeout in the way that was usual.
pytestmark = pytest.mark.filterwarnings("ignore:parameter 'timeout' of type 'float':DeprecationWarning")

USER = SoftwareKey(Role.USER, bytes(range(32)))
ACCOUNT = SoftwareKey(Role.ACCOUNT, bytes(range(1, 33)))
# Self-signed, for localhost and 127.0.0.1, until 2126: openssl req -x509 -newkey ec -days 36500.
CERTIFICATE = """\
-----BEGIN CERTIFICATE-----
MIIBmzCCAUGgAwIBAgIUOjfmuE7+DXx2pJgbGFgpfO1KM0cwCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyODE3MjgyNFoYDzIxMjYxMTA0
MTcyODI0WjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAASK2ycfCt/WGcVNNfC7wpJSy13txmGO8GRJMZDbBELyGdqKvcUP0uHM
dUYqg02mkyzot9N5/Lx84NuePhDzEQGXo28wbTAdBgNVHQ4EFgQUSeB/AvBhZ8/M
jF1s3kNrbjVz3lwwHwYDVR0jBBgwFoAUSeB/AvBhZ8/MjF1s3kNrbjVz3lwwGgYD
VR0RBBMwEYIJbG9jYWxob3N0hwR/AAABMA8GA1UdEwEB/wQFMAMBAf8wCgYIKoZI
zj0EAwIDSAAwRQIhAMx3Ns027Xal+ThjBLLIKFXFStLZZKhlhxDMjsKjLoTZAiBq
r/kZNslQNdU5MTfSOprZArXBL+ToC5daNW/1ckUywQ==
-----END CERTIFICATE-----
"""
KEY = """\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgS5UfqBnMEs4SXHNS
rTIkQudQdEKE/UyEm89bvaVJLsyhRANCAASK2ycfCt/WGcVNNfC7wpJSy13txmGO
8GRJMZDbBELyGdqKvcUP0uHMdUYqg02mkyzot9N5/Lx84NuePhDzEQGX
-----END PRIVATE KEY-----
"""


@dataclass
class Signer:
    """A signer that keeps what it signed."""

    signed: list[bytes] = field(default_factory=list)

    @property
    def public_key(self) -> PublicKey:
        return USER.public_key

    def sign(self, message: bytes, /) -> bytes:
        self.signed.append(message)
        return USER.sign(message)


def user_jwt() -> Jwt[User]:
    made = draft(Claims(sub=str(USER.public_key), body=User.new(), name="clerk"), ACCOUNT.public_key, 1)
    return made.complete(ACCOUNT.sign(made.signing_input))


JWT = user_jwt()


def info(**members: object) -> bytes:
    text = {"server_id": "N", "max_payload": 1024, "nonce": "Ni6fuGiBGCJzl50", "auth_required": True}
    return b"INFO " + json.dumps(text | members).encode() + b"\r\n"


@dataclass
class Server:
    """A server without TLS of its own, for which `info` is what it says; `heard` is all that it got."""

    info: bytes
    heard: bytearray = field(default_factory=bytearray)
    visits: int = 0
    address: str = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.visits += 1
        try:
            writer.write(self.info)
            while data := await reader.read(65536):
                self.heard += data
                if data.startswith(b"\x16"):  # TLS, of which a nats-server without it says the same
                    writer.write(b"-ERR 'Unknown Protocol Operation'\r\n")
                    break
                if b"PING\r\n" in data:
                    writer.write(b"PONG\r\n")
        except ConnectionError:
            pass
        except asyncio.CancelledError:
            writer.transport.abort()
        finally:
            writer.close()

    async def serve_websocket(self, request: web.Request) -> web.WebSocketResponse:
        """Speak through a websocket; hang up after the first PONG."""
        self.visits += 1
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.send_bytes(self.info)
        async for message in socket:
            if message.type is WSMsgType.BINARY:
                self.heard += message.data
                if b"PING\r\n" in message.data:
                    await socket.send_bytes(b"PONG\r\n")
                    await asyncio.sleep(0.1)
                    break
        await socket.close()
        if request.transport is not None:
            request.transport.abort()  # TLS waits for the client to close, and the loop ends first
        return socket


class Servers:
    """Servers in a loop of their own, so that commands, which block, can log in to them."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self._open = contextlib.AsyncExitStack()
        self._has_tls = False

    def start(self, **members: object) -> Server:
        server = Server(info(**members))

        async def begin() -> None:
            listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
            self._open.callback(listening.close)
            server.address = f"127.0.0.1:{listening.sockets[0].getsockname()[1]}"

        self._run(begin())
        return server

    def start_websocket(self, tls: ssl.SSLContext | None = None, **members: object) -> Server:
        server = Server(info(**members))
        self._has_tls |= tls is not None

        async def begin() -> None:
            application = web.Application()
            application.router.add_get("/", server.serve_websocket)
            runner = web.AppRunner(application)
            await runner.setup()
            self._open.push_async_callback(runner.cleanup)
            await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
            server.address = f"127.0.0.1:{runner.addresses[0][1]}"

        self._run(begin())
        return server

    def _run(self, beginning: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(beginning, self._loop).result(10)

    def stop(self) -> None:
        async def end() -> None:
            await self._open.aclose()
            await rounds()  # who was let in last has not begun yet
            while others := asyncio.all_tasks() - {asyncio.current_task()}:
                for task in others:
                    task.cancel()
                await asyncio.gather(*others, return_exceptions=True)
            await rounds()  # what was closed is closed in one of the next

        async def rounds() -> None:
            for _ in range(20):
                await asyncio.sleep(0.001)

        self._run(end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        if self._has_tls:
            # On a busy machine a client that hangs up can leave a TLS connection of this server that nothing
            # has closed. It is collected here, and not in a later test, which would fail of it. Python 3.13
            # raises a TypeError there, too: the connection tells its server, which has no waiters any more.
            with warnings.catch_warnings(), pytest.MonkeyPatch.context() as patch:
                warnings.simplefilter("ignore", ResourceWarning)
                patch.setattr(sys, "unraisablehook", lambda _: None)
                gc.collect()


@pytest.fixture
def servers() -> Iterator[Servers]:
    made = Servers()
    yield made
    made.stop()


@pytest.fixture
def pems(tmp_path: Path) -> Path:
    folder = tmp_path / "pems"
    folder.mkdir()
    (folder / "cert.pem").write_text(CERTIFICATE)
    (folder / "key.pem").write_text(KEY)
    return folder


def trusting(pems: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=pems / "cert.pem")


def assert_no_login(server: Server) -> None:
    assert server.visits > 0
    for secret in (b"CONNECT", b'"jwt"', b'"sig"', b'"nkey"', JWT.text.encode()):
        assert secret not in server.heard


ASKED: dict[str, tuple[str, dict[str, Any]]] = {
    "tls://": ("tls://{}", {}),
    "TLS:// in capitals": ("TLS://{}", {}),
    "tls://, with a user": ("tls://clerk:hunter2@{}", {}),
    "tls=": ("nats://{}", {"tls": True}),
    "tls= without a scheme": ("{}", {"tls": True}),
    "tls_hostname=": ("nats://{}", {"tls_hostname": "localhost"}),
    "tls:// at another address": ("nats://{0} tls://{0}", {"dont_randomize": True}),
}


@pytest.mark.parametrize(("address", "options"), ASKED.values(), ids=ASKED)
@pytest.mark.parametrize(
    "members", [{}, {"tls_required": False}, {"tls_verify": True}], ids=["nothing", "false", "another"]
)
def test_a_server_that_offers_no_tls_gets_nothing_and_nothing_is_signed(
    servers: Servers, address: str, options: dict[str, Any], members: dict[str, object]
) -> None:
    server, signer = servers.start(**members), Signer()
    given = options | ({"tls": ssl.create_default_context()} if "tls" in options else {})
    with pytest.raises(ServerError) as caught:
        asyncio.run(connect(address.format(server.address).split(), signer, JWT, **given))
    assert caught.value.message == (
        f"TLS was asked for and {server.address} offers none: nothing was signed for it or sent to it"
    )
    assert "hunter2" not in str(caught.value) + caught.value.hint
    assert (bytes(server.heard), signer.signed) == (b"", [])
    assert_no_login(server)


def test_the_same_server_is_logged_in_to_where_nobody_asked_for_tls(servers: Servers) -> None:
    server, signer = servers.start(), Signer()

    async def journey() -> None:
        client = await connect(f"nats://{server.address}", signer, JWT)
        await client.close()

    asyncio.run(journey())
    assert JWT.text.encode() in server.heard
    assert signer.signed == [b"Ni6fuGiBGCJzl50"]


def test_a_server_that_has_no_websocket_behind_tls_gets_nothing(servers: Servers, pems: Path) -> None:
    for server in (servers.start(), servers.start_websocket()):
        signer = Signer()
        with pytest.raises(ServerError):
            asyncio.run(
                connect(f"wss://{server.address}", signer, JWT, tls=trusting(pems), connect_timeout=1)
            )
        assert (b"CONNECT" in server.heard, signer.signed) == (False, [])


def test_a_websocket_behind_a_certificate_that_is_not_known_gets_nothing(
    servers: Servers, pems: Path
) -> None:
    behind = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    behind.load_cert_chain(pems / "cert.pem", pems / "key.pem")
    server, signer = servers.start_websocket(behind), Signer()
    with pytest.raises(ServerError) as caught:
        asyncio.run(connect(f"wss://{server.address}", signer, JWT))
    assert caught.value.message == (
        f"the certificate of {server.address} is not trusted: self-signed certificate"
    )
    assert (bytes(server.heard), signer.signed) == (b"", [])


def test_a_websocket_in_plain_text_gets_nothing_where_tls_was_asked_for(servers: Servers, pems: Path) -> None:
    server, signer = servers.start_websocket(tls_required=True), Signer()
    with pytest.raises(ServerError, match="TLS was asked for"):
        asyncio.run(connect(f"ws://{server.address}", signer, JWT, tls=trusting(pems)))
    assert (bytes(server.heard), signer.signed) == (b"", [])
    assert_no_login(server)


def test_a_server_in_plain_text_that_one_behind_tls_names_gets_nothing(servers: Servers, pems: Path) -> None:
    behind = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    behind.load_cert_chain(pems / "cert.pem", pems / "key.pem")
    plain, signer = servers.start(), Signer()
    first = servers.start_websocket(behind, connect_urls=[plain.address])

    async def journey() -> None:
        refused = asyncio.Event()

        async def heard(error: Exception) -> None:
            if isinstance(error, ServerError) and "TLS was asked for" in error.message:
                refused.set()

        client = await connect(
            f"wss://{first.address}",
            signer,
            JWT,
            tls=trusting(pems),
            error_cb=heard,
            reconnect_time_wait=0.01,
        )
        await asyncio.wait_for(refused.wait(), 10)
        await client.close()

    asyncio.run(journey())
    assert JWT.text.encode() in first.heard
    assert bytes(plain.heard) == b""
    assert_no_login(plain)


COMMANDS = {
    "push": "push --all",
    "push --temporary-user": "push --all --temporary-user",
    "pull": "pull --all",
    "prune": "prune",
    "rotate account-key": "rotate account-key ORDERS",
    "rotate operator-key": "rotate operator-key",
    "account delete": "account delete ORDERS --remote -y",
}
ASKING = {
    "tls://": "--url tls://{address}",
    "--ca-cert": "--url nats://{address} --ca-cert {pems}/cert.pem",
    "--client-cert": "--url nats://{address} --client-cert {pems}/cert.pem --client-key {pems}/key.pem",
    "ws:// and --ca-cert": "--url ws://{websocket} --ca-cert {pems}/cert.pem",
    "--tls-first": "--url nats://{address} --tls-first --timeout 0.5",
    "wss://": "--url wss://{address} --timeout 0.5",
}


@pytest.mark.parametrize("words", COMMANDS.values(), ids=COMMANDS)
def test_no_command_logs_in_through_plain_text(
    cli: Cli, servers: Servers, pems: Path, monkeypatch: pytest.MonkeyPatch, words: str
) -> None:
    cli.found_system()
    cli.ok("account", "signing-key", "add", "-a", "ORDERS")
    cli.ok("operator", "signing-key", "add")
    server, websocket = servers.start(), servers.start_websocket()
    before, signed = cli.files(), []

    def sign(key: SoftwareKey, message: bytes, /) -> bytes:
        signed.append(key.public_key)
        raise AssertionError

    monkeypatch.setattr(SoftwareKey, "sign", sign)
    for asked, options in ASKING.items():
        given = options.format(address=server.address, websocket=websocket.address, pems=pems)
        done = cli.run(*words.split(), *given.split(), SEEDLESS_MODULE="/nowhere.so")
        assert done.code == 1, (asked, done)
        assert "TLS" in done.err, (asked, done)
        assert "Traceback" not in done.err
    assert (signed, cli.files()) == ([], before)
    assert_no_login(server)
    assert_no_login(websocket)
