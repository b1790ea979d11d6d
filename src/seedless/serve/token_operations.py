"""What the services do with the token: delegate keys, sign accounts by desired state, revoke users."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, TypeVar

from seedless.desired.read import read
from seedless.errors import Refused, SeedlessError, StoreChanged
from seedless.text import quoted

if TYPE_CHECKING:
    from collections.abc import Callable

    from seedless.app.delegation import DelegatedKey
    from seedless.app.pipeline import Preview
    from seedless.app.resolver.remote import Remote
    from seedless.app.workspace import Workspace

__all__ = ["TokenOperations"]

_MOST_REPLICAS = 20  # that start at the same moment: each signs after the ones before it
S = TypeVar("S")


class TokenOperations:
    """The workspace of an issuer: delegated keys, accounts and revocations; for one thread."""

    def __init__(self, workspace: Workspace, remote: Remote, expiry: int) -> None:
        """Push to *remote*; keys are delegated for *expiry* seconds."""
        self._workspace = workspace
        self._remote = remote
        self._expiry = expiry

    def delegate(self, account: str, role: str) -> DelegatedKey:
        """Return a delegated key of *account* that all servers have."""
        until = int(self._workspace.clock()) + self._expiry
        key = _signed(lambda: self._workspace.delegations.add(account, role=role, expiry=until))
        try:
            self._workspace.delegations.push(account, self._remote)
        except SeedlessError:
            self._workspace.delegations.stop(key)  # else each attempt would leave one in the account
            raise
        return key

    def stop(self, account: str, key: DelegatedKey) -> None:
        """Forget *key*, and remove it where nothing that it has signed is valid."""
        workspace = self._workspace
        workspace.delegations.stop(key)
        if key.last_expiry <= workspace.refresh():
            _signed(lambda: workspace.delegations.end(account, key.public_key))
            workspace.delegations.push(account, self._remote)

    def apply(self, desired: str, may: Callable[[str], bool]) -> list[str]:
        """Sign and push what differs of the accounts in *desired*, which *may* be asked for."""
        found = read(desired.encode(), "the request")
        if found.operator:
            raise Refused("the request is about the operator")
        for name, members in found.accounts.items():
            if not may(name):
                raise Refused(f"the account {quoted(name)} is not signed for this requester")
            if "users" in members:
                raise Refused("the request has users, whose seeds would stay here: ask for each by its key")
        applied = _signed(lambda: self._workspace.desired.preview(found))
        names = sorted({jwt.claims.name for jwt in applied.jwts})
        if names:
            self._workspace.resolver.push(*names, remote=self._remote).send().require_done()
        return names

    def revoke(self, account: str, key: str) -> int:
        """Revoke *key* in *account*, and push it."""
        edited = _signed(lambda: self._workspace.accounts.revoke(account, key))
        self._workspace.delegations.push(account, self._remote)
        return edited.jwt.issued_at


def _signed(made: Callable[[], Preview[S]]) -> S:
    """Sign the preview that *made* returns; another replica with this store may sign in between."""
    for _ in range(_MOST_REPLICAS):
        with contextlib.suppress(StoreChanged):
            return made().sign()
    return made().sign()
