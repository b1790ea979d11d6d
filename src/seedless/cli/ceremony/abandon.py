"""`seedless ceremony abandon`: give a ceremony up that has begun."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from seedless import file_kind
from seedless.ceremony import documents, words
from seedless.ceremony.request import parse
from seedless.cli import consent, printing
from seedless.cli.ceremony.options import request_argument
from seedless.cli.command import command
from seedless.cli.options import Settings, confirmed_options
from seedless.cli.workspace import CommandWorkspace

if TYPE_CHECKING:
    from pathlib import Path


@command()
@request_argument
@click.option("--expect", metavar="DIGEST", help="The digest of the request; nobody is asked then.")
@confirmed_options
def abandon(settings: Settings, *, request_file: Path, expect: str | None) -> None:
    """Abandon a ceremony that has begun, for good.

    For one that cannot be finished: its token is broken, or its policy was wrong. Until then no other request
    of the operator is signed. The request is never signed again; its transcript stays, and stays incomplete.
    What it has signed is signed: whoever has these jwts can use them.

    \b
    Example:
      seedless ceremony abandon request.json
    """
    workspace = CommandWorkspace(settings)
    request = parse(documents.read(request_file, file_kind.REQUEST))
    begun = workspace.ceremonies.abandon(request)
    # Not where the transcript lies: the name of its folder is the digest, which a person brings.
    printing.report(f"{begun.signed} of {len(request.plan.changes)} jwts are signed, by its transcript")
    if not settings.dry_run:
        _require_consent(settings, request.digest, expect)
        begun.record()
    data: dict[str, Any] = {
        "request": request.digest, "transcript": begun.transcript, "signed": begun.signed,
        "dry_run": settings.dry_run,
    }  # fmt: skip
    printing.emit(data, f"given up: {request.digest}", as_json=settings.as_json)


def _require_consent(settings: Settings, digest: str, expect: str | None) -> None:
    if expect is None:
        consent.require(settings, "Give it up, for good?", done="nothing was given up")
    else:
        words.require_digest(expect, digest)
