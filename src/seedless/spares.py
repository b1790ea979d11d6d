"""What takes the place of a key whose token is lost: the same key on another token, another key, shares.

A key is never copied, so most spares are other keys: a signing key on a second token that the operator or the
account lists already. Which of them can do the same work follows from the claims, where they are from the
inventory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

from seedless.claims import Account, Operator, Scope, signing_key
from seedless.nkey import PublicKey

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from seedless.inventory import Inventory, KeyEntry, KeyPlace
    from seedless.jwt import Claims

__all__ = ["NO_BACKUP", "Backup", "BackupKind", "backups", "substitutes"]

BackupKind = Literal["lost", "none", "shares", "spare"]
"""`spare`: another token has the key, or a key that can sign in its place; `shares`: they restore it.

`lost`: all tokens that had it were reported as lost. The worst comes first.
"""


class Backup(msgspec.Struct, frozen=True, kw_only=True):
    """What is there when the token of a key is lost, and when that was checked last (Unix seconds).

    Of a key that is lost already `checked_at` is when that was reported.
    """

    kind: BackupKind
    checked_at: int = 0


NO_BACKUP = Backup(kind="none")


def substitutes(public_key: str, claims: Claims[object], *, is_strict: bool = False) -> tuple[str, ...]:
    """Return the other keys that *claims*, of an operator or account, list for the same work as *public_key*.

    A scope is replaced by a scope of the same role alone. Under an operator that *is_strict* an identity
    signs nothing that its signing keys sign. Empty where *public_key* is none of its keys.
    """
    work = dict(_work(claims, is_strict=is_strict))
    if public_key not in work:
        return ()
    # A lost identity is replaced by a plain signing key too: that goes on signing, and the operator gets
    # another identity by `operator reissue`, the account keeps its name.
    wanted = "" if public_key == claims.sub else work[public_key]
    return tuple(key for key, what in work.items() if key != public_key and what == wanted)


def _work(claims: Claims[object], *, is_strict: bool) -> Iterator[tuple[str, str]]:
    """Yield each key of *claims* and what it signs: empty for everything, `role NAME` for a scope."""
    body = claims.body
    if not isinstance(body, Operator | Account):
        return
    strict = is_strict or (isinstance(body, Operator) and body.strict_signing_key_usage)
    yield claims.sub, "identity" if strict else ""
    for entry in body.signing_keys:
        yield signing_key(entry), f"role {entry.role}" if isinstance(entry, Scope) else ""


def backups(
    inventory: Inventory,
    claims: Iterable[Claims[object]],
    recorded: Mapping[PublicKey, int],
    keys: Iterable[PublicKey] | None = None,
) -> dict[PublicKey, Backup]:
    """Return what each key of *inventory*, or each of *keys*, has for the day on which its token is lost.

    *claims* are those of the operator and of accounts, *recorded* the keys that shares restore and the time
    of their record (Unix seconds).
    """
    known = list(claims)
    is_strict = any(
        isinstance(holder.body, Operator) and holder.body.strict_signing_key_usage for holder in known
    )
    others: dict[str, set[str]] = {}
    for holder in known:
        listed = [key for key, _ in _work(holder, is_strict=is_strict)]
        for key in listed:
            others.setdefault(key, set()).update(substitutes(key, holder, is_strict=is_strict))
    wanted = [entry.public_key for entry in inventory] if keys is None else keys
    return {key: _backup(key, inventory, others.get(str(key), ()), recorded) for key in wanted}


def _backup(
    key: PublicKey, inventory: Inventory, others: Iterable[str], recorded: Mapping[PublicKey, int]
) -> Backup:
    entry = inventory.get(key)
    if entry is None:
        return NO_BACKUP
    if not entry.places_left:
        return Backup(kind="lost", checked_at=max(place.lost_at for place in entry.places))
    spares = [*_elsewhere(entry, entry.places)]
    for other in others:
        known = inventory.get(PublicKey.parse(other))
        spares += _elsewhere(entry, known.places) if known else ()
    # A spare on a token comes before shares: it signs today, shares have to be brought together first.
    if spares:
        return Backup(kind="spare", checked_at=max(place.verified_at for place in spares))
    if key in recorded:
        return Backup(kind="shares", checked_at=recorded[key])
    return NO_BACKUP


def _elsewhere(entry: KeyEntry, places: Iterable[KeyPlace]) -> Iterator[KeyPlace]:
    """Yield those of *places* that are not on the first token of *entry*, which is the one that is lost.

    A place where the key has never signed a challenge, or whose token may be that one by another URI, is no
    spare: the inventory is written by hand, too.
    """
    first = entry.places_left[0].token
    return (
        place for place in places if place.verified_at and not place.lost_at and not place.token.may_be(first)
    )
