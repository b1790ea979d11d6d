"""Plans as files: `--plan FILE` writes one instead of signing, `seedless sign --plan FILE` signs that one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from seedless import plan_file
from seedless.cli import printing
from seedless.errors import UsageError
from seedless.store import atomic
from seedless.text import shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from seedless.cli._workspace import Workspace
    from seedless.seeds import SoftwareKey
    from seedless.signing_pipeline import Intent, Plan


def write_plan(workspace: Workspace, plan: Plan, intent: Intent, seeds: Sequence[SoftwareKey]) -> None:
    """Write *plan* to the file of --plan, print its digest, and end the command.

    The *seeds* of new users go into the key store at once, where the creds are made from when the plan is
    signed. Raise `UsageError` for a plan that needs keys which nobody has made.
    """
    if intent.new_keys:
        role, name = intent.new_keys[0].role.name.lower(), shown(intent.new_keys[0].name)
        raise UsageError(
            f"a plan is signed as it is, and the key of {role} {name} is not made yet",
            f"make it: seedless key new --role {role} --name {name}; it is taken up",
        )
    path, data = Path(workspace.settings.plan or ""), plan_file.to_bytes(plan)
    kept = {workspace.store.seed_path(key.public_key): key.reveal() for key in seeds}
    atomic.write({**kept, path: data.decode()})
    digest = plan_file.digest(data)
    printing.emit(
        {
            "plan": str(path),
            "digest": digest,
            "changes": len(plan.changes),
            "placements": len(plan.store_writes),
        },
        f"plan: {path}\ndigest: {digest}",
        as_json=workspace.settings.as_json,
    )
    raise click.exceptions.Exit(0)
