"""`seedless sign --plan FILE`: sign the plan that was reviewed, and no other."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seedless import planfile
from seedless.cli import _describe, _io
from seedless.cli._review import sign
from seedless.cli._workspace import Workspace
from seedless.errors import StoreError, UsageError
from seedless.issue import Intent
from seedless.store import atomic, create_store
from seedless.text import quoted, shown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from seedless.change import Change, Placement
    from seedless.cli._options import Settings
    from seedless.issue import Plan
    from seedless.jwt import Jwt


def sign_plan(settings: Settings, expect: str | None) -> None:
    """Sign the plan in the file of --plan into the store; what it has already is passed over.

    Raise `UsageError` when the digest is not the one to *expect*, or nobody can be asked and there is none or
    no policy, and `StoreError` when the store is no longer as the plan found it.
    """
    path = Path(settings.plan or "")
    data = atomic.read(path, planfile.LONGEST)
    if data is None:
        raise UsageError(f"there is no file {shown(path)}", "name a plan that --plan FILE wrote")
    data = data.removesuffix(b"\n")
    workspace = Workspace(dataclasses.replace(settings, plan=None))
    _require_expected(workspace, planfile.digest(data), expect)
    plan = planfile.parse(data)
    choose_store(workspace, plan)
    with workspace.lock():
        left = left_to_do(workspace, plan)
        jwts = sign(workspace, Intent(lambda _: left)) if left.changes or left.placements else ()
    passed = len(plan.changes) - len(left.changes)
    _io.emit(
        {"digest": planfile.digest(data), "signed": [_describe.data(jwt) for jwt in jwts], "passed": passed},
        f"signed: {len(jwts)}" + (f"\nin the store already: {passed}" if passed else ""),
        as_json=settings.as_json,
    )


def require_consent(workspace: Workspace, hint: str) -> None:
    """Raise `UsageError` when nobody sits there to look, and no policy is pinned that judges instead."""
    if not _io.is_interactive() and workspace.policy is None and not workspace.settings.dry_run:
        raise UsageError("nobody is here to look at the plan, and no policy is pinned", hint)


def _require_expected(workspace: Workspace, digest: str, expect: str | None) -> None:
    if expect is not None and expect.lower() != digest:
        raise UsageError(f"the digest of the plan is {digest}, not {quoted(expect)}", "this is another plan")
    if expect is None and not _io.is_interactive() and not workspace.settings.dry_run:
        raise UsageError(
            "nobody is here to look at the plan, and its digest was not said",
            f"--expect {digest}, if that is what was reviewed",
        )
    require_consent(workspace, "name one with --policy")


def choose_store(workspace: Workspace, plan: Plan) -> None:
    """Make a new store for a plan that begins with an operator; else the store that is there is meant."""
    for change in plan.changes:
        if change.address == () and change.replaces is None and not workspace.has_store:
            workspace.store = create_store(workspace.root, change.draft.claims.name.strip())


def left_to_do(workspace: Workspace, plan: Plan) -> Plan:
    """Return *plan* without what the store has already; raise `StoreError` where it has something else."""
    if plan.around:
        _require_around(workspace, plan)
    # What a placement takes away can be in the place of what is signed: an operator with another key.
    away = {one.address: one.replaces for one in plan.placements if one.jwt is None}
    changes = tuple(one for one in plan.changes if not _is_done(workspace, one, away))
    done = {change.address for change in plan.changes} - {change.address for change in changes}
    placements = tuple(
        one for one in plan.placements if one.address not in done and not _is_placed(workspace, one)
    )
    return dataclasses.replace(plan, changes=changes, placements=placements)


def _require_around(workspace: Workspace, plan: Plan) -> None:
    """Raise `StoreError` unless what the plan was judged against still stands, or is replaced by it."""
    made = {change.draft.claims.sub for change in plan.changes}
    jwts: list[Jwt[Any]] = [workspace.operator(), *workspace.readable_accounts()]
    standing = {jwt.claims.sub: jwt for jwt in jwts}
    for jwt in plan.around:
        there = standing.get(jwt.claims.sub)
        if jwt.claims.sub not in made and (there is None or there.text != jwt.text):
            raise StoreError(f"the store has another jwt of {shown(jwt.claims.name)} than the plan", _AGAIN)


def _is_done(workspace: Workspace, change: Change, away: Mapping[tuple[str, ...], Jwt[Any] | None]) -> bool:
    """Tell whether the store has what *change* makes; raise `StoreError` when it has neither that nor before.

    Before is what *change* replaces, or what goes *away* from its address.
    """
    if change.address is None:
        return False
    there = workspace.store.get(*change.address)
    before = change.replaces or away.get(change.address)
    if there is not None and there.text.startswith(f"{change.draft.signing_input.decode()}."):
        return True
    if (there.text if there else None) != (before.text if before else None):
        # A new name: what is replaced lies at the address that a placement clears.
        moved = there is None and change.replaces is not None
        if not moved:
            raise StoreError(f"the store has another jwt of {shown(change.title)} than the plan", _AGAIN)
    return False


def _is_placed(workspace: Workspace, one: Placement) -> bool:
    there = workspace.store.get(*one.address)
    text = there.text if there else None
    if text == (one.jwt.text if one.jwt else None):
        return True
    if text != (one.replaces.text if one.replaces else None):
        where = "/".join(one.address) or "the operator"
        raise StoreError(f"the store has another jwt at {shown(where)} than the plan", _AGAIN)
    return False


_AGAIN = "it has changed since; make the plan again"
