"""Who logs in to the servers: a user of the system account, with creds, or signed to live for two minutes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from seedless import trust
from seedless.app.pipeline import Preview, nothing_to_do, preview
from seedless.app.resolver.remote import Remote, address, check
from seedless.claims import NO_LIMIT, Account, Operator, Permission, User
from seedless.creds import Creds, parse_creds
from seedless.errors import SeedlessError, StoreError, UsageError
from seedless.jwt import Claims, Jwt
from seedless.nkey import Role
from seedless.plan import changed, issuing_key, resigned
from seedless.resolver import ASKED, INBOX
from seedless.seeds import SoftwareKey
from seedless.store import atomic
from seedless.text import quoted, shown

if TYPE_CHECKING:
    from seedless.app.workspace import Workspace

__all__ = ["SECONDS", "is_temporary", "log_in"]

SECONDS = 120
"""How long a user lives that is signed to log in once."""

_TEMPORARY = "seedless-push"


def log_in(
    workspace: Workspace, remote: Remote, *subjects: str, check_tls: bool = True
) -> Preview[Creds | None]:
    """Preview who logs in: creds that are given, those of the store, or a temporary user that is signed.

    The preview is empty unless a user is signed; its result is None for a folder or a file, where nobody
    logs in. A temporary user may send to *subjects* only, beside asking; before it is signed *check_tls*
    asks the servers whether they offer the TLS that is required. Raise `UsageError` where *remote*
    contradicts itself, and `NoTls`.
    """
    check(workspace, remote)
    if remote.is_local:
        return nothing_to_do(workspace, None)
    if remote.creds is not None:
        return nothing_to_do(workspace, _given(remote.creds))
    account = _system_account(workspace, remote)
    if remote.system_user is not None:
        return nothing_to_do(workspace, _stored(workspace, account, remote.system_user))
    found = None if remote.temporary_user else _any_stored(workspace, account)
    if found is not None:
        return nothing_to_do(workspace, found)
    if check_tls:
        address(workspace, remote).require_tls()
    return _temporary(workspace, account, subjects)


def is_temporary(user: Creds | None) -> bool:
    """Report whether *user* was signed to log in once."""
    return user is not None and user.jwt.claims.name == _TEMPORARY


def _temporary(
    workspace: Workspace, account: Jwt[Account], subjects: tuple[str, ...]
) -> Preview[Creds | None]:
    """Preview a user who may ask, and send to *subjects*, for two minutes from now."""
    key = SoftwareKey.generate(Role.USER)
    issuer = issuing_key(account.claims, workspace.known_keys())
    body = User(
        pub=Permission(allow=tuple(sorted({*ASKED, *subjects}))),
        sub=Permission(allow=(INBOX,)),
        subs=NO_LIMIT,
        data=NO_LIMIT,
        payload=NO_LIMIT,
        issuer_account="" if str(issuer) == account.claims.sub else account.claims.sub,
    )
    now = workspace.refresh()  # not when the command began: a person may have been asked since
    claims = Claims(sub=str(key.public_key), name=_TEMPORARY, body=body, exp=now + SECONDS)
    reason = f"to log in to the servers, for {SECONDS // 60} minutes; it is kept nowhere"
    change = changed(claims, issuer, replaces=None, now=now, reason=reason)
    intent = resigned(change, (workspace.operator(), account), now)
    return preview(workspace, intent, lambda jwts: Creds(jwts[0], key))


def _system_account(workspace: Workspace, remote: Remote) -> Jwt[Account]:
    """Return the system account: the one that is named, or else the operator's."""
    if remote.system_account is not None:
        return workspace.account(remote.system_account)
    named = workspace.operator().claims.body.system_account
    for _, jwt in workspace.each() if named else ():
        if not isinstance(jwt, SeedlessError) and jwt.claims.sub == named:
            return jwt
    missing = f"is {named}, which is not in the store" if named else "is not named in its claims"
    raise UsageError(
        f"the system account of operator {shown(workspace.store.operator)} {missing}",
        "give a user of it with --creds FILE, or name it with --system-account",
    )


def _given(path: Path) -> Creds:
    """Return the creds in the file *path*, or in the variable NAME of `env:NAME`, as pipelines have them."""
    name = str(path).removeprefix("env:") if str(path).startswith("env:") else None
    data = atomic.read(path) if name is None else os.environ.get(name, "").encode() or None
    if data is None:
        where = f"file {shown(path)}" if name is None else f"variable {shown(name)}"
        raise UsageError(f"there is no {where}", "--creds names a creds file, or a variable as env:NAME")
    try:
        return parse_creds(data.decode())
    except (SeedlessError, UnicodeDecodeError) as error:
        reason = error.message if isinstance(error, SeedlessError) else "it is not text"
        raise StoreError(f"{shown(path)} is no creds file of a user: {reason}") from error


def _stored(workspace: Workspace, account: Jwt[Account], name: str) -> Creds:
    owner = account.claims.name.strip()
    user = workspace.user(owner, name)
    key = workspace.user_key(owner, name, user.claims.sub)
    if key is None:
        raise UsageError(
            f"there are no creds of user {quoted(name)} of account {quoted(owner)}",
            "name another with --system-user, a file with --creds, or leave it out and one is signed",
        )
    return Creds(user, key)


def _any_stored(workspace: Workspace, account: Jwt[Account]) -> Creds | None:
    """Return the first user of *account* whose creds are in the store and valid now."""
    owner = account.claims.name.strip()
    for name in workspace.store.children(owner):
        try:
            user = workspace.user(owner, name)
            key = workspace.user_key(owner, name, user.claims.sub)
        except SeedlessError:
            continue
        if key is not None and _is_let_in(user, account, workspace.operator(), workspace.now):
            return Creds(user, key)
    return None


def _is_let_in(user: Jwt[User], account: Jwt[Account], operator: Jwt[Operator], now: int) -> bool:
    """Report whether *user* is let in now, and may do everything: permissions are not guessed at."""
    claims = user.claims
    strict = operator.claims.body.strict_signing_key_usage and str(user.issuer) == account.claims.sub
    timely = claims.nbf <= now and (claims.exp <= 0 or claims.exp > now)
    free = claims.body.pub == Permission() and claims.body.sub == Permission()
    known = trust.did_sign(account, user) and not trust.is_revoked(account, user)
    return timely and free and known and not strict
