"""Lines for an account: keys, scopes, revocations, callout, exports, imports, mappings, limits, trace."""

from __future__ import annotations

from collections import defaultdict, deque
from typing import TYPE_CHECKING, TypeVar

import msgspec

from seedless import units
from seedless.claims import Account, JetStreamLimits, Limits, Scope, Template, signing_key
from seedless.claims.fields import ACCOUNT, ACCOUNT_LIMITS, JETSTREAM, TAGS, Limit, limit_rows
from seedless.diff.bodies import permissions, template
from seedless.diff.members import (
    Difference,
    Effect,
    Wording,
    facts,
    items,
    member,
    members,
    together,
    value,
    word,
)
from seedless.text import digest
from seedless.trust import EVERYONE
from seedless.units import moment

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence

    from seedless.claims import Account, Export, Import, WeightedMapping


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
            yield Difference(effect, _title(entry), text, (place,), was, now, _details(entry))
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
    lines = _of_template(Wording(wording.names, is_new=True), path, entry.template)
    text = f"{word(entry.role)} {wording.key(entry.key)}"
    about = f" [{word(entry.description)}]" if entry.description else ""
    return text + about + "".join(f"; {line.line}" for line in lines)


def _of_template(wording: Wording, path: str, new: Template) -> Iterator[Difference]:
    return template(wording, path, "", (Template(subs=0, data=0, payload=0), new))


def _details(entry: Scope | str) -> tuple[str, ...]:
    """Return what the text of a scope sums up."""
    if not isinstance(entry, Scope):
        return ()
    return tuple(
        text for line in _of_template(Wording(is_new=True), "", entry.template) for text in line.details
    )


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


T = TypeVar("T")
_WIDENS, _CHANGES, _NARROWS = Effect


def exports(wording: Wording, path: str, sides: tuple[Account, Account]) -> Iterator[Difference]:
    """Yield one line for each export that comes, goes or changes, and those of its revocations."""
    old, new = sides[0].exports, sides[1].exports
    order = []
    for index, was, now in _paired(old, new, lambda export: (export.type, export.subject)):
        place, item = f"{path}.exports[{index}]", now or was
        title = _export_title(item) if item else ""
        if was and now:
            order.append(title)
            text = facts(_export_facts(was), _export_facts(now))
            if text:
                yield Difference(_export_effect(was, now), "export", f"{title}: {text}", (place,), was, now)
        elif item:
            text = _listed(title, _export_facts(item))
            effect = _WIDENS if now else _NARROWS
            change = wording.added(text) if now else f"removed {text}"
            yield Difference(effect, "export", change, (place,), was, now)
        both = (was.revocations if was else {}, now.revocations if now else {})
        yield from revocations(wording, f"{place}.revocations", f"export {title} revocation", both)
    yield from _reordered(f"{path}.exports", "exports", (old, new), order)


def imports(wording: Wording, path: str, sides: tuple[Account, Account]) -> Iterator[Difference]:
    """Yield one line for each import that comes, goes or changes."""
    old, new = sides[0].imports, sides[1].imports
    order = []
    for index, was, now in _paired(old, new, lambda item: (item.type, item.account, item.subject)):
        place, item = f"{path}.imports[{index}]", now or was
        title = _import_title(wording, item) if item else ""
        if was and now:
            order.append(title)
            text = facts(_import_facts(was), _import_facts(now))
            if text:
                yield Difference(_import_effect(was, now), "import", f"{title}: {text}", (place,), was, now)
        elif item:
            text = _listed(title, _import_facts(item))
            effect = _WIDENS if now else _NARROWS
            change = wording.added(text) if now else f"removed {text}"
            yield Difference(effect, "import", change, (place,), was, now)
    yield from _reordered(f"{path}.imports", "imports", (old, new), order)


def mappings(wording: Wording, path: str, sides: tuple[Account, Account]) -> Iterator[Difference]:
    """Yield one line for each mapping that comes, goes or changes."""
    old, new = sides[0].mappings, sides[1].mappings
    for subject in [*new, *(subject for subject in old if subject not in new)]:
        was, now = old.get(subject), new.get(subject)
        if was == now:
            continue
        texts = [_targets(subject, side) for side in (was, now)]
        text = f"{word(subject)} to {wording.step(*texts)}"
        yield Difference(_CHANGES, "mapping", text, (member(f"{path}.mappings", subject),), was, now)


def _paired(
    old: Sequence[T], new: Sequence[T], key: Callable[[T], Hashable]
) -> Iterator[tuple[int, T | None, T | None]]:
    """Yield what is in *new* with its partner in *old*, then what is only in *old*; with its index."""
    waiting: dict[Hashable, deque[tuple[int, T]]] = defaultdict(deque)
    for index, item in enumerate(old):
        waiting[key(item)].append((index, item))
    for index, item in enumerate(new):
        partners = waiting[key(item)]
        yield index, (partners.popleft()[1] if partners else None), item
    for index, item in sorted((pair for rest in waiting.values() for pair in rest), key=lambda pair: pair[0]):
        yield index, item, None


def _reordered(
    path: str, label: str, sides: tuple[Sequence[object], Sequence[object]], order: list[str]
) -> Iterator[Difference]:
    """Yield a line when both sides hold the same in another order."""
    old, new = sides
    if old != new and len(old) == len(new) and _written(old) <= _written(new):
        yield Difference(_CHANGES, label, f"order now {', '.join(order)}", (path,), old, new)


def _written(items: Sequence[object]) -> set[bytes]:
    """Return *items* as text: they hold objects, and can be in no set."""
    return {msgspec.json.encode(item, order="sorted") for item in items}


def _listed(title: str, found: dict[str, str]) -> str:
    return (
        f"{title} " + ", ".join([found["access"], *_phrases(found)])
        if "access" in found
        else ", ".join([title, *_phrases(found)])
    )


def _phrases(found: dict[str, str]) -> list[str]:
    return [f"{name} {text}" for name, text in found.items() if name != "access"]


def _export_title(export: Export) -> str:
    return f"{export.type or 'unknown'} {word(export.subject)}"


def _export_facts(export: Export) -> dict[str, str]:
    latency = export.service_latency
    sampled = ""
    if latency:
        share = "when headers ask" if latency.sampling == "headers" else f"{latency.sampling}%"
        sampled = f"{share} to {word(latency.results)}"
    found = {
        "access": "private" if export.token_req else "public",
        "response": word(export.response_type) if export.response_type else "",
        "threshold": units.duration(export.response_threshold) if export.response_threshold else "",
        "latency": sampled,
        "account token position": str(export.account_token_position or ""),
        "advertised": "yes" if export.advertise else "",
        "trace": "allowed" if export.allow_trace else "",
        "name": word(export.name) if export.name else "",
        "description": word(export.description) if export.description else "",
        "info url": word(export.info_url) if export.info_url else "",
    }
    return {name: text for name, text in found.items() if text}


def _export_effect(old: Export, new: Export) -> Effect:
    effects = []
    if old.token_req != new.token_req:
        effects.append(_NARROWS if new.token_req else _WIDENS)
    if old.allow_trace != new.allow_trace:
        effects.append(_WIDENS if new.allow_trace else _NARROWS)
    if old.account_token_position and not new.account_token_position:
        effects.append(_WIDENS)
    if new.account_token_position and not old.account_token_position:
        effects.append(_NARROWS)
    others = ("response_type", "response_threshold", "service_latency", "advertise", "name", "description",
              "info_url")  # fmt: skip
    if any(getattr(old, name) != getattr(new, name) for name in others) and _WIDENS not in effects:
        effects.append(_CHANGES)
    return together(effects)


def _import_title(wording: Wording, entry: Import) -> str:
    return f"{entry.type or 'unknown'} {word(entry.subject)} from {wording.key(entry.account)}"


def _import_facts(entry: Import) -> dict[str, str]:
    found = {
        "as": word(entry.local_subject) if entry.local_subject else "",
        "to": word(entry.to) if entry.to else "",
        "activation": f"jwt sha256 {digest(entry.token)}" if entry.token else "",
        "connection information": "shared" if entry.share else "",
        "trace": "allowed" if entry.allow_trace else "",
        "name": word(entry.name) if entry.name else "",
    }
    return {name: text for name, text in found.items() if text}


def _import_effect(old: Import, new: Import) -> Effect:
    flags = [(old.share, new.share), (old.allow_trace, new.allow_trace)]
    effects = [_WIDENS if now else _NARROWS for was, now in flags if was != now]
    others = ("local_subject", "to", "token", "name")
    if any(getattr(old, name) != getattr(new, name) for name in others):
        effects.append(_CHANGES)
    return together(effects)


def _targets(source: str, found: tuple[WeightedMapping, ...] | None) -> str:
    if found is None:
        return "itself"
    clusters: dict[str, list[WeightedMapping]] = defaultdict(list)
    for target in found:
        clusters[target.cluster].append(target)
    # nats-server 2.15.1 loses the rest where the source is a target of its own, in whatever cluster.
    rest = "lost" if any(target.subject == source for target in found) else "itself"
    texts: list[str] = []
    for cluster, targets in clusters.items():
        texts += map(_target, targets)
        left = 100 - sum(target.weight or 100 for target in targets)
        texts += [f"{rest} {left}%{_within(cluster)}"] if left > 0 else []
    elsewhere = ["itself elsewhere"] if found and "" not in clusters and rest == "itself" else []
    return ", ".join([*texts, *elsewhere]) or "nothing"


def _target(target: WeightedMapping) -> str:
    weight = f"{target.weight}%" if target.weight else "100% by default"
    return f"{word(target.subject)} {weight}{_within(target.cluster)}"


def _within(cluster: str) -> str:
    return f" in cluster {word(cluster)}" if cluster else ""


def revocations(
    wording: Wording, path: str, label: str, sides: tuple[Mapping[str, int], Mapping[str, int]]
) -> Iterator[Difference]:
    """Yield one line for each revocation that comes, goes or moves in time; a later time revokes more."""
    old, new = sides
    for key in [*new, *(key for key in old if key not in new)]:
        was, now = old.get(key), new.get(key)
        if was == now:
            continue
        whom = "everyone" if key == EVERYONE else wording.key(key)
        if was is not None and now is not None:
            effect = Effect.NARROWS if now > was else Effect.WIDENS
            text = f"{whom}, issued until {moment(was)} -> {moment(now)}"
        else:
            effect = Effect.WIDENS if now is None else Effect.NARROWS
            text = f"{whom}, issued until {moment((now if was is None else was) or 0)}"
            text = f"removed {text}" if now is None else wording.added(text)
        yield Difference(effect, label, text, (member(path, key),), was, now)
