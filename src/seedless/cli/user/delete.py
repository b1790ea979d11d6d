"""`seedless user delete`: users go out of the store, and are revoked where their creds are still good."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from seedless.cli import printing
from seedless.cli.command import command
from seedless.cli.key_options import found_account_option, issuer_option
from seedless.cli.options import sign_options
from seedless.cli.review import sign_preview
from seedless.cli.workspace import CommandWorkspace
from seedless.errors import UsageError
from seedless.text import shown

if TYPE_CHECKING:
    from seedless.app.deletion import UsersDeleted


@command()
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@found_account_option
@click.option(
    "--revoke/--no-revoke", "-R", default=None, help="Revoke [default: those whose jwts still hold]."
)
@click.option("--rm-creds", "-C", is_flag=True, help="Remove their creds files.")
@click.option("--rm-nkey", "-D", is_flag=True, help="Remove their seeds from the key store.")
@issuer_option
@sign_options
def delete(
    workspace: CommandWorkspace,
    *,
    names: tuple[str, ...],
    account: str,
    revoke: bool | None,
    rm_creds: bool,
    rm_nkey: bool,
    issuer: str | None,
) -> None:
    """Delete users of an account.

    A user whose jwt still holds is revoked: the account is signed again, for whoever has the creds could go
    on using them. Servers learn of it when the account is pushed.

    \b
    Example:
      seedless user delete -a ORDERS app --rm-creds
    """
    if workspace.options.plan and (rm_creds or rm_nkey):
        raise UsageError(
            "a plan removes users, not files", "leave out --rm-creds and --rm-nkey, and remove them later"
        )
    with workspace.lock():
        deleted = sign_preview(
            workspace,
            workspace.users.delete(
                account, *names, revoke=revoke, creds=rm_creds, seeds=rm_nkey, issuer=issuer
            ),
        )
    _report(workspace, deleted)


def _report(workspace: CommandWorkspace, deleted: UsersDeleted) -> None:
    for path in deleted.creds_left:
        printing.report(f"the creds stay: {shown(path)}; --rm-creds removes them")
    for path in deleted.seeds_left:
        printing.report(f"the seed stays: {shown(path)}; --rm-nkey removes it")
    for key in deleted.keys_left:
        printing.report(f"its key stays on its token: seedless key delete {key}")
    if deleted.revoked:
        printing.report(
            f"servers let them in until they have this account: seedless push {shown(deleted.account)}"
        )
    data = {
        "account": deleted.account,
        "deleted": list(deleted.users),
        "revoked": list(deleted.revoked),
        "removed": [str(path) for path in deleted.removed],
        "kept": [str(path) for path in (*deleted.creds_left, *deleted.seeds_left)],
        "keys_left": list(deleted.keys_left),
    }
    lines = [
        f"user {shown(name)}: deleted{' and revoked' if name in deleted.revoked else ''}"
        for name in deleted.users
    ]
    lines += [f"removed: {shown(path)}" for path in deleted.removed]
    workspace.emit(data, "\n".join(lines))
