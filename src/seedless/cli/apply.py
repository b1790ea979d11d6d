"""`seedless apply`: a file says how operator, accounts and users should be; what differs is signed."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from seedless import units
from seedless.app.pipeline import preview
from seedless.cli import printing
from seedless.cli.command import command
from seedless.cli.options import Settings, bulk_options
from seedless.cli.render import describe
from seedless.cli.review import plan_data, show_plan, sign
from seedless.cli.workspace import CommandWorkspace
from seedless.desired.current_state import current_state
from seedless.desired.planner import plan_desired
from seedless.desired.read import read
from seedless.errors import ExitCode, StoreError, UsageError
from seedless.nkey import PublicKey, Role
from seedless.seeds import SoftwareKey
from seedless.store import atomic, open_store, operators
from seedless.text import shown

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from seedless.desired.current_state import CurrentState
    from seedless.desired.planner import PlannedChanges
    from seedless.desired.read import Desired
    from seedless.jwt import Jwt
    from seedless.signing_pipeline import Signed

_USER = 2


@command()
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True))
@click.option("--plan-only", is_flag=True, help="Show what differs, and exit 5 when something does.")
@click.option("--prune", is_flag=True, help="Remove what the file does not name, where it names others.")
@bulk_options
def apply(settings: Settings, *, file: Path, plan_only: bool, prune: bool) -> int:
    """Make the store as a desired-state file says.

    FILE is TOML or JSON, - is stdin. Only what differs is signed; what the file does not name is left alone.
    Without a terminal, look first (--plan-only, --plan FILE), and then say --yes; a pinned policy decides.

    \b
    Example:
      seedless apply tenants.toml --plan-only
      seedless apply tenants.toml --token pkcs11:token=ACME
    """
    desired = _read(file)
    workspace = CommandWorkspace(msgspec.structs.replace(settings, dry_run=settings.dry_run or plan_only))
    has_store = _choose_store(workspace, desired)
    with workspace.lock():
        there = current_state(
            workspace.store if has_store else None,
            workspace.inventory(),
            desired,
            prune=prune,
            elsewhere=lambda key: _is_elsewhere(workspace, key),
        )
        wanted = plan_desired(
            desired, there, now=workspace.now, seed=lambda: SoftwareKey.generate(Role.USER), prune=prune
        )
        _say_left_importing(wanted, there)
        if plan_only:
            return _tell_plan(workspace, wanted)
        jwts: Sequence[Jwt[Any]] = ()
        if not wanted.is_empty:
            jwts = sign(
                workspace,
                wanted.intent,
                seeds=wanted.seeds,
                files=_files(workspace, wanted),
                gone=_gone(workspace, wanted),
            )
    _tell(workspace, jwts, wanted)
    return 0


def _read(file: Path) -> Desired:
    if str(file) == "-":
        given = sys.stdin.buffer.read(units.LARGEST_FILE + 1)
        atomic.require_size("stdin", len(given))
        return read(given, "stdin")
    data = atomic.read(file)
    if data is None:
        raise UsageError(f"there is no file {shown(file)}", "name a desired-state file, TOML or JSON")
    return read(data, shown(file.name))


def _choose_store(workspace: CommandWorkspace, desired: Desired) -> bool:
    """Take the store of the operator that the file names, or the only one; return whether it is there."""
    name = desired.operator.get("name")
    asked = workspace.options.operator
    if name and asked and name != asked:
        raise UsageError(
            f"{desired.file} is about operator {shown(name)}, and --operator says {shown(asked)}"
        )
    if name is None:
        return workspace.store is not None
    if name in operators(workspace.root):
        workspace.settings = msgspec.structs.replace(workspace.options, operator=name)
        return True
    workspace.new_store(name)
    return False


def _is_elsewhere(workspace: CommandWorkspace, key: PublicKey) -> bool:
    others = (name for name in operators(workspace.root) if name != workspace.store.operator)
    return any(open_store(workspace.root, name).find(key) for name in others)


def _say_left_importing(wanted: PlannedChanges, there: CurrentState) -> None:
    """Warn of accounts that stay and import from one that is removed: servers drop these imports."""
    gone = {there.accounts[one[0]].claims.sub: one[0] for one in wanted.removed if len(one) != _USER}
    if not gone:
        return
    after = {name: jwt.claims for name, jwt in there.accounts.items() if jwt.claims.sub not in gone}
    changes = wanted.intent.rehearsed().changes
    after |= {
        one.address[0]: one.draft.claims for one in changes if one.address and len(one.address) != _USER
    }
    for name, claims in after.items():
        left = {gone[item.account]: None for item in claims.body.imports if item.account in gone}
        if left:
            printing.say(
                f"warning: {shown(name)} imports from {', '.join(map(shown, left))}, removed by this"
            )


def _gone(workspace: CommandWorkspace, wanted: PlannedChanges) -> list[Path]:
    """Return the creds and key files of removed users that are there; a plan in a file removes none."""
    removed = () if workspace.options.plan else wanted.removed
    paths: list[Path] = []
    for address in (one for one in removed if len(one) == _USER):
        paths.append(workspace.store.creds_path(*address))
        with contextlib.suppress(StoreError):  # a damaged jwt names no key
            jwt = workspace.store.get(*address)
            paths += [workspace.store.seed_path(PublicKey.parse(jwt.claims.sub))] if jwt else []
    return [path for path in paths if path.exists()]


def _files(workspace: CommandWorkspace, wanted: PlannedChanges) -> Any:  # noqa: ANN401 - a function
    """Return what removes the creds of removed users, together with the last of what is signed."""
    creds: dict[Path, str | None] = dict.fromkeys(_gone(workspace, wanted))

    def files(signed: Sequence[Signed]) -> Mapping[Path, str | None]:
        last = wanted.intent.rehearsed().changes[-1:] if creds else ()
        is_last = not last or (signed and signed[-1][0].address == last[0].address)
        return creds if is_last else {}

    return files


def _tell_plan(workspace: CommandWorkspace, wanted: PlannedChanges) -> int:
    made = preview(workspace, wanted.intent, lambda jwts: jwts, removed_files=_gone(workspace, wanted))
    plan = made.plan
    show_plan(workspace, made)
    is_same = wanted.is_empty
    text = f"to sign: {len(plan.changes)}\nto remove: {len(plan.store_writes)}"
    text = "nothing differs" if is_same else text
    made.report.require_clean()
    printing.emit(lambda: plan_data(workspace, made), text, as_json=workspace.options.as_json)
    return ExitCode.OK if is_same else ExitCode.CHANGES


def _tell(workspace: CommandWorkspace, jwts: Sequence[Jwt[Any]], wanted: PlannedChanges) -> None:
    is_changed = bool(jwts or wanted.removed)
    text = f"signed: {len(jwts)}\nremoved: {len(wanted.removed)}" if is_changed else "nothing to change"
    printing.emit(
        lambda: {
            "changed": is_changed,
            "signed": [describe.data(jwt) for jwt in jwts],
            "removed": [list(address) for address in wanted.removed],
        },
        text,
        as_json=workspace.options.as_json,
    )
