"""The keys that transcripts say exist, and what was said of each: to be laid beside what tokens show.

Transcripts are read for the entries that tell of keys, and for nothing else: whether to believe one is for
`check`. The last word about a key counts.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from seedless.ceremony import result as results
from seedless.errors import SeedlessError
from seedless.nkey import PublicKey

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A key of which a transcript tells: when it was used last (Unix seconds), and what was said of it."""

    public_key: PublicKey
    at: int
    says: Mapping[str, Any] = field(default_factory=dict)


def told(transcripts: Iterable[bytes]) -> tuple[Told, ...]:
    """Return the keys in *transcripts* (or results), by public key; raise `Refused` for anything else."""
    found: dict[str, Told] = {}
    for data in transcripts:
        at = 0
        for entry in results.parse(data).entries:
            at = max(at, _at(entry))
            one = _key(entry, at)
            if one is not None and at >= found.get(str(one.public_key), one).at:
                found[str(one.public_key)] = one
    return tuple(found[key] for key in sorted(found))


def _at(entry: object) -> int:
    at = entry.get("at") if isinstance(entry, dict) else None
    return at if isinstance(at, int) and not isinstance(at, bool) else 0


def _key(entry: object, at: int) -> Told | None:
    if not isinstance(entry, dict) or entry.get("kind") != "key":
        return None
    key, says = entry.get("public_key"), entry.get("says")
    if not isinstance(key, str) or not isinstance(says, dict):
        return None
    try:
        return Told(public_key=PublicKey.parse(key), at=at, says=says)
    except SeedlessError:
        return None


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names of what is said *now* otherwise than *before*; library and firmware may change."""
    names = sorted((before.keys() | now.keys()) - {"library", "firmware"})
    return tuple(name for name in names if before.get(name) != now.get(name))
