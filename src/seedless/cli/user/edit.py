"""`seedless user edit` and `seedless user rename`: a user's jwt is signed again, with something changed."""

from __future__ import annotations

import click

from seedless.cli.claims_options import ClaimsOptions, user_edits
from seedless.cli.command import command
from seedless.cli.edits import EditPreview, edit_options
from seedless.cli.key_options import account_option, issuer_option
from seedless.cli.options import sign_options
from seedless.cli.render import describe
from seedless.cli.review import sign_preview
from seedless.cli.workspace import CommandWorkspace
from seedless.text import shown


@command()
@click.argument("name")
@account_option
@issuer_option
@user_edits
@edit_options
def edit(
    workspace: CommandWorkspace, *, name: str, account: str, issuer: str | None, options: ClaimsOptions
) -> EditPreview:
    """Change a user: permissions, limits, times, tags.

    What no option names stays. The key of the user stays, and its creds file gets the new jwt.

    \b
    Example:
      seedless user edit -a ORDERS app --allow-pub 'audit.>' --rm 'orders.>' --expiry 90d
    """
    options.require_given(issuer)
    return workspace.users.edit(account, name, options.change(workspace), issuer=issuer)


@command()
@click.argument("old")
@click.argument("new")
@account_option
@sign_options
def rename(workspace: CommandWorkspace, *, old: str, new: str, account: str) -> None:
    """Rename a user.

    The key, the permissions and the expiry stay. Its creds file moves along.

    \b
    Example:
      seedless user rename -a ORDERS app shop
    """
    with workspace.lock():
        edited = sign_preview(workspace, workspace.users.rename(account, old, new))
    data = describe.data(edited.jwt) | {"was": old}
    workspace.emit(data, f"user {shown(old)} is now {shown(new)}")
