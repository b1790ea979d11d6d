"""What expires, jwts and the activations that accounts import with; and users that get a later end.

Renewed users keep their keys and permissions.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import replace

from seedless import units
from seedless.app import arguments
from seedless.app.arguments import Time
from seedless.app.edits import reissued, stored
from seedless.app.pipeline import Preview, nothing_to_do, preview
from seedless.change import Change
from seedless.claims import Account, User
from seedless.errors import SeedlessError, UsageError
from seedless.jwt import Jwt
from seedless.plan import changed
from seedless.rules.places import tokens
from seedless.signing_pipeline import Plan
from seedless.trust import is_revoked

if TYPE_CHECKING:
    from seedless.app.workspace import Workspace

__all__ = [
    "URGENT",
    "Expiration",
    "Expirations",
    "ExpiryState",
    "NotRenewed",
    "UnreadableJwt",
    "UsersRenewed",
    "expirations",
    "renew_users",
]


class ExpiryState(StrEnum):
    """When a jwt expires: it has, within the span that was asked for, later, or never."""

    EXPIRED = "expired"
    SOON = "soon"
    LATER = "later"
    NEVER = "never"


URGENT = frozenset({ExpiryState.EXPIRED, ExpiryState.SOON})
"""The states about which somebody has to do something."""


class Expiration(msgspec.Struct, frozen=True):
    """When the jwt at an address of the store expires, or an activation in it: Unix seconds, 0 for never."""

    address: tuple[str, ...]
    jwt: Jwt[Any]
    expires: int
    state: ExpiryState


class UnreadableJwt(msgspec.Struct, frozen=True):
    """A jwt of the store that cannot be read, and why."""

    address: tuple[str, ...]
    error: str


class Expirations(msgspec.Struct, frozen=True):
    """What expires, the first to expire first, and what cannot be read."""

    entries: tuple[Expiration, ...]
    damaged: tuple[UnreadableJwt, ...] = ()

    @property
    def is_urgent(self) -> bool:
        """Whether something has expired, expires soon, or cannot be read."""
        return bool(self.damaged) or any(entry.state in URGENT for entry in self.entries)


def expirations(workspace: Workspace, within: int | None = None, *, never: bool = True) -> Expirations:
    """Return what expires in the store, and what *never* does; with *within* (seconds) only what does so.

    What has expired is always among it.
    """
    now = workspace.refresh()
    entries: list[Expiration] = []
    damaged: list[UnreadableJwt] = []
    for address, found in _stored(workspace):
        if isinstance(found, SeedlessError):
            damaged.append(UnreadableJwt(address, found.message))
            continue
        for jwt in (found, *_activations(found)):
            expires = max(jwt.claims.exp, 0)
            entries.append(Expiration(address, jwt, expires, _state(expires, now, within or 0)))
    excluded = set() if never else {ExpiryState.NEVER}
    if within is not None:
        excluded = {ExpiryState.LATER, ExpiryState.NEVER}
    chosen = (entry for entry in entries if entry.state not in excluded)
    ordered = sorted(chosen, key=lambda entry: (not entry.expires, entry.expires, entry.address))
    return Expirations(tuple(ordered), tuple(damaged))


def _state(expires: int, now: int, within: int) -> ExpiryState:
    if not expires:
        return ExpiryState.NEVER
    if expires <= now:
        return ExpiryState.EXPIRED
    return ExpiryState.SOON if expires <= now + within else ExpiryState.LATER


def _stored(workspace: Workspace) -> Iterator[tuple[tuple[str, ...], Jwt[object] | SeedlessError]]:
    """Yield all that the store has, with its address: the jwt, or why it cannot be read."""
    try:
        yield (), workspace.operator()
    except SeedlessError as error:
        yield (), error
    for account, found in workspace.each():
        yield (account,), found
        for user, jwt in workspace.each(account):
            yield (account, user), jwt


def _activations(jwt: Jwt[object]) -> Iterator[Jwt[object]]:
    if isinstance(jwt.claims.body, Account):
        for token in tokens(jwt.claims.body):
            if token.activation is not None:
                yield token.activation


class NotRenewed(msgspec.Struct, frozen=True):
    """A user, or an account, that is not renewed, and why; a failure is one that somebody has to look at."""

    address: tuple[str, ...]
    why: str
    is_failure: bool = False


class UsersRenewed(msgspec.Struct, frozen=True, kw_only=True):
    """The jwts of the users that were renewed, their addresses, and who was not."""

    jwts: tuple[Jwt[User], ...]
    addresses: tuple[tuple[str, ...], ...]
    skipped: tuple[NotRenewed, ...]


def renew_users(
    workspace: Workspace,
    account: str | None,
    names: Sequence[str],
    *,
    within: timedelta | int | str | None = None,
    expiry: Time | None = None,
) -> Preview[UsersRenewed]:
    """Preview a later end for users: those of *names*, or those that expire *within* a span, or have."""
    if names and account is None:
        account = workspace.users.account_of(*names)
    if not names and within is None:
        raise UsageError("no users to renew are named", "name them, or give --within 30d")
    now, span = workspace.refresh(), _span(within)
    end = None if expiry is None else arguments.seconds("expiry", expiry, now)
    changes: list[Change] = []
    skipped: list[NotRenewed] = []
    around: list[Jwt[Any]] = [workspace.operator()]
    for name, parent in _accounts(workspace, account):
        if isinstance(parent, SeedlessError):
            skipped.append(NotRenewed((name,), parent.message, is_failure=True))
            continue
        around.append(parent)
        for renewed in _renewed(workspace, parent, names, span, end):
            if isinstance(renewed, NotRenewed):
                skipped.append(renewed)
            else:
                changes.append(renewed)
    addresses = tuple(change.address or () for change in changes)

    def finish(jwts: tuple[Jwt[Any], ...]) -> UsersRenewed:
        return UsersRenewed(jwts=jwts, addresses=addresses, skipped=tuple(skipped))

    if not changes:
        return nothing_to_do(workspace, finish(()))
    plan = Plan(tuple(changes), now, tuple(around))
    return preview(workspace, plan, finish)


def _span(within: timedelta | int | str | None) -> int | None:
    """Return *within* in seconds; raise `UsageError`."""
    match within:
        case None | int():
            return within
        case timedelta():
            return int(within.total_seconds())
        case str():
            try:
                return units.parse_span(within)
            except ValueError as error:
                raise UsageError(f"within: {error}", "write 30d or 12h") from error
    raise arguments.wrong_type("within", within, "a timedelta, seconds, or text as in 30d")


def _accounts(
    workspace: Workspace, account: str | None
) -> Iterable[tuple[str, Jwt[Account] | SeedlessError]]:
    """Return the account that is meant, or all: the jwt of each, or why it cannot be read."""
    return workspace.each() if account is None else [(account, workspace.account(account))]


def _renewed(
    workspace: Workspace, parent: Jwt[Account], names: Sequence[str], within: int | None, end: int | None
) -> Iterator[Change | NotRenewed]:
    """Yield a change for each user of *parent* that is to be renewed, and why others are not."""
    account, known = parent.claims.name.strip(), workspace.known_keys()
    for name in dict.fromkeys(names) or workspace.store.children(account):
        address = (account, name)
        try:
            before = stored(workspace, address)
            if within is not None and not 0 < before.claims.exp <= workspace.now + within:
                continue
            why = _reason_against(parent, before, end)
            yield NotRenewed(address, why) if why else _change(workspace, address, parent, before, known, end)
        except SeedlessError as error:
            if names:
                raise
            yield NotRenewed(address, error.message, is_failure=True)


def _change(
    workspace: Workspace,
    address: tuple[str, ...],
    parent: Jwt[Account],
    before: Jwt[User],
    known: Collection[str],
    end: int | None,
) -> Change:
    now = workspace.now
    # As long as the jwt was good when it was issued.
    length = max(before.claims.exp - max(before.issued_at, before.claims.nbf), 1)
    until = now + length if end is None else end
    after, key = reissued(parent.claims, known, before, lambda claims: replace(claims, exp=until))
    return changed(after, key, replaces=before, now=now, reason="renewed", address=address)


def _reason_against(parent: Jwt[Account], before: Jwt[User], end: int | None) -> str:
    if is_revoked(parent, before):
        return "it is revoked"
    if before.claims.exp <= 0 and end is None:
        return "it never expires"
    return ""
