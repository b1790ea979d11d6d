"""Both kinds of login, at a real nats-server, with operator, account and user keys on a token."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec
import nats
import pytest
from nats.js.api import StorageType
from nats.js.errors import APIError

from seedless.claims import Account, Operator, Permission, User
from seedless.client import connect
from seedless.creds import format_creds
from seedless.errors import ServerError, TokenError
from seedless.jwt import Claims, Jwt, draft, read
from seedless.nkey import PublicKey, Role
from seedless.pkcs11.token import open_token
from seedless.pkcs11.uri import KeyUri
from seedless.seeds import SoftwareKey
from seedless.server_config import memory, nkey_users

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator
    from pathlib import Path

    from nats.aio.client import Client

    import pytest_softhsm
    from seedless.pkcs11.token import Token
    from seedless.signer import Signer

    StartServer = Callable[[str], Any]

PATIENCE = 5.0


@dataclass(frozen=True)
class Pin:
    """A PinSource for the throw-away token."""

    text: str

    def pin(self, token: str, tries: str) -> str:  # noqa: ARG002 - the same PIN in any case
        return self.text


@pytest.fixture
def token(softhsm_token: pytest_softhsm.Token) -> Iterator[Token]:
    uri, pins = KeyUri.parse(softhsm_token.uri), Pin(softhsm_token.pin)
    with open_token(uri, pins, module=softhsm_token.module, writable=True) as opened:
        yield opened


def key_on(token: Token, role: Role, name: str) -> Signer:
    key = token.generate(f"{role.name.lower()} {name}")
    assert key.raw is not None
    return token.signer(PublicKey(role, key.raw))


def signed(claims: Claims[Any], signer: Signer) -> Jwt[Any]:
    made = draft(claims, signer.public_key, int(time.time()))
    return read(made.complete(signer.sign(made.signing_input)).text)


@dataclass(frozen=True)
class System:
    """An operator and two accounts, keys on the token, and the configuration of a server that trusts them."""

    operator: Jwt[Operator]
    system_account: Jwt[Account]
    account: Jwt[Account]
    account_key: Signer

    @classmethod
    def on(cls, token: Token, body: Account | None = None) -> System:
        operator_key = key_on(token, Role.OPERATOR, "Acme")
        system_key, account_key = (key_on(token, Role.ACCOUNT, name) for name in ("SYS", "orders"))

        def account(key: Signer, name: str, body: Account) -> Jwt[Account]:
            return signed(Claims(sub=str(key.public_key), body=body, name=name), operator_key)

        operator = Operator(system_account=str(system_key.public_key))
        return cls(
            signed(Claims(sub=str(operator_key.public_key), body=operator, name="Acme"), operator_key),
            account(system_key, "SYS", Account.new()),
            account(account_key, "orders", body or Account.new()),
            account_key,
        )

    def user(self, key: Signer, body: User | None = None) -> Jwt[User]:
        claims = Claims(sub=str(key.public_key), body=body or User.new(), name="clerk")
        return signed(claims, self.account_key)

    @property
    def configuration(self) -> str:
        system = self.system_account
        return memory(self.operator, [system, self.account], system.claims.sub)


async def passes_a_message(client: Client) -> bool:
    subscription = await client.subscribe("orders.new")
    await client.publish("orders.new", b"one dozen")
    return (await subscription.next_msg(PATIENCE)).data == b"one dozen"


def run(journey: Coroutine[Any, Any, object]) -> None:
    asyncio.run(asyncio.wait_for(journey, 20))


def test_a_creds_file_logs_in_with_plain_nats_py(
    token: Token, nats_server: StartServer, tmp_path: Path
) -> None:
    system = System.on(token)
    key = SoftwareKey.generate(Role.USER)
    creds = tmp_path / "clerk.creds"
    creds.write_text(format_creds(system.user(key), key))
    server = nats_server(system.configuration)

    async def journey() -> None:
        client = await nats.connect(server.url, user_credentials=str(creds), allow_reconnect=False)
        assert await passes_a_message(client)
        await client.close()

    run(journey())


def test_a_user_key_on_the_token_logs_in_with_its_jwt(token: Token, nats_server: StartServer) -> None:
    system = System.on(token)
    key = key_on(token, Role.USER, "clerk")
    jwt = system.user(key)
    server = nats_server(system.configuration)

    async def journey() -> None:
        for given in (jwt, jwt.text):
            async with await connect(server.url, key, given) as client:
                assert await passes_a_message(client)

    run(journey())


def test_a_bare_nkey_user_on_the_token_logs_in_until_the_configuration_drops_the_key(
    token: Token, nats_server: StartServer
) -> None:
    key = key_on(token, Role.USER, "clerk")
    other = SoftwareKey.generate(Role.USER).public_key
    server = nats_server(nkey_users([key.public_key, other]))

    async def journey() -> None:
        gone = asyncio.Event()

        async def disconnected() -> None:
            gone.set()

        client = await connect(server.url, key, disconnected_cb=disconnected)
        assert await passes_a_message(client)
        server.reload(nkey_users([other]))
        await asyncio.wait_for(gone.wait(), PATIENCE)
        await client.close()
        with pytest.raises(ServerError, match=f"refused the login of {key.public_key}"):
            await connect(server.url, key)

    run(journey())


def test_a_user_outside_its_permissions_gets_the_error_of_the_server(
    token: Token, nats_server: StartServer
) -> None:
    system = System.on(token)
    key = key_on(token, Role.USER, "clerk")
    only_orders = Permission(allow=("orders.>",))
    jwt = system.user(key, msgspec.structs.replace(User.new(), pub=only_orders, sub=only_orders))
    server = nats_server(system.configuration)

    async def journey() -> None:
        told: asyncio.Queue[str] = asyncio.Queue()

        async def error_cb(error: Exception) -> None:
            await told.put(str(error))

        async with await connect(server.url, key, jwt, error_cb=error_cb) as client:
            assert await passes_a_message(client)
            await client.publish("payroll.new", b"a raise")
            said = await asyncio.wait_for(told.get(), PATIENCE)
            assert said == 'nats: permissions violation for publish to "payroll.new"'
            await client.subscribe("payroll.>")
            said = await asyncio.wait_for(told.get(), PATIENCE)
            assert said == 'nats: permissions violation for subscription to "payroll.>"'
            assert client.is_connected

    run(journey())


JETSTREAM = 'jetstream { store_dir: "store" }\n'


def test_an_account_with_jetstream_limits_has_streams(token: Token, nats_server: StartServer) -> None:
    limits = msgspec.structs.replace(
        Account.new().limits, mem_storage=1 << 20, disk_storage=1 << 20, streams=1, consumer=-1
    )
    system = System.on(token, msgspec.structs.replace(Account.new(), limits=limits))
    key = key_on(token, Role.USER, "clerk")
    server = nats_server(JETSTREAM + system.configuration)

    async def journey() -> None:
        async with await connect(server.url, key, system.user(key)) as client:
            jetstream = client.jetstream()
            await jetstream.add_stream(name="orders", subjects=["orders.>"], storage=StorageType.FILE)
            await jetstream.publish("orders.new", b"one dozen")
            subscription = await jetstream.subscribe("orders.>")
            assert (await subscription.next_msg(PATIENCE)).data == b"one dozen"
            with pytest.raises(APIError, match="maximum number of streams reached"):
                await jetstream.add_stream(name="payroll", subjects=["payroll.>"])

    run(journey())


def test_an_account_without_jetstream_limits_is_refused_a_stream(
    token: Token, nats_server: StartServer
) -> None:
    system = System.on(token)
    key = key_on(token, Role.USER, "clerk")
    server = nats_server(JETSTREAM + system.configuration)

    async def journey() -> None:
        async with await connect(server.url, key, system.user(key)) as client:
            with pytest.raises(APIError, match="JetStream not enabled for account"):
                await client.jetstream().add_stream(name="orders", subjects=["orders.>"])

    run(journey())


def test_a_jwt_of_another_operator_is_refused(token: Token, nats_server: StartServer) -> None:
    system, stranger = System.on(token), System.on(token)
    key = key_on(token, Role.USER, "clerk")
    server = nats_server(system.configuration)

    async def journey() -> None:
        with pytest.raises(ServerError, match="refused the login") as caught:
            await connect(server.url, key, stranger.user(key))
        assert "signed by the operator that the server trusts" in caught.value.hint

    run(journey())


def test_a_token_that_is_closed_before_the_login_is_the_error_of_connect(
    softhsm_token: pytest_softhsm.Token, nats_server: StartServer
) -> None:
    uri, pins = KeyUri.parse(softhsm_token.uri), Pin(softhsm_token.pin)
    with open_token(uri, pins, module=softhsm_token.module, writable=True) as token:
        key = key_on(token, Role.USER, "clerk")
    server = nats_server(nkey_users([key.public_key]))
    with pytest.raises(TokenError, match="its session has been closed"):
        run(connect(server.url, key))
