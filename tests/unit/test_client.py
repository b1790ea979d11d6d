from __future__ import annotations

import asyncio
import base64
import contextlib
import itertools
import json
import socket
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from seedless.claims import Account, User
from seedless.client import _explained, connect, signable_nonce
from seedless.errors import BadSignature, PinError, SeedlessError, ServerError, TokenError, UsageError
from seedless.jwt import Claims, Jwt, draft
from seedless.nkey import PublicKey, Role
from seedless.seeds import SoftwareKey

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine

USER = SoftwareKey(Role.USER, bytes(range(32)))
ACCOUNT = SoftwareKey(Role.ACCOUNT, bytes(range(1, 33)))
NONCE = "Ni6fuGiBGCJzl50"
HEAD_OF_A_JWT = "eyJ0eXAiOiJKV1QiLCJhbGciOiJlZDI1NTE5LW5rZXkifQ.eyJqdGkiOiIifQ"
NOW = 1_700_000_000


@dataclass
class Slow:
    """A signer that takes its time, writes down what it signed and where, and fails when told to."""

    key: SoftwareKey = USER
    seconds: float = 0
    errors: list[Exception] = field(default_factory=list)
    signed: list[bytes] = field(default_factory=list)
    threads: set[str] = field(default_factory=set)

    @property
    def public_key(self) -> PublicKey:
        return self.key.public_key

    def sign(self, message: bytes, /) -> bytes:
        self.signed.append(message)
        self.threads.add(threading.current_thread().name)
        time.sleep(self.seconds)
        if self.errors:
            raise self.errors.pop(0)
        return self.key.sign(message)


def run(journey: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(journey, 10))


def user_jwt(key: SoftwareKey = USER) -> Jwt[User]:
    made = draft(Claims(sub=str(key.public_key), body=User.new(), name="clerk"), ACCOUNT.public_key, NOW)
    return made.complete(ACCOUNT.sign(made.signing_input))


@dataclass
class Wire:
    """A server that says what it is told to say, and keeps what it hears."""

    info: bytes
    answer: bytes
    url: str = ""
    connects: list[dict[str, Any]] = field(default_factory=list)
    closings: list[asyncio.StreamWriter] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.closings.append(writer)
        writer.write(self.info)
        with contextlib.suppress(ConnectionError):
            while line := await reader.readline():
                if line.startswith(b"CONNECT "):
                    self.connects.append(json.loads(line.removeprefix(b"CONNECT ")))
                if line.startswith(b"PING"):
                    writer.write(self.answer)
                    if self.answer != b"PONG\r\n":
                        break
        writer.close()

    def hang_up(self) -> None:
        self.closings.pop().close()


@contextlib.asynccontextmanager
async def wire(
    info: bytes | None = None, answer: bytes = b"PONG\r\n", **members: object
) -> AsyncIterator[Wire]:
    text = json.dumps({"server_id": "N", "max_payload": 1024, "nonce": NONCE, **members}).encode()
    made = Wire(b"INFO " + text + b"\r\n" if info is None else info, answer)
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.url = f"nats://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield made
    finally:
        server.close()
        for writer in made.closings:
            writer.close()
        await asyncio.sleep(0)


def assert_signs_the_nonce(sent: dict[str, Any]) -> None:
    USER.public_key.verify(base64.urlsafe_b64decode(sent["sig"] + "=="), NONCE.encode())


def test_nats_py_sends_the_bare_nkey_and_its_signature_of_the_nonce() -> None:
    async def journey() -> None:
        async with wire() as server:
            client = await connect(server.url, USER)
            await client.close()
            (sent,) = server.connects
            assert sent["nkey"] == str(USER.public_key)
            assert "jwt" not in sent
            assert_signs_the_nonce(sent)

    run(journey())


def test_nats_py_sends_the_jwt_and_the_signature_of_the_nonce() -> None:
    async def journey() -> None:
        async with wire(auth_required=True) as server:
            client = await connect(server.url, USER, user_jwt())
            await client.close()
            (sent,) = server.connects
            assert sent["jwt"] == user_jwt().text
            assert "nkey" not in sent
            assert_signs_the_nonce(sent)

    run(journey())


def test_the_event_loop_runs_on_while_the_token_signs_at_the_first_login_and_the_next() -> None:
    signer = Slow(seconds=0.3)
    ticks: list[float] = []

    async def tick() -> None:
        while True:
            ticks.append(time.monotonic())
            await asyncio.sleep(0.01)

    async def journey() -> None:
        back = asyncio.Event()

        async def reconnected() -> None:
            back.set()

        async with wire() as server:
            ticker = asyncio.create_task(tick())
            client = await connect(
                server.url, signer, reconnected_cb=reconnected, reconnect_time_wait=0, error_cb=unheard
            )
            server.hang_up()
            await asyncio.wait_for(back.wait(), 5)
            ticker.cancel()
            await client.close()
            assert len(server.connects) == 2

    run(journey())
    assert signer.signed == [NONCE.encode()] * 2
    assert signer.threads == {"seedless-signer_0"}
    assert_no_signer_is_left()
    assert max(b - a for a, b in itertools.pairwise(ticks)) < 0.15


def assert_no_signer_is_left() -> None:
    """A thread that outlives its client keeps a command from forking before it loads a driver."""
    for thread in threading.enumerate():
        if thread.name.startswith("seedless-signer"):
            thread.join(5)
            assert not thread.is_alive()


async def unheard(error: Exception) -> None:
    """Take errors that a test does not look at."""


NONCES = {
    "head of a jwt": (HEAD_OF_A_JWT, "the server's nonce has a dot, as the head of a jwt has"),
    "a dot alone": (".", "the server's nonce has a dot, as the head of a jwt has"),
    "65 bytes": ("A" * 65, "the server's nonce has 65 bytes, at most 64 are signed"),
    "payload of a version 1 jwt": (
        base64.urlsafe_b64encode(b'{"iss":"%s"}' % str(USER.public_key).encode()).decode().rstrip("="),
        "the server's nonce has 88 bytes, at most 64 are signed",
    ),
    "empty": ("", "the server sent no nonce, so there is no login with a key"),
    "not ASCII": ("é", "the server's nonce is not base64"),
    "half a surrogate pair": ("\ud800", "the server's nonce is not base64"),
    "blank": ("seedless challenge v1", "the server's nonce is not base64"),
    "line end": (NONCE + "\n", "the server's nonce is not base64"),
    "not text": (7, "the server sent no nonce, so there is no login with a key"),
    "null": (None, "the server sent no nonce, so there is no login with a key"),
}


@pytest.mark.parametrize(("nonce", "message"), NONCES.values(), ids=NONCES)
def test_what_could_be_anything_but_a_nonce_is_refused_and_nothing_is_signed(
    nonce: object, message: str
) -> None:
    signer = Slow()

    async def journey() -> None:
        async with wire(nonce=nonce) as server:
            with pytest.raises(ServerError) as caught:
                await connect(server.url, signer)
            assert caught.value.message == message
            assert "nothing was signed" in caught.value.hint
            assert server.connects == []

    run(journey())
    assert signer.signed == []


@pytest.mark.parametrize("nonce", [b"A", b"Ni6fuGiBGCJzl50", b"+/=_-09azAZ", b"A" * 64])
def test_a_nonce_of_1_to_64_characters_of_base64_may_be_signed(nonce: bytes) -> None:
    assert signable_nonce(nonce) == nonce


@pytest.mark.parametrize("role", [Role.OPERATOR, Role.ACCOUNT, Role.SERVER, Role.CLUSTER])
def test_a_key_of_another_role_signs_no_nonce(role: Role) -> None:
    signer = Slow(SoftwareKey(role, bytes(32)))

    async def journey() -> None:
        async with wire() as server:
            with pytest.raises(UsageError, match=f"{signer.public_key} is not a user key"):
                await connect(server.url, signer)
            assert server.closings == []

    run(journey())
    assert signer.signed == []


def test_a_jwt_of_another_key_is_refused_before_a_server_is_asked() -> None:
    other = SoftwareKey(Role.USER, bytes(32))
    with pytest.raises(UsageError) as caught:
        run(connect("nats://127.0.0.1:1", USER, user_jwt(other)))
    assert (
        caught.value.message == f"the jwt is for '{other.public_key}', the signer's key is {USER.public_key}"
    )


def test_a_jwt_that_is_no_users_is_refused() -> None:
    made = draft(
        Claims(sub=str(ACCOUNT.public_key), body=Account.new(), name="orders"), ACCOUNT.public_key, NOW
    )
    jwt = made.complete(ACCOUNT.sign(made.signing_input))
    with pytest.raises(UsageError, match=r"^the jwt is of kind account, a login requires a user's$"):
        run(connect("nats://127.0.0.1:1", USER, jwt))


OPTIONS: dict[str, dict[str, Any]] = {
    "user": {"user": "clerk"},
    "creds": {"user_credentials": "clerk.creds"},
    "seed": {"nkeys_seed_str": "SU"},
    "signature": {"signature_cb": USER.sign},
}


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_another_way_to_log_in_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=f"^{next(iter(options))} is another way to log in$"):
        run(connect("nats://127.0.0.1:1", USER, **options))


CALLS: dict[str, tuple[list[str], dict[str, Any], str]] = {
    "no address": (["nats://127.0.0.1:99999"], {}, "127.0.0.1:99999 is not an address of a NATS server"),
    "no option": (["nats://127.0.0.1:1"], {"patience": 1}, "nats-py has no option 'patience'"),
    "no coroutine": (["nats://127.0.0.1:1"], {"closed_cb": print}, "a callback is not a coroutine function"),
}


@pytest.mark.parametrize(("addresses", "options", "message"), CALLS.values(), ids=CALLS)
def test_a_call_that_nats_py_cannot_take_is_a_usage_error(
    addresses: list[str], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError) as caught:
        run(connect(addresses, USER, **options))
    assert caught.value.message == message


def test_an_error_cb_that_is_no_coroutine_function_is_refused() -> None:
    with pytest.raises(UsageError, match="error_cb is not a coroutine function"):
        run(connect("nats://127.0.0.1:1", USER, error_cb=print))


def test_no_servers_are_refused() -> None:
    with pytest.raises(UsageError, match="there is no server to connect to"):
        run(connect([], USER))


FAILURES: dict[str, tuple[Exception, type[SeedlessError], str]] = {
    "token removed": (TokenError("the token was removed"), TokenError, "the token was removed"),
    "PIN": (PinError("the PIN is wrong"), PinError, "the PIN is wrong"),
    "foreign error": (
        RuntimeError("the PIN was 1234"),
        TokenError,
        f"the signer of {USER.public_key} failed with RuntimeError",
    ),
    "end of file": (EOFError(), TokenError, f"the signer of {USER.public_key} failed with EOFError"),
}


@pytest.mark.parametrize(("error", "kind", "message"), FAILURES.values(), ids=FAILURES)
def test_an_error_of_the_signer_comes_out_of_connect_at_once(
    error: Exception, kind: type[SeedlessError], message: str
) -> None:
    async def journey() -> None:
        async with wire() as server:
            with pytest.raises(kind) as caught:
                await connect([server.url, server.url], Slow(errors=[error]), closed_cb=never)
            assert type(caught.value) is kind
            assert caught.value.message == message
            assert server.connects == []

    run(journey())


async def never() -> None:
    pytest.fail("nobody is called back for a connection that never was")


def test_a_wrong_signature_is_never_sent() -> None:
    class Wrong(Slow):
        def sign(self, message: bytes, /) -> bytes:
            return self.key.sign(message + b"!")

    async def journey() -> None:
        async with wire() as server:
            with pytest.raises(BadSignature, match=f"the signature is not by {USER.public_key}"):
                await connect(server.url, Wrong())
            assert server.connects == []

    run(journey())


def test_a_token_that_fails_at_a_later_login_is_reported_and_tried_again() -> None:
    signer, gone = Slow(), TokenError("the token was removed")
    heard: list[Exception] = []

    async def journey() -> None:
        back = asyncio.Event()

        async def told(error: Exception) -> None:
            heard.append(error)

        async def reconnected() -> None:
            back.set()

        async with wire() as server:
            client = await connect(
                server.url, signer, error_cb=told, reconnected_cb=reconnected, reconnect_time_wait=0
            )
            signer.errors.append(gone)
            server.hang_up()
            await asyncio.wait_for(back.wait(), 5)
            await client.close()

    run(journey())
    assert heard[-1] is gone
    assert len(signer.signed) == 3


def test_a_wrong_pin_at_a_later_login_is_reported_and_closes_the_client() -> None:
    signer, wrong = Slow(), PinError("the PIN is wrong")
    heard: list[Exception] = []

    async def journey() -> None:
        over = asyncio.Event()

        async def told(error: Exception) -> None:
            heard.append(error)

        async def closed() -> None:
            over.set()

        async with wire() as server:
            client = await connect(server.url, signer, error_cb=told, closed_cb=closed, reconnect_time_wait=0)
            signer.errors.append(wrong)
            server.hang_up()
            await asyncio.wait_for(over.wait(), 5)
            assert client.is_closed

    run(journey())
    assert heard[-1] is wrong
    assert len(signer.signed) == 2


def test_a_server_that_turns_bad_later_gets_nothing_signed() -> None:
    signer = Slow()
    heard: list[Exception] = []

    async def journey() -> None:
        tried = asyncio.Event()

        async def told(error: Exception) -> None:
            heard.append(error)
            if isinstance(error, ServerError):
                tried.set()

        async with wire() as server:
            client = await connect(server.url, signer, error_cb=told, reconnect_time_wait=0.01)
            server.info = server.info.replace(NONCE.encode(), HEAD_OF_A_JWT.encode())
            server.hang_up()
            await asyncio.wait_for(tried.wait(), 5)
            await client.close()

    run(journey())
    assert str(heard[-1]) == "the server's nonce has a dot, as the head of a jwt has"
    assert signer.signed == [NONCE.encode()]


ANSWERS = {
    "refused": (None, b"-ERR 'Authorization Violation'\r\n", "{} refused the login of {user}"),
    "too slow": (
        None,
        b"-ERR 'Authentication Timeout'\r\n",
        "{} did not wait for the signature of {user}",
    ),
    "escape": (None, b"-ERR '\x1b[31mred'\r\n", "the login at {} failed: \\x1b[31mred"),
    "end of stream": (None, b"", "{} closed the connection during the login"),
    "not NATS": (
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"",
        "the login at {} failed: empty response from server when expecting INFO message",
    ),
    "INFO is not JSON": (b"INFO nonsense\r\n", b"", "the login at {} failed: info message, json parse error"),
    "INFO is not an object": (
        b"INFO []\r\n",
        b"",
        "what {} sent cannot be understood (AttributeError)",
    ),
    "nothing said": (b"", b"", "{} did not answer in time"),
}


@pytest.mark.parametrize(("info", "answer", "message"), ANSWERS.values(), ids=ANSWERS)
def test_whatever_a_server_does_is_an_error_with_a_sentence(
    info: bytes | None, answer: bytes, message: str
) -> None:
    async def journey() -> None:
        async with wire(info, answer) as server:
            with pytest.raises(ServerError) as caught:
                await connect(server.url, USER, connect_timeout=0.2, closed_cb=never)
            where = server.url.removeprefix("nats://")
            assert caught.value.message == message.format(where, user=USER.public_key)
            assert caught.value.hint

    run(journey())


def test_a_server_that_is_down_is_named_without_the_password_of_its_url() -> None:
    with pytest.raises(ServerError) as caught:
        run(connect(["nats://clerk:hunter2@127.0.0.1:1", "127.0.0.1:1"], USER))
    assert caught.value.message == "one of 127.0.0.1:1, 127.0.0.1:1 cannot be reached: nothing listens there"


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        pytest.param(
            ConnectionRefusedError(111, "Connect call failed ('127.0.0.1', 4222)"),
            "nothing listens there",
            id="one address",
        ),
        pytest.param(
            OSError(
                "Multiple exceptions: [Errno 111] Connect call failed ('::1', 4222, 0, 0), "
                "[Errno 111] Connect call failed ('127.0.0.1', 4222)"
            ),
            "nothing listens there",
            id="a name with two addresses",
        ),
        pytest.param(OSError(113, "Connect call failed"), "no route to host", id="no route"),
        pytest.param(
            socket.gaierror(-2, "Name or service not known"), "name or service not known", id="no such name"
        ),
        pytest.param(OSError("odd"), "odd", id="words alone"),
    ],
)
def test_why_a_server_cannot_be_reached_is_reported_without_numbers(error: OSError, sentence: str) -> None:
    told = _explained(error, ["nats://localhost:4222"], "U")
    assert told.message == f"localhost:4222 cannot be reached: {sentence}"


def test_a_login_that_is_cancelled_does_not_wait_for_the_token() -> None:
    async def journey() -> None:
        async with wire() as server:
            start = time.monotonic()
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(connect(server.url, Slow(seconds=0.5)), 0.05)
            assert time.monotonic() - start < 0.3
            assert server.connects == []

    run(journey())


def test_without_nats_py_a_sentence_names_the_extra() -> None:
    program = """
import asyncio, sys
sys.modules["nats"] = None
from seedless.client import connect
from seedless.errors import UsageError
from seedless.nkey import Role
from seedless.seeds import SoftwareKey
try:
    asyncio.run(connect("127.0.0.1:1", SoftwareKey.generate(Role.USER)))
except UsageError as error:
    print(error.message, error.hint, sep="; ")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "logging in requires nats-py; pip install 'seedless[nats]'\n"
