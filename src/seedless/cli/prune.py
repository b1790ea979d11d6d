"""`seedless prune`: delete accounts where they are held, when the store does not have them."""

from __future__ import annotations

from pathlib import Path

import click

from seedless.cli import printing
from seedless.cli._order import read_order, write_order
from seedless.cli._prune import count_option, prune_by_order, prune_target
from seedless.cli._remote import Remote, remote_options
from seedless.cli.command import command
from seedless.cli.options import Settings, push_options
from seedless.cli.workspace import CommandWorkspace
from seedless.errors import ExitCode, UsageError

_PATH = click.Path(path_type=Path)


@command()
@click.argument("names", nargs=-1, metavar="[NAME|KEY]...")
@click.option(
    "--write-order", "written", type=_PATH, metavar="FILE", help="Sign the order for NAMEs into a file, 0600."
)
@click.option("--send-order", "sent", type=_PATH, metavar="FILE", help="Send the order that is in a file.")
@count_option
@remote_options
@push_options
def prune(
    settings: Settings,
    *,
    names: tuple[str, ...],
    written: Path | None,
    sent: Path | None,
    expect_count: int | None,
    remote: Remote,
) -> int:
    """Delete accounts from servers that the store does not have.

    Servers delete by an order that a key of the operator signs, when their resolver has allow_delete. The
    accounts are listed, and their number is to be typed. Nothing is pruned when the store has a file that
    cannot be read, or no account, or when servers trust another operator.

    Where the operator's key is on another machine than the servers are reached from, --write-order signs an
    order for the accounts that are named, and --send-order sends it. Whoever has the file can delete them.

    \b
    Example:
      seedless prune --dry-run
      seedless prune --expect-count 2 --servers 3
      seedless prune ORDERS --write-order delete-orders.jwt
    """
    workspace = CommandWorkspace(settings)
    if bool(names) != (written is not None) or (written and sent):
        raise UsageError(
            "accounts are named for --write-order, and only for that", "leave them out, or give --write-order"
        )
    if written is not None:
        accounts = write_order(workspace, names, written)
        data = {"dry_run": False, "order": str(written), "accounts": accounts}
        printing.emit(data, f"order to delete: {written}", as_json=settings.as_json)
        return 0
    if sent is not None:
        done = prune_by_order(workspace, remote, *read_order(workspace, sent), expect_count)
    else:
        done = prune_target(workspace, remote, expect_count)
    printing.emit({"dry_run": settings.dry_run} | done.data, done.text, as_json=settings.as_json)
    return ExitCode.OK if done.ok else ExitCode.FAILED
