"""`seedless policy`: is a policy right, what does it contain, and what does a new one change."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from seedless.app.key_names import titled
from seedless.cli import printing
from seedless.cli.command import group
from seedless.cli.options import store_options
from seedless.cli.values import PATH
from seedless.errors import ExitCode, UsageError
from seedless.policy import changes, read, sentences
from seedless.store import atomic
from seedless.text import printable, shown

if TYPE_CHECKING:
    from seedless.cli.workspace import CommandWorkspace
    from seedless.policy import Policy


@group()
def policy() -> None:
    """Check and explain the policy that is pinned."""


@policy.command(name="check")
@click.argument("file", type=PATH)
@click.option("--against", type=PATH, metavar="OLD", help="Show what changes from the policy in OLD.")
@store_options
def check(workspace: CommandWorkspace, *, file: Path, against: Path | None) -> int:
    """Check that the policy in FILE is valid.

    With --against, show what it changes: rules that fall away first. Exit code 5 when something changes.

    \b
    Example:
      seedless policy check policy.toml --against policy.old.toml
    """
    found = _read(file)
    old = _read(against) if against else None
    steps = changes(old, found) if old else ()
    data = {
        "file": str(file),
        "digest": found.digest,
        "against": old.digest if old else None,
        "changes": [{"step": step, "text": text} for step, text in steps],
    }
    lines = printing.labelled(((step, printable(titled(workspace, text))) for step, text in steps), 8)
    if old and not steps:
        lines = ["nothing changes"]
    workspace.emit(data, "\n".join([*lines, f"sha256 {found.digest}"]))
    return ExitCode.CHANGES if steps else ExitCode.OK


@policy.command()
@click.argument("file", type=PATH)
@store_options
def explain(workspace: CommandWorkspace, *, file: Path) -> None:
    """Describe a policy in words, to be read aloud.

    FILE holds the policy; each rule in it becomes a sentence.

    \b
    Example:
      seedless policy explain policy.toml
    """
    found = _read(file)
    rules = sentences(found)
    data = {"file": str(file), "digest": found.digest, "rules": rules}
    lines = [printable(titled(workspace, text)) for text in rules.values()]
    workspace.emit(data, "\n".join([*lines, f"sha256 {found.digest}"]))


def _read(path: Path) -> Policy:
    data = atomic.read(path)
    if data is None:
        raise UsageError(f"there is no file {shown(path)}", "name the file of a policy")
    return read(data, shown(path))
