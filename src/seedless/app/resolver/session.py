"""A session with a target: connected when it is used, and not while a person is asked.

Servers end logins that are silent, and those of a user who was signed for two minutes. So a session can be
disconnected and connects again by itself, as the same user as long as that is valid, else as another
temporary one.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeVar

from seedless.app.pipeline import Preview
from seedless.app.resolver.login import log_in
from seedless.app.resolver.remote import Remote, address, addresses, login
from seedless.claims import Account
from seedless.creds import Creds
from seedless.errors import UsageError
from seedless.jwt import Jwt
from seedless.resolver import FolderTarget, MemoryTarget, ServerContext, Target
from seedless.resolver import connections as monitoring
from seedless.resolver.cluster import Connection, connected, find_servers
from seedless.resolver.connections import AccountConnections
from seedless.resolver.push import readable

if TYPE_CHECKING:
    from seedless.app.workspace import Workspace

__all__ = ["SignNeeded", "TargetSession", "running_servers", "sign_at_once"]

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
