"""Options that make claims, with the names of nsc, and `--set` for everything else."""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import click
import msgspec

from seedless import shape, wire
from seedless.claims import Permission, ResponsePermission
from seedless.cli._values import DURATION, MOMENT, SIZE, Moment
from seedless.errors import BadClaims, UsageError
from seedless.plan import Times
from seedless.text import quoted

if TYPE_CHECKING:
    from collections.abc import Callable

    from seedless.claims import Account, User

B = TypeVar("B")
R = TypeVar("R")

_ACCOUNT_LIMITS = {  # option → member of limits, in the words of nsc
    "conns": ("conn", click.INT, "Connections."),
    "leaf_conns": ("leaf", click.INT, "Leaf node connections."),
    "subscriptions": ("subs", click.INT, "Subscriptions."),
    "exports": ("exports", click.INT, "Exports."),
    "imports": ("imports", click.INT, "Imports."),
    "data": ("data", SIZE, "Bytes in all."),
    "payload": ("payload", SIZE, "Bytes of one message."),
    "js_mem_storage": ("mem_storage", SIZE, "JetStream: bytes in memory."),
    "js_disk_storage": ("disk_storage", SIZE, "JetStream: bytes on disk."),
    "js_streams": ("streams", click.INT, "JetStream: streams."),
    "js_consumer": ("consumer", click.INT, "JetStream: consumers."),
    "js_max_ack_pending": ("max_ack_pending", click.INT, "JetStream: messages waiting for an ack."),
}
_DEEPEST = 20  # members of members that --set goes down
_PERMISSIONS = ("allow_pub", "allow_sub", "allow_pubsub", "deny_pub", "deny_sub", "deny_pubsub")
_USER_LIMITS = {"subs": click.INT, "data": SIZE, "payload": SIZE}


@dataclass(frozen=True, slots=True)
class ClaimsOptions:
    """What the options say of claims, still as option values."""

    values: dict[str, Any]

    def times(self, now: int) -> Times:
        """Return from when until when the claims hold."""
        start: Moment = self.values.get("start") or Moment("0")
        expiry: Moment = self.values.get("expiry") or Moment("0")
        return Times(start=start.at(now), expiry=expiry.at(now))

    def tags(self) -> tuple[str, ...]:
        """Return the tags, in lower case and once, as servers match them."""
        return tuple(dict.fromkeys(tag.strip().lower() for tag in self.values.get("tag", ()) if tag.strip()))

    def permissions(self) -> dict[str, Any]:
        """Return the members `pub`, `sub` and `resp` that the options make."""
        given = {name: tuple(self.values.get(name, ())) for name in _PERMISSIONS}
        both_allow, both_deny = given["allow_pubsub"], given["deny_pubsub"]
        members: dict[str, Any] = {
            "pub": Permission(allow=given["allow_pub"] + both_allow, deny=given["deny_pub"] + both_deny),
            "sub": Permission(allow=given["allow_sub"] + both_allow, deny=given["deny_sub"] + both_deny),
        }
        count, ttl = self.values.get("allow_pub_response"), self.values.get("response_ttl")
        if count is not None or ttl is not None:
            members["resp"] = ResponsePermission(max=1 if count is None else count, ttl=ttl or 0)
        return members

    def account(self, body: Account) -> Account:
        """Return *body* with what the options say."""
        limits = {member: self.values.get(name) for name, (member, _, _) in _ACCOUNT_LIMITS.items()}
        changed = {member: number for member, number in limits.items() if number is not None}
        members: dict[str, Any] = {"limits": msgspec.structs.replace(body.limits, **changed)}
        permissions = self.permissions()
        members["default_permissions"] = msgspec.structs.replace(body.default_permissions, **permissions)
        members |= {name: self.values[name] for name in ("description", "info_url") if self.values.get(name)}
        return self._set(msgspec.structs.replace(body, **members, tags=self.tags()))

    def user(self, body: User) -> User:
        """Return *body* with what the options say."""
        members = self.permissions()
        limits = {name: self.values.get(name) for name in _USER_LIMITS}
        members |= {name: number for name, number in limits.items() if number is not None}
        members |= {
            "src": tuple(self.values.get("source_network", ())),
            "allowed_connection_types": tuple(kind.upper() for kind in self.values.get("conn_type", ())),
            "bearer_token": bool(self.values.get("bearer")),
        }
        return self._set(msgspec.structs.replace(body, **members, tags=self.tags()))

    def operator(self, body: B) -> B:
        """Return *body* with what --tag and --set say."""
        return self._set(msgspec.structs.replace(body, tags=self.tags()))  # type: ignore[type-var]  # a struct

    def _set(self, body: B) -> B:
        settings = self.values.get("set_", ())
        if not settings:
            return body
        members = json.loads(msgspec.json.encode(body))
        for setting in settings:
            _put(members, setting)
        try:
            changed, unknown = shape.fit(members, type(body))
        except BadClaims as error:
            raise UsageError(f"--set {error.message}", error.hint) from error
        if unknown:
            raise UsageError(
                f"--set {unknown[0].path}: there is no such member", "look at seedless show --json"
            )
        return changed


def _put(members: dict[str, Any], setting: str) -> None:
    path, equals, text = setting.partition("=")
    if not equals or not path:
        raise UsageError(f"--set {quoted(setting)} is not path=value", "as in --set limits.conn=10")
    *parents, last = path.removeprefix("nats.").split(".")
    if len(parents) > _DEEPEST:
        raise UsageError(f"--set goes {len(parents)} members deep", "look at seedless show --json")
    place = members
    for name in parents:
        place = place.setdefault(name, {})
        if not isinstance(place, dict):
            raise UsageError(f"--set {path}: {name} has no members")
    try:
        place[last] = wire.parse(text.encode())
    except UnicodeEncodeError:
        raise UsageError(f"--set {quoted(setting)} is not UTF-8", "write it in UTF-8") from None
    except BadClaims:
        place[last] = text  # bare words are text


def _given(options: list[Callable[[Any], Any]], command: Callable[..., R]) -> Callable[..., R]:
    names = {option.__name__ for option in options}

    @functools.wraps(command)
    def with_options(*args: Any, **values: Any) -> R:  # noqa: ANN401 - click's values
        mine = {name: values.pop(name) for name in list(values) if name in names}
        return command(*args, options=ClaimsOptions(mine), **values)

    for option in reversed(options):
        with_options = option(with_options)
    return with_options


def _option(name: str, *, multiple: bool = False, **rest: Any) -> Callable[[Any], Any]:  # noqa: ANN401 - click's
    flag = name.rstrip("_").replace("_", "-")
    decorator = click.option(f"--{flag}", name, multiple=multiple, **rest)

    def apply(command: Any) -> Any:  # noqa: ANN401 - a decorator
        return decorator(command)

    apply.__name__ = name
    return apply


_COMMON = [
    _option("expiry", type=MOMENT, help="Until when: 30d, 1y, 2027-01-31, or 0 for ever."),
    _option("start", type=MOMENT, help="From when."),
    _option("tag", multiple=True, help="A tag; may be repeated."),
    _option("set_", multiple=True, metavar="PATH=VALUE", help="Any member, as in limits.conn=10."),
]
_ALLOWED = [
    *(
        _option(name, multiple=True, metavar="SUBJECT", help=f"{name.replace('_', ' ').capitalize()}.")
        for name in _PERMISSIONS
    ),
    _option("allow_pub_response", type=int, is_flag=False, flag_value=1, metavar="COUNT",
            help="Leave to answer."),
    _option("response_ttl", type=DURATION, help="How long answers are allowed, as in 5s."),
]  # fmt: skip


def operator_claims(command: Callable[..., R]) -> Callable[..., R]:
    """Give *command* the options that make operator claims."""
    return _given(_COMMON, command)


def account_claims(command: Callable[..., R]) -> Callable[..., R]:
    """Give *command* the options that make account claims."""
    limits = [
        _option(name, type=kind, help=f"{text} -1 is no limit.")
        for name, (_, kind, text) in _ACCOUNT_LIMITS.items()
    ]
    info = [
        _option("description", help="What the account is for."),
        _option("info_url", help="Where it is described."),
    ]
    return _given([*limits, *_ALLOWED, *info, *_COMMON], command)


def user_claims(command: Callable[..., R]) -> Callable[..., R]:
    """Give *command* the options that make user claims."""
    own = [
        *(_option(name, type=kind, help="-1 is no limit.") for name, kind in _USER_LIMITS.items()),
        _option("source_network", multiple=True, metavar="CIDR", help="Network that logins come from."),
        _option("conn_type", multiple=True, help="STANDARD, WEBSOCKET, LEAFNODE, MQTT, …"),
        _option("bearer", is_flag=True, help="No proof of the key at login."),
    ]
    return _given([*_ALLOWED, *own, *_COMMON], command)
