"""What the inventory calls the keys of a rotation, so that names go on meaning the key that is in use.

A new key is made under a name that says whose place it takes. As soon as it is listed it gets the name of the
old one, by which desired-state files and people know it; that is then called `ORDERS/main before ABC…`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from seedless.rotate import replacement_key
from seedless.rotate.replacement import ENOUGH
from seedless.signing_pipeline import NewKey

if TYPE_CHECKING:
    from seedless.cli.workspace import CommandWorkspace
    from seedless.nkey import PublicKey
    from seedless.rotate import KeyReplacement

_BEFORE = " before "


def made_keys(workspace: CommandWorkspace, owner: str) -> dict[NewKey, PublicKey]:
    """Return the keys of the inventory by role and name, successors of keys of *owner* as they were made."""
    entries = tuple(workspace.inventory())
    found = {NewKey(entry.role, entry.name): entry.public_key for entry in entries}
    for entry in entries:
        _, before, beginning = entry.name.rpartition(_BEFORE)
        for other in entries if before else ():
            if other.role is entry.role and str(other.public_key)[:ENOUGH] == beginning:
                found[replacement_key(owner, entry.public_key)] = other.public_key
    return found


def hand_name_on(workspace: CommandWorkspace, pair: KeyReplacement) -> None:
    """Give the new key of *pair* the name of the old one in the inventory, once both are there."""
    inventory = workspace.inventory()
    old = inventory.get(pair.old)
    new = inventory.get(pair.new) if pair.new else None
    if old is None or new is None or _BEFORE in old.name:
        return
    past = f"{old.name}{_BEFORE}{str(new.public_key)[:ENOUGH]}"
    with workspace.lock():
        # In one step: a run that is killed between the two names would no longer know what belongs together.
        workspace.note_key(replace(new, name=old.name), replace(old, name=past))
