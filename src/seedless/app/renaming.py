"""New names for accounts and users: keys stay, and what lies under the old name moves.

A run that was ended in between is finished by the next one: what it has left under the new name is found
there.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from seedless.app.edits import Edited, issuer_of, reissued, stored
from seedless.app.pipeline import Preview, preview
from seedless.change import Change, StoreWrite
from seedless.claims import Account, User, signing_key
from seedless.errors import SeedlessError, UsageError
from seedless.jwt import Claims, Jwt
from seedless.plan import changed
from seedless.signing_pipeline import Plan
from seedless.text import shown

if TYPE_CHECKING:
    from seedless.app.workspace import Workspace
    from seedless.nkey import PublicKey

__all__ = ["rename_account", "rename_user"]


def rename_account(
    workspace: Workspace, old: str, new: str, *, issuer: str | PublicKey | None = None
) -> Preview[Edited[Account]]:
    """Preview the account *old* under the name *new*; its users and their creds move with it."""
    workspace.refresh()
    before = stored(workspace, (old,))
    done = _account_left(workspace, before, new)
    steps = () if done else (_account_change(workspace, before, new, issuer),)
    around = workspace.around(before.claims, keys=(str(before.issuer),))
    plan = Plan(steps, workspace.now, around, _moves(workspace, before, new))

    def finish(jwts: tuple[Jwt[Any], ...]) -> Edited[Any]:
        _rename_keys(workspace, before.claims, new)
        return _renamed(jwts, done)

    return preview(workspace, plan, finish)


def _rename_keys(workspace: Workspace, claims: Claims[Account], new: str) -> None:
    """Call the keys of an account, `ORDERS` and `ORDERS signing`, by its *new* name in the inventory.

    Else another account of the old name would have keys of the same names, and desired state would not find
    those of this one.
    """
    old = claims.name.strip()
    keys = {claims.sub, *map(signing_key, claims.body.signing_keys)}
    with workspace.lock():
        known = [entry for entry in workspace.inventory() if str(entry.public_key) in keys]
        named = [entry for entry in known if f"{entry.name} ".startswith(f"{old} ")]
        workspace.note_key(*(replace(entry, name=new + entry.name.removeprefix(old)) for entry in named))


def _renamed(jwts: tuple[Jwt[Any], ...], done: Jwt[Any] | None) -> Edited[Any]:
    """Return what was signed, or what was *done* before."""
    return Edited(jwts[0] if done is None else done, changed=True)


def _account_left(workspace: Workspace, before: Jwt[object], new: str) -> Jwt[object] | None:
    """Return the account under its *new* name, that a run has left which was ended before it was done.

    Raise `UsageError` when the name is another's, or cannot be one.
    """
    there = workspace.store.get(new)
    if there is None or there.claims.sub != before.claims.sub or there.claims.name == before.claims.name:
        workspace.refuse_existing(new)
        return None
    return there


def _account_change(
    workspace: Workspace, before: Jwt[object], new: str, issuer: str | PublicKey | None
) -> Change:
    after = replace(before.claims, name=new)
    key = issuer_of(workspace, before, after, issuer)
    reason = f"was {before.claims.name}"
    return changed(after, key, replaces=before, now=workspace.now, reason=reason, address=(new,))


def _moves(workspace: Workspace, before: Jwt[object], new: str) -> tuple[StoreWrite, ...]:
    """Return where the users go, and last that the old name goes, by which a run that was ended goes on."""
    old = before.claims.name.strip()
    store_writes = []
    for user, jwt in workspace.each(old):
        if isinstance(jwt, SeedlessError):
            raise jwt
        store_writes.append(StoreWrite((new, user), jwt, workspace.store.get(new, user), f"moves from {old}"))
        store_writes.append(StoreWrite((old, user), None, jwt, f"moves to {new}"))
    return (*store_writes, StoreWrite((old,), None, before, f"is {new} now"))


def rename_user(workspace: Workspace, account: str, old: str, new: str) -> Preview[Edited[User]]:
    """Preview the user *old* of *account* under the name *new*; its creds file moves along."""
    workspace.refresh()
    parent = workspace.account(account)
    before = stored(workspace, (account, old))
    if new == old:
        raise UsageError(f"user {shown(old)} has this name already", "give another name")
    gone = StoreWrite((account, old), None, before, f"renamed to {new}")
    done = _user_left(workspace, before, (account, new))
    steps = () if done else (_user_change(workspace, parent, before, new),)
    plan = Plan(steps, workspace.now, (workspace.operator(), parent), (gone,))
    left: Mapping[Path, str | None] = {workspace.store.creds_path(account, old): None} if done else {}
    return preview(workspace, plan, lambda jwts: _renamed(jwts, done), files=lambda _: left)


def _user_left(workspace: Workspace, before: Jwt[object], address: tuple[str, ...]) -> Jwt[object] | None:
    """Return the jwt under the new name that a run, ended before it was done, has left; else None.

    Raise `UsageError` when the name is another's, or cannot be one.
    """
    there = workspace.store.get(*address)
    if there is None or there.claims.sub != before.claims.sub:
        workspace.refuse_existing(*address)
        return None
    return there


def _user_change(workspace: Workspace, parent: Jwt[Account], before: Jwt[User], new: str) -> Change:
    known = workspace.known_keys()
    after, key = reissued(parent.claims, known, before, lambda claims: replace(claims, name=new))
    return changed(
        after,
        key,
        replaces=before,
        now=workspace.now,
        reason=f"renamed from {before.claims.name}",
        address=(parent.claims.name.strip(), new),
    )
