"""Which signing key takes the place of which.

A new key is named after the one whose place it takes: `ORDERS after ABCDEFGHIJKL`. The inventory keeps that
name, so a rotation that was begun is known again from what the parent lists; nothing else is written down.
Refused: a choice that is not clear, and a key that the parent does not list.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from seedless.claims import Account, Operator, Scope, signing_key
from seedless.delegation import is_delegated
from seedless.errors import BadKey, UsageError
from seedless.nkey import PublicKey
from seedless.signing_pipeline import NewKey
from seedless.text import quoted, shown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from seedless.jwt import Claims

_LONGEST_OWNER = 150
ENOUGH = 12
"""Characters of a key that distinguish it from all others of one owner."""


@dataclass(frozen=True, slots=True)
class KeyReplacement:
    """A signing key of *parent* and its replacement key, None while nobody has made it."""

    parent: Claims[Any]
    old: PublicKey
    new: PublicKey | None

    @property
    def replacement(self) -> NewKey:
        """The key that is to be made."""
        return replacement_key(self.parent.name.strip(), self.old)

    @property
    def is_begun(self) -> bool:
        """Whether both are listed: the two overlap."""
        return self.new is not None and str(self.new) in listed_keys(self.parent)


def replacement_key(owner: str, old: PublicKey) -> NewKey:
    """Return the key that takes the place of *old*, as it is called in the inventory and on its token."""
    return NewKey(old.role, f"{owner[:_LONGEST_OWNER]} after {str(old)[:ENOUGH]}")


def listed_keys(parent: Claims[Any]) -> dict[str, Scope | str]:
    """Return the signing keys of *parent* (key text) with their entries, in their order."""
    body = parent.body
    entries: tuple[Scope | str, ...] = body.signing_keys if isinstance(body, Account | Operator) else ()
    return {signing_key(entry): entry for entry in entries}


def find_replacement(
    parent: Claims[Any],
    made: Mapping[NewKey, PublicKey],
    *,
    key: str | None = None,
    new: PublicKey | None = None,
) -> KeyReplacement:
    """Return which key of *parent* is replaced, and by which.

    *key* (key text, or the role of a scope) is the one that is replaced: without it the one whose replacement
    key is listed already, else the only one. *made* are the keys of the inventory; *new* a replacement key
    that is given. Raise `UsageError` when it is not clear.
    """
    old = _old(parent, made, key, new)
    found = new or made.get(replacement_key(parent.name.strip(), old))
    if found == old:
        raise UsageError(f"{old} cannot take its own place", "name another key, or leave it out")
    if found is not None and found.role is not old.role:
        raise UsageError(f"{found} is not the key of an {old.role.name.lower()}")
    return KeyReplacement(parent, old, found)


def overlapping(parent: Claims[Any], made: Mapping[NewKey, PublicKey]) -> list[PublicKey]:
    """Return the keys of *parent* whose replacement keys it lists too."""
    listed = listed_keys(parent)
    owner = parent.name.strip()
    known = {new_key: str(key) for new_key, key in made.items()}
    keys = [PublicKey.parse(text) for text in listed if is_key(text)]
    return [key for key in keys if known.get(replacement_key(owner, key)) in listed]


def is_key(text: str) -> bool:
    """Report whether *text* is a public key: what a jwt lists need not be one."""
    try:
        PublicKey.parse(text)
    except BadKey:
        return False
    return True


def require_named(key: str | None) -> None:
    """Raise `UsageError` unless *key* is a public key: in an emergency nobody guesses which key must go.

    The same again, after it was killed, must not remove the key that has just been created.
    """
    if key is None or not is_key(key):
        raise UsageError(
            "an emergency is about one key, and none is named", "--key PUBKEY names the key that must go"
        )


def with_new(claims: Claims[Any], old: PublicKey, new: PublicKey) -> Claims[Any]:
    """Return *claims* with *new* beside *old*, and with the same role and template where it is a scope."""
    entries = list(claims.body.signing_keys)
    entry = listed_keys(claims)[str(old)]
    beside = msgspec.structs.replace(entry, key=str(new)) if isinstance(entry, Scope) else str(new)
    entries.insert(entries.index(entry) + 1, beside)
    return _with(claims, entries)


def without(claims: Claims[Any], old: PublicKey) -> Claims[Any]:
    """Return *claims* without the signing key *old*."""
    return _with(claims, [entry for entry in claims.body.signing_keys if signing_key(entry) != str(old)])


def _with(claims: Claims[Any], entries: list[Scope | str]) -> Claims[Any]:
    return msgspec.structs.replace(
        claims, body=msgspec.structs.replace(claims.body, signing_keys=tuple(entries))
    )


def _old(
    parent: Claims[Any], made: Mapping[NewKey, PublicKey], key: str | None, new: PublicKey | None
) -> PublicKey:
    listed = listed_keys(parent)
    begun = overlapping(parent, made)
    if key is not None:
        fitting = [text for text, entry in listed.items() if key in {text, getattr(entry, "role", None)}]
        candidates = [str(one) for one in begun if str(one) in fitting] or fitting
    else:
        candidates = [str(one) for one in begun] or [
            text for text, entry in listed.items() if text != str(new) and not is_delegated(entry)
        ]
    if len(candidates) == 1:
        return PublicKey.parse(candidates[0])
    kind, name = parent.body.kind, shown(parent.name)
    if key is not None and not candidates:
        raise UsageError(
            f"{quoted(key)} is no signing key of {kind} {name}, nor the role of one", _named(listed)
        )
    if not candidates:
        raise UsageError(
            f"{kind} {name} has no signing key: it signs with its identity",
            "seedless operator reissue"
            if kind == "operator"
            else f"give it one, and sign its users with that: seedless account signing-key add -a {name}",
        )
    raise UsageError(f"{kind} {name} has {len(candidates)} signing keys that may be meant", _named(listed))


def _named(listed: Mapping[str, Scope | str]) -> str:
    roles = {key: f" ({shown(entry.role)})" for key, entry in listed.items() if isinstance(entry, Scope)}
    named = ", ".join(f"{key}{roles.get(key, '')}" for key in listed)
    return f"name one with --key: {named}" if named else ""
