"""Users: created, with a creds file where their key is a software key, edited, renamed and deleted."""

from __future__ import annotations

import contextlib
import functools
import shlex
from collections.abc import Iterable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import replace

from seedless.app import arguments, edits
from seedless.app.arguments import Time
from seedless.app.deletion import UsersDeleted, delete_users
from seedless.app.edits import Change, Edited, reissued
from seedless.app.jwt_import import UserImported, import_user
from seedless.app.pipeline import Preview, preview
from seedless.app.renaming import rename_user
from seedless.app.renewal import UsersRenewed, renew_users
from seedless.app.signing_keys import subject_for
from seedless.claims import JetStreamPermissions, Permission, User
from seedless.claims.jetstream import allow
from seedless.errors import BadKey, UsageError
from seedless.jwt import Claims, Jwt
from seedless.nkey import PublicKey, Role
from seedless.plan import changed, issuing_key, new_user, resigned, scope_of
from seedless.seeds import SoftwareKey
from seedless.text import quoted, shown

if TYPE_CHECKING:
    from seedless.app.workspace import Workspace

__all__ = ["UserAdded", "Users"]


class UserAdded(msgspec.Struct, frozen=True, kw_only=True):
    """A new user of *account*; `creds_path` is None where its key is on a token, or its own."""

    jwt: Jwt[User]
    account: str
    creds_path: Path | None


class Users:
    """The users of accounts."""

    def __init__(self, workspace: Workspace) -> None:
        """Take where they are."""
        self._workspace = workspace

    def get(self, account: str, name: str) -> Jwt[User]:
        """Return the user *name* of *account*; raise `UsageError` with those that there are."""
        return self._workspace.user(account, name)

    def names(self, account: str) -> list[str]:
        """Return the names of the users of *account*, sorted; those too whose files are damaged."""
        return self._workspace.store.children(account)

    def account_of(self, *names: str) -> str:
        """Return the one account of the store that has users of all these *names*, or public keys.

        Raise `UsageError` where there is none, or several.
        """
        found = [self._accounts_with(name) for name in names]
        accounts = [account for account in found[0] if all(account in others for others in found)]
        if len(accounts) == 1:
            return accounts[0]
        if accounts:
            listed = ", ".join(map(shown, accounts))
            raise UsageError(
                f"{quoted(names[0])} is a user of {len(accounts)} accounts: {listed}",
                f"name one: --account {shlex.quote(accounts[0])}",
            )
        users = ", ".join(map(quoted, dict.fromkeys(names)))
        raise UsageError(
            f"no account has all of these users: {users}",
            f"name those of one account at a time: --account {shlex.quote(found[0][0])}",
        )

    def _accounts_with(self, user: str) -> list[str]:
        """Return the accounts with a *user* of this name, or public key; raise `UsageError` for none."""
        store = self._workspace.store
        accounts = [account for account in store.children() if user in store.children(account)]
        if not accounts:
            with contextlib.suppress(BadKey):  # a name that is not a key
                accounts = [*(store.find(PublicKey.parse(user)) or ())[:-1]]
        if not accounts:
            raise UsageError(
                f"there is no user {quoted(user)} in operator {shown(store.operator)}",
                "seedless user list shows the users",
            )
        return accounts

    def add(
        self,
        account: str,
        name: str,
        change: Change[User] | None = None,
        *,
        publish: Iterable[str] | None = None,
        subscribe: Iterable[str] | None = None,
        jetstream: JetStreamPermissions | None = None,
        limits: Mapping[str, object] | None = None,
        expiry: Time | None = None,
        tags: Iterable[str] = (),
        public_key: PublicKey | str | None = None,
        on_token: bool = False,
        issuer: str | PublicKey | None = None,
    ) -> Preview[UserAdded]:
        """Preview a new user of *account*; *change* makes its claims of the default ones, without limits.

        *publish* and *subscribe* are the subjects that are allowed, all of them where nothing is given;
        *jetstream* adds those that a client of streams and buckets needs. The key is created in software and
        goes into a creds file; or on the token with *on_token*; or it is the user's own, *public_key*.
        *issuer* is a key of the account or the role of a scope, whose users have no permissions and limits
        of their own. Raise `UsageError` for a name that is taken.
        """
        workspace = self._workspace
        now = workspace.refresh()
        software = _software_key(public_key, on_token=on_token)
        parent = workspace.account(account)
        edit = shlex.join(["seedless", "user", "edit", "-a", account, name])
        workspace.refuse_existing(account, name, hint=f"{edit} changes it")
        signer = issuing_key(parent.claims, workspace.known_keys(), issuer)
        body = User() if scope_of(parent.claims, signer) else User.new()
        claims = _allowed(Claims(sub="", name=name, body=body), publish, subscribe, jetstream)
        claims = edits.with_terms(edits.applied(change, claims), now, limits=limits, expiry=expiry, tags=tags)
        key = software.public_key if software else public_key
        subject, notices = subject_for(workspace, Role.USER, name, key)
        intent = new_user(
            subject,
            claims,
            account=parent,
            issuer=signer,
            around=(workspace.operator(),),
            now=now,
        )
        creds = workspace.store.creds_path(account, name) if software else None
        finish, seeds = functools.partial(_added, account, creds), (software,) if software else ()
        return preview(workspace, intent, finish, seeds=seeds, notices=notices)

    def edit(
        self,
        account: str,
        name: str,
        change: Change[User] | None = None,
        *,
        publish: Iterable[str] | None = None,
        subscribe: Iterable[str] | None = None,
        jetstream: JetStreamPermissions | None = None,
        limits: Mapping[str, object] | None = None,
        expiry: Time | None = None,
        tags: Iterable[str] = (),
        issuer: str | PublicKey | None = None,
    ) -> Preview[Edited[User]]:
        """Preview the user *name* of *account* with what *change* makes of its claims; its key stays.

        *publish* and *subscribe* take the place of the subjects that are allowed, *jetstream* adds to them.
        Its creds file gets the new jwt. Raise `UsageError` for permissions or limits of a user that a scope
        issues.
        """
        workspace = self._workspace
        workspace.refresh()
        now, address = workspace.now, (account, name)
        parent = workspace.account(account)
        before = edits.stored(workspace, address)

        def changing(claims: Claims[User]) -> Claims[User]:
            after = edits.applied(change, _allowed(claims, publish, subscribe, jetstream))
            return edits.with_terms(after, now, limits=limits, expiry=expiry, tags=tags)

        after, key = reissued(parent.claims, workspace.known_keys(), before, changing, issuer)
        if after == before.claims and key == before.issuer:
            return edits.unchanged(workspace, before)
        step = changed(after, key, replaces=before, now=now, reason="edited", address=address)
        intent = resigned(step, (workspace.operator(), parent), now)
        return preview(workspace, intent, lambda jwts: Edited(jwts[0], changed=True))

    def delete(
        self,
        account: str,
        *names: str,
        revoke: bool | None = None,
        creds: bool = False,
        seeds: bool = False,
        issuer: str | PublicKey | None = None,
    ) -> Preview[UsersDeleted]:
        """Preview *account* without the users *names*; those whose jwts still hold are revoked.

        With *revoke* all are revoked, or none. *creds* and *seeds* are removed too where they
        are.
        """
        return delete_users(
            self._workspace, account, names, revoke=revoke, creds=creds, seeds=seeds, issuer=issuer
        )

    def renew(
        self,
        account: str | None = None,
        *names: str,
        within: timedelta | int | str | None = None,
        expiry: Time | None = None,
    ) -> Preview[UsersRenewed]:
        """Preview a later end for users: *names* of *account*, or those that expire *within* a span, or have.

        Without *account* they are of all accounts. The new jwt lasts as long as the old one did, from now, or
        until *expiry*. Users that are revoked are skipped, and those that never expire; the result has why.
        """
        return renew_users(self._workspace, account, names, within=within, expiry=expiry)

    def rename(self, account: str, old: str, new: str) -> Preview[Edited[User]]:
        """Preview the user *old* of *account* under the name *new*; its key stays, its creds move along."""
        return rename_user(self._workspace, account, old, new)

    def import_jwt(
        self, jwt: Jwt[User] | str, *, key: SoftwareKey | None = None, overwrite: bool = False
    ) -> Preview[UserImported]:
        """Preview a user that somebody else created, in the store as it is; its account is the one it names.

        With its *key* there is a creds file too. Raise `UsageError` where no key of the account issued it,
        and for a user of the store unless *overwrite* is given and *jwt* is not the older one.
        """
        return import_user(self._workspace, jwt, key=key, overwrite=overwrite)


def _added(account: str, creds: Path | None, jwts: tuple[Jwt[Any], ...]) -> UserAdded:
    return UserAdded(jwt=jwts[0], account=account, creds_path=creds)


def _software_key(public_key: PublicKey | str | None, *, on_token: bool) -> SoftwareKey | None:
    """Return a new key for a creds file, or None where the user's key is given or created on a token."""
    if on_token and public_key:
        raise UsageError(
            "a key is given or created on a token, not both", "leave out --on-token or --public-key"
        )
    return None if on_token or public_key else SoftwareKey.generate(Role.USER)


def _allowed(
    claims: Claims[User],
    publish: Iterable[str] | None,
    subscribe: Iterable[str] | None,
    jetstream: JetStreamPermissions | None,
) -> Claims[User]:
    body = claims.body
    if publish is not None:
        body = replace(body, pub=Permission(allow=arguments.texts("publish", publish), deny=body.pub.deny))
    if subscribe is not None:
        body = replace(
            body, sub=Permission(allow=arguments.texts("subscribe", subscribe), deny=body.sub.deny)
        )
    if jetstream is not None:
        body = allow(body, jetstream)
    return replace(claims, body=body)
