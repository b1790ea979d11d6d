"""`seedless account revoke`, `unrevoke` and `revocations`: users whose jwts hold no longer.

A revocation ends every jwt of a user that was issued until a time (jwt v2.8.2,
revocation_list.go). Servers disconnect such users once the account is pushed.
"""

from __future__ import annotations

from typing import Any

import click

from seedless.cli import printing
from seedless.cli.command import command
from seedless.cli.edits import EditPreview, edit_options, print_edited
from seedless.cli.key_options import account_option, issuer_option
from seedless.cli.options import sign_options, store_options
from seedless.cli.review import sign_preview
from seedless.cli.values import MOMENT, Moment
from seedless.cli.workspace import CommandWorkspace
from seedless.errors import SeedlessError, UsageError
from seedless.text import shown
from seedless.trust import EVERYONE
from seedless.units import moment

_whom = click.argument("whom", metavar="NAME|KEY|*...", nargs=-1, required=True)


@command()
@_whom
@account_option
@click.option("--at", type=MOMENT, metavar="DATE", help="Jwts issued until then [default: until now].")
@issuer_option
@sign_options
def revoke(
    workspace: CommandWorkspace, *, whom: tuple[str, ...], account: str, at: Moment | None, issuer: str | None
) -> None:
    """Revoke users of an account.

    They are named by name or key; '*' is all of them.
    What was issued until now, or until --at, holds no longer; a jwt that is issued later does. A
    revocation that reaches further already stays. A user whose jwt is from the future, by a clock that was
    fast, is revoked until then.

    \b
    Example:
      seedless account revoke -a ORDERS app
      seedless account revoke -a ORDERS '*' --at 2026-11-01
    """
    if at is not None and at.at(workspace.now) > workspace.now:
        text = f"--at {at.text} has not come yet: this clock reads {moment(workspace.now)}"
        raise UsageError(text, "give a time that has")
    with workspace.lock():
        until = None if at is None else at.at(workspace.now)
        made = workspace.accounts.revoke(account, *whom, at=until, issuer=issuer)
        edited = sign_preview(workspace, made)
    print_edited(workspace, edited)
    if edited.changed:
        printing.report(f"servers let them in until they have this account: seedless push {shown(account)}")


@command()
@_whom
@account_option
@issuer_option
@edit_options
def unrevoke(
    workspace: CommandWorkspace, *, whom: tuple[str, ...], account: str, issuer: str | None
) -> EditPreview:
    """Remove revocations of users.

    What was issued before holds again.

    \b
    Example:
      seedless account unrevoke -a ORDERS app
    """
    return workspace.accounts.unrevoke(account, *whom, issuer=issuer)


@command()
@account_option
@store_options
def revocations(workspace: CommandWorkspace, *, account: str) -> None:
    """List the users that an account has revoked.

    \b
    Example:
      seedless account revocations -a ORDERS
    """
    users = {
        jwt.claims.sub: jwt.claims.name
        for _, jwt in workspace.each(account)
        if not isinstance(jwt, SeedlessError)
    }
    revocations = workspace.account(account).claims.body.revocations
    found: list[dict[str, Any]] = [
        {"user": key, "name": "everyone" if key == EVERYONE else users.get(key), "until": time}
        for key, time in revocations.items()
    ]
    rows = [
        (shown(entry["name"] or "-"), shown(entry["user"]), printing.moment(entry["until"]))
        for entry in found
    ]
    text = printing.table(rows, ("USER", "PUBLIC KEY", "ISSUED UNTIL"))
    workspace.emit({"account": account, "revocations": found}, text)
