"""What accounts are pushed to: the servers of a system, a folder, a configuration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from seedless.jwt import Jwt
    from seedless.resolver.protocol import Answer, Server, Standing


@dataclass(frozen=True, slots=True)
class Said:
    """What became of one update or delete: the answers, and the servers from which none came."""

    answers: tuple[Answer, ...]
    missing: tuple[Server, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether every server has done it."""
        return not self.missing and bool(self.answers) and all(answer.ok for answer in self.answers)


class Target(Protocol):
    """Where accounts are held."""

    @property
    def name(self) -> str:
        """What to call it in a sentence."""

    @property
    def wants_order(self) -> bool:
        """Whether deleting wants a jwt that orders it."""

    @property
    def standings(self) -> tuple[Standing, ...]:
        """Every server, with what it says of itself."""

    @property
    def holdings(self) -> Mapping[Server, frozenset[str]]:
        """The public keys of the accounts that each server holds."""

    def held(self, accounts: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """Return what the servers hold of each of *accounts*: a text for each server, empty for none."""

    def update(self, accounts: Sequence[Jwt[Any]]) -> list[Said]:
        """Put each of *accounts* everywhere; after a silence the rest is not sent, and has no answers."""

    def who_deletes(self) -> Said:
        """Ask every server whether it deletes accounts at all."""

    def delete(self, accounts: Sequence[str], order: str) -> Said:
        """Delete *accounts* everywhere, by the *order*, a jwt, where servers want one."""
