"""`seedless account authcallout`: who decides on logins to an account, in a service of one's own.

The jwt names the users of the service, the accounts that it may place users in, and a curve key with which
requests are encrypted (nats-server, auth_callout.go). The seed of a curve key is kept as those of users are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from seedless.app.auth_callout import CalloutMembers
from seedless.app.edits import Edited
from seedless.cli.claims_options import nothing_to_change, several
from seedless.cli.command import command
from seedless.cli.edits import print_edited
from seedless.cli.key_options import issuer_option
from seedless.cli.options import sign_options
from seedless.cli.render import describe
from seedless.cli.review import sign_preview
from seedless.cli.workspace import CommandWorkspace
from seedless.errors import UsageError
from seedless.text import shown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from seedless.app.auth_callout import CalloutEdited


@command()
@click.argument("name")
@several("auth_user", metavar="NAME|U…", help="Add a user of the service; it logs in without a callout")
@several("rm_auth_user", metavar="NAME|U…", help="Remove a user of the service")
@several("allowed_account", metavar="NAME|A…|*", help="Add an account that users may be placed in")
@several("rm_allowed_account", metavar="NAME|A…|*", help="Remove an account that users may be placed in")
@click.option("--curve", "-x", metavar="generate|X…", help="Encrypt requests to this curve key, or make one.")
@click.option("--rm-curve", is_flag=True, help="Encrypt requests no longer.")
@click.option("--disable", is_flag=True, help="Remove all of it: users log in without a callout.")
@issuer_option
@sign_options
def authcallout(
    workspace: CommandWorkspace,
    *,
    name: str,
    curve: str | None,
    issuer: str | None,
    disable: bool,
    **given: Any,  # noqa: ANN401 - click's values
) -> None:
    """Edit the auth callout of the account NAME.

    With --curve generate a curve key is made here, and its seed goes into the key store (0600), where the
    service gets it from.

    \b
    Example:
      seedless account authcallout AUTH --auth-user callout --allowed-account SHOP
    """  # fmt: skip
    _require_sense(curve, given, disable=disable)
    callouts = workspace.auth_callouts
    with workspace.lock():
        if disable:
            made = callouts.remove(name, issuer=issuer)
        else:
            made = callouts.set_members(
                name,
                CalloutMembers(users=given["auth_user"], accounts=given["allowed_account"]),
                removed=CalloutMembers(users=given["rm_auth_user"], accounts=given["rm_allowed_account"]),
                curve=curve,
                removes_curve=given["rm_curve"],
                issuer=issuer,
            )
        edited = sign_preview(workspace, made)
    _report(workspace, edited)


def _require_sense(curve: str | None, given: Mapping[str, object], *, disable: bool) -> None:
    others = curve is not None or any(given.values())
    if disable and others:
        raise UsageError("--disable is used alone", "leave out the other options")
    if not (disable or others):
        raise nothing_to_change()
    if curve is not None and given["rm_curve"]:
        raise UsageError("the curve key is set or removed, not both", "leave out --rm-curve: it is replaced")


def _report(workspace: CommandWorkspace, edited: CalloutEdited) -> None:
    jwt, seed = edited.jwt, edited.seed_path
    if seed is None:
        print_edited(workspace, Edited(jwt, edited.changed))
        return
    data = describe.data(jwt) | {
        "changed": True,
        "curve": jwt.claims.body.authorization.xkey,
        "seed": str(seed),
    }
    text = f"account {shown(jwt.claims.name)}: changed\ncurve key: {data['curve']}\nits seed: {seed}"
    workspace.emit(data, text)
