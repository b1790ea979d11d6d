"""Lines for what accounts share: exports, imports and mappings, one line each."""

from __future__ import annotations

from collections import defaultdict, deque
from typing import TYPE_CHECKING, TypeVar

import msgspec

from seedless import units
from seedless.diff.line import Difference, Effect, Wording, member, word
from seedless.diff.members import facts, together
from seedless.diff.revocations import revocations
from seedless.text import digest

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator, Sequence

    from seedless.claims import Account, Export, Import, WeightedMapping

T = TypeVar("T")
_WIDENS, _CHANGES, _NARROWS = Effect


def exports(wording: Wording, path: str, sides: tuple[Account, Account]) -> Iterator[Difference]:
    """Yield one line for each export that comes, goes or changes, and those of its revocations."""
    old, new = sides[0].exports, sides[1].exports
    order = []
    for index, was, now in _paired(old, new, lambda export: (export.type, export.subject)):
        place, one = f"{path}.exports[{index}]", now or was
        title = _export_title(one) if one else ""
        if was and now:
            order.append(title)
            text = facts(_export_facts(was), _export_facts(now))
            if text:
                yield Difference(_export_effect(was, now), "export", f"{title}: {text}", (place,), was, now)
        elif one:
            text = _listed(title, _export_facts(one))
            effect = _WIDENS if now else _NARROWS
            told = wording.added(text) if now else f"removed {text}"
            yield Difference(effect, "export", told, (place,), was, now)
        both = (was.revocations if was else {}, now.revocations if now else {})
        yield from revocations(wording, f"{place}.revocations", f"export {title} revocation", both)
    yield from _reordered(f"{path}.exports", "exports", (old, new), order)


def imports(wording: Wording, path: str, sides: tuple[Account, Account]) -> Iterator[Difference]:
    """Yield one line for each import that comes, goes or changes."""
    old, new = sides[0].imports, sides[1].imports
    order = []
    for index, was, now in _paired(old, new, lambda one: (one.type, one.account, one.subject)):
        place, one = f"{path}.imports[{index}]", now or was
        title = _import_title(wording, one) if one else ""
        if was and now:
            order.append(title)
            text = facts(_import_facts(was), _import_facts(now))
            if text:
                yield Difference(_import_effect(was, now), "import", f"{title}: {text}", (place,), was, now)
        elif one:
            text = _listed(title, _import_facts(one))
            effect = _WIDENS if now else _NARROWS
            told = wording.added(text) if now else f"removed {text}"
            yield Difference(effect, "import", told, (place,), was, now)
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
    """Yield what stands in *new* with its partner in *old*, then what is only in *old*; with its index."""
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


def _import_title(wording: Wording, one: Import) -> str:
    return f"{one.type or 'unknown'} {word(one.subject)} from {wording.key(one.account)}"


def _import_facts(one: Import) -> dict[str, str]:
    found = {
        "as": word(one.local_subject) if one.local_subject else "",
        "to": word(one.to) if one.to else "",
        "activation": f"jwt sha256 {digest(one.token)}" if one.token else "",
        "connection information": "shared" if one.share else "",
        "trace": "allowed" if one.allow_trace else "",
        "name": word(one.name) if one.name else "",
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
