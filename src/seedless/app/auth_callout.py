"""Auth callouts: who decides on logins to an account, in a service of one's own.

The jwt names the users of the service, the accounts that it may place users in, and a curve key with which
requests are encrypted (nats-server, auth_callout.go). The seed of a curve key is kept as those of users are.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import replace

from seedless.app.edits import issuer_of, stored
from seedless.app.exports_imports import account_or_everyone
from seedless.app.pipeline import Preview, nothing_to_do, preview
from seedless.app.revocations import user_key
from seedless.app.signing_keys import GENERATE
from seedless.claims import Account, ExternalAuthorization
from seedless.claims.edits import listed
from seedless.errors import BadKey, UsageError
from seedless.jwt import Jwt
from seedless.nkey import PublicKey, Role
from seedless.plan import changed, resigned
from seedless.seeds import SoftwareKey
from seedless.text import quoted, shown
from seedless.trust import EVERYONE

if TYPE_CHECKING:
    from seedless.app.workspace import Workspace

__all__ = ["AuthCallouts", "CalloutEdited", "CalloutMembers"]


class CalloutEdited(msgspec.Struct, frozen=True):
    """The account, whether it is another than before, and the file with the seed of a new curve key."""

    jwt: Jwt[Account]
    changed: bool
    seed_path: Path | None = None


class CalloutMembers(msgspec.Struct, frozen=True, kw_only=True):
    """Users of a service that decides on logins, and accounts that it may place users in: names or keys."""

    users: tuple[str, ...] = ()
    accounts: tuple[str, ...] = ()


NOTHING = CalloutMembers()


class AuthCallouts:
    """Services that decide on logins, one for an account."""

    def __init__(self, workspace: Workspace) -> None:
        """Take whose accounts they are of."""
        self._workspace = workspace

    def set_members(
        self,
        account: str,
        members: CalloutMembers,
        *,
        removed: CalloutMembers = NOTHING,
        curve: str | PublicKey | None = None,
        removes_curve: bool = False,
        issuer: str | PublicKey | None = None,
    ) -> Preview[CalloutEdited]:
        """Preview *account* with *members* added to its callout, and those *removed*; both may be names.

        *curve* is the public key with which requests are encrypted, or `generate`. Raise `UsageError` for
        what is not a key, and for every user (`*`) as a user of the service.
        """
        workspace = self._workspace
        generated = SoftwareKey.generate(Role.CURVE) if curve == GENERATE else None
        key = generated.public_key if generated else None if curve is None else _curve_key(curve)

        def change(was: ExternalAuthorization) -> ExternalAuthorization:
            added, gone = (_keys(workspace, account, keys) for keys in (members, removed))
            return ExternalAuthorization(
                auth_users=listed(was.auth_users, added.users, gone.users),
                allowed_accounts=listed(was.allowed_accounts, added.accounts, gone.accounts),
                xkey=str(key) if key else "" if removes_curve else was.xkey,
            )

        return self.edit(account, change, curve_key=generated, issuer=issuer)

    def remove(self, account: str, *, issuer: str | PublicKey | None = None) -> Preview[CalloutEdited]:
        """Preview *account* without a callout: its users log in without one."""
        return self.edit(account, lambda _: ExternalAuthorization(), issuer=issuer)

    def edit(
        self,
        account: str,
        change: Callable[[ExternalAuthorization], ExternalAuthorization],
        *,
        curve_key: SoftwareKey | None = None,
        issuer: str | PublicKey | None = None,
    ) -> Preview[CalloutEdited]:
        """Preview *account* with what *change* makes of its callout; `ExternalAuthorization()` is none.

        The seed of *curve_key* goes into the key store, where the service gets it from. Raise `UsageError`
        while the operator has no system account: a server ends at the first login that a callout decides on.
        """
        workspace = self._workspace
        now = workspace.refresh()
        before = stored(workspace, (account,))
        was = before.claims.body.authorization
        authorization = change(was)
        _require_system_account(workspace, authorization)
        if authorization == was:
            return nothing_to_do(workspace, CalloutEdited(before, changed=False))
        after = replace(before.claims, body=replace(before.claims.body, authorization=authorization))
        key = issuer_of(workspace, before, after, issuer)
        address = (before.claims.name.strip(),)
        step = changed(after, key, replaces=before, now=now, reason="auth callout", address=address)
        around = workspace.around(after, keys=(str(key), str(before.issuer)))
        seeds = () if curve_key is None else (curve_key,)
        files = {workspace.store.seed_path(seed.public_key): seed.reveal() for seed in seeds}

        def finish(jwts: tuple[Jwt[Any], ...]) -> CalloutEdited:
            return CalloutEdited(jwts[0], changed=True, seed_path=next(iter(files), None))

        return preview(workspace, resigned(step, around, now), finish, seeds=seeds, files=lambda _: files)


def _keys(workspace: Workspace, account: str, members: CalloutMembers) -> CalloutMembers:
    """Return *members* by their keys; `*` is every account."""
    users = tuple(user_key(workspace, account, user) for user in members.users)
    if EVERYONE in users:
        raise UsageError("not everyone can be a user of the service", "name its users")
    accounts = tuple(account_or_everyone(workspace, name) for name in members.accounts)
    return CalloutMembers(users=users, accounts=accounts)


def _curve_key(text: str | PublicKey) -> PublicKey:
    hint = f"give a public key, X…, or {GENERATE}"
    try:
        key = text if isinstance(text, PublicKey) else PublicKey.parse(text)
    except BadKey as error:
        raise UsageError(f"{quoted(str(text))} is not a curve key: {error.message}", hint) from error
    if key.role is not Role.CURVE:
        raise UsageError(f"{key} is not a curve key", hint)
    return key


def _require_system_account(workspace: Workspace, authorization: ExternalAuthorization) -> None:
    """Raise `UsageError` for a callout without a system account: a server ends at the first login then.

    Seen with nats-server 2.15.1 (auth_callout.go, `newRespInbox` of no system account).
    """
    operator = workspace.operator().claims
    if authorization.auth_users and not operator.body.system_account:
        raise UsageError(
            f"operator {shown(operator.name)} has no system account, and servers end at the "
            "first login that a callout decides on",
            "name one: seedless operator edit --system-account NAME",
        )
