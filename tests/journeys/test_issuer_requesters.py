"""Who an issuer takes a requester for, where the name of a user is what a callout gave it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from seedless.claims import (
    Account,
    AuthorizationResponse,
    Export,
    ExternalAuthorization,
    Import,
    Operator,
    User,
)
from seedless.client import connect
from seedless.jwt import Claims, Jwt, read
from seedless.nkey import Role
from seedless.seeds import SoftwareKey
from seedless.serve.config import IssuerRule
from seedless.serve.issuer import HEADER, requester_of
from seedless.serve.request import SUBJECT
from seedless.server_config import memory

sys.path.insert(0, str(Path(__file__).parents[1]))

from callout_systems import signed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from nats.aio.client import Client
    from nats.aio.msg import Msg


class Shop:
    """The account SHOP imports a service; its users have jwts, or names that the callout of AUTH gives."""

    def __init__(self) -> None:
        operator = SoftwareKey.generate(Role.OPERATOR)
        self._keys = {name: SoftwareKey.generate(Role.ACCOUNT) for name in ("AUTH", "SHOP", "ISSUER", "SYS")}
        self._service, self._sentinel = (SoftwareKey.generate(Role.USER) for _ in range(2))
        issuer = str(self._keys["ISSUER"].public_key)
        bodies = {
            "AUTH": replace(
                Account.new(),
                authorization=ExternalAuthorization(
                    auth_users=(str(self._service.public_key),),
                    allowed_accounts=(str(self._keys["SHOP"].public_key),),
                ),
            ),
            "SHOP": replace(
                Account.new(),
                imports=(Import(name="i", account=issuer, subject="issuer.*", type="service", share=True),),
            ),
            "ISSUER": replace(Account.new(), exports=(Export(name="i", subject="issuer.*", type="service"),)),
            "SYS": Account.new(),
        }
        accounts = [
            signed(Claims(sub=str(self._keys[name].public_key), body=body, name=name), operator)
            for name, body in bodies.items()
        ]
        body = Operator(system_account=accounts[-1].claims.sub)
        root = signed(Claims(sub=str(operator.public_key), body=body, name="ACME"), operator)
        self.configuration = memory(root, accounts, accounts[-1].claims.sub)

    def user(self, account: str, key: SoftwareKey, **members: object) -> Jwt[User]:
        body = replace(User.new(), **members)
        return signed(Claims(sub=str(key.public_key), body=body, name="user"), self._keys[account])

    @contextlib.asynccontextmanager
    async def client(self, url: str, account: str, key: SoftwareKey) -> AsyncIterator[Client]:
        client = await connect([url], key, self.user(account, key))
        try:
            yield client
        finally:
            await client.close()

    @contextlib.asynccontextmanager
    async def named(self, url: str, name: str) -> AsyncIterator[Client]:
        """A client whom the callout names so."""

        async def answer(message: Msg) -> None:
            request = read(message.data.decode()).claims.body
            claims = Claims(sub=request.user_nkey, body=User.new(), name=name, exp=int(time.time()) + 60)
            body = AuthorizationResponse(jwt=signed(claims, self._keys["SHOP"]).text)
            answer = Claims(sub=request.user_nkey, aud=request.server_id.id, body=body)
            await service.publish(message.reply, signed(answer, self._keys["AUTH"]).text.encode())

        async with self.client(url, "AUTH", self._service) as service:
            await service.subscribe(SUBJECT, cb=answer)
            await service.flush()
            async with self.client(url, "AUTH", self._sentinel) as client:
                yield client


def test_a_user_is_the_key_of_its_jwt_whatever_else_it_states(
    nats_server: Callable[[str], Any], session: Callable[..., Any]
) -> None:
    shop = Shop()
    url = nats_server(shop.configuration).url
    admin, own = (SoftwareKey.generate(Role.USER) for _ in range(2))
    name = str(admin.public_key)
    headers: list[dict[str, str]] = []

    async def journey() -> None:
        async def keep(message: Msg) -> None:
            headers.append(dict(message.headers or {}))
            await message.respond(b"")

        async with shop.client(url, "ISSUER", SoftwareKey.generate(Role.USER)) as issuer:
            await issuer.subscribe("issuer.*", cb=keep)
            await issuer.flush()
            async with shop.client(url, "SHOP", admin) as client:
                await client.request("issuer.user")
            async with shop.named(url, name) as client:
                await client.request("issuer.user")
            for stated in ({"nkey": name}, {"user": name}):
                client = await asyncio.to_thread(session, url, own, shop.user("SHOP", own), **stated)
                assert client.refusal == ""
                await asyncio.to_thread(client.subscribe, "_INBOX.own")
                await asyncio.to_thread(client.publish, "issuer.user", b"", "_INBOX.own")
                await asyncio.to_thread(client.message)

    asyncio.run(journey())
    assert [json.loads(one[HEADER])["user"] for one in headers] == [name] * 4, "what a server repeats"
    requesters = [requester_of(one) for one in headers]
    assert [(one.user, one.stated) for one in requesters] == [
        (name, ""),
        ("", name),
        *[(str(own.public_key), name)] * 2,
    ]
    rule = IssuerRule(requesters=("*",), endpoints=("user",), users=(name,))
    assert [rule.is_for(one.acc, one.user) for one in requesters] == [True, False, False, False]
