"""`seedless account delete` and `rename`: an account, its users and what they have beside their jwts.

Deleting takes an account out of the store, with --remote first from the servers: whoever is interrupted in
between can say the same again. Without it servers keep what was pushed to them until it is pruned there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
from msgspec.structs import replace

from seedless.app.edits import issuer_of, stored
from seedless.change import StoreWrite
from seedless.claims import signing_key
from seedless.cli import printing
from seedless.cli._remote import Remote, remote_options
from seedless.cli.command import command
from seedless.cli.key_options import issuer_option
from seedless.cli.options import Settings, sign_options
from seedless.cli.render import describe
from seedless.cli.review import sign
from seedless.cli.workspace import CommandWorkspace
from seedless.errors import SeedlessError, UsageError
from seedless.jwt import Jwt
from seedless.key_store import stored_seed
from seedless.nkey import PublicKey
from seedless.plan import changed
from seedless.signing_pipeline import Intent, Plan
from seedless.text import quoted, shown

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from seedless.change import Change
    from seedless.resolver import TargetAnswer

    Users = list[tuple[str, Jwt[Any] | SeedlessError]]


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
    settings: Settings,
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
    workspace = CommandWorkspace(settings)
    if settings.plan and (rm_creds or rm_nkey):
        raise UsageError("a plan removes jwts alone", "leave out --rm-creds and --rm-nkey, or --plan")
    if settings.plan and on_servers:
        raise UsageError("what goes to servers goes into no plan", "leave out --remote, or --plan")
    said = None
    with workspace.lock():
        jwt = workspace.account(name)
        refuse_needed(workspace, jwt, force=force)
        users = workspace.each(name)
        plan = deletion(workspace, jwt, users)
        files = _files(workspace, name, users, creds=rm_creds, seeds=rm_nkey)
        if on_servers:
            said = _delete_remote(workspace, remote, jwt)
        sign(workspace, Intent(lambda _: plan), files=lambda _: files, gone=files)
    _tell(workspace, jwt, users, files, said)


def _delete_remote(workspace: CommandWorkspace, remote: Remote, jwt: Jwt[Any]) -> TargetAnswer | None:
    from seedless.cli._resolver import delete_remote  # noqa: PLC0415 - few delete on servers

    return delete_remote(workspace, remote, jwt)


def refuse_needed(workspace: CommandWorkspace, jwt: Jwt[Any], *, force: bool) -> None:
    """Raise `UsageError` for the system account, and without *force* for one that others depend on."""
    operator = workspace.operator()
    if operator.claims.body.system_account == jwt.claims.sub:
        raise UsageError(
            f"{quoted(jwt.claims.name)} is the system account, without which servers answer nothing",
            "name another first: seedless operator edit --system-account NAME",
        )
    if workspace.store.managed and not force:
        raise UsageError(
            f"the operator {shown(workspace.store.operator)} is somebody else's, who may want the "
            "account's keys to end what it uses",
            "say --force to delete it here",
        )
    for verb, names in _depending(workspace, jwt).items():
        if names and not force:
            raise UsageError(
                f"{', '.join(map(shown, names))} {verb} {quoted(jwt.claims.name)}",
                "edit them first, or say --force",
            )
        if names:
            printing.say(printing.printable(f"warning: {', '.join(names)} {verb} {jwt.claims.name}"))


def _depending(workspace: CommandWorkspace, jwt: Jwt[Any]) -> dict[str, list[str]]:
    """Return which accounts of the store depend on that of *jwt*, and how."""
    key = jwt.claims.sub
    others = [one.claims for one in workspace.readable_accounts() if one.claims.sub != key]
    return {
        "import from": [one.name for one in others if any(item.account == key for item in one.body.imports)],
        "place users by auth callout in": [
            one.name for one in others if key in one.body.authorization.allowed_accounts
        ],
    }


def deletion(workspace: CommandWorkspace, jwt: Jwt[Any], users: Users) -> Plan:
    """Return the plan without the account of *jwt* and its *users*; nothing in it is signed."""
    name = jwt.claims.name.strip()
    gone = [(user, held if isinstance(held, Jwt) else None) for user, held in users]
    store_writes = [StoreWrite((name, user), None, held, "its account is deleted") for user, held in gone]
    store_writes.append(StoreWrite((name,), None, jwt, "deleted"))
    return Plan((), workspace.now, (workspace.operator(),), tuple(store_writes))


def _files(
    workspace: CommandWorkspace, name: str, users: Users, *, creds: bool, seeds: bool
) -> dict[Path, None]:
    store = workspace.store
    paths = [store.creds_path(name, user) for user, _ in users] if creds else []
    keys = [PublicKey.parse(jwt.claims.sub) for _, jwt in users if isinstance(jwt, Jwt)] if seeds else []
    return dict.fromkeys(path for path in [*paths, *map(store.seed_path, keys)] if path.exists())


def _tell(
    workspace: CommandWorkspace,
    jwt: Jwt[Any],
    users: Users,
    files: Sequence[Path] | dict[Path, None],
    said: TargetAnswer | None,
) -> None:
    name = jwt.claims.name.strip()
    keys = [jwt.claims.sub, *map(signing_key, jwt.claims.body.signing_keys)]
    left = [key for key in keys if key in workspace.known_keys()]
    data = {
        "deleted": jwt.claims.name,
        "subject": jwt.claims.sub,
        "users": [user for user, _ in users],
        "removed": [str(path) for path in files],
        "keys_left": left,
        "servers": [one.server.name for one in said.answers] if said else [],
    }
    kept = [path for user, _ in users if (path := workspace.store.creds_path(name, user)).exists()]
    if kept:
        printing.say(f"the creds of {_count(kept)} stay: {shown(kept[0].parent)}; --rm-creds removes them")
    subjects = [PublicKey.parse(held.claims.sub) for _, held in users if isinstance(held, Jwt)]
    seeds = [key for key in subjects if stored_seed(workspace.store, key)]
    if seeds:
        printing.say(f"the seeds of {_count(seeds)} stay in the key store; --rm-nkey removes them")
    lines = [f"account {shown(jwt.claims.name)}: deleted, with {_count(users)}"]
    lines += [f"deleted on {', '.join(str(one.server) for one in said.answers)}"] if said else []
    lines += [f"removed: {path}" for path in files]
    lines += [f"its key stays on its token: seedless key delete {key}" for key in left]
    printing.emit(data, "\n".join(lines), as_json=workspace.options.as_json)


def _count(users: Sequence[object]) -> str:
    return f"{len(users)} {'user' if len(users) == 1 else 'users'}"


@command()
@click.argument("old")
@click.argument("new")
@issuer_option
@sign_options
def rename(settings: Settings, *, old: str, new: str, issuer: str | None) -> None:
    """Give the account OLD the name NEW.

    Its users and their creds move with it. Its key stays the same, and so do the jwts of its users.

    \b
    Example:
      seedless account rename ORDERS SALES
    """
    workspace = CommandWorkspace(settings)
    with workspace.lock():
        before = stored(workspace, (old,))
        done = _left_under(workspace, before, new)
        steps = () if done else (_renaming(workspace, before, new, issuer),)
        around = workspace.around(before.claims, keys=(str(before.issuer),))
        plan = Plan(steps, workspace.now, around, _moves(workspace, before, new))
        jwt = next(iter(sign(workspace, Intent(lambda _: plan))), done)
    data = (describe.data(jwt) if jwt else {}) | {"was": old}
    printing.emit(data, f"account {shown(old)}: is {shown(new)} now", as_json=settings.as_json)


def _left_under(workspace: CommandWorkspace, before: Jwt[Any], new: str) -> Jwt[Any] | None:
    """Return the account under its *new* name, that a run has left which was ended before it was done.

    Raise `UsageError` when the name is another's, or cannot be one.
    """
    there = workspace.store.get(new)
    if there is None or there.claims.sub != before.claims.sub or there.claims.name == before.claims.name:
        workspace.refuse_existing(new)
        return None
    return there


def _renaming(workspace: CommandWorkspace, before: Jwt[Any], new: str, issuer: str | None) -> Change:
    after = replace(before.claims, name=new)
    key = issuer_of(workspace, before, after, issuer)
    reason = f"was {before.claims.name}"
    return changed(after, key, replaces=before, now=workspace.now, reason=reason, address=(new,))


def _moves(workspace: CommandWorkspace, before: Jwt[Any], new: str) -> tuple[StoreWrite, ...]:
    """Return where the users go, and last that the old name goes, by which a run that was ended goes on."""
    old = before.claims.name.strip()
    store_writes = []
    for user, jwt in workspace.each(old):
        if isinstance(jwt, SeedlessError):
            raise jwt
        store_writes.append(StoreWrite((new, user), jwt, workspace.store.get(new, user), f"moves from {old}"))
        store_writes.append(StoreWrite((old, user), None, jwt, f"moves to {new}"))
    return (*store_writes, StoreWrite((old,), None, before, f"is {new} now"))
