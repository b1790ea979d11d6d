"""What the options of claims make of existing claims: what is not given stays.

Removals come first, then what is added or set; a list keeps its order and holds nothing twice.

`--set PATH=VALUE` and `--unset PATH`: any member of a body, checked by the type of the member.

Paths are written as findings and reviews write them: `limits.conn`, `exports[0].name`,
`mappings."orders.*"[0].weight`. Refused are members that there are not, and values that do not fit.
"""

from __future__ import annotations

import itertools
import json
import re
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
from msgspec.structs import replace

from seedless import typed_json, wire
from seedless.claims import jetstream as jetstream_permissions
from seedless.claims.bodies import (
    NO_LIMIT,
    JetStreamLimits,
    MessageTrace,
    Permission,
    ResponsePermission,
    TimeRange,
)
from seedless.claims.fields import (
    ACCOUNT,
    ACCOUNT_LIMITS,
    JETSTREAM,
    OPERATOR,
    TAGS,
    USER,
    AllowList,
    Flag,
    Limit,
    Text,
    TextList,
    limit_rows,
)
from seedless.errors import BadClaims, UsageError
from seedless.text import quoted, shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from seedless.claims.bodies import Account, Limits, Operator, Permissions, Template, User
    from seedless.claims.fields import Row

    Permitted = Permissions | Template | User
    Options = Mapping[str, Any]

T = TypeVar("T")

_NO_STORAGE = {"mem_storage": 0, "disk_storage": 0}
_OFF = {name: getattr(JetStreamLimits(), name) for name in JetStreamLimits.__struct_fields__}
_UNLIMITED = _OFF | dict.fromkeys(limit_rows(JETSTREAM), NO_LIMIT)
_BEGUN = _UNLIMITED | _NO_STORAGE
"""What a tier begins with, as nsc has it: no storage yet, and no other limit."""


def given(table: Iterable[Row], options: Options) -> dict[str, object]:
    """Return the limits, flags and texts that *options* (by name) give for the rows of *table*, by member."""
    members: dict[str, object] = {}
    for row in table:
        value = options.get(row.option)
        if isinstance(row, Text):
            if value is None and row.remove and options.get(f"rm_{row.option}"):
                value = ""
            if row.no_choice and value == row.no_choice:
                value = ""
        if isinstance(row, Limit | Flag | Text) and value is not None:
            members[row.member] = value
    return members


def edited(table: Iterable[Row], body: object, options: Options) -> dict[str, object]:
    """Return as `given`, and the lists of *body* with what *options* add and remove, by member."""
    table = tuple(table)
    lists = [row for row in table if isinstance(row, TextList | AllowList)]
    return given(table, options) | {
        row.member: _edited_list(row, getattr(body, row.member), options) for row in lists
    }


def _edited_list(row: TextList | AllowList, entries: Sequence[Any], options: Options) -> tuple[Any, ...]:
    """Return *entries* without those removed, and with those added, each once, in the case of *row*.

    Spans of a day are removed by their start.
    """

    def removal_key(entry: Any) -> str:  # noqa: ANN401 - text or a span of a day
        return entry.start if isinstance(entry, TimeRange) else _in_case(row, entry)

    removed = {_in_case(row, text) for text in options.get(f"rm_{row.option}", ())}
    kept = [entry for entry in entries if removal_key(entry) not in removed]
    existing = {_in_case(row, entry) for entry in kept}
    added = [_in_case(row, entry) for entry in options.get(row.option, ())]
    return listed(kept, [entry for entry in added if entry and entry not in existing])


def _in_case(row: TextList | AllowList, entry: Any) -> Any:  # noqa: ANN401 - text or a span of a day
    """Return *entry* as claims contain it; a span of a day, and the start of one, as it is."""
    if isinstance(row, AllowList) and row.entry != "lower":
        return entry if row.entry == "span" else entry.strip().upper()
    return entry.strip().lower()


def listed(existing: Iterable[T], added: Iterable[T] = (), removed: Iterable[T] = ()) -> tuple[T, ...]:
    """Return *existing* without *removed*, and with *added* at the end, each once."""
    without = set(removed)
    return tuple(dict.fromkeys([*(item for item in existing if item not in without), *added]))


def permissions(permitted: Permitted, options: Options) -> dict[str, object]:
    """Return the members `pub`, `sub` and `resp`."""

    def edited_side(side: str) -> Permission:
        permission: Permission = getattr(permitted, side)
        added = {
            rule: (*options.get(f"{rule}_{side}", ()), *options.get(f"{rule}_pubsub", ())) for rule in rules
        }
        return Permission(**{rule: listed(getattr(permission, rule), added[rule], removed) for rule in rules})

    rules, removed = ("allow", "deny"), options.get("rm", ())
    return {"pub": edited_side("pub"), "sub": edited_side("sub"), "resp": _responses(permitted.resp, options)}


def _responses(existing: ResponsePermission | None, options: Options) -> ResponsePermission | None:
    count, ttl = options.get("allow_pub_response"), options.get("response_ttl")
    if options.get("rm_response_perms"):
        existing = None
    if count is None and ttl is None:
        return existing
    before = existing or ResponsePermission(max=1)
    return ResponsePermission(
        max=before.max if count is None else count, ttl=before.ttl if ttl is None else ttl
    )


def user(body: User | Template, options: Options) -> User | Template:
    """Return the body of a user, or the template of a scope."""
    table = (*USER, TAGS) if hasattr(body, TAGS.member) else USER
    kept = jetstream_permissions.remove(body, jetstream_permissions.removed_by(options))
    changed = replace(kept, **permissions(kept, options), **edited(table, kept, options))
    return jetstream_permissions.allow(changed, jetstream_permissions.of_options(options))


def operator(body: Operator, options: Options) -> Operator:
    """Return the body of an operator; a name as `system_account` is for `Operators.edit` to replace."""
    members = edited((*OPERATOR, TAGS), body, options)
    if options.get("system_account") is not None:
        members["system_account"] = options["system_account"]
    return replace(body, **members)


def account(body: Account, options: Options) -> Account:
    """Return the body of an account."""
    defaults = body.default_permissions
    return replace(
        body,
        **edited((*ACCOUNT, TAGS), body, options),
        limits=jetstream(replace(body.limits, **given(ACCOUNT_LIMITS, options)), options),
        default_permissions=replace(defaults, **permissions(defaults, options)),
        trace=_trace(body.trace, options),
    )


def _trace(existing: MessageTrace | None, options: Options) -> MessageTrace | None:
    subject, sampling = options.get("trace_context_subject"), options.get("trace_context_sampling")
    if subject == "":
        if sampling is not None:
            raise UsageError("what is not traced is not sampled", "leave out --trace-context-sampling")
        return None
    if subject is None and sampling is not None and existing is None:
        raise UsageError("nothing is traced yet", "name a subject: --trace-context-subject")
    trace = existing or MessageTrace()
    if subject is not None:
        trace = MessageTrace(dest=subject)
    return replace(trace, sampling=sampling) if sampling is not None else trace if subject else existing


def jetstream(existing: Limits, options: Options) -> Limits:
    """Return the limits of an account changed by the `--js-…` options; raise `UsageError`.

    Flat limits and tiers exclude each other (nats-io/jwt v2.8.2, `OperatorLimits.Validate`).
    """
    changed = given(JETSTREAM, options)
    tier = options.get("js_tier")
    orders = [name for name in ("js_disable", "js_enable", "rm_js_tier") if options.get(name) is not None]
    if len(orders) > 1 or (orders and (changed or tier is not None)):
        name = orders[0].replace("_", "-")
        raise UsageError(f"--{name} is used alone", "leave out the other options of JetStream")
    if orders == ["js_disable"]:
        return replace(existing, **_OFF, tiered_limits={})
    if orders == ["rm_js_tier"]:
        return _without_tier(existing, options["rm_js_tier"])
    if orders == ["js_enable"]:
        if any(_of_tier(existing, options["js_enable"]).values()):
            raise UsageError(f"JetStream is on already for {_named(options['js_enable'])}", "set its limits")
        return _with_tier(existing, options["js_enable"], _UNLIMITED)
    if tier is not None and not changed:
        raise UsageError(
            "--js-tier names a tier, and no limit is set", "as in --js-tier 3 --js-disk-storage 10G"
        )
    if not changed:
        return existing
    before = _of_tier(existing, tier or 0)
    return _with_tier(existing, tier or 0, (before if any(before.values()) else _BEGUN) | changed)


def _of_tier(limits: Limits, tier: int) -> dict[str, object]:
    held = limits if tier == 0 else limits.tiered_limits.get(f"R{tier}", JetStreamLimits())
    return {name: getattr(held, name) for name in _OFF}


def _named(tier: int) -> str:
    return f"tier R{tier}" if tier else "the account"


def _with_tier(limits: Limits, tier: int, members: Mapping[str, Any]) -> Limits:
    if tier == 0:
        if limits.tiered_limits:
            names = ", ".join(limits.tiered_limits)
            raise UsageError(
                f"the account has limits for the tiers {names}, and then none of its own",
                "name one with --js-tier, or remove them with --rm-js-tier",
            )
        return replace(limits, **members)
    if any(_of_tier(limits, 0).values()):
        raise UsageError(
            "the account has limits of JetStream that are for all tiers", "remove them first: --rm-js-tier 0"
        )
    return replace(limits, tiered_limits={**limits.tiered_limits, f"R{tier}": JetStreamLimits(**members)})


def _without_tier(limits: Limits, tier: int) -> Limits:
    if not (f"R{tier}" in limits.tiered_limits if tier else any(_of_tier(limits, 0).values())):
        raise UsageError(f"there are no limits of JetStream for {_named(tier)}", "seedless account show NAME")
    if tier == 0:
        return replace(limits, **_OFF)
    kept = {name: held for name, held in limits.tiered_limits.items() if name != f"R{tier}"}
    return replace(limits, tiered_limits=kept)


B = TypeVar("B")
Step = str | int

_DEEPEST = 20  # members of members
_STEP = re.compile(r'\.?(?:"((?:[^"\\]|\\.)*)"|\[(\d{1,6})\]|([^.\[\]"=]+))')
_NOTHING = wire.Number("0.5")
"""Fits nowhere: no member of any claims is a fraction."""
_LOOK = "look at seedless show --json"
_HOLDS = "seedless show --json shows what such a member holds; --unset takes it out"


def with_settings(body: B, settings: Sequence[str], removals: Sequence[str] = ()) -> B:
    """Return *body* without the members at the paths *removals*, and with *settings*, each `path=value`.

    A value is JSON, or text as it is where the member is text. Raise `UsageError`.
    """
    for path in removals:
        body = _unset(body, path)
    for setting in settings:
        body = _set(body, setting)
    return body


def steps_of(path: str) -> tuple[Step, ...]:
    """Return the names and indexes of *path*; raise `UsageError` when it is none."""
    steps, rest = _path(path)
    if rest or not steps:
        raise UsageError(f"{quoted(path)} is not a path of a member", "as in limits.conn or exports[0].name")
    return steps


def _path(text: str) -> tuple[tuple[Step, ...], str]:
    """Return the steps that *text* begins with, and the rest of it."""
    try:
        text.encode()  # a path too: a name that is not UTF-8 could be set, and then never be written
    except UnicodeEncodeError:
        raise UsageError(f"{quoted(text)} is not UTF-8", "write it in UTF-8") from None
    text = text.removeprefix("nats.")
    steps: list[Step] = []
    position = 0
    while match := _STEP.match(text, position):
        name, index, word = match.groups()
        if name is not None:
            steps.append(re.sub(r"\\(.)", r"\1", name))
        else:
            steps.append(int(index) if index is not None else word)
        position = match.end()
    if len(steps) > _DEEPEST:
        raise UsageError(f"{shown(text[:80])}… goes {len(steps)} members deep", _LOOK)
    return tuple(steps), text[position:]


def _set(body: B, setting: str) -> B:
    steps, rest = _path(setting)
    if not steps or not rest.startswith("="):
        raise UsageError(f"--set {quoted(setting)} is not path=value", "as in --set limits.conn=10")
    problem: BadClaims | None = None
    for value in _readings(rest[1:], setting):
        members = _members(body)
        place = _place(members, steps, setting)
        if isinstance(place, list) and steps[-1] == len(place):
            place.append(value)
        else:
            place[steps[-1]] = value
        try:
            return _fitted(members, body, "--set")
        except BadClaims as error:
            problem = problem or error
    if problem is None:  # there is always a reading
        return body
    raise UsageError(f"--set {problem.message}", problem.hint or _HOLDS) from problem


def _readings(text: str, setting: str) -> Iterator[object]:
    """Yield what *text* may mean: JSON where it is that, then the text itself."""
    try:
        yield wire.parse(text.encode())
    except BadClaims as error:
        if text[:1] in {"{", "["}:
            raise UsageError(f"--set {quoted(setting)}: {error.message}", "write JSON") from error
    yield text


def _unset(body: B, path: str) -> B:
    steps = steps_of(path)
    members = _members(body)
    place: Any = members
    for step in steps[:-1]:
        place = _inside(place, step)
    if _inside(place, steps[-1]) is None:
        _require_known(body, steps, path)
        return body
    del place[steps[-1]]
    return _fitted(members, body, "--unset")


def _require_known(body: object, steps: tuple[Step, ...], path: str) -> None:
    """Raise `UsageError` unless there could be a member at *steps*, which has no value now."""
    if isinstance(steps[-1], int):
        raise UsageError(f"--unset {shown(path)}: the list has no such entry", _LOOK)
    members = _members(body)
    _place(members, steps, path)[steps[-1]] = _NOTHING
    try:
        _fitted(members, body, "--unset")
    except BadClaims:
        return


def _members(body: object) -> dict[str, object]:
    found: dict[str, object] = json.loads(msgspec.json.encode(body))
    return found


def _inside(place: object, step: Step) -> object:
    """Return what is at *step* of *place*, or None."""
    if isinstance(place, dict):
        return place.get(step)
    if isinstance(place, list) and isinstance(step, int) and step < len(place):
        return place[step]
    return None


def _place(members: dict[str, Any], steps: tuple[Step, ...], path: str) -> Any:  # noqa: ANN401 - what JSON holds
    """Return the object or list of the last of *steps*; objects and lists on the way are made."""
    place: Any = members
    for step, following in itertools.pairwise(steps):
        _require_holds(place, step, path)
        inner = _inside(place, step)
        if inner is None:
            inner = [] if isinstance(following, int) else {}
            if isinstance(place, list):
                place.append(inner)
            else:
                place[step] = inner
        place = inner
    _require_holds(place, steps[-1], path)
    return place


def _require_holds(place: object, step: Step, path: str) -> None:
    if isinstance(step, int):
        if not isinstance(place, list) or step > len(place):
            raise UsageError(f"{shown(path)}: there is no entry {step}", _LOOK)
    elif not isinstance(place, dict):
        raise UsageError(f"{shown(path)}: {shown(step)} has no place there", _LOOK)


def _fitted(members: dict[str, object], body: B, option: str) -> B:
    changed, unknown = typed_json.fit(members, type(body))
    if unknown:
        raise UsageError(f"{option} {unknown[0].path}: there is no such member", _LOOK)
    return changed
