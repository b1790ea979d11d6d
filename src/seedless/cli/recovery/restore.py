"""`seedless recovery restore`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from seedless.app import recovery
from seedless.cli import consent
from seedless.cli.command import command
from seedless.cli.options import recovery_options
from seedless.cli.recovery.options import (
    PATH,
    import_question,
    outcome_data,
    present_option,
    record_argument,
    warn_of_recorders,
    ways_option,
)
from seedless.cli.workspace import CommandWorkspace
from seedless.recovery import kept
from seedless.text import shown

if TYPE_CHECKING:
    from pathlib import Path


@command()
@record_argument
@click.option("--key", "names", multiple=True, metavar="ROLE:NAME", help="Restore only this key.")
@present_option
@click.option("--output", "-o", type=PATH, metavar="FILE", help="Where the transcript is written, too.")
@ways_option
@recovery_options
def restore(
    workspace: CommandWorkspace,
    *,
    record: Path,
    names: tuple[str, ...],
    present: tuple[str, ...],
    output: Path | None,
    allowed: tuple[str, ...],
) -> None:
    """Restore keys on another token, from shares.

    The holders type shares of RECORD. Each share is checked as it is typed: its words, its checksum, and its
    digest in the record, so that a share of another set, or a forged one, is refused at once. The public keys
    are compared with the record, and with the policy, before anything is imported. A test signature of each
    key is verified, and each signs a receipt of the transcript: who was there, which shares, which keys, to
    which token. It is kept beside the inventory; recovery check --transcript verifies it.

    \b
    Example:
      seedless recovery restore record.json --token SPARE
    """
    known = recovery.read_record(record)
    keys = recovery.chosen_keys(known, names)
    recovery.require_possible(workspace, (entry.key for entry in keys))
    recovery.require_same_operator(workspace, known)
    labels = [entry.key.text for entry in keys]
    if workspace.options.dry_run:
        text = f"would restore {', '.join(map(shown, labels))}"
        workspace.emit({"dry_run": True, "keys": labels}, text)
        return
    warn_of_recorders()
    token = recovery.target(workspace)
    what = f"Restore {', '.join(map(shown, labels))} on"
    files = (workspace.root / kept.TRANSCRIPTS, *([output] if output else []))
    consent.require(workspace.options, import_question(what, token, *files), done="nothing was restored")
    outcome = recovery.restore(
        workspace, known, keys, present=present, output=output, allowed=allowed, token=token
    )
    lines = [f"{key.entry.public_key}\n{key.uri}" for key in outcome.placed]
    if outcome.transcript is not None:
        lines.append(f"transcript sha256 {outcome.transcript.digest}")
    workspace.emit(outcome_data(outcome), "\n".join(lines))
