"""`seedless push`: accounts of the store to servers, into a resolver's folder, or a configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from seedless.cli import _push, printing
from seedless.cli._prune import Pruning, count_option, prune_target, require_store
from seedless.cli._remote import Remote, open_target, remote_options
from seedless.cli._resolver import deleted_path
from seedless.cli._system_user import log_in
from seedless.cli.command import command
from seedless.cli.options import Settings, push_options
from seedless.cli.review import show_findings
from seedless.cli.workspace import CommandWorkspace
from seedless.errors import UsageError
from seedless.resolver import UPDATE, delete, send
from seedless.text import shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from seedless.cli._push import Chosen, Look
    from seedless.resolver import SentAccount

_FAILED, _FINDINGS, _CHANGES = 1, 3, 5


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
    settings: Settings,
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
    it, how old it is, how long. Every server's answer is told. The user who logs in is one of the system
    account: from creds, or signed to live for two minutes. With --diff, exit 5 when something differs.

    \b
    Example:
      seedless push ORDERS PAYROLL --url nats://localhost:4222
      seedless push --all --diff
      seedless push --all --prune --expect-count 2
    """
    workspace = CommandWorkspace(settings)
    if prune and not everything:
        raise UsageError("--prune compares all accounts of the store", "give --all too")
    chosen = _push.choose(workspace, (*names, *more), everything=everything)
    if prune:
        require_store(workspace)
    only_look = only_diff or settings.dry_run
    found, sent = _looked_and_sent(workspace, remote, chosen, force=force, only_look=only_look)
    if not only_look:
        _note_alive(workspace, sent)
    failed = not all(one.ok for one in sent)
    pruning = None
    if prune and not failed and not only_diff:
        pruning = prune_target(workspace, remote, expect_count)
    _emit(workspace, found, sent, chosen, pruning, only_diff=only_diff)
    if failed or (pruning is not None and not pruning.ok):
        printing.say("error: not every server has everything: run it again when they answer")
        return _FAILED
    if chosen.damaged or found.report.errors:
        return _FINDINGS
    return _CHANGES if only_diff and (found.differing or (prune and found.others)) else 0


def _looked_and_sent(
    workspace: CommandWorkspace, remote: Remote, chosen: Chosen, *, force: bool, only_look: bool
) -> tuple[Look, Sequence[SentAccount]]:
    """Return what was found at the target, and what was sent with consent: nothing with *only_look*."""
    user = log_in(workspace, remote, UPDATE)
    with open_target(workspace, remote, user) as target:
        found = _push.look(workspace, target, user, chosen, force=force)
        _tell(found, chosen)
        if not only_look:
            found.report.require_clean()
        asks = bool(found.differing) and not (only_look or workspace.options.yes)
        if not asks:
            return found, () if only_look else send(target, [one.account for one in found.differing])
    _push.require_sending(workspace, found)
    return found, _push.send_later(workspace, remote, user, found)


def _tell(found: Look, chosen: Chosen) -> None:
    """Say what stands against it, and what is not as it should be."""
    show_findings(found.report)
    for name, reason in chosen.damaged.items():
        printing.say(printing.printable(f"warning: {shown(name)} is not pushed: {reason}"))
    for name in found.returned:
        printing.say(
            printing.printable(
                f"warning: {name} was deleted and is back: push --all --prune deletes it again"
            )
        )


def _emit(
    workspace: CommandWorkspace,
    found: Look,
    sent: Sequence[SentAccount],
    chosen: Chosen,
    pruning: Pruning | None,
    *,
    only_diff: bool,
) -> None:
    dry = only_diff or workspace.options.dry_run
    data = _push.data(found, sent, chosen, dry_run=dry) | {"pruned": pruning.data if pruning else None}
    text = _push.text(workspace, found, sent, lines=dry)
    if pruning is not None:
        text += f"\n{pruning.text}"
    printing.emit(data, text, as_json=workspace.options.as_json)


def _note_alive(workspace: CommandWorkspace, sent: Sequence[SentAccount]) -> None:
    """Forget that accounts were deleted that have been pushed anew."""
    alive = {one.account.claims.sub for one in sent if one.answer is not None}
    path = deleted_path(workspace)
    if alive & delete.load(path).keys():
        with workspace.lock():
            delete.note(path, {}, alive)
