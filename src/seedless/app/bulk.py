"""Signatures in bulk: worker processes make them, this one verifies and records the while.

The PIN that has opened a token in this process opens it for the workers too: a person is asked once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from seedless.nkey import PublicKey
from seedless.pin import asks_again

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from seedless.app.workspace import Workspace
    from seedless.jwt import Draft, Jwt
    from seedless.pin import PinSource
    from seedless.pkcs11.uri import KeyUri

__all__ = ["MANY", "CachedPin", "in_bulk"]

MANY = 200
"""Drafts in a row for one token from which on a pool is quicker: its worker takes half a second to start."""


class CachedPin:
    """A `PinSource` that asks another once, and gives the same again; its repr shows nothing."""

    def __init__(self, pins: PinSource) -> None:
        """Take whom to ask."""
        self._pins = pins
        self._pin: str | None = None

    def pin(self, token: str, tries: str) -> str | None:
        """Return the PIN."""
        if self._pin is None:
            self._pin = self._pins.pin(token, tries)
        return self._pin

    def again(self, why: str) -> bool:
        """Forget a PIN that was not accepted, and return whether whom it asked may give another."""
        self._pin = None
        return asks_again(self._pins, why)

    def __repr__(self) -> str:
        return "CachedPin()"


def in_bulk(
    workspace: Workspace, place: tuple[Path, KeyUri], pins: PinSource, drafts: Iterable[Draft[object]]
) -> Iterator[Jwt[object]]:
    """Yield the jwts of *drafts*, in their order, signed on the token at *place*: its module and URI."""
    from seedless.pkcs11.isolation.pool import open_pool  # only where many are signed

    settings = workspace.settings
    opening = open_pool(
        place[1],
        pins,
        module=place[0],
        workers=settings.jobs or 1,
        last_try=settings.last_try,
        allow_extractable=[PublicKey.parse(key) for key in settings.allow_extractable],
        challenges=workspace.challenge_journal,
    )
    ahead: dict[int, Jwt[object]] = {}
    wanted = 0
    with opening as pool:
        for at, jwt in pool.complete_all(drafts):
            ahead[at] = jwt
            while wanted in ahead:
                yield ahead.pop(wanted)
                wanted += 1
