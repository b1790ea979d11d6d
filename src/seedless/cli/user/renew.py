"""`seedless user renew`: users that expire get a later end, and keep their keys and permissions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from seedless.cli import printing
from seedless.cli.command import command
from seedless.cli.options import sign_options
from seedless.cli.review import sign_preview
from seedless.cli.values import MOMENT, SPAN, Moment
from seedless.cli.workspace import CommandWorkspace
from seedless.errors import ExitCode
from seedless.text import shown

if TYPE_CHECKING:
    from seedless.app.renewal import UsersRenewed


@command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--account", "-a", metavar="NAME", help="Users of this account [default: of all].")
@click.option("--within", type=SPAN, metavar="SPAN", help="Those that expire within, as in 30d, or have.")
@click.option("--expiry", type=MOMENT, help="Expiry [default: the validity that they had].")
@sign_options
def renew(
    workspace: CommandWorkspace,
    *,
    names: tuple[str, ...],
    account: str | None,
    within: int | None,
    expiry: Moment | None,
) -> int:
    """Renew users: those named, or those that expire.

    Keys and permissions stay. The new jwt lasts as long as the old one did, from now; --expiry sets another
    end. Creds files get the new jwt. Users that are revoked are skipped, as are those that never expire.
    The exit code is 3 when one cannot be renewed: it is damaged, or its scope is gone.

    \b
    Example:
      seedless user renew --within 30d
      seedless user renew -a ORDERS app shop --expiry 1y
    """
    end = None if expiry is None else expiry.text
    with workspace.lock():
        renewed = sign_preview(workspace, workspace.users.renew(account, *names, within=within, expiry=end))
    _report(workspace, renewed)
    return ExitCode.FINDINGS if any(user.is_failure for user in renewed.skipped) else ExitCode.OK


def _report(workspace: CommandWorkspace, renewed: UsersRenewed) -> None:
    pairs = list(zip(renewed.addresses, renewed.jwts, strict=True))
    data = {
        "renewed": [
            {"address": address, "subject": jwt.claims.sub, "expires": jwt.claims.exp or None}
            for address, jwt in pairs
        ],
        "passed": [{"address": user.address, "why": user.why} for user in renewed.skipped],
    }
    lines = [
        f"user {shown('/'.join(address))}: until {printing.until(jwt.claims.exp)}" for address, jwt in pairs
    ]
    for user in renewed.skipped:
        kind = "user" if user.address[1:] else "account"
        printing.report(f"{kind} {shown('/'.join(user.address))} is skipped: {printing.printable(user.why)}")
    workspace.emit(data, "\n".join(lines) or "no user is to be renewed")
