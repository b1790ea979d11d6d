"""`seedless ceremony abandon`: give a ceremony up that has begun."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from seedless import file_kind
from seedless.ceremony import documents, words
from seedless.ceremony.request import parse
from seedless.cli import consent, printing
from seedless.cli.ceremony import options
from seedless.cli.command import command
from seedless.cli.options import confirmed_options

if TYPE_CHECKING:
    from pathlib import Path

    from seedless.cli.workspace import CommandWorkspace


@command()
@options.request_argument
@click.option("--expect", metavar="DIGEST", help="The digest of the request; nobody is asked then.")
@confirmed_options
def abandon(workspace: CommandWorkspace, *, request_file: Path, expect: str | None) -> None:
    """Abandon a ceremony that has begun, for good.

    For one that cannot be finished: its token is broken, or its policy was wrong. Until then no other request
    of the operator is signed. The request is never signed again; its transcript stays, and stays incomplete.
    What it has signed is signed: whoever has these jwts can use them.

    \b
    Example:
      seedless ceremony abandon request.json
    """
    request = parse(documents.read(request_file, file_kind.REQUEST))
    begun = workspace.ceremonies.abandon(request)
    # Not where the transcript lies: the name of its folder is the digest, which a person brings.
    printing.report(f"{begun.signed} of {len(request.plan.changes)} jwts are signed, by its transcript")
    if not workspace.options.dry_run:
        if expect is None:
            consent.require(workspace.options, "Give it up, for good?", done="nothing was given up")
        else:
            words.require_digest(expect, request.digest)
        begun.record()
    data = {
        "request": request.digest, "transcript": begun.transcript, "signed": begun.signed,
        "dry_run": workspace.options.dry_run,
    }  # fmt: skip
    workspace.emit(data, f"given up: {request.digest}")
