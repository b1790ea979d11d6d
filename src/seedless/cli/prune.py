"""`seedless prune`: delete accounts where they are held, when the store does not have them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from seedless.cli import consent, printing
from seedless.cli.command import command
from seedless.cli.options import Settings, push_options
from seedless.cli.remote import count_option, open_session, remote_options
from seedless.cli.review import sign_preview
from seedless.cli.values import PATH
from seedless.cli.workspace import CommandWorkspace
from seedless.errors import ExitCode, Refused, UsageError
from seedless.text import quoted

if TYPE_CHECKING:
    from collections.abc import Callable

    from seedless.app.resolver.delete import DeletePreview, OnServersDeleted
    from seedless.app.resolver.remote import Remote
    from seedless.jwt import Jwt


@command()
@click.argument("names", nargs=-1, metavar="[NAME|KEY]...")
@click.option(
    "--write-order",
    "written",
    type=PATH,
    metavar="FILE",
    help="Sign the delete request for NAMEs into a file, 0600.",
)
@click.option(
    "--send-order", "sent", type=PATH, metavar="FILE", help="Send the delete request that is in a file."
)
@count_option
@remote_options
@push_options
def prune(
    workspace: CommandWorkspace,
    *,
    names: tuple[str, ...],
    written: Path | None,
    sent: Path | None,
    expect_count: int | None,
    remote: Remote,
) -> int:
    """Delete accounts from servers that the store does not have.

    Servers delete by a request that a key of the operator signs, when their resolver has allow_delete. The
    accounts are listed, and their number is to be typed. Nothing is pruned when the store has a file that
    cannot be read, or no account, or when servers trust another operator.

    Where the operator's key is on another machine than the servers are reached from, --write-order signs a
    delete request for the accounts that are named, and --send-order sends it. Whoever has the file can
    delete them.

    \b
    Example:
      seedless prune --dry-run
      seedless prune --expect-count 2 --servers 3
      seedless prune ORDERS --write-order delete-orders.jwt
    """
    if bool(names) != (written is not None) or (written and sent):
        raise UsageError(
            "accounts are named for --write-order, and only for that", "leave them out, or give --write-order"
        )
    if written is not None:
        accounts = sign_preview(workspace, workspace.resolver.delete_request(names, written))
        data = {"dry_run": False, "order": str(written), "accounts": accounts}
        workspace.emit(data, f"delete request: {written}")
        return 0
    request = workspace.resolver.read_delete_request(sent) if sent is not None else None
    data, text, ok = prune_target(workspace, remote, expect_count, request)
    workspace.emit({"dry_run": workspace.options.dry_run} | data, text)
    return ExitCode.OK if ok else ExitCode.FAILED


def prune_target(
    workspace: CommandWorkspace,
    remote: Remote,
    expected: int | None,
    request: tuple[Jwt[object], list[str]] | None = None,
) -> tuple[dict[str, object], str, bool]:
    """Delete what the store does not have, or the accounts of *request*; consent is their number.

    Return what --json prints, what people read, and whether nothing is left to be done.
    """
    from seedless.app.resolver import delete  # not for --help
    from seedless.cli.render import resolver as render
    from seedless.resolver import DELETE

    if request is None:
        delete.require_store(workspace)
    approve = consent.ask_to_sign if expected is None else consent.given
    with open_session(workspace, remote, DELETE, approve=approve) as session:
        if request is None:
            found = delete.preview_prune(session)
        else:
            found = delete.preview_requested(session, *request)
        done = send_delete(workspace, found, _by_number(workspace.options, expected))
    return render.delete_data(found, done), render.delete_text(found, done), done.ok


def send_delete(
    workspace: CommandWorkspace, found: DeletePreview, approve: Callable[[DeletePreview], bool]
) -> OnServersDeleted:
    """Show the deletion *found*, and do it with consent; not with --dry-run."""
    from seedless.app.resolver.delete import OnServersDeleted  # not for --help
    from seedless.cli.render import resolver as render

    render.show_delete(workspace, found)
    found.report.require_clean()
    if found.is_empty or workspace.options.dry_run:
        return OnServersDeleted(found.orphaned)
    for notice in found.notices:
        printing.report(str(notice))
    return found.send(approve=approve)


def _by_number(settings: Settings, expected: int | None) -> Callable[[DeletePreview], bool]:
    """Return the consent to a deletion: the number of accounts, *expected* or typed, or --yes.

    It raises `Refused` for another number, and `UsageError` where nobody can be asked.
    """

    def approve(found: DeletePreview) -> bool:
        if expected is None and settings.yes:
            return True
        typed = str(expected)
        if expected is None:
            typed = consent.answer("How many accounts are deleted? Type their number: ")
        if typed != str(len(found.orphaned)):
            raise Refused(f"nothing was deleted: {len(found.orphaned)} would be, not {quoted(typed)}")
        return True

    return approve
