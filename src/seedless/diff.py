"""What changes between the claims that are and the claims that shall be, member by member.

Paths are those of the JSON: a user's `sub` is its key, its `nats.sub` is what it may subscribe to.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from seedless.wire import join

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seedless.jwt import Claims

_ALWAYS_WRITTEN = {
    "pub",
    "sub",
    "limits",
    "default_permissions",
    "authorization",
    "nats",
}  # and say nothing when empty


@dataclass(frozen=True, slots=True)
class Difference:
    """One member that changes: its path, and its values before and after (None: not there)."""

    path: str
    old: object
    new: object


def differences(old: Claims[Any] | None, new: Claims[Any]) -> tuple[Difference, ...]:
    """Return every member that differs, in the order of *new*; against None, all that *new* says."""
    before = {} if old is None else dict(_leaves(_members(old), ""))
    after = dict(_leaves(_members(new), ""))
    paths = [*after, *(path for path in before if path not in after)]
    return tuple(
        Difference(path, before.get(path), after.get(path))
        for path in paths
        if before.get(path) != after.get(path)
    )


def members(claims: Claims[Any]) -> tuple[Difference, ...]:
    """Return all that *claims* say, as differences from nothing."""
    return differences(None, claims)


def _members(claims: Claims[Any]) -> dict[str, Any]:
    plain: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(claims.body))
    times = {name: getattr(claims, name) for name in ("exp", "nbf")}
    texts = {name: getattr(claims, name) for name in ("name", "sub", "aud")}
    return {name: value for name, value in (texts | times).items() if value} | {"nats": plain}


def _leaves(value: object, path: str) -> Iterator[tuple[str, object]]:
    if isinstance(value, dict) and value:
        for name, item in value.items():
            yield from _leaves(item, join(path, name))
    elif isinstance(value, list) and any(isinstance(item, dict | list) for item in value):
        for index, item in enumerate(value):
            yield from _leaves(item, f"{path}[{index}]")
    elif value != {} or path.rpartition(".")[2] not in _ALWAYS_WRITTEN:
        yield path, value
