"""`seedless ceremony accept`: take a result into the store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seedless import file_kind
from seedless.ceremony import documents
from seedless.cli import printing
from seedless.cli.ceremony import options
from seedless.cli.command import command
from seedless.cli.options import write_options
from seedless.cli.render import describe

if TYPE_CHECKING:
    from pathlib import Path

    from seedless.cli.workspace import CommandWorkspace


@command()
@options.result_argument
@write_options
def accept(workspace: CommandWorkspace, *, result_file: Path) -> None:
    """Record the result of a ceremony in the store.

    Only for a request that was prepared here, for the operator of this store, and where the store is still as
    it was then. Every signature, the chain, the witnesses and the receipts are verified first. What is in the
    store already is skipped, so that it can be run again. Publish with `seedless push`.

    \b
    Example:
      seedless ceremony accept result.json
    """
    result = documents.read(result_file, file_kind.RESULT, file_kind.TRANSCRIPT)
    found = workspace.ceremonies.accept(result)
    if not workspace.options.dry_run:
        found = found.record()
    progress = found.check.progress
    data = {
        "request": found.request.digest, "transcript": progress.digest if progress else None,
        "accepted": [describe.data(jwt) for jwt in found.signed], "passed": found.passed,
        "dry_run": workspace.options.dry_run,
    }  # fmt: skip
    already = [f"in the store already: {found.passed}"] if found.passed else []
    workspace.emit(data, "\n".join([f"accepted: {len(found.left.changes)}", *already]))
    if not workspace.options.dry_run:
        printing.report("the servers have it after: seedless push --all")
