"""`seedless push`: accounts of the store to servers, into a resolver's folder, or a configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from seedless.app.resolver.delete import require_store
from seedless.app.resolver.push import choose, preview_push
from seedless.cli import consent, printing
from seedless.cli.command import command
from seedless.cli.options import push_options
from seedless.cli.prune import prune_target
from seedless.cli.remote import count_option, open_session, remote_options
from seedless.cli.render import resolver as render
from seedless.cli.review import show_findings
from seedless.cli.workspace import CommandWorkspace
from seedless.errors import ExitCode, UsageError
from seedless.resolver import UPDATE

if TYPE_CHECKING:
    from collections.abc import Callable

    from seedless.app.resolver.push import PushPreview
    from seedless.app.resolver.remote import Remote


@command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--account", "-a", "more", multiple=True, metavar="NAME", help="An account, as the argument.")
@click.option("--all", "-A", "everything", is_flag=True, help="All accounts of the store.")
@click.option("--diff", "-D", "only_diff", is_flag=True, help="Show what differs, and send nothing.")
@click.option("--prune", "-P", is_flag=True, help="Then delete there what the store does not have.")
@click.option("--force", "-F", is_flag=True, help="Send in spite of findings about the claims themselves.")
@count_option
@remote_options
@push_options
def push(  # noqa: PLR0913 - one for each option
    workspace: CommandWorkspace,
    *,
    names: tuple[str, ...],
    more: tuple[str, ...],
    everything: bool,
    only_diff: bool,
    prune: bool,
    force: bool,
    expect_count: int | None,
    remote: Remote,
) -> int:
    """Push accounts to the servers.

    Only what differs is sent, and nothing at all when a check fails at any server: who issued
    it, how old it is, how long. Every server's answer is reported. The user who logs in is one of the system
    account: from creds, or signed to live for two minutes. With --diff, exit 5 when something differs.

    \b
    Example:
      seedless push ORDERS PAYROLL --url nats://localhost:4222
      seedless push --all --diff
      seedless push --all --prune --expect-count 2
    """
    if prune and not everything:
        raise UsageError("--prune compares all accounts of the store", "give --all too")
    chosen = choose(workspace, (*names, *more), everything=everything)
    if prune:
        require_store(workspace)
    is_only_shown = only_diff or workspace.options.dry_run
    with open_session(workspace, remote, UPDATE) as session:
        found = preview_push(session, chosen, force=force)
        render.show_push(workspace, found)
        sent = () if is_only_shown else found.send(approve=consent_to_send(workspace)).accounts
    failed = not all(account.ok for account in sent)
    pruned, pruned_text, is_pruned = None, "", True
    if prune and not failed and not only_diff:
        pruned, pruned_text, is_pruned = prune_target(workspace, remote, expect_count)
    data = render.push_data(found, sent, dry_run=is_only_shown) | {"pruned": pruned}
    text = render.push_text(found, sent, lines=is_only_shown)
    workspace.emit(data, "\n".join(filter(None, (text, pruned_text))))
    if failed or not is_pruned:
        printing.report("error: not every server has everything: run it again when they answer")
        return ExitCode.FAILED
    if found.damaged or found.report.errors:
        return ExitCode.FINDINGS
    return ExitCode.CHANGES if only_diff and (not found.is_empty or (prune and found.others)) else ExitCode.OK


def consent_to_send(workspace: CommandWorkspace) -> Callable[[PushPreview], bool] | None:
    """Return who agrees that accounts are sent: with --yes nobody is asked, else a person who sees them."""

    def approve(found: PushPreview) -> bool:
        printing.report(render.push_text(found, (), lines=True))
        count = len(found.differing)
        what = "this account" if count == 1 else f"these {count} accounts"
        return consent.agreed(workspace.options, f"Send {what} to {printing.printable(found.where)}?")

    return None if workspace.options.yes else approve


def send_with_consent(workspace: CommandWorkspace, found: PushPreview) -> int:
    """Show what was found, send with consent, and return how many accounts went.

    With --dry-run and --plan nothing is sent. Raise `Refused` for findings, and `ServerError` unless every
    server takes all.
    """
    show_findings(workspace, found.report)
    found.report.require_clean()
    if workspace.options.is_only_shown:
        return 0
    pushed = found.send(approve=consent_to_send(workspace))
    pushed.require_done()
    return len(pushed.accounts)
