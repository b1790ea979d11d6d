"""`seedless account delete` and `rename`: an account, its users and what they have beside their jwts.

Deleting takes an account out of the store, with --remote first from the servers: whoever is interrupted in
between can run it again. Without it servers keep what was pushed to them until it is pruned there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from seedless.cli import consent, printing
from seedless.cli.command import command
from seedless.cli.key_options import issuer_option
from seedless.cli.options import sign_options
from seedless.cli.remote import open_session, remote_options
from seedless.cli.render import describe
from seedless.cli.review import sign_preview
from seedless.cli.workspace import CommandWorkspace
from seedless.errors import UsageError
from seedless.text import brief, shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from seedless.app.deletion import AccountDeleted
    from seedless.app.resolver.remote import Remote
    from seedless.jwt import Jwt
    from seedless.resolver import TargetAnswer


@command()
@click.argument("name")
@click.option("--rm-creds", "-C", is_flag=True, help="Remove the creds of its users.")
@click.option("--rm-nkey", "-D", is_flag=True, help="Remove the seeds of its users from the key store.")
@click.option(
    "--force", "-F", is_flag=True, help="Delete it although others import from it, or it is managed."
)
@click.option("--remote", "on_servers", is_flag=True, help="Delete it on the servers first, as prune does.")
@remote_options
@sign_options
def delete(
    workspace: CommandWorkspace,
    *,
    name: str,
    rm_creds: bool,
    rm_nkey: bool,
    force: bool,
    on_servers: bool,
    remote: Remote,
) -> None:
    """Delete the account NAME and its users from the store.

    Refused for the system account, and while other accounts import from it. Keys on tokens stay: seedless
    key delete removes them. Servers that have the account keep it until it is pruned there, unless --remote
    is given; the options of an address and a login are for that.

    \b
    Example:
      seedless account delete ORDERS --rm-creds
      seedless account delete ORDERS --remote --servers 3
    """
    if workspace.options.plan and (rm_creds or rm_nkey):
        raise UsageError("a plan removes only jwts", "leave out --rm-creds and --rm-nkey, or --plan")
    if workspace.options.plan and on_servers:
        raise UsageError("a plan contains nothing that is sent to servers", "leave out --remote, or --plan")
    answer = None
    with workspace.lock():
        made = workspace.accounts.delete(name, creds=rm_creds, seeds=rm_nkey, force=force)
        if on_servers:
            answer = _delete_remote(workspace, remote, workspace.account(name))
        deleted = sign_preview(workspace, made)
    _report(workspace, deleted, answer)


def _delete_remote(workspace: CommandWorkspace, remote: Remote, jwt: Jwt[Any]) -> TargetAnswer | None:
    """Delete the account on servers, with consent; return what they answered, None with --dry-run."""
    from seedless.app.resolver.delete import preview_delete  # few delete on servers
    from seedless.cli.prune import send_delete
    from seedless.resolver import DELETE

    with open_session(workspace, remote, DELETE) as session:
        found = preview_delete(session, jwt)
        done = send_delete(workspace, found, lambda _: consent.agreed(workspace.options, "Delete it there?"))
    done.require_done(f"delete {brief(jwt.claims.name)}")
    return done.answer


def _report(workspace: CommandWorkspace, deleted: AccountDeleted, answer: TargetAnswer | None) -> None:
    jwt, users = deleted.jwt, deleted.users
    data = {
        "deleted": jwt.claims.name,
        "subject": jwt.claims.sub,
        "users": list(users),
        "removed": [str(path) for path in deleted.removed],
        "keys_left": list(deleted.keys_left),
        "servers": [reply.server.name for reply in answer.answers] if answer else [],
    }
    kept, seeds = deleted.creds_left, deleted.seeds_left
    if kept:
        printing.report(f"the creds of {_count(kept)} stay: {shown(kept[0].parent)}; --rm-creds removes them")
    if seeds:
        printing.report(f"the seeds of {_count(seeds)} stay in the key store; --rm-nkey removes them")
    lines = [f"account {shown(jwt.claims.name)}: deleted, with {_count(users)}"]
    lines += [f"deleted on {', '.join(str(reply.server) for reply in answer.answers)}"] if answer else []
    lines += [f"removed: {path}" for path in deleted.removed]
    lines += [f"its key stays on its token: seedless key delete {key}" for key in deleted.keys_left]
    workspace.emit(data, "\n".join(lines))


def _count(users: Sequence[object]) -> str:
    return f"{len(users)} {'user' if len(users) == 1 else 'users'}"


@command()
@click.argument("old")
@click.argument("new")
@issuer_option
@sign_options
def rename(workspace: CommandWorkspace, *, old: str, new: str, issuer: str | None) -> None:
    """Rename the account OLD to NEW.

    Its users and their creds move with it. Its key stays the same, and so do the jwts of its users.

    \b
    Example:
      seedless account rename ORDERS SALES
    """
    with workspace.lock():
        edited = sign_preview(workspace, workspace.accounts.rename(old, new, issuer=issuer))
    data = describe.data(edited.jwt) | {"was": old}
    workspace.emit(data, f"account {shown(old)}: is {shown(new)} now")
