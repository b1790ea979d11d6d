"""The one walk: plan, judge, review, sign, verify, record. Nothing else in seedless signs claims.

The token is opened last: what is wrong with the claims, or refused by the reviewer, never touches it.
Where a key has yet to be made, the walk goes over a stand-in first and over the real key again.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from seedless.errors import Refused
from seedless.nkey import PublicKey, Role
from seedless.rules import judge

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractContextManager

    from seedless.change import Change, Context
    from seedless.findings import Report
    from seedless.jwt import Jwt
    from seedless.signer import Signer


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key that is to be made on a token for this plan."""

    role: Role
    name: str

    @property
    def stand_in(self) -> PublicKey:
        """A public key for nobody, to draft with until the real one is made."""
        return PublicKey(
            self.role, hashlib.sha256(f"stand-in {self.role.name} {self.name}".encode()).digest()
        )


class Keys(Protocol):
    """Open tokens: makes keys and signs with them."""

    def make(self, key: NewKey) -> PublicKey:
        """Make *key* on the token that is chosen for new keys, and note where it is."""

    def signer(self, public_key: PublicKey) -> Signer:
        """Return the signer of *public_key*, whose signatures are verified."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The changes of one intent, and what they are judged against."""

    changes: tuple[Change, ...]
    context: Context

    def judge(self) -> Report:
        """Put every change before every rule."""
        return judge(self.changes, self.context)


@dataclass(frozen=True, slots=True)
class Intent:
    """What is wanted: the keys that have yet to be made, and the plan that follows from all keys."""

    plan: Callable[[Mapping[NewKey, PublicKey]], Plan]
    new_keys: tuple[NewKey, ...] = ()

    def rehearsed(self) -> Plan:
        """Return the plan with stand-ins for the keys that have yet to be made."""
        return self.plan({key: key.stand_in for key in self.new_keys})


def issue(
    intent: Intent,
    *,
    judge: Callable[[Plan], Report] = Plan.judge,
    review: Callable[[Plan, Report], bool],
    keys: Callable[[], AbstractContextManager[Keys]],
    record: Callable[[Sequence[tuple[Change, Jwt[Any]]]], None],
) -> tuple[Jwt[Any], ...]:
    """Walk *intent* from plan to record and return the jwts, every signature verified.

    *judge* puts a plan before the rules, and before a policy where one is pinned; *review* sees plan and
    findings and says whether to go on; *keys* opens the tokens; *record* writes.
    Raise `Refused` when a finding or the reviewer stands against it; nothing is signed then.
    """
    rehearsed = intent.rehearsed()
    report = judge(rehearsed)
    agreed = review(rehearsed, report)
    report.require_clean()
    if not agreed:
        raise Refused("nothing was signed: the review did not agree")
    with keys() as opened:
        plan = intent.plan({key: opened.make(key) for key in intent.new_keys})
        judge(plan).require_clean()
        signed = [(change, _signed(change, opened)) for change in plan.changes]
    record(signed)
    return tuple(jwt for _, jwt in signed)


def _signed(change: Change, keys: Keys) -> Jwt[Any]:
    draft = change.draft
    return draft.complete(keys.signer(draft.issuer).sign(draft.signing_input))
