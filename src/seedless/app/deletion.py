"""Deletions: accounts and users go out of the store, with their creds and seeds where that is asked for.

Servers keep an account until it is deleted there, and let a user in until they have the account that revokes
it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import replace

from seedless.app.edits import issuer_of, stored
from seedless.app.pipeline import Notice, Preview, preview
from seedless.app.revocations import known_users
from seedless.change import Change, StoreWrite
from seedless.claims import Account, User, signing_key
from seedless.errors import SeedlessError, UsageError
from seedless.jwt import Jwt
from seedless.key_store import stored_seed
from seedless.nkey import PublicKey
from seedless.plan import changed, revocations
from seedless.signing_pipeline import Plan
from seedless.text import quoted, shown
from seedless.trust import is_expired, is_revoked

if TYPE_CHECKING:
    from seedless.app.workspace import Workspace

__all__ = ["AccountDeleted", "UsersDeleted", "delete_account", "delete_users", "deletion"]

Held = Sequence[tuple[str, Jwt[Any] | SeedlessError]]
"""Users by name: the jwt of each, or why it cannot be read."""


class AccountDeleted(msgspec.Struct, frozen=True, kw_only=True):
    """An account that was deleted, with its users (names).

    `removed` are files that were removed with it, `creds_left` creds that stay, `seeds_left` the users (keys)
    whose seeds stay in the key store, `keys_left` keys (text) that stay on their tokens.
    """

    jwt: Jwt[Account]
    users: tuple[str, ...]
    removed: tuple[Path, ...]
    creds_left: tuple[Path, ...]
    seeds_left: tuple[PublicKey, ...]
    keys_left: tuple[str, ...]


class UsersDeleted(msgspec.Struct, frozen=True, kw_only=True):
    """Users of *account* that were deleted (names), and those of them that were revoked.

    The other members are as in `AccountDeleted`; `seeds_left` are files of the key store.
    """

    account: str
    users: tuple[str, ...]
    revoked: tuple[str, ...]
    removed: tuple[Path, ...]
    creds_left: tuple[Path, ...]
    seeds_left: tuple[Path, ...]
    keys_left: tuple[str, ...]


def delete_account(
    workspace: Workspace, name: str, *, creds: bool = False, seeds: bool = False, force: bool = False
) -> Preview[AccountDeleted]:
    """Preview the store without the account *name* and its users; with their *creds* and *seeds* removed too.

    Raise `UsageError` for the system account, and without *force* for one that others depend on.
    """
    workspace.refresh()
    jwt = workspace.account(name)
    notices = _refuse_needed(workspace, jwt, force=force)
    users = workspace.each(name)
    plan = deletion(workspace, jwt, users)
    files = _account_files(workspace, name, users, creds=creds, seeds=seeds)

    def finish(_: tuple[Jwt[object], ...]) -> AccountDeleted:
        # Counted after the deletion, not before: what is reported as left is what another command would
        # still find.
        store, folder = workspace.store, jwt.claims.name.strip()
        keys = [jwt.claims.sub, *map(signing_key, jwt.claims.body.signing_keys)]
        known = workspace.known_keys()
        subjects = [PublicKey.parse(held.claims.sub) for _, held in users if isinstance(held, Jwt)]
        paths = (store.creds_path(folder, user) for user, _ in users)
        return AccountDeleted(
            jwt=jwt,
            users=tuple(user for user, _ in users),
            removed=tuple(files),
            creds_left=tuple(path for path in paths if path.exists()),
            seeds_left=tuple(key for key in subjects if stored_seed(store, key)),
            keys_left=tuple(key for key in keys if key in known),
        )

    return preview(
        workspace, plan, finish, files=lambda _: files, removed_files=tuple(files), notices=notices
    )


def deletion(workspace: Workspace, jwt: Jwt[object], users: Held) -> Plan:
    """Return the plan without the account of *jwt* and its *users*; nothing in it is signed."""
    name = jwt.claims.name.strip()
    gone = [(user, held if isinstance(held, Jwt) else None) for user, held in users]
    store_writes = [StoreWrite((name, user), None, held, "its account is deleted") for user, held in gone]
    # The users first: a run that is killed between two folders leaves an account without users, which can
    # be deleted again; users without their account have no issuer that anybody could name.
    store_writes.append(StoreWrite((name,), None, jwt, "deleted"))
    return Plan((), workspace.now, (workspace.operator(),), tuple(store_writes))


def _refuse_needed(workspace: Workspace, jwt: Jwt[object], *, force: bool) -> tuple[Notice, ...]:
    """Raise `UsageError` for the system account, and without *force* for one that others depend on."""
    operator = workspace.operator()
    # Not even with *force*: a resolver refuses the delete of it, and without its jwt no claims can be
    # pushed to any server of the operator again.
    if operator.claims.body.system_account == jwt.claims.sub:
        raise UsageError(
            f"{quoted(jwt.claims.name)} is the system account, without which servers answer nothing",
            "name another first: seedless operator edit --system-account NAME",
        )
    if workspace.store.managed and not force:
        raise UsageError(
            f"the operator {shown(workspace.store.operator)} belongs to somebody else, who may need the "
            "account's keys to end what it uses",
            "give --force to delete it here",
        )
    notices: list[Notice] = []
    for (members, command), names in _depending(workspace, jwt).items():
        text = (
            f"account {quoted(jwt.claims.name)} is named by the {members} of {', '.join(map(shown, names))}"
        )
        if names and not force:
            raise UsageError(text, f"seedless {command} --help; or delete it with --force")
        if names:
            notices.append(Notice(text, is_warning=True))
    return tuple(notices)


def _depending(workspace: Workspace, jwt: Jwt[object]) -> dict[tuple[str, str], list[str]]:
    """Return which accounts of the store name that of *jwt*, by member and the command for it."""
    key = jwt.claims.sub
    # Accounts that cannot be read are not counted as dependents: a damaged file must not keep its
    # neighbours from being deleted.
    others = [account.claims for account in workspace.readable_accounts() if account.claims.sub != key]
    return {
        ("imports", "account import remove"): [
            other.name for other in others if any(entry.account == key for entry in other.body.imports)
        ],
        ("auth callout", "account authcallout"): [
            other.name for other in others if key in other.body.authorization.allowed_accounts
        ],
    }


def _account_files(
    workspace: Workspace, name: str, users: Held, *, creds: bool, seeds: bool
) -> dict[Path, None]:
    store = workspace.store
    paths = [store.creds_path(name, user) for user, _ in users] if creds else []
    keys = [PublicKey.parse(jwt.claims.sub) for _, jwt in users if isinstance(jwt, Jwt)] if seeds else []
    return dict.fromkeys(path for path in [*paths, *map(store.seed_path, keys)] if path.exists())


def delete_users(
    workspace: Workspace,
    account: str,
    names: Sequence[str],
    *,
    revoke: bool | None = None,
    creds: bool = False,
    seeds: bool = False,
    issuer: str | PublicKey | None = None,
) -> Preview[UsersDeleted]:
    """Preview *account* without the users *names*; those whose jwts still hold are revoked.

    With *revoke* all are revoked, or none. *creds* and *seeds* are removed too where they are.
    Raise `UsageError` for a user that there is not; one that was deleted before may have left its creds.
    """
    workspace.refresh()
    parent = stored(workspace, (account,))
    users = _users(workspace, account, names, creds=creds)
    # A deletion alone ends nothing: servers never see user jwts, they accept any that the account's keys
    # have signed. Only the revocation in the account's jwt keeps the creds of a deleted user out.
    revoked = [name for name, jwt in users.items() if _is_to_revoke(workspace, parent, jwt, revoke)]
    gone = tuple(StoreWrite((account, name), None, jwt, "deleted") for name, jwt in users.items())
    change = _revoking(workspace, parent, [users[name] for name in revoked], issuer)
    changes = (change,) if change else ()
    plan = Plan(changes, workspace.now, (workspace.operator(), parent), gone)
    files = _user_files(workspace, account, names, users, creds=creds, seeds=seeds)

    def finish(_: tuple[Jwt[object], ...]) -> UsersDeleted:
        store, known = workspace.store, workspace.known_keys()
        subjects = [jwt.claims.sub for jwt in users.values()]
        once = tuple(dict.fromkeys(names))
        keys = map(PublicKey.parse, subjects)
        return UsersDeleted(
            account=account,
            users=once,
            revoked=tuple(revoked),
            removed=tuple(files),
            creds_left=tuple(path for name in once if (path := store.creds_path(account, name)).exists()),
            seeds_left=tuple(store.seed_path(key) for key in keys if stored_seed(store, key)),
            keys_left=tuple(sub for sub in subjects if sub in known),
        )

    return preview(workspace, plan, finish, files=lambda _: files, removed_files=tuple(files))


def _users(workspace: Workspace, account: str, names: Sequence[str], *, creds: bool) -> dict[str, Jwt[User]]:
    """Return the jwts of the users *names*; raise `UsageError` for one that there is not.

    One that was deleted before, and whose creds stayed, has none any more.
    """
    found = {}
    for name in names:
        left = creds and workspace.store.creds_path(account, name).exists()
        if not left or workspace.store.get(account, name) is not None:
            found[name] = workspace.user(account, name)
    return found


def _is_to_revoke(
    workspace: Workspace,
    parent: Jwt[Account],
    user: Jwt[User],
    wanted: bool | None,  # noqa: FBT001 - None where it was not given
) -> bool:
    if is_revoked(parent, user) or wanted is False:
        return False
    # An expired jwt opens nothing any more, and each revocation makes the account's jwt longer for good:
    # devices that sign a few thousand bytes at most run out of room for them.
    return bool(wanted) or not is_expired(user, workspace.now)


def _revoking(
    workspace: Workspace, parent: Jwt[Account], users: Sequence[Jwt[User]], issuer: str | PublicKey | None
) -> Change | None:
    """Return the change of the account that revokes *users*; None when there are none."""
    if not users:
        return None
    subs = {jwt.claims.sub for jwt in users}
    name = parent.claims.name.strip()
    # Creds files may hold a later jwt of the same user than the store has: the time of the revocation must
    # not be before that one's `iat`.
    known = [*users, *(jwt for jwt in known_users(workspace, name) if jwt.claims.sub in subs)]
    until: dict[str, int] = {}
    for sub in subs:
        until |= revocations(sub, known, workspace.now)
    body = parent.claims.body
    # A time that is there already never moves back: that would let in again what an earlier revocation has
    # ended.
    later = {key: max(time, body.revocations.get(key, 0)) for key, time in until.items()}
    claims = replace(parent.claims, body=replace(body, revocations=body.revocations | later))
    return changed(
        claims,
        issuer_of(workspace, parent, claims, issuer),
        replaces=parent,
        now=workspace.now,
        reason="revoked users that are deleted",
        address=(name,),
    )


def _user_files(
    workspace: Workspace,
    account: str,
    names: Sequence[str],
    users: Mapping[str, Jwt[User]],
    *,
    creds: bool,
    seeds: bool,
) -> dict[Path, str | None]:
    """Return the files of *users* that go, those that are there."""
    paths = [workspace.store.creds_path(account, name) for name in dict.fromkeys(names)] if creds else []
    if seeds:
        from seedless.creds import parse_user_key  # see `known_users`

        keys = {PublicKey.parse(jwt.claims.sub): None for jwt in users.values()}
        for name in (name for name in names if name not in users):  # deleted before: its creds name its key
            text = workspace.creds(account, name)
            keys |= {parse_user_key(text).public_key: None} if text is not None else {}
        paths += map(workspace.store.seed_path, keys)
    return {path: None for path in paths if path.exists()}
