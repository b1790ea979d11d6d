"""What of a plan is left to do: the store may have some of it already, or may have changed since."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec

from seedless.change import Change, StoreWrite
from seedless.claims import Account, Operator, User
from seedless.errors import SeedlessError, StoreChanged, StoreError
from seedless.jwt import Claims, Jwt
from seedless.nkey import PublicKey
from seedless.signing_pipeline import Plan
from seedless.text import quoted, shown

if TYPE_CHECKING:
    from seedless.app.workspace import Workspace

__all__ = ["Subjects", "remaining", "require_unchanged"]


def require_unchanged(workspace: Workspace, plan: Plan) -> None:
    """Raise `StoreError` unless the store is as it was when *plan* was made, and has nothing of it yet."""
    is_reissued = any(write.address == () and write.replaces is not None for write in plan.store_writes)
    if not is_reissued and any(change.address == () and change.replaces is None for change in plan.changes):
        # A new operator comes with a store of its own, which has to be new still.
        if workspace.store.get() is not None:
            raise StoreError(f"there is already an operator {quoted(workspace.store.operator)}", _AGAIN)
        return
    left = remaining(workspace, plan)
    if (len(left.changes), len(left.store_writes)) != (len(plan.changes), len(plan.store_writes)):
        done = next(change for change in plan.changes if change not in left.changes) if plan.changes else None
        what = shown(done.title) if done else "what the plan places"
        raise StoreError(f"the store has {what} already", _AGAIN)


def remaining(workspace: Workspace, plan: Plan) -> Plan:
    """Return *plan* without what the store has already; raise `StoreError` where it has something else.

    The operator of the store, where there is one, is around it.
    """
    operator = workspace.store.get()
    _require_around(workspace, plan, operator)
    if operator is not None and operator not in plan.around:
        plan = msgspec.structs.replace(plan, around=(operator, *plan.around))
    # What a store_write takes away can be in the place of what is signed: an operator with another key.
    away = {write.address: write.replaces for write in plan.store_writes if write.jwt is None}
    subjects = Subjects(workspace)
    changes = tuple(change for change in plan.changes if not _is_done(workspace, change, away, subjects))
    done = {change.address for change in plan.changes} - {change.address for change in changes}
    store_writes = tuple(
        write for write in plan.store_writes if write.address not in done and not _is_placed(workspace, write)
    )
    return msgspec.structs.replace(plan, changes=changes, store_writes=store_writes)


class Subjects:
    """The jwts of the store by the keys that they are about, read when they are asked for."""

    def __init__(self, workspace: Workspace) -> None:
        """Take the store of *workspace*."""
        self._workspace = workspace
        self._read: dict[tuple[str, ...], dict[str, Jwt[object]]] = {}

    def get(self, claims: Claims[object], address: tuple[str, ...] | None) -> Jwt[object] | None:
        """Return what the store has about the subject of *claims*; a user is looked for at *address*."""
        match claims.body:
            case Operator():
                found = self._workspace.store.get()
                return found if found and found.claims.sub == claims.sub else None
            case Account():
                return self._in().get(claims.sub)
            case User() if address is not None:
                return self._in(address[0]).get(claims.sub)
            case User():
                place = self._workspace.store.find(PublicKey.parse(claims.sub))
                return None if place is None else self._workspace.store.get(*place)
        return None

    def _in(self, *address: str) -> dict[str, Jwt[object]]:
        if address not in self._read:
            held = (jwt for _, jwt in self._workspace.each(*address) if not isinstance(jwt, SeedlessError))
            self._read[address] = {jwt.claims.sub: jwt for jwt in held}
        return self._read[address]


def _require_around(workspace: Workspace, plan: Plan, operator: Jwt[object] | None) -> None:
    """Raise `StoreChanged` unless what the plan was judged against is still there, or is replaced by it."""
    made = {change.draft.claims.sub for change in plan.changes}
    gone = [write.replaces for write in plan.store_writes if write.address == () and write.jwt is None]
    around = [jwt for jwt in plan.around if jwt.claims.sub not in made and jwt not in gone]
    jwts: list[Jwt[object]] = [operator] if operator and around else []
    jwts += workspace.readable_accounts() if around else []
    current = {jwt.claims.sub: jwt for jwt in jwts}
    # Compared as text and not as claims: two jwts with equal claims and other issuers are judged
    # differently.
    for jwt in around:
        there = current.get(jwt.claims.sub)
        if there is None or there.text != jwt.text:
            raise StoreChanged(f"the store has another jwt of {shown(jwt.claims.name)} than the plan", _AGAIN)


def _is_done(
    workspace: Workspace,
    change: Change,
    away: Mapping[tuple[str, ...], Jwt[object] | None],
    subjects: Subjects,
) -> bool:
    """Return whether the store has what *change* makes; raise `StoreError` when it has another state.

    Before is what *change* replaces, wherever that lies, or what goes *away* from its address.
    """
    there = None if change.address is None else workspace.store.get(*change.address)
    # Without the signature: Ed25519 gives one signature for one message and key (RFC 8032, section 5.1.6),
    # but the store may have been signed by another implementation, with a random part.
    if there is not None and there.text.startswith(f"{change.draft.signing_input.decode()}."):
        return True
    before = change.replaces
    if there is None or before is None or there.text != before.text:
        # By key as well as by address: a rename that was done in between leaves the address free, while the
        # subject has a jwt elsewhere, and signing would give it two.
        same = subjects.get(change.draft.claims, change.address)
        gone = away.get(change.address or ())
        is_free = there is None or (gone is not None and gone.text == there.text)
        if not is_free or (same is not None and (before is None or same.text != before.text)):
            raise StoreChanged(f"the store has another jwt of {shown(change.title)} than the plan", _AGAIN)
    return False


def _is_placed(workspace: Workspace, write: StoreWrite) -> bool:
    there = workspace.store.get(*write.address)
    text = there.text if there else None
    if text == (write.jwt.text if write.jwt else None):
        return True
    if text != (write.replaces.text if write.replaces else None):
        where = "/".join(write.address) or "the operator"
        raise StoreChanged(f"the store has another jwt at {shown(where)} than the plan", _AGAIN)
    return False


_AGAIN = "it has changed since; make the plan again"
