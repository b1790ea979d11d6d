"""The signing pipeline: plan, judge, review, sign, verify, record. Nothing else in seedless signs claims.

The token is opened last: what is wrong with the claims never touches it, a declined review logs in to none.
Where a key has yet to be made, it runs over a placeholder key first and over the real key again.
What is signed is recorded together, a long plan in parts: one that is killed loses the last part.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from seedless.change import Change, Context, StoreWrite
from seedless.claims import Account, Activation, Operator, User
from seedless.clock import Clock
from seedless.diff import AccountClaims
from seedless.errors import Refused
from seedless.jwt import Jwt, draft
from seedless.nkey import PublicKey, Role
from seedless.rules import judge
from seedless.rules.guards import is_from_the_future
from seedless.trust import revocation_times

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from contextlib import AbstractContextManager

    from seedless.findings import Report
    from seedless.jwt import Claims, Draft

__all__ = ["BATCH_SIZE", "Intent", "Keys", "NewKey", "Plan", "Signed", "dated", "issue"]

Signed = tuple[Change, Jwt[Any]]
"""A change, and its draft completed."""

BATCH_SIZE = 100
"""How many jwts are recorded together: in this time a worker does not run out of what it was given."""


class NewKey(msgspec.Struct, frozen=True):
    """A key that is to be made for this plan, on the *token* that a person names so, or the chosen one."""

    role: Role
    name: str
    token: str = ""

    @property
    def placeholder_key(self) -> PublicKey:
        """A public key for nobody, to draft with until the real one is made."""
        return PublicKey(
            # The same for the same name, so that a dry run that is repeated shows the same.
            self.role,
            hashlib.sha256(f"placeholder {self.role.name} {self.name}".encode()).digest(),
        )


class Keys(Protocol):
    """Open tokens: creates keys and signs with them."""

    def create(self, keys: Sequence[NewKey]) -> Mapping[NewKey, PublicKey]:
        """Create *keys* on the token that is chosen for new keys, or their own, and register them."""

    def sign(self, drafts: Iterable[Draft[object]]) -> Iterator[Jwt[object]]:
        """Yield the jwt of each draft, in their order, signed by the key of its issuer and verified."""


class Plan(msgspec.Struct, frozen=True):
    """The changes of one intent, and the existing jwts around them.

    `around` are the operator, and the accounts that the changes are about, as the store has them;
    `store_writes` are done when all changes are signed. `prepared_at` is Unix seconds.
    """

    changes: tuple[Change, ...]
    prepared_at: int
    around: tuple[Jwt[Any], ...] = ()
    store_writes: tuple[StoreWrite, ...] = ()

    @property
    def intent(self) -> Intent:
        """The intent of which it is made: no key has yet to be created."""
        return Intent(lambda _: self)

    @property
    def context(self) -> Context:
        """What the changes are judged against: the claims as they will be once the plan is done."""
        current = {jwt.claims.sub: jwt for jwt in self.around}
        # What the plan deletes is not there any more for its own changes: an import from a deleted
        # account is judged as one from nobody.
        gone = {
            write.replaces.claims.sub for write in self.store_writes if write.replaces and write.jwt is None
        }
        claims: dict[str, Claims[object]] = {
            **{sub: jwt.claims for sub, jwt in current.items() if sub not in gone},
            **{write.jwt.claims.sub: write.jwt.claims for write in self.store_writes if write.jwt},
            **{change.draft.claims.sub: change.draft.claims for change in self.changes},
        }
        operator = next(
            (claims_of for claims_of in claims.values() if isinstance(claims_of.body, Operator)), None
        )
        return Context(now=self.prepared_at, operator=operator, claims=claims, jwts=current)

    @property
    def accounts(self) -> AccountClaims:
        """The accounts around the changes, before the plan and after it."""
        return AccountClaims({jwt.claims.sub: jwt.claims for jwt in self.around}, self.context.claims)

    @property
    def latest(self) -> int:
        """The latest second (Unix) that a draft is dated; 0 when nothing is to be signed."""
        return max((change.draft.issued_at for change in self.changes), default=0)

    def judge(self) -> Report:
        """Put every change before every rule."""
        return judge(self.changes, self.context)


class Intent(msgspec.Struct, frozen=True):
    """What is wanted: the keys that have yet to be made, and the plan that follows from all keys.

    `reset_time` are subjects (key text) that are dated by the clock again, though their jwts are from the
    future. A plan that `is_final` was approved byte for byte, and is not dated again.
    """

    plan: Callable[[Mapping[NewKey, PublicKey]], Plan]
    new_keys: tuple[NewKey, ...] = ()
    reset_time: frozenset[str] = frozenset()
    is_final: bool = False

    @classmethod
    def of_key(cls, key: PublicKey | NewKey, plan: Callable[[PublicKey], Plan]) -> Intent:
        """Return the intent of a *plan* that is made of *key*, which is created first where it is new."""
        if isinstance(key, NewKey):
            return cls(lambda created: plan(created[key]), (key,))
        return plan(key).intent

    def planned(self, made: Mapping[NewKey, PublicKey]) -> Plan:
        """Return the plan with the keys that were *made*, dated so that what it signs is of use."""
        plan = self.plan(made)
        return plan if self.is_final else dated(plan, self.reset_time)

    def rehearsed(self) -> Plan:
        """Return the plan with placeholder keys for the keys that have yet to be made."""
        return self.planned({key: key.placeholder_key for key in self.new_keys})


def dated(plan: Plan, reset_time: Collection[str] = ()) -> Plan:
    """Return *plan* with the drafts dated again that would be of no use, or could never be signed.

    A user, or an activation, that is issued in the second of a revocation, or before it, is dated after it:
    servers would refuse it. A subject in *reset_time* (key text) whose jwt is from the future is dated now.
    """
    now, accounts = plan.prepared_at, plan.context.claims
    changes = []
    for change in plan.changes:
        at = change.draft.issued_at
        before, claims = change.replaces, change.draft.claims
        if before and claims.sub in reset_time and is_from_the_future(before.issued_at, now):
            at = now
        # After the revocation and not at it: servers refuse `iat` at or before its time. The clock then
        # waits for that second.
        at = max([at, *_times_of_revocation(change, accounts, now)])
        if at != change.draft.issued_at:
            again = draft(claims, change.draft.issuer, at)
            change = msgspec.structs.replace(change, draft=again)  # noqa: PLW2901 - the same change, dated again
        changes.append(change)
    return msgspec.structs.replace(plan, changes=tuple(changes))


def _times_of_revocation(change: Change, accounts: Mapping[str, Claims[object]], now: int) -> list[int]:
    """Return the first seconds at which what *change* issues is not revoked, as far as they are near."""
    claims = change.draft.claims
    if not isinstance(claims.body, User | Activation):
        return []
    account = accounts.get(claims.body.issuer_account or str(change.draft.issuer))
    if account is None or not isinstance(account.body, Account):
        return []
    times = revocation_times(account.body, claims)
    # A revocation from the future is left alone: waiting for it would take as long as the clock was fast,
    # and G007 names it.
    return [time + 1 for time in times if not is_from_the_future(time, now)]


def issue(
    intent: Intent,
    *,
    judge: Callable[[Plan], Report] = Plan.judge,
    review: Callable[[Plan, Report], bool],
    keys: Callable[[Plan], AbstractContextManager[Keys]],
    record: Callable[[Sequence[Signed], Sequence[StoreWrite]], None],
    clock: Clock | None = None,
) -> tuple[Jwt[object], ...]:
    """Run *intent* from plan to record and return the jwts, every signature verified.

    *judge* puts a plan before the rules, and before a policy where one is pinned; *review* sees plan and
    findings and states whether to go on; *keys* opens the tokens for it; *record* writes, up to `BATCH_SIZE`
    at once, the placements of the plan with the last. Signing waits, once, until *clock* has reached the
    latest time of the drafts. Raise `Refused` when a finding or the reviewer prevent it; nothing is signed
    then.
    """
    rehearsed = intent.rehearsed()
    report = judge(rehearsed)
    agreed = review(rehearsed, report)
    # After the review: the person sees the findings in their place in the changes, and not one sentence
    # without them.
    report.require_clean()
    if not agreed:
        raise Refused(f"not confirmed: nothing was {'signed' if rehearsed.changes else 'done'}")
    with keys(rehearsed) as opened:
        plan = rehearsed
        if intent.new_keys:
            # Made again and judged again with the real keys: subjects, issuers and `jti` are others now,
            # and only these bytes are signed.
            plan = intent.planned(opened.create(intent.new_keys))
            judge(plan).require_clean()
        # Last, so that typing a PIN counts as waiting; and once for all, for bulk runs have thousands.
        (clock or Clock()).wait_until(plan.latest)
        return tuple(_record(plan, opened, record))


def _record(
    plan: Plan, keys: Keys, record: Callable[[Sequence[Signed], Sequence[StoreWrite]], None]
) -> Iterator[Jwt[object]]:
    jwts = keys.sign(change.draft for change in plan.changes)
    signed = zip(plan.changes, jwts, strict=True)
    # Counted and not looked ahead: to learn whether another jwt follows, the next one would have to be
    # signed first.
    left = len(plan.changes)
    while left > BATCH_SIZE:
        batch = list(itertools.islice(signed, BATCH_SIZE))
        record(batch, ())
        yield from (jwt for _, jwt in batch)
        left -= BATCH_SIZE
    batch = list(signed)
    # With the last batch: what is removed from the store goes when all that takes its place is there.
    record(batch, plan.store_writes)
    yield from (jwt for _, jwt in batch)
