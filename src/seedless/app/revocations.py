"""Revocations of users: what was issued to them until a time holds no longer.

A revocation ends every jwt of a user that was issued until a time (jwt v2.8.2, revocation_list.go).
Servers disconnect such users once they have the account.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from msgspec.structs import replace

from seedless.app import arguments
from seedless.app.arguments import Time
from seedless.app.edits import Edited, edit_account
from seedless.app.pipeline import Preview
from seedless.claims import Account, User
from seedless.errors import BadKey, SeedlessError, UsageError
from seedless.jwt import Jwt
from seedless.nkey import PublicKey, Role
from seedless.plan import revocations as revocations_of
from seedless.plan import revoked
from seedless.text import quoted
from seedless.trust import EVERYONE
from seedless.units import moment

if TYPE_CHECKING:
    from seedless.app.workspace import Workspace

__all__ = ["revoke", "unrevoke", "user_key"]


def revoke(
    workspace: Workspace,
    account: str,
    users: tuple[str, ...],
    *,
    at: Time | None = None,
    issuer: str | PublicKey | None = None,
) -> Preview[Edited[Account]]:
    """Preview *account* with *users* (names, keys, or `*`) revoked until now, or until *at*.

    A user whose jwt is from the future, by a clock that was fast, is revoked until then.
    """
    workspace.refresh()
    now = workspace.now
    until = None if at is None else arguments.seconds("at", at, now)
    if until is not None and until > now:
        raise UsageError(
            f"the time {moment(until)} has not come yet: this clock reads {moment(now)}",
            "give a time that has",
        )
    keys = [user_key(workspace, account, user) for user in users]
    known = list(known_users(workspace, account)) if until is None else []
    times: dict[str, int] = {}
    for key in keys:
        times |= revocations_of(key, known, now) if until is None else {key: until}
    is_reset = workspace.account(account).claims.sub in workspace.settings.reset_time

    def change(body: Account) -> Account:
        return replace(body, revocations=revoked(body.revocations, times, now, is_reset=is_reset))

    return edit_account(workspace, account, change, f"revoked: {', '.join(users)}", issuer)


def unrevoke(
    workspace: Workspace, account: str, users: tuple[str, ...], *, issuer: str | PublicKey | None = None
) -> Preview[Edited[Account]]:
    """Preview *account* without the revocations of *users*; raise `UsageError` for one not revoked."""
    existing = workspace.account(account).claims.body.revocations
    keys = [user_key(workspace, account, user, known=existing) for user in users]
    for key, text in zip(keys, users, strict=True):
        if key not in existing:
            raise UsageError(
                f"{quoted(text)} is not revoked by account {quoted(account)}",
                f"seedless account revocations -a {account} lists who is",
            )

    def change(body: Account) -> Account:
        kept = {key: time for key, time in body.revocations.items() if key not in keys}
        return replace(body, revocations=kept)

    return edit_account(workspace, account, change, f"unrevoked: {', '.join(users)}", issuer)


def known_users(workspace: Workspace, account: str) -> Iterator[Jwt[User]]:
    """Yield the users of *account* in the store, and those in their creds, which may be later ones."""
    from seedless.creds import parse_creds  # a new account, which loads this, has no users

    for name, jwt in workspace.each(account):
        if not isinstance(jwt, SeedlessError):
            yield jwt
        with contextlib.suppress(SeedlessError):
            text = workspace.creds(account, name)
            if text is not None:
                yield parse_creds(text).jwt


def user_key(workspace: Workspace, account: str, text: str, known: Mapping[str, int] | None = None) -> str:
    """Return whom *text* means, as a revocation names them: a key of a user, or `*`.

    A text in *known*, existing revocations, is taken as it is. Raise `UsageError`.
    """
    if text == EVERYONE or (known is not None and text in known):
        return text
    try:
        key = PublicKey.parse(text)
    except BadKey:
        return workspace.user(account, text).claims.sub
    if key.role is not Role.USER:
        raise UsageError(f"{key} is not the key of a user", "name a user, or its key: U…")
    return str(key)
