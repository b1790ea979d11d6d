"""Accounts whose logins a callout decides on, in both modes, and a callout that runs in a thread."""

from __future__ import annotations

import asyncio
import io
import json
import threading
import time
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace
from nats.aio.client import Client
from nats.aio.msg import Msg

from seedless.claims import (
    Account,
    AuthorizationRequest,
    ClientInfo,
    ConnectOptions,
    ExternalAuthorization,
    Operator,
    Permission,
    Scope,
    ServerId,
    Template,
    User,
)
from seedless.creds import format_creds
from seedless.errors import Refused
from seedless.jwt import Claims, Jwt, draft
from seedless.nkey import Role
from seedless.seeds import SoftwareKey
from seedless.serve.answer import AccountSigners, configuration_keys, operator_keys
from seedless.serve.bounds import Bounds
from seedless.serve.callout import CalloutSetup
from seedless.serve.connection import NatsAccess
from seedless.serve.login import Identity, Login, LoginGrant
from seedless.serve.logs import EventLog
from seedless.serve.process import CalloutProcess, CalloutService
from seedless.serve.request import AUDIENCE, HEADER, SUBJECT, Sealing
from seedless.serve.rules import Rule, RulePermissions, SubjectLists, decide
from seedless.server_config import memory

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from seedless.serve.answer import AnswerKeys

PASSWORD = "correct horse"
_PATIENCE = 10.0


def signed(claims: Claims[Any], key: SoftwareKey) -> Jwt[Any]:
    made = draft(claims, key.public_key, int(time.time()))
    return made.complete(key.sign(made.signing_input))


class Passwords:
    """A backend that accepts one password, is slow for one user, and fails for another."""

    async def identify(self, login: Login) -> Identity | None:
        if not login.user:
            return None
        if login.user == "slow":
            await asyncio.sleep(0.3)
        if login.user == "broken":
            raise RuntimeError(login.password)
        if login.password != PASSWORD:
            raise Refused("the password is wrong")
        return Identity(backend="passwords", name=login.user)


@dataclass
class Running:
    """A callout in a thread of its own, and its log."""

    process: CalloutProcess
    stream: io.StringIO
    thread: threading.Thread
    loop: asyncio.AbstractEventLoop

    def events(self, name: str) -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in self.stream.getvalue().splitlines()]
        return [line for line in lines if line["event"] == name]

    def wait(self, name: str, count: int = 1) -> list[dict[str, Any]]:
        end = time.monotonic() + _PATIENCE
        while len(found := self.events(name)) < count:
            assert time.monotonic() < end, self.stream.getvalue()
            time.sleep(0.005)
        return found

    def wait_for(self, holds: Callable[[], bool]) -> None:
        end = time.monotonic() + _PATIENCE
        while not holds():
            assert time.monotonic() < end, self.stream.getvalue()
            time.sleep(0.005)

    def call(self, function: Callable[[], object]) -> None:
        self.loop.call_soon_threadsafe(function)

    def reload(self) -> None:
        """Let the callout read its configuration again."""
        asyncio.run_coroutine_threadsafe(self.process.reload(), self.loop).result(_PATIENCE)

    def receive(self, message: Msg) -> None:
        """Let the callout receive *message*, as from a server."""
        asyncio.run_coroutine_threadsafe(self.process.callout.receive(message), self.loop).result(_PATIENCE)

    def stop(self) -> None:
        if self.thread.is_alive():
            self.call(self.process.stop)
        self.thread.join(_PATIENCE)
        assert not self.thread.is_alive(), self.stream.getvalue()


def start(load: Callable[[], CalloutService]) -> Running:
    stream, made = io.StringIO(), Future[tuple[CalloutProcess, asyncio.AbstractEventLoop]]()

    async def serve() -> None:
        process = CalloutProcess(load, EventLog(stream, "callout"), "0.1.0")
        made.set_result((process, asyncio.get_running_loop()))
        await process.run()

    thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    process, loop = made.result(_PATIENCE)
    running = Running(process, stream, thread, loop)
    running.wait("connected", 2)  # to the system account too
    return running


class System:
    """Accounts of which one decides on logins to another, and the server that they are on."""

    def __init__(self, *, is_sealed: bool) -> None:
        self.curve = SoftwareKey.generate(Role.CURVE)
        self.sealing = Sealing(self.curve) if is_sealed else None
        self.xkey = str(self.curve.public_key) if is_sealed else ""

    account: str
    configuration: str
    keys: AnswerKeys

    def access(self, url: str, folder: Path) -> tuple[NatsAccess, NatsAccess]:
        """The logins of the service: to the account of the callout, and to the system account."""
        raise NotImplementedError

    rule: Rule

    def grant(self, identity: Identity, login: Login) -> LoginGrant:
        return decide((self.rule,), identity, login, validity=60, now=int(time.time()))

    def credentials(self, user: str, password: str) -> dict[str, Any]:
        return {"user": user, "pass": password}

    def stranger(self) -> dict[str, Any]:
        """What somebody logs in with who has got the login of the service."""
        return {"user": "service", "pass": "p"}

    def service(self, url: str, folder: Path, **changes: Any) -> CalloutService:  # noqa: ANN401 - of a Struct
        access, system = self.access(url, folder)
        setup = CalloutSetup(
            keys=self.keys,
            backends=[Passwords()],
            grant=self.grant,
            sealing=self.sealing,
            bounds=Bounds(refusal_delay=0.05),
        )
        return CalloutService(
            account=self.account,
            access=access,
            system=system,
            listen="127.0.0.1:0",
            setup=replace(setup, **changes),
        )


class OperatorSystem(System):
    """Operator mode: users are signed by a scoped key of the account ORDERS."""

    def __init__(self, *, is_sealed: bool, bearer_token: bool = False) -> None:
        super().__init__(is_sealed=is_sealed)
        operator, *accounts = (SoftwareKey.generate(Role.OPERATOR), *accounts_keys(4))
        self._callout, self._system, self._orders, self._clerk = accounts
        self._service, self._watcher, sentinel = (SoftwareKey.generate(Role.USER) for _ in range(3))
        allow = Permission(allow=("orders.{{name()}}.>", "_INBOX.>"))
        template = Template(pub=allow, sub=allow, payload=9, bearer_token=bearer_token)
        scope = Scope(key=str(self._clerk.public_key), role="clerk", template=template)
        authorization = ExternalAuthorization(
            auth_users=(str(self._service.public_key),),
            allowed_accounts=(str(self._orders.public_key),),
            xkey=self.xkey,
        )

        def account(name: str, key: SoftwareKey, **changes: object) -> Jwt[Account]:
            body = replace(Account.new(), **changes)
            return signed(Claims(sub=str(key.public_key), body=body, name=name), operator)

        self.jwts = [
            account("AUTH", self._callout, authorization=authorization),
            account("SYS", self._system),
            account("ORDERS", self._orders, signing_keys=(scope,)),
        ]
        self.account = self.jwts[0].claims.sub
        body = Operator(system_account=self.jwts[1].claims.sub)
        root = signed(Claims(sub=str(operator.public_key), body=body, name="ACME"), operator)
        self.configuration = memory(root, self.jwts, self.jwts[1].claims.sub)
        nothing = Permission(deny=(">",))
        bearer = replace(User.new(), bearer_token=True, pub=nothing, sub=nothing)
        self._sentinel = self._user(sentinel, self._callout, bearer)
        self.keys = operator_keys(
            self.jwts[0].claims.sub,
            self._callout,
            {"ORDERS": AccountSigners(key=self.jwts[2].claims.sub, roles={"clerk": self._clerk})},
            self.xkey,
        )

    def _user(self, key: SoftwareKey, account: SoftwareKey, body: User | None = None) -> Jwt[User]:
        return signed(Claims(sub=str(key.public_key), body=body or User.new(), name="user"), account)

    def access(self, url: str, folder: Path) -> tuple[NatsAccess, NatsAccess]:
        pairs = ((self._service, self._callout), (self._watcher, self._system))
        first, second = (self._creds(folder, url, *pair) for pair in pairs)
        return first, second

    def _creds(self, folder: Path, url: str, key: SoftwareKey, account: SoftwareKey) -> NatsAccess:
        path = folder / f"{key.public_key}.creds"
        path.write_text(format_creds(self._user(key, account), key))
        path.chmod(0o600)
        return NatsAccess(servers=(url,), creds=path)

    rule = Rule(account="ORDERS", role="clerk")

    def stranger(self) -> dict[str, Any]:
        return {"key": self._service, "jwt": self._user(self._service, self._callout)}

    def credentials(self, user: str, password: str) -> dict[str, Any]:
        return {"jwt": self._sentinel, **super().credentials(user, password)}


class ConfigurationSystem(System):
    """Configuration mode: the issuer signs everything, and mallory is another user of the callout."""

    def __init__(self, *, is_sealed: bool) -> None:
        super().__init__(is_sealed=is_sealed)
        (issuer,) = accounts_keys(1)
        self.account = "AUTH"
        self.keys = configuration_keys(issuer, ["ORDERS"], "AUTH", self.xkey)
        xkey = f", xkey: {self.xkey}" if is_sealed else ""
        users = ", ".join(f"{{ user: {name}, password: p }}" for name in ("service", "mallory"))
        self.configuration = (
            f"accounts {{ AUTH {{ users: [{users}] }}, ORDERS {{}}, "
            "SYS { users: [{ user: watcher, password: p }] } }\n"
            "system_account: SYS\n"
            f"authorization {{ auth_callout {{ issuer: {issuer.public_key}, account: AUTH, "
            f"auth_users: [service, mallory, watcher]{xkey} }} }}\n"
        )

    def access(self, url: str, folder: Path) -> tuple[NatsAccess, NatsAccess]:  # noqa: ARG002 - no creds
        first, second = (
            NatsAccess(servers=(url,), user=user, password="p") for user in ("service", "watcher")
        )
        return first, second

    _own = SubjectLists(allow=("orders.{{name}}.>", "_INBOX.>"))
    rule = Rule(account="ORDERS", permissions=RulePermissions(pub=_own, sub=_own))


def accounts_keys(count: int) -> list[SoftwareKey]:
    return [SoftwareKey.generate(Role.ACCOUNT) for _ in range(count)]


SYSTEMS: dict[str, Callable[[], System]] = {
    "operator": lambda: OperatorSystem(is_sealed=False),
    "operator, encrypted": lambda: OperatorSystem(is_sealed=True),
    "configuration": lambda: ConfigurationSystem(is_sealed=False),
    "configuration, encrypted": lambda: ConfigurationSystem(is_sealed=True),
}


def forged(
    system: System,
    of_server: SoftwareKey | None = None,
    by: SoftwareKey | None = None,
    **changes: Any,  # noqa: ANN401 - of a Struct
) -> Msg:
    """A request as a server makes it, by keys that somebody has made, with *changes* of its claims.

    It names *of_server* as its server, or the one that signs it, which is *by* or a new one.
    """
    server, curve = by or SoftwareKey.generate(Role.SERVER), SoftwareKey.generate(Role.CURVE)
    body = AuthorizationRequest(
        server_id=ServerId(name="n0", id=str((of_server or server).public_key), xkey=str(curve.public_key)),
        user_nkey=str(SoftwareKey.generate(Role.USER).public_key),
        client_info=ClientInfo(host="10.0.0.1", kind="Client", type="nats"),
        connect_opts=ConnectOptions(user="ann", password=PASSWORD),
    )
    claims = Claims(sub=system.keys.subject, aud=AUDIENCE, exp=int(time.time()) + 2, body=body)
    text = signed(replace(claims, **changes), server).text
    if system.sealing is None:
        return Msg(Client(), SUBJECT, "$SYS._INBOX.n0.1", text.encode())
    sealed = Sealing(curve).seal(text, system.xkey)
    return Msg(Client(), SUBJECT, "$SYS._INBOX.n0.1", sealed, {HEADER: str(curve.public_key)})
