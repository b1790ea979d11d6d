"""One change: a draft beside the jwt that it replaces, and what it is judged against."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from seedless.jwt import Claims, Draft, Jwt


@dataclass(frozen=True, slots=True)
class Change:
    """A draft, the verified jwt that it replaces (None for something new), and why."""

    draft: Draft[Any]
    replaces: Jwt[Any] | None = None
    reason: str = ""

    @property
    def title(self) -> str:
        """What is changed, in two words: `account ACME`."""
        claims = self.draft.claims
        return f"{claims.body.kind.replace('_', ' ')} {claims.name or claims.sub}"


@dataclass(frozen=True, slots=True)
class Context:
    """What a change is judged against: the time, and the claims that will stand once the plan is done.

    `now` is Unix seconds. `claims` maps a subject (key text) to its claims: of the operator, and of the
    accounts that the changes are about, as they are after the plan.
    """

    now: int
    operator: Claims[Any] | None = None
    claims: Mapping[str, Claims[Any]] = field(default_factory=dict)
