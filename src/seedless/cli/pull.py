"""`seedless pull`: accounts from the servers, a resolver's folder, or a configuration, into the store."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from seedless.app.resolver.push import preview_pull, require_choice
from seedless.cli import consent, printing
from seedless.cli.command import command
from seedless.cli.options import push_options
from seedless.cli.remote import open_session, remote_options
from seedless.cli.render import describe
from seedless.cli.render import resolver as render
from seedless.cli.workspace import CommandWorkspace
from seedless.errors import ExitCode
from seedless.resolver import PullStatus
from seedless.text import brief

if TYPE_CHECKING:
    from seedless.app.resolver.push import PullPreview
    from seedless.app.resolver.remote import Remote


@command()
@click.argument("names", nargs=-1, metavar="[NAME|KEY]...")
@click.option("--account", "-a", "more", multiple=True, metavar="NAME", help="An account, as the argument.")
@click.option("--all", "-A", "everything", is_flag=True, help="All accounts that servers have.")
@click.option(
    "--overwrite-newer", "-F", is_flag=True, help="Take older ones too, in place of those in the store."
)
@remote_options
@push_options
def pull(
    workspace: CommandWorkspace,
    *,
    names: tuple[str, ...],
    more: tuple[str, ...],
    everything: bool,
    overwrite_newer: bool,
    remote: Remote,
) -> int:
    """Pull accounts from the servers.

    The latest that a server has goes into the store, where it is later than the store's. What no key of the
    operator has signed is refused; the exit code is then 3.

    \b
    Example:
      seedless pull ORDERS
      seedless pull --all --url nats://localhost:4222
    """
    names = (*names, *more)
    require_choice(names, everything=everything)
    with open_session(workspace, remote) as session:
        found = preview_pull(session, names, everything=everything, overwrite_newer=overwrite_newer)
    if not workspace.options.dry_run:
        found.write(approve=lambda pull: _agreed(workspace, pull))
    describe.report_unusual(
        (f"account {account.name}", account.jwt) for account in found.accounts if account.jwt is not None
    )
    data = {"dry_run": workspace.options.dry_run, "target": found.where, "accounts": render.pull_data(found)}
    workspace.emit(data, render.pull_text(found))
    is_refused = any(account.status is PullStatus.REFUSED for account in found.accounts)
    return ExitCode.FINDINGS if is_refused else ExitCode.OK


def _agreed(workspace: CommandWorkspace, pull: PullPreview) -> bool:
    """Ask before jwts of the store are replaced; what is new in it takes nothing away."""
    printing.report(render.pull_text(pull))
    count = len(pull.replaced)
    what = "this account" if count == 1 else f"these {count} accounts"
    question = f"Replace {what} of the store: {', '.join(map(brief, pull.replaced))}?"
    return consent.agreed(workspace.options, printing.printable(question))
