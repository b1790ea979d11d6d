"""`seedless user delete`: users go out of the store, and are revoked where their creds are still good."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
from msgspec.structs import replace

from seedless.app.edits import issuer_of, stored
from seedless.app.revocations import known_users
from seedless.change import StoreWrite
from seedless.cli import printing
from seedless.cli.command import command
from seedless.cli.key_options import account_option, issuer_option
from seedless.cli.options import Settings, sign_options
from seedless.cli.review import sign
from seedless.cli.workspace import CommandWorkspace
from seedless.creds import parse_user_key
from seedless.errors import UsageError
from seedless.key_store import stored_seed
from seedless.nkey import PublicKey
from seedless.plan import changed, revocations
from seedless.signing_pipeline import Intent, Plan
from seedless.text import shown
from seedless.trust import is_expired, is_revoked

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from seedless.change import Change
    from seedless.claims import Account, User
    from seedless.jwt import Jwt

    Users = Mapping[str, Jwt[User]]


@command()
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@account_option
@click.option(
    "--revoke/--no-revoke", "-R", default=None, help="Revoke [default: those whose jwts still hold]."
)
@click.option("--rm-creds", "-C", is_flag=True, help="Remove their creds files.")
@click.option("--rm-nkey", "-D", is_flag=True, help="Remove their seeds from the key store.")
@issuer_option
@sign_options
def delete(
    settings: Settings,
    *,
    names: tuple[str, ...],
    account: str,
    revoke: bool | None,
    rm_creds: bool,
    rm_nkey: bool,
    issuer: str | None,
) -> None:
    """Take users out of an account.

    A user whose jwt still holds is revoked: the account is signed again, for whoever has the creds could go
    on using them. Servers learn of it when the account is pushed.

    \b
    Example:
      seedless user delete -a ORDERS app --rm-creds
    """
    workspace = CommandWorkspace(settings)
    if settings.plan and (rm_creds or rm_nkey):
        raise UsageError(
            "a plan removes users, and no files", "leave out --rm-creds and --rm-nkey, and remove them later"
        )
    with workspace.lock():
        parent = stored(workspace, (account,))
        users = _users(workspace, account, names, rm_creds=rm_creds)
        revoked = [name for name, jwt in users.items() if _is_to_revoke(workspace, parent, jwt, revoke)]
        gone = tuple(StoreWrite((account, name), None, jwt, "deleted") for name, jwt in users.items())
        change = _revoking(workspace, parent, [users[name] for name in revoked], issuer)
        plan = Plan(
            (change,) if change else (), workspace.now, (workspace.operator(), parent), gone
        )  # fmt: skip
        files = _files(workspace, account, names, users, creds=rm_creds, seeds=rm_nkey)
        sign(workspace, Intent(lambda _: plan), files=lambda _: files, gone=files)
    left = [jwt.claims.sub for jwt in users.values() if jwt.claims.sub in workspace.known_keys()]
    seeds = [
        workspace.store.seed_path(key)
        for key in (PublicKey.parse(jwt.claims.sub) for jwt in users.values())
        if stored_seed(workspace.store, key)
    ]
    _tell(workspace, account, names, revoked, files, left, seeds)


def _users(
    workspace: CommandWorkspace, account: str, names: Sequence[str], *, rm_creds: bool
) -> dict[str, Jwt[User]]:
    """Return the jwts of the users *names*; raise `UsageError` for one that there is not.

    One that was deleted before, and whose creds stayed, has none any more.
    """
    found = {}
    for name in names:
        left = rm_creds and workspace.store.creds_path(account, name).exists()
        if not left or workspace.store.get(account, name) is not None:
            found[name] = workspace.user(account, name)
    return found


def _is_to_revoke(
    workspace: CommandWorkspace,
    parent: Jwt[Account],
    user: Jwt[User],
    wanted: bool | None,  # noqa: FBT001 - as click gives it
) -> bool:
    if is_revoked(parent, user) or wanted is False:
        return False
    return bool(wanted) or not is_expired(user, workspace.now)


def _revoking(
    workspace: CommandWorkspace, parent: Jwt[Account], users: Sequence[Jwt[User]], issuer: str | None
) -> Change | None:
    """Return the change of the account that revokes *users*; None when there are none."""
    if not users:
        return None
    subs = {jwt.claims.sub for jwt in users}
    known = [
        *users,
        *(jwt for jwt in known_users(workspace, parent.claims.name.strip()) if jwt.claims.sub in subs),
    ]
    until: dict[str, int] = {}
    for sub in subs:
        until |= revocations(sub, known, workspace.now)
    body = parent.claims.body
    later = {key: max(time, body.revocations.get(key, 0)) for key, time in until.items()}
    claims = replace(parent.claims, body=replace(body, revocations=body.revocations | later))
    return changed(
        claims,
        issuer_of(workspace, parent, claims, issuer),
        replaces=parent,
        now=workspace.now,
        reason="revoked users that are deleted",
        address=(parent.claims.name.strip(),),
    )


def _files(
    workspace: CommandWorkspace, account: str, names: Sequence[str], users: Users, *, creds: bool, seeds: bool
) -> dict[Path, str | None]:
    """Return the files of *users* that go, those that are there."""
    paths = [workspace.store.creds_path(account, name) for name in dict.fromkeys(names)] if creds else []
    if seeds:
        keys = {PublicKey.parse(jwt.claims.sub): None for jwt in users.values()}
        for name in (name for name in names if name not in users):  # deleted before: its creds name its key
            text = workspace.creds(account, name)
            keys |= {parse_user_key(text).public_key: None} if text is not None else {}
        paths += map(workspace.store.seed_path, keys)
    return {path: None for path in paths if path.exists()}


def _tell(
    workspace: CommandWorkspace,
    account: str,
    names: Sequence[str],
    revoked: Sequence[str],
    files: Mapping[Path, Any],
    left: Sequence[str],
    seeds: Sequence[Path],
) -> None:
    kept = [
        path for name in dict.fromkeys(names) if (path := workspace.store.creds_path(account, name)).exists()
    ]
    for path in kept:
        printing.say(f"the creds stay: {shown(path)}; --rm-creds removes them")
    for path in seeds:
        printing.say(f"the seed stays: {shown(path)}; --rm-nkey removes it")
    for key in left:
        printing.say(f"its key stays on its token: seedless key delete {key}")
    if revoked:
        printing.say("servers let them in until they have this account: seedless push")
    data = {
        "account": account,
        "deleted": list(dict.fromkeys(names)),
        "revoked": list(revoked),
        "removed": [str(path) for path in files],
        "kept": [str(path) for path in (*kept, *seeds)],
        "keys_left": list(left),
    }
    lines = [
        f"user {shown(name)}: deleted{' and revoked' if name in revoked else ''}"
        for name in dict.fromkeys(names)
    ]
    lines += [f"removed: {shown(path)}" for path in files]
    printing.emit(data, "\n".join(lines), as_json=workspace.options.as_json)
