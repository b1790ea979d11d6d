"""`seedless ceremony accept`: take a result into the store."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from seedless import file_kind
from seedless.ceremony import documents
from seedless.cli import printing
from seedless.cli.command import command
from seedless.cli.options import Settings, write_options
from seedless.cli.render import describe
from seedless.cli.workspace import CommandWorkspace


@command()
@click.argument("result_file", metavar="RESULT", type=click.Path(path_type=Path))
@write_options
def accept(settings: Settings, *, result_file: Path) -> None:
    """Record the result of a ceremony in the store.

    Only for a request that was prepared here, for the operator of this store, and where the store is still as
    it was then. Every signature, the chain, the witnesses and the receipts are verified first. What is in the
    store already is skipped, so that it can be run again. Publish with `seedless push`.

    \b
    Example:
      seedless ceremony accept result.json
    """
    workspace = CommandWorkspace(settings)
    data = documents.read(result_file, file_kind.RESULT, file_kind.TRANSCRIPT)
    found = workspace.ceremonies.accept(data)
    if not settings.dry_run:
        found = found.record()
    progress = found.check.progress
    shown: dict[str, Any] = {
        "request": found.request.digest, "transcript": progress.digest if progress else None,
        "accepted": [describe.data(jwt) for jwt in found.signed], "passed": found.passed,
        "dry_run": settings.dry_run,
    }  # fmt: skip
    already = [f"in the store already: {found.passed}"] if found.passed else []
    lines = [f"accepted: {len(found.left.changes)}", *already]
    printing.emit(shown, "\n".join(lines), as_json=settings.as_json)
    if not settings.dry_run:
        printing.report("the servers have it after: seedless push")
