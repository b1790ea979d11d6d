"""What the services do with the token: delegate keys, sign accounts by desired state, revoke users.

Delegated keys are added at the start, replaced at half of their time, removed at the end. While the token is
away the keys go on signing until their end; that is reported at every attempt to replace them.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Protocol, TypeVar

from seedless.desired.read import read
from seedless.errors import Refused, SeedlessError, StoreChanged
from seedless.text import quoted
from seedless.units import moment

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Mapping

    from seedless.app.delegation import DelegatedKey
    from seedless.app.pipeline import Preview
    from seedless.app.resolver.remote import Remote
    from seedless.app.workspace import Workspace
    from seedless.serve.logs import EventLog

__all__ = ["DelegatedKeys", "DelegationOperations", "TokenOperations"]


_RENEWED_AT = 0.5  # of the time of a delegation
_ATTEMPTS = 10  # in that time
_IN_FLIGHT = 5.0  # seconds, longer than servers wait for a login

T = TypeVar("T")


class DelegationOperations(Protocol):
    """What has the token; it waits for token and servers, and belongs to one thread at a time."""

    def delegate(self, account: str, role: str) -> DelegatedKey:
        """Return a new delegated key of *account* that all servers have."""

    def stop(self, account: str, key: DelegatedKey) -> None:
        """Forget *key*, and remove it where nothing that it has signed is valid."""


class DelegatedKeys:
    """The delegated key of each account and role that was asked for; *operations* have the token."""

    def __init__(
        self,
        operations: DelegationOperations,
        span: int,
        log: EventLog,
        clock: Callable[[], float],
    ) -> None:
        """Delegate for *span* seconds."""
        self._operations = operations
        self._span = span
        self._log = log
        self._clock = clock
        self._keys: dict[tuple[str, str], DelegatedKey] = {}
        self._overdue: dict[tuple[str, str], str] = {}
        # Keys that are replaced, or of roles that are no longer named, by the name of their account. They
        # stay until the service uses the others: a login that has begun is signed by the previous key.
        self._previous: list[tuple[str, DelegatedKey]] = []
        # A token is slow: requests go on meanwhile.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="seedless-delegation")
        # A workspace is used by one thread at a time. Not only by that of its own: at the start the main
        # thread asks for a PIN, which nothing could interrupt elsewhere, and a reload waits for the keys.
        self._exclusive = threading.RLock()

    @property
    def keys(self) -> Mapping[tuple[str, str], DelegatedKey]:
        """The key of each account and role, by name."""
        return dict(self._keys)

    @property
    def overdue(self) -> Mapping[tuple[str, str], str]:
        """Why keys could not be replaced when they were due, by account and role; they sign till they end."""
        return dict(self._overdue)

    def problem(self) -> str | None:
        """Return that a key has ended and was not replaced, or None."""
        now = self._clock()
        for (account, role), key in self.keys.items():
            if key.until <= now:
                reason = self._overdue.get((account, role), "it was not replaced")
                return f"the delegated key of the role {role} of {account} has ended: {reason}"
        return None

    def notes(self) -> list[str]:
        """Return which keys could not be replaced when they were due, why, and when they end."""
        keys = self.keys
        return [
            f"the delegated key of the role {place[1]} of {place[0]} ends {moment(keys[place].until)}, and "
            f"could not be replaced: {reason}"
            for place, reason in self.overdue.items()
            if place in keys
        ]

    def of(self, account: str, role: str) -> DelegatedKey:
        """Return the key that signs users of *account* in *role*, by name; the first time it is delegated.

        Blocks as long as the token and the servers do; raise what they raise. In an event loop, await
        `in_thread` of it.
        """
        with self._exclusive:
            # Under the lock, or two rules of one role would have two keys delegated at the start, and the
            # account's jwt grow by both.
            if (account, role) not in self._keys:
                self._delegate(account, role)
            return self._keys[account, role]

    def retain(self, places: Collection[tuple[str, str]]) -> None:
        """Let the keys of all but *places* (accounts and roles) end at the next turn of `renew`."""
        for place in self._keys.keys() - set(places):
            self._previous.append((place[0], self._keys.pop(place)))
            self._overdue.pop(place, None)

    async def in_thread(self, function: Callable[..., T], *arguments: object) -> T:
        """Return what *function* does in a thread, when nothing else uses the operations."""

        def run() -> T:
            with self._exclusive:
                return function(*arguments)

        return await asyncio.get_running_loop().run_in_executor(self._thread, run)

    async def renew(self, changed: Callable[[], Awaitable[bool]]) -> None:
        """Replace keys before they end, until the service ends.

        *changed* uses the keys that there are now, and returns whether it could; a key that is still in use
        is not ended.
        """
        while True:
            # Ten attempts in the second half of a key's time: a token that is unplugged for a while costs
            # nobody a login.
            await asyncio.sleep(self._span * _RENEWED_AT / _ATTEMPTS)
            await self.in_thread(self._replace_due)
            if self._previous and await changed():
                # A login that began before the change is signed by the previous key: when that is removed
                # too early, the server closes the connection that it has just let in.
                await asyncio.sleep(_IN_FLIGHT)
                await self.in_thread(self._stop_previous)

    def end(self) -> None:
        """Forget all keys, and remove those that have signed nothing that is valid."""
        with self._exclusive:
            # Removed now only where nothing valid is signed by them: to remove a key that is in use closes
            # all connections of its users at once, and they all log in again at the other instances.
            self.retain(())
            self._stop_previous()
        self._thread.shutdown()

    def _delegate(self, account: str, role: str) -> None:
        self._keys[account, role] = self._operations.delegate(account, role)
        self._overdue.pop((account, role), None)
        self._log.info("delegated", account=account, role=role)

    def _replace_due(self) -> None:
        for (account, role), key in list(self._keys.items()):
            if key.until - self._clock() > self._span * _RENEWED_AT:
                continue
            try:
                self._delegate(account, role)
            except SeedlessError as error:
                self._overdue[account, role] = error.message
                self._log.error("not delegated", account=account, role=role, reason=error.message)
            else:
                # The key that is replaced stays in the account until its users have expired: users signed
                # by either are let in meanwhile.
                self._previous.append((account, key))

    def _stop_previous(self) -> None:
        """Stop the keys that are no longer used; what the token cannot do now is tried at the next turn."""
        for account, key in list(self._previous):
            try:
                self._operations.stop(account, key)
            except SeedlessError as error:
                # It can be done by hand once nothing that the key has signed is valid.
                hint = f"seedless delegate end {account}"
                self._log.error(
                    "not removed", account=account, role=key.role, reason=error.message, hint=hint
                )
            else:
                self._previous.remove((account, key))


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
