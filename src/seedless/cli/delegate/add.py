"""`seedless delegate add`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from seedless.cli.command import command
from seedless.cli.delegate.options import file_option, print_added, publish, span_option
from seedless.cli.key_options import issuer_option
from seedless.cli.options import push_options
from seedless.cli.remote import open_servers, remote_options, without_servers_option
from seedless.cli.review import sign_preview
from seedless.cli.workspace import CommandWorkspace

if TYPE_CHECKING:
    from seedless.app.resolver.remote import Remote
    from seedless.cli.values import Moment


@command()
@click.argument("account")
@click.option("--role", required=True, metavar="NAME", help="The role whose template its users have.")
@span_option
@file_option
@issuer_option
@without_servers_option
@remote_options
@push_options
def add(
    workspace: CommandWorkspace,
    *,
    account: str,
    role: str,
    expiry: Moment,
    file: str,
    issuer: str | None,
    without_servers: bool,
    remote: Remote,
) -> None:
    """Delegate a role of an account to a key in a file.

    The seed goes into FILE alone, with mode 0600. The account is signed by the token and pushed; the key is
    good for logins when this ends. Delegated keys of the account that are over, and those whose process has
    gone, are removed with it. A program that signs has the key in memory instead: Workspace.delegations.

    \b
    Example:
      seedless delegate add ORDERS --role service --for 12h --out service.nk
    """
    servers = open_servers(workspace, remote, without=without_servers)
    with workspace.lock():
        made = workspace.delegations.add(account, role=role, expiry=expiry.text, file=file, issuer=issuer)
        key = sign_preview(workspace, made)
    print_added(workspace, key, publish(workspace, servers, workspace.account(account)))
