"""`seedless apply`: a file describes operator, accounts and users; what differs is signed."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from seedless import units
from seedless.app.desired import read_file, with_store_of
from seedless.cli.command import command
from seedless.cli.options import Settings, bulk_options
from seedless.cli.render import describe
from seedless.cli.review import plan_data, show_notices, show_plan, sign_preview
from seedless.cli.workspace import CommandWorkspace
from seedless.desired.read import Desired, read
from seedless.errors import ExitCode
from seedless.store import atomic

if TYPE_CHECKING:
    from seedless.app.desired import Applied
    from seedless.app.pipeline import Preview


@command()
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True))
@click.option("--plan-only", is_flag=True, help="Show what differs, and exit 5 when something does.")
@click.option("--prune", is_flag=True, help="Remove what the file does not name, where it names others.")
@bulk_options
def apply(settings: Settings, *, file: Path, plan_only: bool, prune: bool) -> int:
    """Bring the store to the state that a file describes.

    FILE is TOML or JSON, - is stdin. Only what differs is signed; what the file does not name is left alone.
    Without a terminal, look first (--plan-only, --plan FILE), and then give --yes; a pinned policy decides.

    \b
    Example:
      seedless apply tenants.toml --plan-only
      seedless apply tenants.toml --token pkcs11:token=ACME
    """
    desired = _read_stdin() if str(file) == "-" else read_file(file)
    workspace = CommandWorkspace(msgspec.structs.replace(settings, dry_run=settings.dry_run or plan_only))
    workspace = with_store_of(workspace, desired)
    with workspace.lock():
        made = workspace.desired.preview(desired, prune=prune, removes_files=not settings.plan)
        if plan_only:
            return _print_plan(workspace, made)
        applied = sign_preview(workspace, made)
    text = f"signed: {len(applied.jwts)}\nremoved: {len(applied.removed)}"
    settings.emit(
        lambda: {
            "changed": applied.is_changed,
            "signed": [describe.data(jwt) for jwt in applied.jwts],
            "removed": [list(address) for address in applied.removed],
        },
        text if applied.is_changed else "nothing to change",
    )
    return ExitCode.OK


def _read_stdin() -> Desired:
    given = sys.stdin.buffer.read(units.LARGEST_FILE + 1)  # a device may have no end
    atomic.require_size("stdin", len(given))
    return read(given, "stdin")


def _print_plan(workspace: CommandWorkspace, made: Preview[Applied]) -> int:
    show_notices(made)
    show_plan(workspace, made)
    text = f"to sign: {len(made.plan.changes)}\nto remove: {len(made.plan.store_writes)}"
    made.report.require_clean()
    workspace.emit(lambda: plan_data(workspace, made), "nothing differs" if made.is_empty else text)
    return ExitCode.OK if made.is_empty else ExitCode.CHANGES
