"""A session with a target: who logs in, connected when it is used, and not while a person is asked.

A user of the system account logs in: with creds, or signed to live for two minutes. Servers end logins that
are silent, and those of a user who was signed for two minutes. So a session can be disconnected and connects
again by itself, as the same user as long as that is valid, else as another temporary one.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeVar

from seedless import trust
from seedless.app.pipeline import Preview, nothing_to_do, preview
from seedless.app.resolver.remote import Remote, address, addresses, check, login
from seedless.claims import NO_LIMIT, Account, Operator, Permission, User
from seedless.creds import Creds, parse_creds
from seedless.errors import SeedlessError, UsageError, WrongFile
from seedless.jwt import Claims, Jwt
from seedless.nkey import Role
from seedless.plan import changed, issuing_key, resigned
from seedless.resolver import ASKED, INBOX, FolderTarget, MemoryTarget, ServerContext, Target
from seedless.resolver import connections as monitoring
from seedless.resolver.cluster import Connection, connected, find_servers
from seedless.resolver.connections import AccountConnections
from seedless.resolver.push import readable
from seedless.seeds import SoftwareKey
from seedless.store import atomic
from seedless.text import quoted, shown

if TYPE_CHECKING:
    from seedless.app.workspace import Workspace

__all__ = [
    "SECONDS",
    "SignNeeded",
    "TargetSession",
    "is_temporary",
    "log_in",
    "running_servers",
    "sign_at_once",
]


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
    found = workspace.account_with_key(named) if named else None
    if found is not None:
        return found
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
        raise WrongFile(f"{shown(path)} is not a creds file of a user: {reason}") from error


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


R = TypeVar("R")

_ENOUGH_SECONDS = 30


class SignNeeded(Protocol):
    """Sign what an operation needs on its way: who logs in, a delete request."""

    def __call__(self, needed: Preview[R], /, *, is_agreed: bool) -> R:
        """Return the result of the preview *needed*; *is_agreed*: somebody has agreed to what it is for."""


def sign_at_once(needed: Preview[R], /, *, is_agreed: bool) -> R:  # noqa: ARG001 - a program agrees by its call
    """Sign *needed*: a program that calls an operation has agreed to what the operation needs."""
    return needed.sign()


class TargetSession:
    """A session with the servers, the folder or the file that a `Remote` names; it belongs to one thread."""

    def __init__(
        self,
        workspace: Workspace,
        remote: Remote,
        subjects: Sequence[str] = (),
        *,
        sign: SignNeeded = sign_at_once,
        check_tls: bool = True,
    ) -> None:
        """Take where the target is; nobody logs in yet. A temporary user may send to *subjects* only."""
        self.workspace = workspace
        self.remote = remote
        self.sign = sign
        self._subjects = tuple(subjects)
        self._check_tls = check_tls
        self._user: Creds | None = None
        self._is_logged_in = False
        self._entered = 0
        self._stack = contextlib.ExitStack()
        self._connection: Connection | None = None
        self._target: Target | None = None

    def __enter__(self) -> Self:
        """Return it; it connects when it is used, and stays so until the outermost `with` ends."""
        self._entered += 1
        return self

    def __exit__(self, *_: object) -> None:
        """Log out where the outermost `with` ends."""
        self._entered -= 1
        if not self._entered:
            self.disconnect()

    def log_in(self) -> Creds | None:
        """Return who logs in, None for a folder or a file; sign a temporary user where one is needed."""
        if not self._is_logged_in or not self._is_valid():
            needed = log_in(self.workspace, self.remote, *self._subjects, check_tls=self._check_tls)
            # Who agreed to the first login of an operation has agreed to those that it takes later.
            self._user = self.sign(needed, is_agreed=self._is_logged_in)
            self._is_logged_in = True
        return self._user

    def _is_valid(self) -> bool:
        """Report whether the user is let in for long enough to ask."""
        expiry = 0 if self._user is None else self._user.jwt.claims.exp
        return expiry <= 0 or expiry > self.workspace.clock() + _ENOUGH_SECONDS

    @property
    def target(self) -> Target:
        """The target, connected, for use in a `with`; raise `ServerError` unless all known servers answer."""
        if self._target is None:
            user = self.log_in()
            with contextlib.ExitStack() as stack:
                self._target = self._opened(stack, user)
                self._stack = stack.pop_all()
        return self._target

    def _opened(self, stack: contextlib.ExitStack, user: Creds | None) -> Target:
        remote, workspace = self.remote, self.workspace
        if remote.folder is not None:
            return FolderTarget(remote.folder, workspace.operator())
        if remote.configuration is not None:
            return MemoryTarget(remote.configuration, os.environ, workspace.now)
        if user is None:
            raise UsageError("nobody logs in to the servers", "name a user with --creds or --system-user")
        self._connection = stack.enter_context(connected(login(workspace, remote, user)))
        return find_servers(self._connection, remote.servers)

    def disconnect(self) -> None:
        """Log out; it connects again when it is used."""
        self._target = self._connection = None
        self._stack.close()

    def context(self, **known: Any) -> ServerContext:  # noqa: ANN401 - members of ServerContext
        """Return what a preflight looks at, with what else is *known*."""
        return ServerContext(
            operator=self.workspace.operator(),
            server_reports=self.target.server_reports,
            user=self._user.jwt if self._user else None,
            **known,
        )

    def accounts(self) -> list[Jwt[Account]]:
        """Return every account jwt that a server holds and that can be read."""
        with self:
            accounts = sorted(frozenset().union(*self.target.holdings.values()))
            texts = {text for found in self.target.held(accounts).values() for text in found if text}
        return [jwt for jwt in map(readable, sorted(texts)) if jwt]

    def connections(self, account: str) -> AccountConnections:
        """Return who is connected to *account* (key text); raise `UsageError` for a folder or a file."""
        with self:
            servers = tuple(self.target.holdings)
            if self._connection is None:
                raise UsageError("nobody is connected to a folder or a file", "name the servers")
            return monitoring.connected(self._connection.ask, servers, account)


def running_servers(
    workspace: Workspace,
    remote: Remote,
    *subjects: str,
    without: bool = False,
    required: bool = False,
    sign: SignNeeded = sign_at_once,
    check_tls: bool = True,
) -> TargetSession | None:
    """Return a session with servers that run; None *without* them, or where it is not known where they are.

    Raise `UsageError` for a folder or a file, which prove nothing about servers that run, and when it is
    *required* to know where the servers are; `NoTls` for those that offer no TLS where it was asked for.
    """
    if remote.is_local:
        raise UsageError(
            "a folder or a configuration proves nothing about servers that run",
            "rotate with --url or --without-servers, and push to it",
        )
    body = workspace.operator().claims.body
    known = remote.urls or body.account_server_url or body.operator_service_urls
    if without or not (known or required):
        return None
    addresses(workspace, remote)
    if check_tls:
        address(workspace, remote).require_tls()
    return workspace.resolver.open(remote, *subjects, sign=sign, check_tls=check_tls)
