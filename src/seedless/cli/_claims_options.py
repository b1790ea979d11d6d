"""Options that make claims and edit them, with the names of nsc, and `--set` for everything else.

Commands that edit have the options that remove as well; what no option says stays as it is.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click
from msgspec.structs import replace

from seedless.claims import Account, Operator, Template, User
from seedless.cli import _claims_edit as edit
from seedless.cli._claims_set import with_settings
from seedless.cli.values import COUNT, DURATION, MOMENT, SIZE, TIME_RANGE, Moment
from seedless.errors import UsageError
from seedless.plan import Times

if TYPE_CHECKING:
    from collections.abc import Callable

    from seedless.jwt import Claims

    Decorator = Callable[[Any], Any]

B = TypeVar("B")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class ClaimsOptions:
    """What the options say of claims, still as option values."""

    values: dict[str, Any]

    @property
    def are_given(self) -> bool:
        """Whether any option was given."""
        return any(value is not None and value != () for value in self.values.values())

    def require_given(self, *others: object) -> None:
        """Raise `UsageError` when neither these options nor one of the *others* was given."""
        if not self.are_given and not any(others):
            raise UsageError("nothing is to be changed", "say what with an option; --help lists them")

    def times(self, now: int) -> Times:
        """Return from when until when new claims hold."""
        return self._times(now, Times())

    def _times(self, now: int, standing: Times) -> Times:
        start: Moment | None = self.values.get("start")
        expiry: Moment | None = self.values.get("expiry")
        return Times(
            start=standing.start if start is None else start.at(now),
            expiry=standing.expiry if expiry is None else expiry.at(now),
        )

    def claims(self, standing: Claims[B], now: int) -> Claims[B]:
        """Return *standing* claims with what the options say; spans count from *now* (Unix seconds)."""
        times = self._times(now, Times(start=standing.nbf, expiry=standing.exp))
        return replace(standing, body=self.body(standing.body), nbf=times.start, exp=times.expiry)

    def body(self, standing: B) -> B:
        """Return the body of an operator, account or user, or a template, with what the options say."""
        changed: object = standing
        match standing:
            case Operator():
                changed = edit.operator(standing, self.values)
            case Account():
                changed = edit.account(standing, self.values)
            case User() | Template():
                members = edit.permissions(standing, self.values) | edit.user_limits(standing, self.values)
                if isinstance(standing, User):
                    members["tags"] = edit.tags(standing.tags, self.values)
                changed = replace(standing, **members)
        return cast("B", with_settings(changed, self.values.get("set_", ()), self.values.get("unset", ())))


def _given(options: list[Decorator], command: Callable[..., R]) -> Callable[..., R]:
    names = {option.__name__ for option in options}

    @functools.wraps(command)
    def with_options(*args: Any, **values: Any) -> R:  # noqa: ANN401 - click's values
        mine = {name: values.pop(name) for name in list(values) if name in names}
        return command(*args, options=ClaimsOptions(mine), **values)

    for option in reversed(options):
        with_options = option(with_options)
    return with_options


def _option(name: str, *short: str, **rest: Any) -> Decorator:  # noqa: ANN401 - click's
    flag = f"--{name.rstrip('_').replace('_', '-')}"
    decorator = click.option(flag, *short, name, **rest)
    decorator.__name__ = name
    return decorator


def several(
    name: str,
    *short: str,
    metavar: str,
    help: str,  # noqa: A002 - click's
    kind: click.ParamType = click.STRING,  # type: ignore[type-arg]  # generic in new versions of click only
) -> Decorator:
    """Return an option that may be repeated, or given with commas, as nsc has it; each value is a *kind*."""

    def split(ctx: click.Context, param: click.Parameter, given: tuple[str, ...]) -> tuple[Any, ...]:
        parts = (part for several in given for part in several.split(",") if part)
        return tuple(kind.convert(part, param, ctx) for part in parts)

    words = f"{help}; may be repeated."
    return _option(name, *short, multiple=True, metavar=metavar, help=words, callback=split)


def _switch(name: str, help: str) -> Decorator:  # noqa: A002 - click's
    """Return the flags `--name` and `--no-name`; without either it stays as it is."""
    flag = name.replace("_", "-")
    decorator = click.option(f"--{flag}/--no-{flag}", name, default=None, help=help)
    decorator.__name__ = name
    return decorator


def _flag(name: str, help: str) -> Decorator:  # noqa: A002 - click's
    return _option(name, is_flag=True, default=None, help=help)


_TIMES = [
    _option("expiry", type=MOMENT, help="Until when: 30d, 1y, 2027-01-31, or 0 for ever."),
    _option("start", type=MOMENT, help="From when; 0 for always."),
]
_TAGS = [several("tag", metavar="TAG", help="A tag")]
_RM_TAGS = [several("rm_tag", metavar="TAG", help="Remove a tag")]
_SET = [
    _option("set_", multiple=True, metavar="PATH=VALUE", help="Any member, as in limits.conn=10."),
]
_UNSET = [_option("unset", multiple=True, metavar="PATH", help="Remove a member, as in trace.")]
_PERMISSIONS = [
    *(
        several(f"{rule}_{side}", metavar="SUBJECT", help=f"{rule.capitalize()} to {words}")
        for rule in ("allow", "deny")
        for side, words in (("pub", "publish"), ("sub", "subscribe"), ("pubsub", "do both"))
    ),
    _option("allow_pub_response", type=int, is_flag=False, flag_value=1, metavar="COUNT",
            help="Leave to answer so many times."),
    _option("response_ttl", type=DURATION, help="How long answers are allowed, as in 5s."),
]  # fmt: skip
_RM_PERMISSIONS = [
    several("rm", metavar="SUBJECT", help="Remove a subject from all permissions"),
    _flag("rm_response_perms", "Remove the leave to answer."),
]
_USER = [
    _option("subs", type=COUNT, help="Subscriptions. -1 is no limit."),
    _option("data", type=SIZE, help="Bytes in all. -1 is no limit."),
    _option("payload", type=SIZE, help="Bytes of one message. -1 is no limit."),
    several("source_network", metavar="CIDR", help="Network that logins come from"),
    several("time", kind=TIME_RANGE, metavar="START-END", help="When logins are, as in 08:00:00-18:00:00"),
    _option("locale", metavar="ZONE", help="Time zone of --time, as in Europe/Berlin."),
    several("conn_type", metavar="TYPE", help="STANDARD, WEBSOCKET, LEAFNODE, MQTT, …"),
    _switch("bearer", "No proof of the key at login."),
    _switch("proxy_required", "Logins come through a trusted proxy."),
]
_RM_USER = [
    several("rm_source_network", metavar="CIDR", help="Remove a network"),
    several("rm_time", metavar="START", help="Remove the times that begin so"),
    several("rm_conn_type", metavar="TYPE", help="Remove a kind of connection"),
]
_COUNTS = {"conns": "Connections", "leaf_conns": "Leaf node connections", "subscriptions": "Subscriptions",
           "exports": "Exports", "imports": "Imports"}  # fmt: skip
_ACCOUNT = [
    *(_option(name, type=COUNT, help=f"{text}. -1 is no limit.") for name, text in _COUNTS.items()),
    _option("data", type=SIZE, help="Bytes in all. -1 is no limit."),
    _option("payload", type=SIZE, help="Bytes of one message. -1 is no limit."),
    _switch("wildcard_exports", "Exports may have wildcards."),
    _switch("disallow_bearer", "Refuse users with bearer tokens."),
    _option("js_tier", type=click.IntRange(min=0), help="JetStream: the tier that is limited; 0: all."),
    _option("js_mem_storage", type=SIZE, help="JetStream: bytes in memory. -1 is no limit."),
    _option("js_disk_storage", type=SIZE, help="JetStream: bytes on disk. -1 is no limit."),
    _option("js_streams", type=COUNT, help="JetStream: streams. -1 is no limit."),
    _option("js_consumer", type=COUNT, help="JetStream: consumers. -1 is no limit."),
    _option("js_max_ack_pending", type=COUNT, help="JetStream: messages waiting for an ack."),
    _option("js_max_mem_stream", type=SIZE, help="JetStream: bytes of a stream in memory."),
    _option("js_max_disk_stream", type=SIZE, help="JetStream: bytes of a stream on disk."),
    _switch("js_max_bytes_required", "JetStream: streams must say how large they get."),
    _option("js_enable", type=click.IntRange(min=0), metavar="TIER",
            help="JetStream: turn on without limits; 0: all tiers."),
    _option("description", help="What the account is for."),
    _option("info_url", help="Where it is described."),
    _option("trace_context_subject", metavar="SUBJECT", help='Where traces go; "" for nowhere.'),
    _option("trace_context_sampling", type=click.IntRange(0, 100), help="Percent of what is traced."),
    _option("cluster_traffic", type=click.Choice(["system", "owner", "none"]),
            help="Who carries it in a cluster."),
]  # fmt: skip
_RM_ACCOUNT = [
    _flag("js_disable", "JetStream: turn off, by removing all its limits."),
    _option(
        "rm_js_tier",
        type=click.IntRange(min=0),
        metavar="TIER",
        help="JetStream: remove the limits of a tier.",
    ),
]
_OPERATOR = [
    _option("account_jwt_server_url", "-u", metavar="URL", help="Where account jwts are pushed and pulled."),
    several("service_url", "-n", metavar="URL", help="Where clients connect"),
    _switch("require_signing_keys", "Accounts are signed by signing keys alone."),
    _option("assert_server_version", metavar="X.Y.Z", help="Older servers do not start."),
]
_RM_OPERATOR = [
    _flag("rm_account_jwt_server_url", "Remove the URL for account jwts."),
    several("rm_service_url", metavar="URL", help="Remove a URL for clients"),
    _option("system_account", metavar="NAME|KEY", help="The system account."),
]


def operator_claims(command: Callable[..., R]) -> Callable[..., R]:
    """Give *command* the options that make operator claims."""
    return _given([*_OPERATOR, *_TIMES, *_TAGS, *_SET], command)


def operator_edits(command: Callable[..., R]) -> Callable[..., R]:
    """Give *command* the options that edit operator claims."""
    return _given([*_OPERATOR, *_RM_OPERATOR, *_TIMES, *_TAGS, *_RM_TAGS, *_SET, *_UNSET], command)


def account_claims(command: Callable[..., R]) -> Callable[..., R]:
    """Give *command* the options that make account claims."""
    return _given([*_ACCOUNT, *_PERMISSIONS, *_TIMES, *_TAGS, *_SET], command)


def account_edits(command: Callable[..., R]) -> Callable[..., R]:
    """Give *command* the options that edit account claims."""
    removing = [*_RM_ACCOUNT, *_RM_PERMISSIONS, *_RM_TAGS, *_UNSET]
    return _given([*_ACCOUNT, *_PERMISSIONS, *_TIMES, *_TAGS, *_SET, *removing], command)


def user_claims(command: Callable[..., R]) -> Callable[..., R]:
    """Give *command* the options that make user claims."""
    return _given([*_PERMISSIONS, *_USER, *_TIMES, *_TAGS, *_SET], command)


def user_edits(command: Callable[..., R]) -> Callable[..., R]:
    """Give *command* the options that edit user claims."""
    removing = [*_RM_PERMISSIONS, *_RM_USER, *_RM_TAGS, *_UNSET]
    return _given([*_PERMISSIONS, *_USER, *_TIMES, *_TAGS, *_SET, *removing], command)


def scope_claims(command: Callable[..., R]) -> Callable[..., R]:
    """Give *command* the options that make the template of a scope."""
    return _given([*_PERMISSIONS, *_USER, *_SET], command)


def scope_edits(command: Callable[..., R]) -> Callable[..., R]:
    """Give *command* the options that edit the template of a scope."""
    return _given([*_PERMISSIONS, *_USER, *_SET, *_RM_PERMISSIONS, *_RM_USER, *_UNSET], command)
