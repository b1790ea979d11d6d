"""What expires: the operator, accounts, users, and the activations that accounts import with."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import msgspec

from seedless.claims import Account
from seedless.errors import SeedlessError
from seedless.jwt import Jwt
from seedless.rules.places import tokens

if TYPE_CHECKING:
    from seedless.app.workspace import Workspace

__all__ = ["URGENT", "Expiration", "Expirations", "ExpiryState", "UnreadableJwt", "expirations"]


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
        return bool(self.damaged) or any(one.state in URGENT for one in self.entries)


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
    chosen = (one for one in entries if one.state not in excluded)
    ordered = sorted(chosen, key=lambda one: (not one.expires, one.expires, one.address))
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
