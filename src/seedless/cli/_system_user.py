"""Who logs in to the servers: a user of the system account, with creds, or signed to live for two minutes."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from seedless import trust
from seedless.claims import NO_LIMIT, Permission, User
from seedless.cli import consent
from seedless.cli._remote import check, require_tls
from seedless.cli.review import sign
from seedless.creds import Creds, parse_creds
from seedless.errors import SeedlessError, StoreError, UsageError
from seedless.jwt import Claims
from seedless.nkey import Role
from seedless.seeds import SoftwareKey
from seedless.store import atomic
from seedless.text import quoted, shown

if TYPE_CHECKING:
    from pathlib import Path

    from seedless.change import Change
    from seedless.claims import Account, Operator
    from seedless.cli._remote import Remote
    from seedless.cli.consent import Consent
    from seedless.cli.workspace import CommandWorkspace
    from seedless.jwt import Jwt

SECONDS = 120
"""How long a user lives that is signed to log in once."""

_TEMPORARY = "seedless-push"


@dataclass(frozen=True, slots=True)
class Temporary:
    """A user to be signed, for two minutes: the draft, the key in memory, and the jwts around it."""

    change: Change
    key: SoftwareKey
    around: tuple[Jwt[Any], ...]


def log_in(
    workspace: CommandWorkspace, remote: Remote, *subjects: str, approve: Consent = consent.ask_to_sign
) -> Creds | None:
    """Return who logs in: creds that are given, those of the store, or a user signed for it.

    None at a folder, where nobody does. A user that is signed may send to *subjects* only, beside asking.
    Raise `UsageError` where the options contradict each other, and whatever the walk raises.
    """
    check(workspace, remote)
    if remote.is_local:
        return None
    if remote.creds is not None:
        return _given(remote.creds)
    account = _system_account(workspace, remote)
    if remote.system_user is not None:
        return _stored(workspace, account, remote.system_user)
    found = None if remote.temporary_user else _any_stored(workspace, account)
    if found is not None:
        return found
    from seedless.plan import resigned  # noqa: PLC0415 - only where it is signed

    require_tls(workspace, remote)
    user = temporary(workspace, remote, *subjects)
    intent = resigned(user.change, user.around, user.change.draft.issued_at)
    (jwt,) = sign(workspace, intent, approve=approve)
    return Creds(jwt, user.key)


def is_temporary(user: Creds | None) -> bool:
    """Tell whether *user* was signed to log in once."""
    return user is not None and user.jwt.claims.name == _TEMPORARY


def temporary(workspace: CommandWorkspace, remote: Remote, *subjects: str) -> Temporary:
    """Return a user who may ask, and send to *subjects*, for two minutes from now."""
    from seedless.plan import changed, issuing_key  # noqa: PLC0415 - only where it is signed
    from seedless.resolver import ASKED, INBOX  # noqa: PLC0415 - likewise

    account = _system_account(workspace, remote)
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
    now = int(time.time())  # not when the command began: somebody may have been asked since
    claims = Claims(sub=str(key.public_key), name=_TEMPORARY, body=body, exp=now + SECONDS)
    reason = f"to log in to the servers, for {SECONDS // 60} minutes; it is kept nowhere"
    change = changed(claims, issuer, replaces=None, now=now, reason=reason)
    return Temporary(change, key, (workspace.operator(), account))


def _system_account(workspace: CommandWorkspace, remote: Remote) -> Jwt[Account]:
    """Return the system account: the one that is named, or else the operator's."""
    if remote.system_account is not None:
        return workspace.account(remote.system_account)
    wanted = workspace.operator().claims.body.system_account
    for _, jwt in workspace.each() if wanted else ():
        if not isinstance(jwt, SeedlessError) and jwt.claims.sub == wanted:
            return jwt
    missing = f"is {wanted}, which is not in the store" if wanted else "is not named in its claims"
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


def _stored(workspace: CommandWorkspace, account: Jwt[Account], name: str) -> Creds:
    held = account.claims.name.strip()
    user = workspace.user(held, name)
    key = workspace.user_key(held, name, user.claims.sub)
    if key is None:
        raise UsageError(
            f"there are no creds of user {quoted(name)} of account {quoted(held)}",
            "name another with --system-user, a file with --creds, or leave it out and one is signed",
        )
    return Creds(user, key)


def _any_stored(workspace: CommandWorkspace, account: Jwt[Account]) -> Creds | None:
    """Return the first user of *account* whose creds are here and hold now."""
    held = account.claims.name.strip()
    for name in workspace.store.children(held):
        try:
            user = workspace.user(held, name)
            key = workspace.user_key(held, name, user.claims.sub)
        except SeedlessError:
            continue
        if key is not None and _holds(user, account, workspace.operator(), workspace.now):
            return Creds(user, key)
    return None


def _holds(user: Jwt[User], account: Jwt[Account], operator: Jwt[Operator], now: int) -> bool:
    """Tell whether *user* is let in now, and may do everything: what it may do, nobody has to guess."""
    claims = user.claims
    strict = operator.claims.body.strict_signing_key_usage and str(user.issuer) == account.claims.sub
    timely = claims.nbf <= now and (claims.exp <= 0 or claims.exp > now)
    free = claims.body.pub == Permission() and claims.body.sub == Permission()
    known = trust.did_sign(account, user) and not trust.is_revoked(account, user)
    return timely and free and known and not strict
