"""`seedless prune`: delete accounts where they are held, when the store does not have them."""

from __future__ import annotations

import click

from seedless.cli import _io
from seedless.cli._options import Settings, push_options
from seedless.cli._prune import count_option, prune_target
from seedless.cli._remote import Remote, remote_options
from seedless.cli._workspace import Workspace

_FAILED = 1


@click.command()
@count_option
@remote_options
@push_options
def prune(settings: Settings, *, expect_count: int | None, remote: Remote) -> int:
    """Delete accounts from servers that the store does not have.

    Servers delete by an order that a key of the operator signs, when their resolver has allow_delete. The
    accounts are listed, and their number is to be typed. Nothing is pruned when the store has a file that
    cannot be read, or no account, or when servers trust another operator.

    \b
    Example:
      seedless prune --dry-run
      seedless prune --expect-count 2 --servers 3
    """
    workspace = Workspace(settings)
    done = prune_target(workspace, remote, expect_count)
    _io.emit({"dry_run": settings.dry_run} | done.data, done.text, as_json=settings.as_json)
    return 0 if done.ok else _FAILED
