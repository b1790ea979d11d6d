"""`seedless user edit` and `seedless user rename`: a user's jwt is signed again, with something changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
from msgspec.structs import replace

from seedless.change import Placement
from seedless.cli import _describe, _io
from seedless.cli._claims_options import ClaimsOptions, user_edits
from seedless.cli._edit import found, tell
from seedless.cli._keys import issuer_option
from seedless.cli._options import Settings, sign_options
from seedless.cli._review import sign
from seedless.cli._user_change import account_option, reissued
from seedless.cli._workspace import Workspace
from seedless.errors import UsageError
from seedless.issue import Intent, Plan
from seedless.plan import changed, resigned
from seedless.text import shown

if TYPE_CHECKING:
    from seedless.jwt import Jwt


@click.command()
@click.argument("name")
@account_option
@issuer_option
@user_edits
@sign_options
def edit(settings: Settings, *, name: str, account: str, issuer: str | None, options: ClaimsOptions) -> None:
    """Change a user: permissions, limits, times, tags.

    What no option names stays. The key of the user stays, and its creds file gets the new jwt.

    \b
    Example:
      seedless user edit -a ORDERS app --allow-pub 'audit.>' --rm 'orders.>' --expiry 90d
    """
    options.require_given(issuer)
    workspace = Workspace(settings)
    with workspace.lock():
        parent = workspace.account(account)
        before = found(workspace, (account, name))
        after, key = reissued(
            parent.claims,
            workspace.known_keys(),
            before,
            lambda claims: options.claims(claims, workspace.now),
            issuer,
        )
        jwt: Jwt[Any] | None = None
        if after != before.claims or key != before.issuer:
            step = changed(
                after, key, replaces=before, now=workspace.now, reason="edited", address=(account, name)
            )
            around = (workspace.operator(), parent)
            (jwt,) = sign(workspace, resigned(step, around, workspace.now))
    tell(workspace, jwt, f"user {shown(name)}")


@click.command()
@click.argument("old")
@click.argument("new")
@account_option
@sign_options
def rename(settings: Settings, *, old: str, new: str, account: str) -> None:
    """Give a user another name.

    The key, the permissions and the expiry stay. Its creds file moves along.

    \b
    Example:
      seedless user rename -a ORDERS app shop
    """
    workspace = Workspace(settings)
    with workspace.lock():
        parent = workspace.account(account)
        before = found(workspace, (account, old))
        if new == old:
            raise UsageError(f"user {shown(old)} is called so already", "give another name")
        workspace.refuse_existing(account, new)
        after, key = reissued(
            parent.claims, workspace.known_keys(), before, lambda claims: replace(claims, name=new)
        )
        reason = f"renamed from {old}"
        step = changed(after, key, replaces=before, now=workspace.now, reason=reason, address=(account, new))
        gone = Placement((account, old), None, before, f"renamed to {new}")
        plan = Plan((step,), workspace.now, (workspace.operator(), parent), (gone,))
        (jwt,) = sign(workspace, Intent(lambda _: plan))
    _io.emit(
        _describe.data(jwt) | {"was": old},
        f"user {shown(old)} is now {shown(new)}",
        as_json=workspace.settings.as_json,
    )
