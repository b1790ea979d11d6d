"""What prevents a callout from answering the logins that it should, found by asking servers.

Whoever subscribes to the requests in the same queue group gets a share of them; in another group, each of
them. A stranger there cannot let anybody in without the keys, and refuses logins, or reads the passwords in
them.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from typing import TYPE_CHECKING, TypeVar

import msgspec

from seedless.doctor import CheckResult
from seedless.errors import SeedlessError, ServerError
from seedless.readiness import CheckStatus
from seedless.serve.answer import deviations, keys_of
from seedless.serve.connection import log_in
from seedless.serve.request import SUBJECT
from seedless.serve.system_account import ask_account, decoded, listed_server
from seedless.text import brief

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nats.aio.client import Client

    from seedless.claims import Account
    from seedless.jwt import Jwt
    from seedless.serve.connection import NatsAccess
    from seedless.serve.process import CalloutService

__all__ = ["Instance", "Subscriber", "examine", "instance_of", "subscribers_of"]

_NAME = "seedless serve doctor"
_QUIET = 0.3  # seconds without a further answer, after which there are no more
_PATIENCE = 2.0  # seconds for the first answer
_LONGEST = 5.0  # seconds for all answers: somebody may go on with them for ever
_MOST = 10_000  # answers, and connections of the account of a callout

S = TypeVar("S")


class Instance(msgspec.Struct, frozen=True):
    """A running callout, as it describes itself: at which server, the number of its connection, its keys."""

    id: str
    metadata: dict[str, str] = {}

    @property
    def place(self) -> tuple[str, str]:
        """The key of its server and the number of its connection."""
        return self.metadata.get("server", ""), self.metadata.get("cid", "")


class Subscriber(msgspec.Struct, frozen=True):
    """A connection that receives requests: at which server, its number, and in which queue group."""

    server: str
    cid: str
    user: str
    name: str
    host: str
    address: str
    queue: str


async def examine(service: CalloutService) -> list[CheckResult]:
    """Return what was looked at, and what was found; raises nothing that a server can cause."""
    found = []
    refused: list[str] = []
    async with contextlib.AsyncExitStack() as stack:
        client, result = await _logged_in(stack, service.access, "login", refused)
        found.append(result)
        if service.system is None:
            text = "none is configured: requests are accepted from whoever can publish them"
            advice = "give system-creds: then servers are known, and other services are found"
            return [*found, CheckResult("system account", CheckStatus.NOTE, text, advice)]
        system, result = await _logged_in(stack, service.system, "system account", [])
        found.append(result)
        if system is None:
            return found
        servers = [listed_server(data) for data in await _gather(system, "$SYS.REQ.SERVER.PING")]
        status = CheckStatus.OK if servers else CheckStatus.PROBLEM
        found.append(CheckResult("servers", status, f"{len(servers)} answered", "" if servers else _SYSTEM))
        accounts = await _accounts(system, service)
        found += _of_accounts(service, accounts)
        if client is not None:
            found += await _of_subscribers(client, system, service, accounts, refused)
    return found


async def _logged_in(
    stack: contextlib.AsyncExitStack,
    access: NatsAccess,
    what: str,
    refused: list[str],
) -> tuple[Client | None, CheckResult]:
    """Log in; what the server refuses on this connection later is added to *refused*."""

    async def keep(error: Exception) -> None:
        refused.append(str(error).lower())

    try:
        client = await log_in(access, _NAME, error_cb=keep)
    except SeedlessError as error:
        return None, CheckResult(what, CheckStatus.PROBLEM, error.message, error.hint)
    stack.push_async_callback(client.close)
    return client, CheckResult(what, CheckStatus.OK, ", ".join(access.servers), "")


async def _accounts(system: Client, service: CalloutService) -> dict[str, Jwt[Account]]:
    found = {key: await ask_account(system, key) for key in sorted(service.setup.keys.accounts)}
    return {key: account for key, account in found.items() if account is not None}


def _of_accounts(service: CalloutService, accounts: Mapping[str, Jwt[Account]]) -> list[CheckResult]:
    keys = service.setup.keys
    if not keys.accounts:
        return []  # configuration mode: what is there is in the file of the server
    found = [
        CheckResult(
            "account", CheckStatus.NOTE, f"no server has {key}, or has loaded it: not compared", _PUSH
        )
        for key in sorted(keys.accounts - accounts.keys())
    ]
    found += [
        CheckResult("account", CheckStatus.PROBLEM, line, _ACCOUNTS) for line in deviations(keys, accounts)
    ]
    return found or [
        CheckResult("accounts", CheckStatus.OK, f"{len(accounts)} compared with the keys: no difference")
    ]


_SYSTEM = "system-creds has to be of a user of the system account: only servers that it lists are answered"
_PUSH = "seedless push; with a memory resolver it is loaded by the first login"
_ACCOUNTS = "compare the configuration with seedless account show, and push what has changed"


async def _of_subscribers(
    client: Client,
    system: Client,
    service: CalloutService,
    accounts: Mapping[str, Jwt[Account]],
    refused: list[str],
) -> list[CheckResult]:
    instances, found = _instances(await _gather(client, "$SRV.INFO.seedless-callout"))
    # Unasked, no instance would answer, and each of them would be reported as a stranger.
    if any("permissions violation for publish" in text for text in refused):
        text = "not asked: the service's own user may not publish $SRV.INFO.seedless-callout"
        return [CheckResult("instances", CheckStatus.PROBLEM, text, _PERMIT)]
    subscribers = await _subscribers(system, service.account)
    known = {instance.place for instance in instances}
    strangers = [
        subscriber
        for subscriber in subscribers
        if (subscriber.server, subscriber.cid) not in known or subscriber.queue != service.queue
    ]
    found += [
        CheckResult("subscriber", CheckStatus.PROBLEM, _stranger(stranger), _REMOVE) for stranger in strangers
    ]
    # Whoever is in the account can describe itself as an instance, but not log in as the user of the others.
    users = sorted({f"{brief(item.user)} from {item.host}" for item in subscribers if item not in strangers})
    if len(users) > 1:
        text = f"instances log in as {', '.join(users)}"
        found.append(CheckResult("users", CheckStatus.NOTE, text, "each of them has to be one of yours"))
    accepted = _response_keys(service, accounts)
    for instance in instances:
        key = instance.metadata.get("response_key", "")
        if key not in accepted:
            text = f"instance {brief(instance.id)} signs with {brief(key) or 'no key'}: servers ignore that"
            found.append(CheckResult("instance", CheckStatus.PROBLEM, text, _REMOVE))
    status = CheckStatus.OK if instances else CheckStatus.NOTE
    advice = (
        "" if instances else "every login waits for the timeout of the server: start seedless serve callout"
    )
    return [CheckResult("instances", status, f"{len(instances)} answered", advice), *found]


def _instances(answers: list[bytes]) -> tuple[list[Instance], list[CheckResult]]:
    """Return the instances that describe themselves so, and what is found of answers that are none."""
    instances: list[Instance] = []
    found: list[CheckResult] = []
    for data in answers:
        try:
            instances.append(instance_of(data))
        except ServerError:
            text = "somebody answers for this service in a way that it does not"
            found = [CheckResult("instance", CheckStatus.PROBLEM, text, _REMOVE)]
    return instances, found


_PERMIT = "permit $SRV.> to it, as in seedless user edit --allow-pub '$SRV.>'"
_REMOVE = "end it, or revoke the user that it logs in as"


def _response_keys(service: CalloutService, accounts: Mapping[str, Jwt[Account]]) -> set[str]:
    keys = service.setup.keys
    callout = accounts.get(keys.subject)
    own = {str(keys.response.public_key)}
    return own if callout is None else own | keys_of(callout)


def _stranger(client: Subscriber) -> str:
    group = f"in the queue group {brief(client.queue)}" if client.queue else "without a queue group"
    return (
        f"connection {client.cid} at {brief(client.server)} from {client.address}, user "
        f"{brief(client.user)}, name {brief(client.name)!a}, receives requests {group}, "
        "and is not an instance of this service"
    )


async def _subscribers(system: Client, account: str) -> list[Subscriber]:
    query = {"acc": account, "auth": True, "subscriptions_detail": True, "limit": _MOST}
    subject = "$SYS.REQ.SERVER.PING.CONNZ"
    return [client for data in await _gather(system, subject, query) for client in subscribers_of(data)]


def subscribers_of(data: bytes) -> list[Subscriber]:
    """Return who receives requests, of the connections that a server answers with; raise `ServerError`."""
    answer = decoded(data, _Connections)
    return [
        Subscriber(
            server=answer.server.id,
            cid=str(connection.cid),
            user=connection.authorized_user,
            name=connection.name,
            host=connection.ip,
            address=f"{connection.ip}:{connection.port}",
            queue=sub.qgroup,
        )
        for connection in answer.data.connections
        for sub in connection.subscriptions_list_detail
        if sub.subject == SUBJECT
    ]


def instance_of(data: bytes) -> Instance:
    """Return the instance that describes itself so; raise `ServerError`."""
    return decoded(data, Instance)


async def _gather(client: Client, subject: str, query: Mapping[str, object] | None = None) -> list[bytes]:
    """Return all answers to a question on *subject*, until there are no more, or it takes too long."""
    inbox = client.new_inbox()
    subscription = await client.subscribe(inbox)
    await client.publish(subject, json.dumps(query).encode() if query else b"", reply=inbox)
    answers: list[bytes] = []
    end = time.monotonic() + _LONGEST
    with contextlib.suppress(TimeoutError, asyncio.TimeoutError):
        while time.monotonic() < end and len(answers) < _MOST:
            message = await subscription.next_msg(_QUIET if answers else _PATIENCE)
            if message.headers and "503" in str(message.headers):
                break  # nobody is there
            answers.append(message.data)
    await subscription.unsubscribe()
    return answers


class _Identified(msgspec.Struct):
    id: str


class _Subscription(msgspec.Struct):
    subject: str
    qgroup: str = ""


class _AccountConnection(msgspec.Struct):
    cid: int
    ip: str = ""
    port: int = 0
    name: str = ""
    authorized_user: str = ""
    subscriptions_list_detail: list[_Subscription] = []


class _ConnectionList(msgspec.Struct):
    connections: list[_AccountConnection] = []


class _Connections(msgspec.Struct):
    server: _Identified
    data: _ConnectionList
