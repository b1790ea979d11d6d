"""`seedless account export revoke`, `unrevoke`, `revocations`: leave for private exports, taken back.

A revocation stands against every activation of the account that was issued at its time or before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
import msgspec

from seedless.app.exports_imports import exported, with_export
from seedless.app.key_names import names_of
from seedless.cli import edits, printing
from seedless.cli.account.parts import (
    account_option,
    account_or_everyone,
    edit_body,
    kind_of,
    kind_option,
    listed_account_option,
    subject_option,
)
from seedless.cli.command import command
from seedless.cli.key_options import issuer_option
from seedless.cli.options import Settings, sign_options, store_options
from seedless.cli.values import MOMENT, Moment
from seedless.cli.workspace import CommandWorkspace
from seedless.errors import UsageError
from seedless.plan import revocations as revocations_of
from seedless.plan import revoked
from seedless.rules.places import tokens
from seedless.subject import is_contained_in
from seedless.text import quoted, shown
from seedless.trust import EVERYONE

if TYPE_CHECKING:
    from seedless.claims import Account, Activation, Export
    from seedless.jwt import Jwt

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
    settings: Settings,
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
    workspace = CommandWorkspace(settings)
    key = account_or_everyone(workspace, target)

    def with_revocation(body: Account) -> Account:
        old = exported(account, body, subject, kind_of(is_service=is_service))
        if not old.token_req:
            raise UsageError(
                f"the export {quoted(subject)} is public: there is no leave to take back",
                "seedless account export edit --private asks for leave",
            )
        given = at.at(workspace.now)
        times = {key: given} if given else revocations_of(key, _known(workspace, old), workspace.now)
        is_reset = workspace.account(account).claims.sub in settings.reset_time
        later = revoked(old.revocations, times, workspace.now, is_reset=is_reset)
        return with_export(body, old, msgspec.structs.replace(old, revocations=later))

    reason = f"revoked {subject} for {'everyone' if key == EVERYONE else target}"
    edited = edit_body(workspace, account, with_revocation, reason=reason, issuer=issuer)
    edits.print_edited(workspace, edited, f"account {shown(account)}")


def _known(workspace: CommandWorkspace, export: Export) -> list[Jwt[Activation]]:
    """Return the activations for *export* that the accounts of the store have."""
    return [
        token.activation
        for jwt in workspace.readable_accounts()
        for token in tokens(jwt.claims.body)
        if token.activation is not None
        and token.activation.claims.body.import_type == export.type
        and is_contained_in(token.activation.claims.body.subject, export.subject)
    ]


@command()
@account_option
@subject_option
@kind_option
@_target_option
@issuer_option
@sign_options
def unrevoke(
    settings: Settings,
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
    workspace = CommandWorkspace(settings)
    key = account_or_everyone(workspace, target)

    def without(body: Account) -> Account:
        old = exported(account, body, subject, kind_of(is_service=is_service))
        if key not in old.revocations:
            whose = "everyone" if key == EVERYONE else quoted(target)
            raise UsageError(
                f"the export {quoted(subject)} has no revocation of {whose}",
                "seedless account export revocations lists them",
            )
        left = {one: time for one, time in old.revocations.items() if one != key}
        return with_export(body, old, msgspec.structs.replace(old, revocations=left))

    edited = edit_body(workspace, account, without, reason=f"unrevoked {subject} for {target}", issuer=issuer)
    edits.print_edited(workspace, edited, f"account {shown(account)}")


@command()
@listed_account_option
@click.option("--subject", "-s", metavar="SUBJECT", help="Only of this export.")
@kind_option
@store_options
def revocations(settings: Settings, *, account: str, subject: str | None, is_service: bool | None) -> None:
    """List the accounts whose leave is taken back.

    \b
    Example:
      seedless account export revocations -a ORDERS
    """
    workspace = CommandWorkspace(settings)
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
    printing.emit({"account": account, "revocations": data}, text, as_json=settings.as_json)
