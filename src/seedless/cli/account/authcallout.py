"""`seedless account authcallout`: who decides on logins to an account, in a service of one's own.

The jwt names the users of the service, the accounts that it may place users in, and a curve key with which
requests are encrypted (nats-server, auth_callout.go). The seed of a curve key is kept as those of users are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from seedless.app.edits import Edited
from seedless.app.exports_imports import account_or_everyone
from seedless.app.revocations import user_key
from seedless.app.subjects import GENERATE
from seedless.claims import ExternalAuthorization
from seedless.claims.edits import listed
from seedless.cli import edits
from seedless.cli.claims_options import several
from seedless.cli.command import command
from seedless.cli.key_options import issuer_option
from seedless.cli.options import sign_options
from seedless.cli.render import describe
from seedless.cli.review import sign_preview
from seedless.cli.workspace import CommandWorkspace
from seedless.errors import BadKey, UsageError
from seedless.nkey import PublicKey, Role
from seedless.seeds import SoftwareKey
from seedless.text import quoted, shown
from seedless.trust import EVERYONE

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
      seedless account authcallout AUTH --auth-user callout --allowed-account ORDERS --curve generate
    """  # fmt: skip
    _require_sense(curve, given, disable=disable)
    made = SoftwareKey.generate(Role.CURVE) if curve == GENERATE else None
    key = str(made.public_key) if made else _curve(curve)

    def change(was: ExternalAuthorization) -> ExternalAuthorization:
        return ExternalAuthorization() if disable else _changed(workspace, name, was, given, key)

    with workspace.lock():
        edited = sign_preview(
            workspace, workspace.auth_callouts.edit(name, change, curve_key=made, issuer=issuer)
        )
    _report(workspace, name, edited)


def _require_sense(curve: str | None, given: Mapping[str, Any], *, disable: bool) -> None:
    others = curve is not None or any(given.values())
    if disable and others:
        raise UsageError("--disable is used alone", "leave out the other options")
    if not (disable or others):
        raise UsageError("nothing is to be changed", "name it with an option; --help lists them")
    if curve is not None and given["rm_curve"]:
        raise UsageError("the curve key is set or removed, not both", "leave out --rm-curve: it is replaced")


def _curve(text: str | None) -> str | None:
    if text is None:
        return None
    try:
        key = PublicKey.parse(text)
    except BadKey as error:
        raise UsageError(
            f"{quoted(text)} is no curve key: {error.message}", f"give a public key, X…, or {GENERATE}"
        ) from error
    if key.role is not Role.CURVE:
        raise UsageError(f"{key} is no curve key", f"give a public key, X…, or {GENERATE}")
    return str(key)


def _changed(
    workspace: CommandWorkspace,
    name: str,
    was: ExternalAuthorization,
    given: Mapping[str, Any],
    curve: str | None,
) -> ExternalAuthorization:
    users = ([_user(workspace, name, one) for one in given[which]] for which in ("auth_user", "rm_auth_user"))
    accounts = (
        [account_or_everyone(workspace, one) for one in given[which]]
        for which in ("allowed_account", "rm_allowed_account")
    )
    return ExternalAuthorization(
        auth_users=listed(was.auth_users, *users),
        allowed_accounts=listed(was.allowed_accounts, *accounts),
        xkey=curve or ("" if given["rm_curve"] else was.xkey),
    )


def _user(workspace: CommandWorkspace, account: str, text: str) -> str:
    key = user_key(workspace, account, text)
    if key == EVERYONE:
        raise UsageError("not everyone can be a user of the service", "name its users")
    return key


def _report(workspace: CommandWorkspace, name: str, edited: CalloutEdited) -> None:
    jwt, seed = edited.jwt, edited.seed_path
    if seed is None:
        edits.print_edited(workspace, Edited(jwt, edited.changed), f"account {shown(name)}")
        return
    data = describe.data(jwt) | {
        "changed": True,
        "curve": jwt.claims.body.authorization.xkey,
        "seed": str(seed),
    }
    text = f"account {shown(name)}: changed\ncurve key: {data['curve']}\nits seed: {seed}"
    workspace.emit(data, text)
