"""Issuing over NATS: users for public keys, accounts by desired state, revocations; each by its rules.

A requester is known by `Nats-Request-Info` alone, which the server of the importing account sets on a service
import, in place of one that a client has sent (measured, nats-server 2.15.1; it is read by this exact
spelling, since one in lower case arrives beside it as the client has written it). Within the service's own
account a client's header arrives unchanged: the service has an account of its own, without other users, and
refuses what has no header.

Requests are handled in tasks, up to a bound. Errors are caught here: what answers is `{"error": …}` with
`Nats-Service-Error-Code`, and nothing of an exception that is not meant for the requester.
"""

from __future__ import annotations

import asyncio
import functools
import hashlib
import json
import secrets
import time
from typing import TYPE_CHECKING, Protocol, TypeVar

import msgspec

from seedless.claims import User
from seedless.errors import BadClaims, BadKey, InvalidValue, Refused, SeedlessError, UsageError
from seedless.jwt import Claims, read
from seedless.nkey import PublicKey, Role
from seedless.serve.audit import AuditEntry, AuditStream
from seedless.serve.config import ENDPOINTS, IssuerConfig, IssuerRule
from seedless.serve.rules import is_user_name, require_tag
from seedless.signing import sign
from seedless.text import brief, quoted

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from nats.aio.msg import Msg

    from seedless.serve.logs import EventLog
    from seedless.signer import Signer

__all__ = ["HEADER", "AccountOperations", "Issuer", "RequesterIdentity", "requester_of"]

HEADER = "Nats-Request-Info"
_LONGEST_REQUEST = 1_048_576  # bytes, as the default of servers
_LONGEST_NAME = 200
S = TypeVar("S")


class RequesterIdentity(msgspec.Struct, frozen=True):
    """Who asks: the account (key text) and, where the import is shared, the public key of the user.

    `user` is that of the jwt that the user logged in with, empty without one. `stated` is what the server
    calls the user besides; the client may have chosen it.
    """

    acc: str
    user: str = ""
    stated: str = ""


class _RequestInfo(msgspec.Struct, frozen=True):
    acc: str
    user: str = ""
    jwt: str = ""


class UserRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What `user` is asked: a jwt for the public key *key* in *role* of *account*, for *validity* seconds."""

    key: str
    account: str
    role: str
    name: str
    validity: int = 0
    tags: tuple[str, ...] = ()


class AccountRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What `account` is asked: a desired state (TOML or JSON, as text) of accounts."""

    desired: str


class RevokeRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What `revoke` is asked: to revoke the users *key* (or `*`) of *account*, issued until now."""

    account: str
    key: str


class AccountOperations(Protocol):
    """What signs accounts with the token; it waits, so it is called in a thread of its own."""

    def apply(self, desired: str, may: Callable[[str], bool]) -> list[str]:
        """Sign and push what differs of the accounts in *desired*; return their names."""

    def revoke(self, account: str, key: str) -> int:
        """Revoke *key* in *account*, push it, and return its new `iat`."""


def requester_of(headers: Mapping[str, str] | None) -> RequesterIdentity:
    """Return who asks, by the header that a server sets; raise `Refused` without it."""
    # An exact lookup: a header in lower case arrives beside the server's own as the client has sent it.
    text = (headers or {}).get(HEADER)
    if text is None:
        raise Refused("there is no Nats-Request-Info: ask through an import of this service")
    try:
        info = msgspec.json.decode(text, type=_RequestInfo)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise Refused("the Nats-Request-Info cannot be read") from error
    if not info.acc:
        raise Refused("the Nats-Request-Info names no account")
    user = _user_of(info.jwt) if info.jwt else ""
    return RequesterIdentity(info.acc, user, "" if info.user == user else info.user)


@functools.lru_cache(1024)
def _user_of(text: str) -> str:
    """Return the public key of the user whose jwt is *text*; raise `Refused` where it is none.

    Not the member `user` of the header: there a server repeats `nkey` and `user` of the client's CONNECT, and
    the name that a callout gave, whatever key the jwt is of (measured, nats-server 2.15.1).
    """
    try:
        jwt = read(text)
    except SeedlessError as error:
        raise Refused("the jwt in the Nats-Request-Info cannot be read") from error
    return jwt.claims.sub


class Issuer:
    """Answers requests by the rules of *config*; *keys* are the signers by account and role."""

    def __init__(
        self,
        config: IssuerConfig,
        keys: Mapping[tuple[str, str], Signer],
        audit: AuditStream,
        log: EventLog,
        operations: AccountOperations | None = None,
        in_thread: Callable[..., Awaitable[object]] = asyncio.to_thread,
        answered: Callable[[str, int, float], None] = lambda *_: None,
    ) -> None:
        """Take what is decided and signed with; *operations* is None where no token is at hand.

        *answered* gets endpoint, code and seconds of each answer.
        """
        self.use(config, keys)
        self._audit = audit
        self._log = log
        self._operations = operations
        self._in_thread = in_thread
        self._answered = answered
        self._tasks: set[asyncio.Task[None]] = set()
        self.counts: dict[str, dict[str, int]] = {
            name: {"num_requests": 0, "num_errors": 0} for name in ENDPOINTS
        }

    def use(self, config: IssuerConfig, keys: Mapping[tuple[str, str], Signer]) -> None:
        """Answer all further requests by *config*, and sign with *keys*, by account and role."""
        self._config = config
        self.keys = dict(keys)

    def receiver(self, endpoint: str) -> Callable[[Msg], Awaitable[None]]:
        """Return what takes the messages of *endpoint*, and handles each in a task."""

        async def receive(message: Msg) -> None:
            # Counted before the bound, so that `$SRV.STATS` shows what was turned away as well.
            self.counts[endpoint]["num_requests"] += 1
            # Answered at once and not queued: a requester gives up after its own time-out and asks again,
            # which would make two jwts of one wish.
            if len(self._tasks) >= self._config.concurrency:
                await self._refuse(message, endpoint, 503, "too many requests: try again later")
                self._answered(endpoint, 503, 0.0)
                return
            task = asyncio.create_task(self._handle(endpoint, message))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

        return receive

    async def finish(self) -> None:
        """Wait until what was received is answered."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def _handle(self, endpoint: str, message: Msg) -> None:
        begun, code = time.perf_counter(), 200
        try:
            requester = requester_of(message.headers)
            answer = await self._answer(endpoint, requester, message.data)
        except (Refused, BadKey, BadClaims, UsageError) as error:
            code = 400
            await self._refuse(message, endpoint, code, error.message)
        # nats.micro would send `repr` of the exception to the requester, in `Nats-Service-Error`, with
        # whatever is in it.
        except Exception as error:  # noqa: BLE001 - the requester learns nothing of it
            code = 500
            reason = error.message if isinstance(error, SeedlessError) else type(error).__name__
            self._log.error("not issued", endpoint=endpoint, reason=reason)
            await self._refuse(message, endpoint, code, "it cannot be issued now: try again later")
        else:
            await self._respond(message, answer)
        self._answered(endpoint, code, time.perf_counter() - begun)

    async def _answer(self, endpoint: str, who: RequesterIdentity, data: bytes) -> dict[str, object]:
        match endpoint:
            case "user":
                return await self._user(who, read_request(data, UserRequest))
            case "account":
                return await self._account(who, read_request(data, AccountRequest))
            case "revoke":
                return await self._revoke(who, read_request(data, RevokeRequest))
        return self._info(who)

    def _rules(self, who: RequesterIdentity, endpoint: str) -> list[IssuerRule]:
        """Return the rules for *who* and *endpoint*; raise `Refused` without any."""
        rules = [rule for rule in self._config.rules if rule.is_for(who.acc, who.user)]
        rules = [rule for rule in rules if endpoint in rule.endpoints]
        if not rules:
            raise Refused(f"no rule lets {brief(who.acc)} use the endpoint {endpoint}")
        return rules

    async def _user(self, who: RequesterIdentity, asked: UserRequest) -> dict[str, object]:
        # One sentence for an account, a role and a rule that is missing: the difference would show a
        # requester which accounts exist.
        rules = [rule for rule in self._rules(who, "user") if rule.allows("user", asked.account, asked.role)]
        place = (asked.account, asked.role)
        if not rules or place not in self.keys:
            raise Refused(f"no users of {quoted(asked.account)} in the role {quoted(asked.role)} are issued")
        seconds = asked.validity or self._config.validity
        # The most generous rule counts, as with permissions: a second rule for the same requester adds to
        # the first and never takes away.
        longest = max(rule.longest for rule in rules)
        if not 0 < seconds <= longest:
            raise Refused(f"users are valid for {longest} s at most")
        _require_user(asked)
        account, request = self._config.accounts[asked.account].key, secrets.token_hex(8)
        # Without permissions and limits of its own: servers reject a user of a scoped signing key that has
        # any, since the template of the role is all that counts.
        body = msgspec.structs.replace(User.scoped(account), tags=asked.tags)

        # Called by the audit stream with the next `iat` of this subject, perhaps more than once: two
        # instances that sign for one user in the same second would make jwts of one `jti`, which servers
        # take for the same.
        def made(iat: int) -> tuple[AuditEntry, str]:
            claims = Claims(sub=asked.key, name=asked.name, body=body, exp=iat + seconds)
            # By the key of this moment: one that has been replaced meanwhile signs no more.
            key = self.keys.get(place)
            if key is None:
                raise Refused(f"users in the role {quoted(asked.role)} are not issued any more")
            text = sign(claims, key, now=iat).text
            return AuditEntry(
                endpoint="user", sub=asked.key, account=account, iat=iat, digest=_digest(text),
                name=asked.name, role=asked.role, exp=claims.exp,
                requester=who.acc, user=who.user, stated=who.stated, request=request,
            ), text  # fmt: skip

        return {"jwt": await self._audit.append(f"user.{asked.key}", made)}

    async def _account(self, who: RequesterIdentity, asked: AccountRequest) -> dict[str, object]:
        rules, operations = self._rules(who, "account"), self._account_operations()

        def may(name: str) -> bool:
            return any(rule.allows("account", name) for rule in rules)

        # The record comes first: a token that has signed without one cannot be found out about later, a
        # record without a signature can.
        await self._record("account", who, hashlib.sha256(asked.desired.encode()).hexdigest())
        return {"accounts": await self._in_thread(operations.apply, asked.desired, may)}

    async def _revoke(self, who: RequesterIdentity, asked: RevokeRequest) -> dict[str, object]:
        rules, operations = self._rules(who, "revoke"), self._account_operations()
        if not any(rule.allows("revoke", asked.account) for rule in rules):
            raise Refused(f"users of {quoted(asked.account)} are not revoked for {brief(who.acc)}")
        if asked.key != "*":
            # Checked before the record: what is not a key must not get into the subjects of the audit stream.
            PublicKey.parse(asked.key)
        await self._record("revoke", who, _digest(f"{asked.account} {asked.key}"), asked.key, asked.account)
        return {"issued_at": await self._in_thread(operations.revoke, asked.account, asked.key)}

    def _info(self, who: RequesterIdentity) -> dict[str, object]:
        rules = self._rules(who, "info")
        return {
            "account": who.acc,
            "user": who.user,
            "rules": [
                {
                    "endpoints": list(rule.endpoints),
                    "accounts": list(rule.accounts),
                    "roles": list(rule.roles),
                    "longest": rule.longest,
                }
                for rule in rules
            ],
        }

    def _account_operations(self) -> AccountOperations:
        if self._operations is None:
            raise Refused("this service signs no accounts")
        return self._operations

    async def _record(
        self, endpoint: str, who: RequesterIdentity, digest: str, sub: str = "", account: str = ""
    ) -> None:
        """Write down that *who* has asked the token for something, before it is done."""
        request = secrets.token_hex(8)

        def made(iat: int) -> tuple[AuditEntry, str]:
            return AuditEntry(
                endpoint=endpoint, sub=sub, account=account, iat=iat, digest=digest, requester=who.acc,
                user=who.user, stated=who.stated, request=request,
            ), ""  # fmt: skip

        await self._audit.append(f"{endpoint}.{who.acc}", made)

    async def _refuse(self, message: Msg, endpoint: str, code: int, reason: str) -> None:
        self.counts[endpoint]["num_errors"] += 1
        self._log.warning("refused", endpoint=endpoint, reason=reason)
        # The names and the form of nats.micro, so that clients of its kind raise an error without knowing
        # this service. `brief` escapes line breaks, which would end the header.
        headers = {"Nats-Service-Error": brief(reason), "Nats-Service-Error-Code": str(code)}
        await self._respond(message, {"error": reason}, headers)

    async def _respond(
        self, message: Msg, answer: Mapping[str, object], headers: dict[str, str] | None = None
    ) -> None:
        from nats.errors import Error  # nats-py is an extra

        # A publish without a reply subject is allowed to anybody who may request; there is nobody to
        # answer.
        if not message.reply:
            return
        try:
            client = message._client  # noqa: SLF001 - Msg.respond sends no headers
            await client.publish(message.reply, json.dumps(answer).encode(), headers=headers)
        except Error as error:  # the connection has ended: the requester asks again
            self._log.warning("not answered", reason=str(error))


def _require_user(asked: UserRequest) -> None:
    """Raise `Refused` for what is not a user that servers can fill a template for."""
    # The role is in the prefix of the key's text. A jwt for an account's key, signed by an account's key,
    # would be read as claims of another kind.
    if PublicKey.parse(asked.key).role is not Role.USER:
        raise Refused("the key is not that of a user")
    # Names and tags fill the template of the role: what servers make of them is a subject.
    if not is_user_name(asked.name) or len(asked.name) > _LONGEST_NAME:
        raise Refused(
            f"{quoted(asked.name[:_LONGEST_NAME])} is not one plain token of a subject, as a name is"
        )
    for tag in asked.tags:
        try:
            require_tag(tag)
        except InvalidValue as error:
            raise Refused(f"tags: one {error}") from error


def read_request(data: bytes, kind: type[S]) -> S:
    """Return the request *data* as a *kind*; raise `Refused` with what is wrong."""
    if len(data) > _LONGEST_REQUEST:
        raise Refused("the request is too long")
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Refused(f"the request is not valid: {error}") from error


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
