"""What rotations of account and operator keys share: steps that follow each other, and the names of keys.

A replacement key is created under a name that states whose place it takes. As soon as it is listed it gets
the name of the previous one, by which desired states and people know it; that is then called
`ORDERS/main before ABC…`. So a rotation that was interrupted is found again, and no other file is needed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import replace

from seedless.app.edits import stored
from seedless.app.pipeline import Notice, Preview, preview
from seedless.errors import UsageError
from seedless.jwt import Claims, Jwt
from seedless.nkey import PublicKey
from seedless.rotate import KeyReplacement, find_replacement, listed_keys, replacement_key
from seedless.rotate.replacement import ENOUGH, is_key, overlapping
from seedless.signing_pipeline import Intent, NewKey, Plan

if TYPE_CHECKING:
    from seedless.app.workspace import Workspace

__all__ = ["RotationStep", "find", "find_again", "known_replacement", "sign_all", "step"]

_BEFORE = " before "


class RotationStep(msgspec.Struct, frozen=True):
    """The jwts that a step has signed, and the step that follows and holds some of them; None at the end."""

    jwts: tuple[Jwt[Any], ...]
    next: Preview[RotationStep] | None = None


def sign_all(
    first: Preview[RotationStep], sign: Callable[[Preview[RotationStep]], RotationStep] = Preview.sign
) -> tuple[Jwt[Any], ...]:
    """Sign the step *first* and those that follow it, each by *sign*; return all jwts that were signed."""
    jwts: tuple[Jwt[Any], ...] = ()
    following: Preview[RotationStep] | None = first
    while following is not None:
        done = sign(following)
        jwts, following = (*jwts, *done.jwts), done.next
    return jwts


def step(
    workspace: Workspace,
    address: tuple[str, ...],
    replacement: KeyReplacement,
    plan: Callable[[PublicKey], Plan] | None,
    *,
    notices: Sequence[Notice] = (),
    then: Callable[[tuple[Jwt[Any], ...]], Preview[RotationStep] | None] = lambda _: None,
) -> Preview[RotationStep]:
    """Preview the step that signs the *plan* made of the replacement key, created where there is none yet.

    None: nothing is left to sign. *address* is of the operator or the account whose key is replaced; *then*
    makes the step that follows of the jwts. Whatever is signed, the names of the keys are put right.
    """
    empty = Plan((), workspace.refresh())
    if plan is None:
        intent = Intent(lambda _: empty)
    elif replacement.new is not None:
        made = plan(replacement.new)
        intent = Intent(lambda _: made)
    else:
        intent = Intent(lambda keys: plan(keys[replacement.replacement]), (replacement.replacement,))

    def finish(jwts: tuple[Jwt[Any], ...]) -> RotationStep:
        _pass_name_on(workspace, find_again(workspace, stored(workspace, address).claims, replacement))
        return RotationStep(jwts, then(jwts))

    return preview(workspace, intent, finish, notices=notices)


def find(
    workspace: Workspace, parent: Claims[Any], key: str | None, new: PublicKey | None, *, ending: bool
) -> KeyReplacement | None:
    """Return which signing key of *parent* is replaced; None with *ending* where nothing overlaps any more.

    Raise `UsageError` where it is not clear.
    """
    made = _created_keys(workspace, parent.name.strip())
    is_gone = key is not None and is_key(key) and key not in listed_keys(parent)
    is_idle = key is None and new is None and not overlapping(parent, made)
    if ending and (is_gone or is_idle):
        return None
    return find_replacement(parent, made, key=key, new=new)


def find_again(workspace: Workspace, parent: Claims[Any], before: KeyReplacement) -> KeyReplacement:
    """Return the same replacement, as *parent* and the inventory are now."""
    new = before.new or _created_keys(workspace, parent.name.strip()).get(before.replacement)
    return KeyReplacement(parent, before.old, new)


def known_replacement(replacement: KeyReplacement | None) -> KeyReplacement:
    """Return *replacement*; raise `UsageError` where no key is replaced."""
    if replacement is None:
        raise UsageError("no key is replaced", "name one with --key")
    return replacement


def _created_keys(workspace: Workspace, owner: str) -> dict[NewKey, PublicKey]:
    """Return the keys of the inventory by role and name; replacement keys of *owner* as they were created."""
    entries = tuple(workspace.inventory())
    found = {NewKey(entry.role, entry.name): entry.public_key for entry in entries}
    for entry in entries:
        _, before, beginning = entry.name.rpartition(_BEFORE)
        for other in entries if before else ():
            if other.role is entry.role and str(other.public_key)[:ENOUGH] == beginning:
                found[replacement_key(owner, entry.public_key)] = other.public_key
    return found


def _pass_name_on(workspace: Workspace, replacement: KeyReplacement) -> None:
    """Give the replacement key the name of the previous one in the inventory, once it is listed."""
    if not replacement.is_begun:
        return
    inventory = workspace.inventory()
    old = inventory.get(replacement.old)
    new = inventory.get(replacement.new) if replacement.new else None
    if old is None or new is None or _BEFORE in old.name:
        return
    past = f"{old.name}{_BEFORE}{str(new.public_key)[:ENOUGH]}"
    with workspace.lock():
        # In one step: a run that is killed between the two names would no longer know what belongs together.
        workspace.note_key(replace(new, name=old.name), replace(old, name=past))
