"""`seedless user add`, `user edit` and `user rename`: the jwt of a user."""

from __future__ import annotations

import click

from seedless.cli.claims_options import ClaimsOptions, user_claims, user_edits
from seedless.cli.command import command
from seedless.cli.edits import EditPreview, edit_options
from seedless.cli.key_options import account_option, found_account_option, issuer_option, public_key_option
from seedless.cli.options import sign_options
from seedless.cli.render import describe
from seedless.cli.review import sign_preview
from seedless.cli.workspace import CommandWorkspace
from seedless.nkey import PublicKey, Role
from seedless.text import shown


@command()
@click.argument("name")
@account_option
@public_key_option(Role.USER)
@click.option("--on-token", is_flag=True, help="Create the user's key on a token.")
@issuer_option
@user_claims
@sign_options
def add(
    workspace: CommandWorkspace,
    *,
    name: str,
    account: str,
    public_key: PublicKey | None,
    on_token: bool,
    issuer: str | None,
    options: ClaimsOptions,
) -> None:
    """Create the user NAME of an account.

    Its key is made here and goes into a creds file (0600); or it is the user's own, --public-key; or it
    is created on a token, --on-token.

    \b
    Example:
      seedless user add -a ORDERS app --allow-pub 'orders.>' --allow-sub 'done.>'
    """
    change = options.change(workspace)
    with workspace.lock():
        made = workspace.users.add(
            account, name, change, public_key=public_key, on_token=on_token, issuer=issuer
        )
        added = sign_preview(workspace, made)
    creds = added.creds_path
    data = describe.data(added.jwt) | {"account": account, "creds": str(creds) if creds else None}
    text = f"user {name}: {added.jwt.claims.sub}" + (f"\ncreds: {creds}" if creds else "")
    workspace.emit(data, text)


@command()
@click.argument("name")
@found_account_option
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
      seedless user edit -a ORDERS app --allow-pub 'audit.>' --expiry 90d
    """
    options.require_given(issuer)
    return workspace.users.edit(account, name, options.change(workspace), issuer=issuer)


@command()
@click.argument("old")
@click.argument("new")
@found_account_option
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
