"""`seedless ceremony accept` and `ceremony abandon`: how a ceremony ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from seedless import file_kind
from seedless.app.ceremonies import is_key_request
from seedless.ceremony import documents, words
from seedless.ceremony.request import parse
from seedless.cli import consent, printing
from seedless.cli.ceremony import options
from seedless.cli.command import command
from seedless.cli.options import confirmed_options, write_options
from seedless.cli.render import describe

if TYPE_CHECKING:
    from collections.abc import Callable
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
    for step in () if workspace.options.dry_run else found.next_steps:
        printing.report(step)


@command()
@options.request_argument
@click.option("--expect", metavar="DIGEST", help="The digest of the request; nobody is asked then.")
@confirmed_options
def abandon(workspace: CommandWorkspace, *, request_file: Path, expect: str | None) -> None:
    """Abandon a ceremony that has begun, for good.

    For one that cannot be finished: its token is broken, or its policy was wrong. Until then no other request
    of the operator is signed. The request is never signed again; its transcript stays, and stays incomplete.
    What it has signed is signed: whoever has these jwts can use them. Keys that it has created stay on their
    tokens, and their names stay in use until `seedless key delete`.

    \b
    Example:
      seedless ceremony abandon request.json
    """
    data = documents.read(request_file, file_kind.REQUEST, file_kind.KEY_REQUEST)
    if is_key_request(data):
        keys = workspace.ceremonies.abandon_keys(data)
        of = len(keys.request.specification.keys)
        printing.report(
            f"{keys.created} of {of} keys are created, by its transcript, and stay on their tokens"
        )
        _agreed(workspace, keys.request.digest, expect, keys.record)
        _emit(workspace, keys.request.digest, {"transcript": keys.transcript, "created": keys.created})
        return
    request = parse(data)
    begun = workspace.ceremonies.abandon(request)
    # Not where the transcript lies: the name of its folder is the digest, which a person brings.
    printing.report(f"{begun.signed} of {len(request.plan.changes)} jwts are signed, by its transcript")
    _agreed(workspace, request.digest, expect, begun.record)
    _emit(workspace, request.digest, {"transcript": begun.transcript, "signed": begun.signed})


def _agreed(
    workspace: CommandWorkspace, digest: str, expect: str | None, record: Callable[[], object]
) -> None:
    """Call *record* after somebody has agreed, or has brought the *digest*; not for a dry run."""
    if workspace.options.dry_run:
        return
    if expect is None:
        consent.require(workspace.options, "Give it up, for good?", done="nothing was given up")
    else:
        words.require_digest(expect, digest)
    record()


def _emit(workspace: CommandWorkspace, digest: str, more: dict[str, object]) -> None:
    data = {"request": digest, "dry_run": workspace.options.dry_run} | more
    workspace.emit(data, f"given up: {digest}")
