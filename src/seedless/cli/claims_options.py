"""Options of new claims and of edits, made from the table of `claims.fields`; `--set` for everything else.

Commands that edit have the options that remove as well; what no option gives stays as it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, cast

import click
import msgspec
from msgspec.structs import replace

from seedless.claims import Account, Operator, Template, User, edits, fields
from seedless.claims.edits import with_settings
from seedless.cli.command import GroupedOption
from seedless.cli.options import OptionsDecorator, gathered
from seedless.cli.values import COUNT, DURATION, MOMENT, SIZE, TIME_RANGE
from seedless.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from seedless.cli.workspace import CommandWorkspace
    from seedless.jwt import Claims

    Decorator = Callable[[Any], Any]

B = TypeVar("B")
R = TypeVar("R")


def nothing_to_change() -> UsageError:
    """Return the error of a command that was given no option that changes anything."""
    return UsageError("no option names a change", f"{click.get_current_context().command_path} --help")


class ClaimsOptions(msgspec.Struct, frozen=True):
    """What the options set in claims, still as option values."""

    values: dict[str, Any]

    @property
    def are_given(self) -> bool:
        """Whether any option was given."""
        return any(value is not None and value != () for value in self.values.values())

    def require_given(self, *others: object) -> None:
        """Raise `UsageError` when neither these options nor one of the *others* was given."""
        if not self.are_given and not any(others):
            raise nothing_to_change()

    def claims(self, existing: Claims[B], now: int) -> Claims[B]:
        """Return *existing* claims with what the options set; spans count from *now* (Unix seconds)."""
        bounds = {member: self.values.get(name) for member, name in (("nbf", "start"), ("exp", "expiry"))}
        times = {member: moment.at(now) for member, moment in bounds.items() if moment is not None}
        return replace(existing, body=self.body(existing.body), **times)

    def change(self, workspace: CommandWorkspace) -> Callable[[Claims[Any]], Claims[Any]]:
        """Return `claims` for the time of *workspace* when it is called."""
        return lambda existing: self.claims(existing, workspace.now)

    def body(self, existing: B) -> B:
        """Return the body of an operator, account or user, or a template, with what the options set."""
        changed: object = existing
        match existing:
            case Operator():
                changed = edits.operator(existing, self.values)
            case Account():
                changed = edits.account(existing, self.values)
            case User() | Template():
                changed = edits.user(existing, self.values)
        return cast("B", with_settings(changed, self.values.get("set_", ()), self.values.get("unset", ())))


def _options_of(*options: Decorator) -> OptionsDecorator:
    """Return a decorator that gives a command *options*, and their values as `options`."""
    return gathered("options", *options, make=ClaimsOptions)


def _option(name: str, *short: str, **rest: Any) -> Decorator:  # noqa: ANN401 - click's
    flag = f"--{name.rstrip('_').replace('_', '-')}"
    return click.option(flag, *short, name, **rest)


def several(
    name: str,
    *short: str,
    metavar: str,
    help: str,  # noqa: A002 - click's
    kind: click.ParamType = click.STRING,  # type: ignore[type-arg]  # generic in new versions of click only
    **rest: Any,  # noqa: ANN401 - click's
) -> Decorator:
    """Return an option that may be repeated, or given with commas, as nsc has it; each value is a *kind*."""

    def split(ctx: click.Context, param: click.Parameter, given: tuple[str, ...]) -> tuple[Any, ...]:
        parts = (part for several in given for part in several.split(",") if part)
        return tuple(kind.convert(part, param, ctx) for part in parts)

    words = f"{help}; may be repeated."
    return _option(name, *short, multiple=True, metavar=metavar, help=words, callback=split, **rest)


def _switch(name: str, help: str, **rest: Any) -> Decorator:  # noqa: A002, ANN401 - click's
    """Return the flags `--name` and `--no-name`; without either it stays as it is."""
    flag = name.replace("_", "-")
    return click.option(f"--{flag}/--no-{flag}", name, default=None, help=help, **rest)


def _flag(name: str, help: str, **rest: object) -> Decorator:  # noqa: A002 - click's
    return _option(name, is_flag=True, default=None, help=help, **rest)


_TIMES = [
    _option("expiry", type=MOMENT, help="Expiry: 30d, 1y, 2027-01-31, or 0 for none."),
    _option("start", type=MOMENT, help="Not valid before; 0 for no such time."),
]
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
            help="Permission to respond so many times."),
    _option("response_ttl", type=DURATION, help="How long answers are allowed, as in 5s."),
]  # fmt: skip
_RM_PERMISSIONS = [
    several("rm", metavar="SUBJECT", help="Remove from all"),
    _flag("rm_response_perms", "Remove the permission to respond."),
]
_LIMITS, _JETSTREAM = "Limits", "JetStream"  # headings in the help
_JS_TIER = _option("js_tier", type=click.IntRange(min=0), help="JetStream: the tier that is limited; 0: all.")
_JS_ENABLE = _option(
    "js_enable", type=click.IntRange(min=0), metavar="TIER",
    help="JetStream: turn on without limits; 0: all tiers.",
)  # fmt: skip
_TRACE = [
    _option("trace_context_subject", metavar="SUBJECT", help='Where traces go; "" for nowhere.'),
    _option("trace_context_sampling", type=click.IntRange(0, 100), help="Percent of what is traced."),
]
_RM_JETSTREAM = [
    _flag("js_disable", "JetStream: turn off, by removing all its limits."),
    _option(
        "rm_js_tier", type=click.IntRange(min=0), metavar="TIER",
        help="JetStream: remove the limits of a tier.", cls=GroupedOption, heading=_JETSTREAM, is_rare=True,
    ),
]  # fmt: skip
_SYSTEM_ACCOUNT = _option(
    "system_account", metavar="NAME|KEY", help="The system account.", cls=GroupedOption, heading="Options"
)


def _of_row(row: fields.Row, heading: str) -> Decorator:
    """Return the option that sets the member of *row*, or adds to its list."""
    place: dict[str, Any] = {"cls": GroupedOption, "heading": heading, "is_rare": row.is_rare}
    short = (row.short,) if isinstance(row, fields.Text | fields.TextList) and row.short else ()
    match row:
        case fields.Limit():
            unlimited = "0 or -1" if row.zero_is_unlimited else "-1"
            kind = SIZE if row.in_bytes else COUNT
            return _option(row.option, type=kind, help=f"{row.help}. {unlimited} is no limit.", **place)
        case fields.Flag():
            return _switch(row.option, row.help, **place)
        case fields.Text(choices=()):
            return _option(row.option, *short, metavar=row.metavar, help=row.help, **place)
        case fields.Text():
            return _option(row.option, *short, type=click.Choice(row.choices), help=row.help, **place)
        case fields.TextList():
            return several(row.option, *short, metavar=row.metavar, help=row.help, **place)
        case fields.AllowList():
            value = TIME_RANGE if row.entry == "span" else click.STRING
            return several(row.option, metavar=row.metavar, help=row.help, kind=value, **place)


def _options(table: tuple[fields.Row, ...], heading: str = "Options") -> list[Decorator]:
    return [_of_row(row, heading) for row in table]


def _removals(table: tuple[fields.Row, ...], heading: str = "Options") -> list[Decorator]:
    """Return the options that remove what the rows of *table* have, where such an option exists."""
    place: dict[str, Any] = {"cls": GroupedOption, "heading": heading}
    found = []
    for row in table:
        match row:
            case fields.AllowList() | fields.TextList():
                is_span = isinstance(row, fields.AllowList) and row.entry == "span"
                metavar = "START" if is_span else row.metavar
                found.append(several(f"rm_{row.option}", metavar=metavar, help=row.remove, **place))
            case fields.Text() if row.remove:
                found.append(_flag(f"rm_{row.option}", row.remove, **place))
    return found


_TAGS = (fields.TAGS,)


_ACCOUNT = [
    *_options(fields.ACCOUNT_LIMITS, _LIMITS),
    _JS_TIER, *_options(fields.JETSTREAM, _JETSTREAM), _JS_ENABLE, *_TRACE,
    *_options(fields.ACCOUNT), *_PERMISSIONS, *_TIMES, *_options(_TAGS), *_SET,
]  # fmt: skip
operator_claims = _options_of(*_options(fields.OPERATOR), *_TIMES, *_options(_TAGS), *_SET)
operator_edits = _options_of(
    *_options(fields.OPERATOR), _SYSTEM_ACCOUNT, *_TIMES, *_options(_TAGS), *_SET,
    *_removals((*fields.OPERATOR, fields.TAGS)), *_UNSET,
)  # fmt: skip
account_claims = _options_of(*_ACCOUNT)
account_edits = _options_of(
    *_ACCOUNT, *_RM_JETSTREAM, *_RM_PERMISSIONS, *_removals((*fields.ACCOUNT, fields.TAGS)), *_UNSET,
)  # fmt: skip
_AT_JETSTREAM: dict[str, Any] = {"cls": GroupedOption, "heading": "Permissions"}
# A line of the help each: the pages have more.
_JETSTREAM_KINDS = (
    ("js_publish", "STREAM:SUBJECT", "Publish to a stream"),
    ("js_consume", "STREAM[:NAME]", "Consume a stream"),
    ("kv", "BUCKET[:write]", "Key-value bucket"),
    ("object_store", "NAME[:write]", "Object store"),
    ("js_manage", "STREAM", "Create, change, delete"),
)
_JETSTREAM_PERMISSIONS = [
    *(
        several(f"allow_{name}", metavar=metavar, help=words, **_AT_JETSTREAM)
        for name, metavar, words in _JETSTREAM_KINDS
    ),
    _option("js_domain", metavar="DOMAIN", help="Where these streams are.", is_rare=True, **_AT_JETSTREAM),
    _option(
        "inbox_prefix",
        metavar="PREFIX",
        help="Of the client [default: as before, or _INBOX].",
        is_rare=True,
        **_AT_JETSTREAM,
    ),
]
_RM_JETSTREAM_PERMISSIONS = [
    several(
        f"rm_{name}",
        metavar=metavar.removesuffix("[:write]"),
        help=f"Remove --allow-{name.replace('_', '-')}",
        is_rare=True,
        **_AT_JETSTREAM,
    )
    for name, metavar, _ in _JETSTREAM_KINDS
]
_USER = [*_PERMISSIONS, *_JETSTREAM_PERMISSIONS, *_options(fields.USER, _LIMITS)]
"""What users and scopes have in common."""


_RM_USER = [*_RM_PERMISSIONS, *_RM_JETSTREAM_PERMISSIONS, *_removals(fields.USER, _LIMITS)]
_NEW_USER = [*_USER, *_TIMES, *_options(_TAGS), *_SET]
user_claims = _options_of(*_NEW_USER)
user_edits = _options_of(*_NEW_USER, *_RM_USER, *_removals(_TAGS), *_UNSET)
scope_claims = _options_of(*_USER, *_SET)
scope_edits = _options_of(*_USER, *_SET, *_RM_USER, *_UNSET)
