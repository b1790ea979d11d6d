"""`seedless delegate end`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from seedless.cli import edits
from seedless.cli.command import command
from seedless.cli.delegate.options import publish
from seedless.cli.key_options import issuer_option, public_key_type
from seedless.cli.options import push_options
from seedless.cli.remote import open_servers, remote_options, without_servers_option
from seedless.cli.review import sign_preview
from seedless.cli.workspace import CommandWorkspace
from seedless.nkey import PublicKey, Role

if TYPE_CHECKING:
    from seedless.app.resolver.remote import Remote


@command()
@click.argument("account")
@click.argument("keys", nargs=-1, type=public_key_type(Role.ACCOUNT), metavar="[KEY]...")
@click.option("--now", is_flag=True, help="Although what they have signed is valid: it ends with them.")
@issuer_option
@without_servers_option
@remote_options
@push_options
def end(
    workspace: CommandWorkspace,
    *,
    account: str,
    keys: tuple[PublicKey, ...],
    now: bool,
    issuer: str | None,
    without_servers: bool,
    remote: Remote,
) -> None:
    """Remove delegated keys of the account ACCOUNT.

    Those that are named, else all that are over; one that is lost has to be named, with --now. The account
    is signed by the token and pushed, and the files with the seeds are removed. Servers close the
    connections of users that a removed key has signed; so a key that is named before its end is refused
    without --now.

    \b
    Example:
      seedless delegate end ORDERS --url nats://localhost:4222
      seedless delegate end ORDERS ABJY… --now
    """
    servers = open_servers(workspace, remote, without=without_servers)
    with workspace.lock():
        edited = sign_preview(workspace, workspace.delegations.end(account, *keys, now=now, issuer=issuer))
    publish(workspace, servers, edited.jwt)
    edits.print_edited(workspace, edited)
