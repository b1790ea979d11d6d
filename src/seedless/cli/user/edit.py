"""`seedless user edit` and `seedless user rename`: a user's jwt is signed again, with something changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
from msgspec.structs import replace

from seedless.app.edits import stored
from seedless.app.users import reissued
from seedless.change import StoreWrite
from seedless.cli import edits, printing
from seedless.cli.claims_options import ClaimsOptions, user_edits
from seedless.cli.command import command
from seedless.cli.key_options import account_option, issuer_option
from seedless.cli.options import Settings, sign_options
from seedless.cli.render import describe
from seedless.cli.review import sign, sign_preview
from seedless.cli.workspace import CommandWorkspace
from seedless.errors import UsageError
from seedless.plan import changed
from seedless.signing_pipeline import Intent, Plan
from seedless.text import shown

if TYPE_CHECKING:
    from seedless.change import Change
    from seedless.claims import Account, User
    from seedless.jwt import Jwt


@command()
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
    workspace = CommandWorkspace(settings)
    with workspace.lock():
        edited = sign_preview(
            workspace,
            workspace.users.edit(
                account, name, lambda claims: options.claims(claims, workspace.now), issuer=issuer
            ),
        )
    edits.print_edited(workspace, edited, f"user {shown(name)}")


@command()
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
    workspace = CommandWorkspace(settings)
    with workspace.lock():
        parent = workspace.account(account)
        before = stored(workspace, (account, old))
        if new == old:
            raise UsageError(f"user {shown(old)} is called so already", "give another name")
        gone = StoreWrite((account, old), None, before, f"renamed to {new}")
        done = _renamed(workspace, before, (account, new))
        steps = () if done else (_renaming(workspace, parent, before, new),)
        plan = Plan(steps, workspace.now, (workspace.operator(), parent), (gone,))
        left = {workspace.store.creds_path(account, old): None} if done else {}
        jwt = next(iter(sign(workspace, Intent(lambda _: plan), files=lambda _: left)), done)
    printing.emit(
        (describe.data(jwt) if jwt else {}) | {"was": old},
        f"user {shown(old)} is now {shown(new)}",
        as_json=workspace.options.as_json,
    )


def _renamed(workspace: CommandWorkspace, before: Jwt[Any], address: tuple[str, ...]) -> Jwt[Any] | None:
    """Return the jwt under the new name that a run, ended before it was done, has left; else None.

    Raise `UsageError` when the name is another's, or cannot be one.
    """
    there = workspace.store.get(*address)
    if there is None or there.claims.sub != before.claims.sub:
        workspace.refuse_existing(*address)
        return None
    return there


def _renaming(workspace: CommandWorkspace, parent: Jwt[Account], before: Jwt[User], new: str) -> Change:
    after, key = reissued(
        parent.claims, workspace.known_keys(), before, lambda claims: replace(claims, name=new)
    )
    return changed(
        after,
        key,
        replaces=before,
        now=workspace.now,
        reason=f"renamed from {before.claims.name}",
        address=(parent.claims.name.strip(), new),
    )
