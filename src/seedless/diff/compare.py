"""Compare claims: the lines of the registered members and of each kind of body, by danger.

A member that no line covers gets one of its own, as JSON: nothing changes unseen.

The two sides of a change are compared with what scopes give: the jwt of a user that a scope issues has no
permissions and limits, and an absent limit would read as 0. What it may do is in the scope, filled with the
name and the tags of the user, as servers do it.
"""

from __future__ import annotations

import bisect
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import msgspec

from seedless import wire
from seedless.claims import Account, Activation, Generic, Operator, Scope, User
from seedless.claims.effective import effective_template
from seedless.claims.templates import Unfillable, filled
from seedless.diff.account import account
from seedless.diff.bodies import activation, operator, user
from seedless.diff.members import Difference, Effect, Wording, compared, member, plain, value, word
from seedless.errors import BadClaims
from seedless.jwt import Claims
from seedless.text import brief
from seedless.trust import account_of, carries_nothing, filler_of, scope_of
from seedless.units import moment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from seedless.change import Change
    from seedless.deviations import Unknown


BODY = "nats"
_BODIES: dict[type, Callable[..., Iterator[Difference]]] = {
    Operator: operator,
    Account: account,
    User: user,
    Activation: activation,
}
_EXPIRING = (Operator, Account, User, Activation)
# An auth callout request holds the password with which somebody logs in; a review goes to terminals and
# logs.
_SECRET = frozenset({"nats.connect_opts.pass", "nats.connect_opts.auth_token"})
_INDEX = re.compile(r"\[\d+\]")
_ENDLESS = float("inf")
_DANGER = {effect: place for place, effect in enumerate(Effect)}


def diff(
    old: Claims[object] | None, new: Claims[object], *, names: Mapping[str, str] = MappingProxyType({})
) -> tuple[Difference, ...]:
    """Return the differences between *old* and *new*, those that widen access first; none when equal.

    Of something new (*old* is None) return all that it has, in the order of a portrait. *names* are known
    names of keys (key text → name). Never raises: claims that make no sense are shown as they are.
    """
    wording = Wording(names, is_new=old is None)
    base = _nothing(new) if old is None else old
    lines = list(_registered(wording, base, new))
    describe = _BODIES.get(type(new.body))
    if describe and type(base.body) is type(new.body):
        lines += describe(wording, BODY, (base.body, new.body))
    # Whatever no line above names: a member that is added to the claims some day is shown, and not signed
    # unseen.
    lines += _uncovered(wording, base, new, lines)
    # Stable: lines of one effect stay in the order of the members.
    return tuple(lines) if old is None else tuple(sorted(lines, key=lambda line: _DANGER[line.effect]))


def unknown_members(old: Sequence[Unknown], new: Sequence[Unknown]) -> tuple[Difference, ...]:
    """Return the differences between the members of two jwts that we do not know."""
    was, now = ({member.path: member.text for member in side} for side in (old, new))
    return tuple(
        Difference(
            Effect.CHANGES,
            f"unknown member {brief(path)}",
            f"{brief(was.get(path, 'none'))} -> {brief(now.get(path, 'none'))}",
            (path,),
            was.get(path),
            now.get(path),
        )
        for path in [*now, *(path for path in was if path not in now)]
        if was.get(path) != now.get(path)
    )


def _nothing(new: Claims[object]) -> Claims[object]:
    return Claims(sub="", body=type(new.body)(), version=new.version)


def _registered(wording: Wording, old: Claims[Any], new: Claims[Any]) -> Iterator[Difference]:
    kinds = (old.body.kind, new.body.kind)
    # Another kind under one subject is never a small change, whichever way it goes.
    yield from value(wording, f"{BODY}.type", "kind", kinds, effect=Effect.WIDENS)
    effect = Effect.CHANGES if wording.is_new else Effect.WIDENS
    yield from value(wording, "sub", "subject", (old.sub, new.sub), effect=effect, show=wording.key)
    for name, label in (("name", "name"), ("aud", "audience")):
        yield from value(wording, name, label, (getattr(old, name), getattr(new, name)))
    if old.exp != new.exp or (wording.is_new and isinstance(new.body, _EXPIRING)):
        effect = compared(_end(old.exp), _end(new.exp))
        texts = (_time(old.exp, "never"), _time(new.exp, "never"))
        yield Difference(effect, "expires", wording.step(*texts), ("exp",), old.exp, new.exp)
    if old.nbf != new.nbf:
        # Exchanged, unlike an expiry: a later start gives less. Servers take a negative start as none.
        effect = compared(max(new.nbf, 0), max(old.nbf, 0))
        texts = (_time(old.nbf, "at once"), _time(new.nbf, "at once"))
        yield Difference(effect, "valid from", wording.step(*texts), ("nbf",), old.nbf, new.nbf)
    if old.version != new.version:
        text = wording.step(str(old.version), str(new.version))
        yield Difference(Effect.CHANGES, "version", text, (f"{BODY}.version",), old.version, new.version)


def _end(exp: int) -> float:
    return exp if exp > 0 else _ENDLESS


def _time(seconds: int, none: str) -> str:
    if seconds > 0:
        return moment(seconds)
    return none if seconds == 0 else f"{none} ({seconds})"


def _uncovered(
    wording: Wording, old: Claims[object], new: Claims[object], lines: Sequence[Difference]
) -> Iterator[Difference]:
    """Yield a line for each member that differs and that none of *lines* covers."""
    covered = _Paths(_INDEX.sub("", path) for line in lines for path in line.paths)
    sides = ({}, _members(new)) if wording.is_new else _differing(_members(old), _members(new))
    was, now = (dict(_leaves(side, "")) for side in sides)
    filled = [_Paths(side) for side in (was, now)]
    for path in [*now, *(path for path in was if path not in now)]:
        before, after = was.get(path), now.get(path)
        if (path in was) == (path in now) and _distinct(before) == _distinct(after):
            continue
        if {} in (before, after) and filled[after != {}].has_within(path):
            continue  # it was, or is, not empty: its members have lines
        bare = _INDEX.sub("", path)
        if (wording.is_new and after == {}) or covered.touch(bare):
            continue
        texts = (
            "none" if path not in was else _json(path, before),
            "none" if path not in now else _json(path, after),
        )
        if path in _SECRET:
            # The values too: they go into the JSON of a review, which is kept longer than a terminal.
            before = after = None
        yield Difference(Effect.CHANGES, brief(path), wording.step(*texts), (path,), before, after)


def _distinct(value: object) -> object:
    """Return what distinguishes *value* from others: to Python, true and 1 are equal."""
    try:
        return wire.encode(wire.generic(value)) if not isinstance(value, int) else (type(value), value)
    except BadClaims:
        return repr(value)


class _Paths:
    """Paths of members, to find those above and below another without looking at each of them."""

    def __init__(self, paths: Iterable[str]) -> None:
        self._all = set(paths)
        self._sorted = sorted(self._all)
        self._lengths = sorted({len(path) for path in self._all})

    def has_within(self, path: str, marks: str = ".[") -> bool:
        """Return whether one of these is below *path*: a member, or an item of a list."""
        for mark in marks:
            at = bisect.bisect_left(self._sorted, path + mark)
            if at < len(self._sorted) and self._sorted[at].startswith(path + mark):
                return True
        return False

    def touch(self, path: str) -> bool:
        """Return whether one of these is *path*, above it, or below it; the whole body counts for none."""
        if path == BODY:
            return False
        if path in self._all or self.has_within(path, "."):
            return True
        shorter = self._lengths[: bisect.bisect_left(self._lengths, len(path))]
        above = (path[:length] for length in shorter if path[length] == ".")
        return any(item != BODY and item in self._all for item in above)


def _members(claims: Claims[object]) -> dict[str, object]:
    body = claims.body.data if isinstance(claims.body, Generic) else plain(claims.body)
    registered = {name: getattr(claims, name) for name in ("sub", "name", "aud", "exp", "nbf")}
    held = {name: item for name, item in registered.items() if item}
    return held if body is None else held | {BODY: body}


def _differing(was: dict[str, object], now: dict[str, object]) -> tuple[dict[str, object], dict[str, object]]:
    """Return both objects without the members that are the same in both, at any depth.

    What is written the same is the same, and so is most of what a change holds: no leaf of it is looked at.
    """
    left = (dict(was), dict(now))
    for name in was.keys() & now.keys():
        item, other = was[name], now[name]
        if _is_written_alike(item, other):
            for side in left:
                del side[name]
        elif isinstance(item, dict) and isinstance(other, dict):
            left[0][name], left[1][name] = _differing(item, other)
    return left


def _is_written_alike(item: object, other: object) -> bool:
    try:
        return msgspec.json.encode(item) == msgspec.json.encode(other)
    except (UnicodeEncodeError, TypeError, ValueError, RecursionError):
        return False  # it cannot be written: each leaf is looked at


def _leaves(value: object, path: str) -> Iterator[tuple[str, object]]:
    if isinstance(value, dict) and (value or not path):
        for name, item in value.items():
            yield from _leaves(item, member(path, name))
    elif isinstance(value, list) and any(isinstance(item, dict | list) for item in value):
        for index, item in enumerate(value):
            yield from _leaves(item, f"{path}[{index}]")
    else:
        yield path, value


def _json(path: str, item: object) -> str:
    if path in _SECRET:
        return "(hidden)"
    if isinstance(item, str):
        return brief(item) if item else '""'
    return brief(msgspec.json.encode(item).decode())


class AccountClaims(msgspec.Struct, frozen=True):
    """The claims of accounts by their keys (text), as they are `before` a plan, and `after` it."""

    before: Mapping[str, Claims[Any]] = msgspec.field(default_factory=dict)
    after: Mapping[str, Claims[Any]] = msgspec.field(default_factory=dict)


def diff_change(
    change: Change, accounts: AccountClaims, *, names: Mapping[str, str] = MappingProxyType({})
) -> tuple[Difference, ...]:
    """Return what *change* changes, members that would be lost included, those that widen access first.

    *accounts* have the scopes of users; *names* as for `diff`.
    """
    old, new = change.replaces, change.draft
    if old is None:
        return diff(None, new.claims, names=names)
    was, before = with_scope(old.claims, str(old.issuer), accounts.before)
    now, after = with_scope(new.claims, str(new.issuer), accounts.after)
    found = diff(was, now, names=names)
    if (before.key if before else "") != (after.key if after else ""):
        titles = [word(scope.role or scope.key) if scope else "none" for scope in (before, after)]
        text = " -> ".join(titles) if titles[0] != titles[1] else f"{titles[0]}, by another key"
        moved = Difference(Effect.CHANGES, "scope", text, ("iss",), str(old.issuer), str(new.issuer))
        found = (moved, *found)
    return (*found, *unknown_members(old.unknown, ()))


def with_scope(
    claims: Claims[Any], issuer: str, known: Mapping[str, Claims[Any]]
) -> tuple[Claims[Any], Scope | None]:
    """Return *claims* with the permissions and limits that the scope of *issuer* (key text) gives, and it.

    Claims that no scope issues stay as they are, as do those with permissions of their own. Where servers
    refuse the user, for what the scope takes from it is not there, its permissions are as the scope has them.
    """
    if not isinstance(claims.body, User):
        return claims, None
    account = account_of(claims, issuer, known)
    scope = scope_of(account, issuer) if account is not None else None
    if account is None or scope is None or not carries_nothing(claims.body):
        return claims, scope
    # With the numbers that servers read: absent limits of a template are -1, those of a user 0.
    given = msgspec.structs.asdict(effective_template(scope.template))
    permitted = filled(scope.template, filler_of(claims, account))
    if not isinstance(permitted, Unfillable):
        given |= {"pub": permitted.pub, "sub": permitted.sub, "resp": permitted.resp}
    return msgspec.structs.replace(claims, body=msgspec.structs.replace(claims.body, **given)), scope
