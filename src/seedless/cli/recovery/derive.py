"""`seedless recovery derive`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from seedless.app import recovery
from seedless.cli import consent
from seedless.cli.command import command
from seedless.cli.options import recovery_options
from seedless.cli.recovery.options import (
    import_question,
    outcome_data,
    output_option,
    present_option,
    record_argument,
    warn_of_recorders,
    ways_option,
)
from seedless.cli.workspace import CommandWorkspace
from seedless.recovery.record import ROLES, KeyName, require_label
from seedless.text import shown

if TYPE_CHECKING:
    from pathlib import Path


@command()
@record_argument
@click.option("--role", required=True, type=click.Choice(list(ROLES)), help="What the key is for.")
@click.option("--name", "-n", required=True, metavar="NAME", help="Whose key it is.")
@click.option(
    "--index", type=click.IntRange(0, 2**32 - 1), default=0, metavar="N",
    help="Another key of the same name, which replaces the one before [default: 0].",
)  # fmt: skip
@present_option
@output_option
@ways_option
@recovery_options
def derive(
    workspace: CommandWorkspace,
    *,
    record: Path,
    role: str,
    name: str,
    index: int,
    present: tuple[str, ...],
    output: Path,
    allowed: tuple[str, ...],
) -> None:
    """Import a further key of the same secret.

    The key is derived from the secret of RECORD, and a record that has it is written. Shares are typed as for
    a restore; the same shares restore the new key, too.

    \b
    Example:
      seedless recovery derive record.json --role account --name ORDERS -o 2.json
    """
    known = recovery.read_record(record)
    key = KeyName(role=ROLES[role], name=name, index=index)
    require_label(key)
    recovery.require_possible(workspace, [key])
    recovery.require_same_operator(workspace, known)
    if workspace.options.dry_run:
        workspace.emit({"dry_run": True, "keys": [key.text]}, f"would derive {shown(key.text)}")
        return
    warn_of_recorders()
    token = recovery.target(workspace)
    question = import_question(f"Import {shown(key.text)} to", token, output)
    consent.require(workspace.options, question, done="nothing was imported")
    outcome = recovery.derive(workspace, known, key, output, present=present, allowed=allowed, token=token)
    (placed,) = outcome.placed
    text = f"{placed.entry.public_key}\n{placed.uri}\nrecord sha256 {outcome.record.digest}"
    workspace.emit(outcome_data(outcome, file=str(output)), text)
