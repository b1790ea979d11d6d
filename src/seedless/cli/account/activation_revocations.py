"""`seedless account export revoke`, `unrevoke`, `revocations`: leave for private exports, taken back.

A revocation ends every activation of the account that was issued at its time or before.
"""

from __future__ import annotations

import click

from seedless.app.exports_imports import exported
from seedless.app.key_names import names_of
from seedless.cli import edits, printing
from seedless.cli.account.parts import (
    account_option,
    kind_of,
    kind_option,
    listed_account_option,
    subject_option,
)
from seedless.cli.command import command
from seedless.cli.key_options import issuer_option
from seedless.cli.options import sign_options, store_options
from seedless.cli.review import sign_preview
from seedless.cli.values import MOMENT, Moment
from seedless.cli.workspace import CommandWorkspace
from seedless.text import shown
from seedless.trust import EVERYONE

_target_option = click.option(
    "--target-account",
    "-t",
    "target",
    required=True,
    metavar="NAME|KEY|*",
    help="Whose leave; * is everyone's.",
)


@command()
@account_option
@subject_option
@kind_option
@_target_option
@click.option("--at", type=MOMENT, default="0", help="Of what was issued until then; 0 is now.")
@issuer_option
@sign_options
def revoke(
    workspace: CommandWorkspace,
    *,
    account: str,
    subject: str,
    is_service: bool | None,
    target: str,
    at: Moment,
    issuer: str | None,
) -> None:
    """Take back the leave of an account to import.

    Every activation that was issued to it until now (or --at) counts no more; a later one does.

    \b
    Example:
      seedless account export revoke -a ORDERS -s 'orders.>' -t BILLING
    """
    kind = kind_of(is_service=is_service)
    with workspace.lock():
        until = at.at(workspace.now) or None
        edited = sign_preview(
            workspace,
            workspace.exports.revoke(account, subject, target, at=until, kind=kind, issuer=issuer),
        )
    edits.print_edited(workspace, edited, f"account {shown(account)}")


@command()
@account_option
@subject_option
@kind_option
@_target_option
@issuer_option
@sign_options
def unrevoke(
    workspace: CommandWorkspace,
    *,
    account: str,
    subject: str,
    is_service: bool | None,
    target: str,
    issuer: str | None,
) -> None:
    """Let the activations of an account count again.

    \b
    Example:
      seedless account export unrevoke -a ORDERS -s 'orders.>' -t BILLING
    """
    kind = kind_of(is_service=is_service)
    with workspace.lock():
        edited = sign_preview(
            workspace, workspace.exports.unrevoke(account, subject, target, kind=kind, issuer=issuer)
        )
    edits.print_edited(workspace, edited, f"account {shown(account)}")


@command()
@listed_account_option
@click.option("--subject", "-s", metavar="SUBJECT", help="Only of this export.")
@kind_option
@store_options
def revocations(
    workspace: CommandWorkspace, *, account: str, subject: str | None, is_service: bool | None
) -> None:
    """List the accounts whose leave is taken back.

    \b
    Example:
      seedless account export revocations -a ORDERS
    """
    body = workspace.account(account).claims.body
    kind = kind_of(is_service=is_service)
    if subject is not None:
        exported(account, body, subject, kind)
    exports = [one for one in body.exports if subject in {None, one.subject} and kind in {None, one.type}]
    names = names_of(workspace, {key for one in exports for key in one.revocations} - {EVERYONE})
    data = [
        {"subject": one.subject, "type": one.type, "account": key, "name": names.get(key), "until": time}
        for one in exports
        for key, time in one.revocations.items()
    ]
    rows = [
        (
            shown(str(one["subject"])),
            str(one["type"]),
            "everyone" if one["account"] == EVERYONE else shown(str(one["name"] or one["account"])),
            printing.moment(int(str(one["until"]))),
        )
        for one in data
    ]
    text = printing.table(rows, ("SUBJECT", "TYPE", "ACCOUNT", "ISSUED UNTIL"))
    workspace.emit({"account": account, "revocations": data}, text)
