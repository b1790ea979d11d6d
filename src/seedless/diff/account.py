"""Lines for an account: limits, signing keys and scopes, revocations, defaults, auth callout, trace."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seedless.claims import Account, JetStreamLimits, Limits, Scope, signing_key
from seedless.claims.fields import ACCOUNT, ACCOUNT_LIMITS, JETSTREAM, TAGS, Limit, limit_rows
from seedless.diff.exchange import exports, imports, mappings
from seedless.diff.line import Difference, Effect, Wording, member, word
from seedless.diff.members import items, members, value
from seedless.diff.permissions import permissions, template
from seedless.diff.revocations import revocations
from seedless.trust import EVERYONE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def account(wording: Wording, path: str, sides: tuple[Account, Account]) -> Iterator[Difference]:
    """Yield the lines of an account's body."""
    old, new = sides
    yield from _signing_keys(wording, f"{path}.signing_keys", sides)
    yield from _authorization(wording, f"{path}.authorization", sides)
    yield from revocations(wording, f"{path}.revocations", "revocation", (old.revocations, new.revocations))
    defaults = (old.default_permissions, new.default_permissions)
    yield from permissions(wording, f"{path}.default_permissions", "default ", defaults)
    yield from exports(wording, path, sides)
    yield from imports(wording, path, sides)
    yield from mappings(wording, path, sides)
    yield from _limits(wording, f"{path}.limits", (old.limits, new.limits))
    yield from _trace(wording, f"{path}.trace", sides)
    yield from members(wording, path, (*ACCOUNT, TAGS), sides)


def _limits(wording: Wording, path: str, sides: tuple[Limits, Limits]) -> Iterator[Difference]:
    old, new = sides
    yield from members(wording, path, ACCOUNT_LIMITS, sides)
    yield from _jetstream(wording, path, "JetStream ", sides)
    tiers = [*new.tiered_limits, *(tier for tier in old.tiered_limits if tier not in new.tiered_limits)]
    for tier in tiers:
        both = (old.tiered_limits.get(tier), new.tiered_limits.get(tier))
        yield from _tier(
            wording, member(f"{path}.tiered_limits", tier), f"JetStream tier {word(tier)} ", both
        )


def _tier(
    wording: Wording, path: str, label: str, sides: tuple[JetStreamLimits | None, JetStreamLimits | None]
) -> Iterator[Difference]:
    old, new = sides
    if old is not None and new is not None:
        yield from _jetstream(wording, path, label, (old, new))
        return
    alone = Wording(wording.names, is_new=True)
    found = _jetstream(alone, path, "", (JetStreamLimits(), new or old or JetStreamLimits()))
    text = "; ".join(line.line for line in found)
    text = wording.added(text) if new is not None else f"removed ({text})"
    effect = Effect.WIDENS if new is not None else Effect.NARROWS
    yield Difference(effect, label.strip(), text, (path,), old, new)


def _jetstream(
    wording: Wording,
    path: str,
    label: str,
    sides: tuple[Limits | JetStreamLimits, Limits | JetStreamLimits],
) -> Iterator[Difference]:
    new = sides[1]
    if wording.is_new and not any(getattr(new, name) for name in limit_rows(JETSTREAM)):
        if not (isinstance(new, Limits) and new.tiered_limits):
            yield Difference(Effect.NARROWS, label.strip() or "JetStream", "off", (path,), None, None)
        flags = [row for row in JETSTREAM if not isinstance(row, Limit)]
        yield from members(wording, path, flags, sides, label)
    else:
        yield from members(wording, path, JETSTREAM, sides, label)


def _signing_keys(wording: Wording, path: str, sides: tuple[Account, Account]) -> Iterator[Difference]:
    old, new = ({signing_key(entry): entry for entry in side.signing_keys} for side in sides)
    places = {key: place for side in (old, new) for place, key in enumerate(side)}
    for key in [*new, *(key for key in old if key not in new)]:
        was, now = old.get(key), new.get(key)
        place = f"{path}[{places[key]}]"
        if isinstance(was, Scope) and isinstance(now, Scope):
            yield from _scope(wording, place, (was, now))
        elif was is None or now is None:
            entry = now or was or ""
            text = _entry(wording, place, entry)
            text = wording.added(text) if now else f"removed {text}"
            effect = Effect.WIDENS if now else Effect.NARROWS
            yield Difference(effect, _title(entry), text, (place,), was, now)
        elif was != now:
            effect = Effect.NARROWS if isinstance(now, Scope) else Effect.WIDENS
            text = f"{_entry(wording, place, was)} -> {_entry(wording, place, now)}"
            yield Difference(effect, "signing key", text, (place,), was, now)
    if sides[0].signing_keys != sides[1].signing_keys and old == new:
        keys = tuple(map(signing_key, sides[1].signing_keys))
        text = f"order now {wording.keys(keys)}"
        yield Difference(Effect.CHANGES, "signing keys", text, (path,), keys, keys)


def _title(entry: Scope | str) -> str:
    return "scope" if isinstance(entry, Scope) else "signing key"


def _entry(wording: Wording, path: str, entry: Scope | str) -> str:
    if not isinstance(entry, Scope):
        return f"{wording.key(entry)}, for users with any permissions"
    alone = Wording(wording.names, is_new=True)
    lines = template(alone, path, "", (type(entry.template)(subs=0, data=0, payload=0), entry.template))
    text = f"{word(entry.role)} {wording.key(entry.key)}"
    about = f" [{word(entry.description)}]" if entry.description else ""
    return text + about + "".join(f"; {line.line}" for line in lines)


def _scope(wording: Wording, path: str, sides: tuple[Scope, Scope]) -> Iterator[Difference]:
    old, new = sides
    label = f"scope {word(new.role)} {wording.key(new.key)} "
    for name in ("role", "description"):
        yield from value(wording, f"{path}.{name}", label + name, (getattr(old, name), getattr(new, name)))
    yield from template(wording, f"{path}.template", label, (old.template, new.template))


def _authorization(wording: Wording, path: str, sides: tuple[Account, Account]) -> Iterator[Difference]:
    old, new = sides[0].authorization, sides[1].authorization
    users = (old.auth_users, new.auth_users)
    label = "auth callout users"
    if old.auth_users and not new.auth_users:
        text = f"{wording.keys(old.auth_users)} -> none: users log in without a callout"
        yield Difference(Effect.WIDENS, label, text, (f"{path}.auth_users",), *users)
    else:
        yield from items(wording, f"{path}.auth_users", label, users, added=Effect.WIDENS, show=_key(wording))
    accounts = (old.allowed_accounts, new.allowed_accounts)
    label = "auth callout accounts"
    yield from items(
        wording,
        f"{path}.allowed_accounts",
        label,
        accounts,
        added=Effect.WIDENS,
        show=_key(wording),
        covered=lambda others: lambda _item: EVERYONE in others,
    )
    effect = Effect.NARROWS if not old.xkey else Effect.WIDENS if not new.xkey else Effect.CHANGES
    keys = (old.xkey, new.xkey)
    yield from value(wording, f"{path}.xkey", "auth callout encryption", keys, effect=effect)


def _key(wording: Wording) -> Callable[[object], str]:
    return lambda item: wording.key(str(item))


def _trace(wording: Wording, path: str, sides: tuple[Account, Account]) -> Iterator[Difference]:
    old, new = sides[0].trace, sides[1].trace
    if old != new:
        texts = [
            f"to {word(side.dest)}, {f'{side.sampling}%' if side.sampling else '100% by default'}"
            if side
            else "none"
            for side in (old, new)
        ]
        yield Difference(Effect.CHANGES, "trace", wording.step(*texts), (path,), old, new)
