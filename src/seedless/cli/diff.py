"""`seedless diff`: what changes between two jwts or claims files, or from what the store has."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from seedless import jwt
from seedless.cli.command import command
from seedless.cli.input_files import named, read_input
from seedless.cli.options import diff_options
from seedless.cli.review import rows_of
from seedless.cli.workspace import CommandWorkspace
from seedless.errors import ExitCode, about

if TYPE_CHECKING:
    from seedless.jwt import Claims, Jwt


@command(name="diff")
@click.argument("old", metavar="[OLD]")
@click.argument("new", metavar="NEW", required=False)
@diff_options
def diff(workspace: CommandWorkspace, *, old: str, new: str | None) -> int:
    """Show what changes between two jwts.

    OLD and NEW are jwts, creds files or claims (JSON); - is stdin. With one file, what changes from the jwt
    that the store has for the same subject; all of it when the store has none. What widens access
    comes first. When it was issued does not count, who issued it does, where both sides are jwts.
    JetStream permissions are shown as what they are, with -v also their subjects. Exit code 0 when nothing
    changes, 5 when something does.

    \b
    Example:
      seedless diff ORDERS.old.jwt ORDERS.jwt
      seedless diff orders.json
    """
    found = workspace.diff(_read(old)) if new is None else workspace.diff(_read(new), _read(old))
    rows = [
        row
        for difference in found.differences
        for row in rows_of(difference, is_new=found.is_new, has_details=workspace.options.verbose)
    ]
    data = {"new": found.is_new, "differences": [difference.data() for difference in found.differences]}
    workspace.emit(data, "\n".join(rows) or "nothing changes")
    return ExitCode.CHANGES if found.differences else ExitCode.OK


def _read(name: str) -> Jwt[object] | Claims[object]:
    text = read_input(name)
    with about(named(name)):
        if text.lstrip().startswith("{"):
            return jwt.claims_from_json(None, text)
        return jwt.read(jwt.bare(text))
