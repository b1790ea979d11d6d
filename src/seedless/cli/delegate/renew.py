"""`seedless delegate renew`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from seedless.cli.command import command
from seedless.cli.delegate.options import file_option, print_added, publish, span_option
from seedless.cli.key_options import issuer_option, public_key_type
from seedless.cli.options import push_options
from seedless.cli.remote import open_servers, remote_options, without_servers_option
from seedless.cli.review import sign_preview
from seedless.cli.workspace import CommandWorkspace
from seedless.nkey import PublicKey, Role

if TYPE_CHECKING:
    from seedless.app.resolver.remote import Remote
    from seedless.cli.values import Moment


@command()
@click.argument("key", type=public_key_type(Role.ACCOUNT))
@span_option
@file_option
@issuer_option
@without_servers_option
@remote_options
@push_options
def renew(
    workspace: CommandWorkspace,
    *,
    key: PublicKey,
    expiry: Moment,
    file: str,
    issuer: str | None,
    without_servers: bool,
    remote: Remote,
) -> None:
    """Add another delegated key beside KEY.

    It is of the same account and role. KEY stays listed until its own end, for the users that it has signed;
    then the next of these commands removes it.

    \b
    Example:
      seedless delegate renew ABJY… --for 12h --out next.nk
    """
    servers = open_servers(workspace, remote, without=without_servers)
    with workspace.lock():
        made = workspace.delegations.renew(key, expiry=expiry.text, file=file, issuer=issuer)
        added = sign_preview(workspace, made)
    name = workspace.delegations.account_name(added.account)
    print_added(workspace, added, publish(workspace, servers, workspace.account(name)))
