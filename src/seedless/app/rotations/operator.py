"""Rotation of a signing key of the operator, from barrier to barrier, each proven by what servers report.

A server loads another operator jwt only when it starts anew. So the replacement key is added and spread
first, by a rolling restart; when every server trusts it, the accounts are signed again and pushed; when no
server holds an account by the previous key, that is removed; a second rolling restart makes the servers
forget it. How far it is follows from the store and from what the servers report. Refused: a step before its
barrier.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from seedless.app.edits import stored
from seedless.app.pipeline import Notice, Preview
from seedless.app.resolver.session import TargetSession
from seedless.app.rotations.replacement import (
    KeyReplacement,
    RotationStep,
    accounts_by,
    find,
    find_again,
    known_replacement,
    listed_keys,
    require_named,
    step,
    with_new,
    without,
)
from seedless.change import Change
from seedless.claims import Account, Operator
from seedless.errors import Refused, SeedlessError
from seedless.jwt import Claims, Jwt
from seedless.nkey import PublicKey
from seedless.plan import changed
from seedless.resolver import AccountServer, ServerReport
from seedless.signing_pipeline import Plan
from seedless.text import brief, printable
from seedless.trust import is_expired

if TYPE_CHECKING:
    from seedless.app.workspace import Workspace

__all__ = ["OperatorKeyReport", "OperatorKeyRotation", "operator_key_rotation"]


class RotationStage(enum.StrEnum):
    """What has to be done next."""

    ADD = "add"
    SPREAD = "spread"
    REISSUE = "reissue"
    PUSH = "push"
    REMOVE = "remove"
    FORGET = "forget"
    DONE = "done"


_RESTART = (
    "write their configuration again (seedless server config) and restart them one after another, "
    "each when the one before is back"
)
_NEXT_STEPS = {
    RotationStage.ADD: "seedless rotate operator-key",
    RotationStage.SPREAD: f"give the operator jwt to the servers: {_RESTART}; then run this again",
    RotationStage.REISSUE: "run this again: it signs the accounts",
    RotationStage.PUSH: "run this again: it pushes the accounts; what is not in the store: seedless pull, or "
    "prune",
    RotationStage.REMOVE: "seedless rotate operator-key --finish",
    RotationStage.FORGET: f"let the servers forget the old key: {_RESTART}; then --finish again, which looks",
    RotationStage.DONE: "seedless key delete PUBKEY, for the old key, when no backup requires it any more",
}


@dataclass(frozen=True, slots=True)
class ServerTrust:
    """A server and the keys (key texts) whose accounts it trusts, by its operator jwts."""

    server: AccountServer
    keys: frozenset[str]

    @classmethod
    def of(cls, report: ServerReport) -> ServerTrust:
        """Return what *report* of a server contains."""
        # Both the identity and the signing keys: a server that trusts the operator jwt trusts all of them,
        # strict or not; what strictness forbids is tested account by account.
        found = {
            key
            for operator in report.operators
            for key in (operator.claims.sub, *listed_keys(operator.claims))
        }
        return cls(report.server, frozenset(found))


@dataclass(frozen=True, slots=True)
class ServersSeen:
    """What servers reported: whom each trusts, and the accounts (names) by the old key that they hold."""

    trusts: tuple[ServerTrust, ...]
    by_old: tuple[str, ...] = ()

    def without(self, key: PublicKey) -> tuple[AccountServer, ...]:
        """Return the servers that do not trust *key*."""
        return tuple(trust.server for trust in self.trusts if str(key) not in trust.keys)

    def beside(self, operator: Claims[Operator]) -> dict[AccountServer, tuple[str, ...]]:
        """Return the servers that trust keys which *operator* does not list, with those keys."""
        # Keys beside ours come from another operator of the configuration, or from an operator jwt that is
        # newer than the store's: a hint that this is not the current store.
        ours = {operator.sub, *listed_keys(operator)}
        found = {trust.server: tuple(sorted(trust.keys - ours)) for trust in self.trusts}
        return {server: keys for server, keys in found.items() if keys}


class TrustingServer(msgspec.Struct, frozen=True, kw_only=True):
    """Whom a server trusts: the keys of a rotation (None: not known), and those that nobody lists."""

    server: AccountServer
    trusts_new: bool | None
    trusts_old: bool | None
    trusts_others: tuple[str, ...]


class OperatorKeyReport(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a rotation: its keys (None: not known any more), its stage, what was signed and seen.

    `by_old` are the accounts of the store by the previous key; `seen` is None where no server was asked;
    `sent` counts accounts.
    """

    operator: Jwt[Operator]
    old: PublicKey | None
    new: PublicKey | None
    stage: RotationStage
    signed: tuple[Jwt[Any], ...]
    by_old: tuple[str, ...]
    seen: ServersSeen | None
    sent: int

    @property
    def servers(self) -> tuple[TrustingServer, ...] | None:
        """What each server reported of whom it trusts; None where none was asked."""
        if self.seen is None:
            return None
        beside = self.seen.beside(self.operator.claims)
        return tuple(
            TrustingServer(
                server=trust.server,
                trusts_new=None if self.new is None else str(self.new) in trust.keys,
                trusts_old=None if self.old is None else str(self.old) in trust.keys,
                trusts_others=beside.get(trust.server, ()),
            )
            for trust in self.seen.trusts
        )

    @property
    def next_step(self) -> str:
        """What to do next, with the command for it."""
        if self.stage is RotationStage.REMOVE and self.seen is None and self.old and self.new:
            finish = f"--key {self.old} --new-key {self.new} --without-servers --finish"
            return f"seedless push --all; then seedless rotate operator-key {finish}"
        return _NEXT_STEPS[self.stage]


class OperatorKeyRotation:
    """A rotation as far as it is by the store: `replacement` is None where no key is replaced (any more)."""

    def __init__(
        self,
        workspace: Workspace,
        operator: Jwt[Operator],
        replacement: KeyReplacement | None,
        key: str | None = None,
        *,
        has_ended: bool = False,
    ) -> None:
        """Take the operator and the *key* that is named; *has_ended*: the previous key was just removed."""
        self._workspace = workspace
        self._key = key
        self._has_ended = has_ended
        self.operator = operator
        self.replacement = replacement
        each = workspace.each()
        self.damaged = tuple(jwt.message for _, jwt in each if isinstance(jwt, SeedlessError))
        self.accounts: dict[str, Jwt[Account]] = {
            name: jwt for name, jwt in each if not isinstance(jwt, SeedlessError)
        }

    @property
    def by_old(self) -> dict[str, Jwt[Account]]:
        """The accounts of the store that the previous key has signed, by name."""
        if self.replacement is None:
            return {}
        return accounts_by(self.replacement.old, self.accounts, self._workspace.now)

    def stage(self, seen: ServersSeen | None = None) -> RotationStage:
        """Return what comes next, by the store and by what was *seen* of the servers.

        Where they are not asked, what they would have to prove is taken for proven.
        """
        pair = None if self._has_ended else self.replacement
        return stage_of(pair, len(self.by_old), seen, self.operator.claims)

    def again(self, *, has_ended: bool = False) -> OperatorKeyRotation:
        """Return the same rotation, as the store is now; *has_ended*: the previous key was removed."""
        operator = stored(self._workspace, ())
        pair = find_again(self._workspace, operator.claims, known_replacement(self.replacement))
        return OperatorKeyRotation(self._workspace, operator, pair, self._key, has_ended=has_ended)

    def seen(self, session: TargetSession) -> ServersSeen:
        """Ask whom the servers trust, and which of their accounts the previous key has signed."""
        trusts = tuple(ServerTrust.of(report) for report in session.target.server_reports)
        if self.replacement is None:
            return ServersSeen(trusts)
        old, now = self.replacement.old, self._workspace.now
        by_old = {
            jwt.claims.name for jwt in session.accounts() if jwt.issuer == old and not is_expired(jwt, now)
        }
        return ServersSeen(trusts, tuple(sorted(by_old)))

    def add(self) -> Preview[RotationStep]:
        """Preview the operator with the replacement key beside the previous one; empty where it has it."""
        workspace, pair = self._workspace, known_replacement(self.replacement)
        notices = tuple(
            Notice(f"{message}: who has signed it is not known", is_warning=True) for message in self.damaged
        )
        if self.stage() is not RotationStage.ADD:
            return step(workspace, (), pair, None, notices=notices)
        around, now = workspace.around(self.operator.claims), workspace.refresh()
        return step(
            workspace,
            (),
            pair,
            lambda new: _plan_add(self.operator, pair.old, new, now, around=around),
            notices=notices,
        )

    def reissue(self) -> Preview[RotationStep]:
        """Preview the accounts of the previous key, signed by its replacement; empty where there are none."""
        workspace, pair, by_old = self._workspace, known_replacement(self.replacement), self.by_old
        if pair.new is None or not by_old:
            return step(workspace, (), pair, None)
        around, now = self._around(by_old), workspace.refresh()
        return step(workspace, (), pair, lambda new: Plan(_accounts(by_old, new, now), now, around))

    def remove(self, seen: ServersSeen | None = None) -> Preview[RotationStep]:
        """Preview the operator without the previous key.

        Raise `Refused` while an account, on servers too, or a server depends on it, by what was *seen*.
        """
        self.require_removable(seen)
        workspace, pair = self._workspace, known_replacement(self.replacement)
        around, now = workspace.around(self.operator.claims), workspace.refresh()
        plan = _plan_remove(self.operator, pair.old, now, around=around)
        return step(workspace, (), pair, lambda _: plan)

    def replace_at_once(self) -> Preview[RotationStep]:
        """Preview all of it at once; the notices name what servers may refuse until they start anew.

        Raise `UsageError` unless the key that is replaced was named by its public key.
        """
        require_named(self._key)
        workspace, pair, by_old = self._workspace, known_replacement(self.replacement), self.by_old
        around, now = self._around(by_old), workspace.refresh()
        names = ", ".join(map(brief, by_old)) or "no account"
        rows = (
            f"until a server was restarted with the new operator jwt, it may refuse: {names}",
            "who is connected stays; who comes to an account that the server has not loaded is refused",
        )
        return step(
            workspace,
            (),
            pair,
            lambda new: _plan_replace_at_once(self.operator, by_old, (pair.old, new), around, now),
            notices=[Notice(printable(row)) for row in rows],
        )

    def _around(self, accounts: Mapping[str, Jwt[Account]]) -> tuple[Jwt[object], ...]:
        return self._workspace.around(*(jwt.claims for jwt in accounts.values()))

    def to_push(self) -> list[Jwt[Account]]:
        """Return the accounts that the operator has signed with a key that it lists."""
        listed = {self.operator.claims.sub, *listed_keys(self.operator.claims)}
        return [jwt for jwt in self.accounts.values() if str(jwt.issuer) in listed]

    def by_new(self) -> list[Jwt[Account]]:
        """Return the accounts that the replacement key has signed."""
        new = known_replacement(self.replacement).new
        return [jwt for jwt in self.accounts.values() if jwt.issuer == new]

    def require_removable(self, seen: ServersSeen | None = None) -> None:
        """Raise `Refused` while an account, on servers too, or a server depends on the previous key."""
        pair, stage = known_replacement(self.replacement), self.stage(seen)
        again = "seedless rotate operator-key"
        if stage is RotationStage.ADD:
            raise Refused(f"no key takes the place of {pair.old} yet", again)
        if stage is RotationStage.SPREAD and seen and pair.new:
            names = ", ".join(map(str, seen.without(pair.new)))
            raise Refused(
                f"the new key is not trusted yet by {names}", "give them the operator jwt and restart them"
            )
        if stage is RotationStage.REISSUE:
            names = ", ".join(map(brief, self.by_old))
            raise Refused(f"{pair.old} is still the issuer of {names}", again)
        if stage is RotationStage.PUSH and seen:
            raise Refused(
                f"servers hold accounts by {pair.old}: {', '.join(map(brief, seen.by_old))}",
                f"{again} pushes those of the store; what is not in the store: seedless pull, or prune",
            )
        if self.damaged:
            raise Refused(
                f"it is not known whether it is still needed: {self.damaged[0]}", "restore it first"
            )

    def report(
        self,
        signed: Sequence[Jwt[object]],
        seen: ServersSeen | None = None,
        sent: int = 0,
        stage: RotationStage | None = None,
    ) -> OperatorKeyReport:
        """Return what came of it: *signed* jwts, what was *seen*, and how many accounts were *sent*."""
        return OperatorKeyReport(
            operator=self.operator,
            old=self.replacement.old if self.replacement else None,
            new=self.replacement.new if self.replacement else None,
            stage=stage or self.stage(seen),
            signed=tuple(signed),
            by_old=tuple(self.by_old),
            seen=seen,
            sent=sent,
        )


def operator_key_rotation(
    workspace: Workspace, key: str | None, new: PublicKey | None, *, ending: bool
) -> OperatorKeyRotation:
    """Return how far the rotation of a key of the operator is, see `Rotations.operator_key`."""
    operator = stored(workspace, ())
    pair = find(workspace, operator.claims, key, new, ending=ending)
    return OperatorKeyRotation(workspace, operator, pair, key)


def stage_of(
    pair: KeyReplacement | None, by_old: int, seen: ServersSeen | None, operator: Claims[Operator]
) -> RotationStage:
    """Return what comes next; *by_old* is how many accounts of the store the old key has signed.

    Without *pair* nothing is begun, or all of it is signed. Without *seen* the servers are not asked, and
    what they would have to prove is taken for proven.
    """
    # No file remembers how far a rotation is; the stage follows from the store and from what servers
    # report, so a run that was killed anywhere is finished by the same command.
    if pair is None:
        return RotationStage.FORGET if seen is None or seen.beside(operator) else RotationStage.DONE
    if pair.new is None or not pair.is_begun:
        return RotationStage.ADD
    # Before the accounts: servers read the operator jwt only when they start, and refuse an account by a
    # key that they do not know.
    if seen is not None and seen.without(pair.new):
        return RotationStage.SPREAD
    if by_old:
        return RotationStage.REISSUE
    # Servers may hold accounts by the previous key which the store does not have; removing the key would
    # lock their users out at the next start.
    return RotationStage.PUSH if seen is not None and seen.by_old else RotationStage.REMOVE


def _plan_add(
    operator: Jwt[Operator], old: PublicKey, new: PublicKey, now: int, *, around: tuple[Jwt[object], ...] = ()
) -> Plan:
    """Return the plan by which the operator lists *new* beside *old*; its system account is *around* it."""
    claims = with_new(operator.claims, old, new)
    return Plan((_operator(operator, claims, now, "a signing key is to be replaced"),), now, around)


def _plan_remove(
    operator: Jwt[Operator], old: PublicKey, now: int, *, around: tuple[Jwt[object], ...] = ()
) -> Plan:
    """Return the plan by which the operator lists *old* no more; its system account is *around* it."""
    claims = without(operator.claims, old)
    return Plan((_operator(operator, claims, now, "a signing key was replaced"),), now, around)


def _plan_replace_at_once(
    operator: Jwt[Operator],
    accounts: Mapping[str, Jwt[Account]],
    keys: tuple[PublicKey, PublicKey],
    around: tuple[Jwt[object], ...],
    now: int,
) -> Plan:
    """Return the plan of all steps in one; *keys* are the old one and the new one."""
    old, new = keys
    claims = operator.claims
    if str(new) not in listed_keys(claims):
        claims = with_new(claims, old, new)
    first = _operator(operator, without(claims, old), now, "a signing key is replaced at once")
    return Plan((first, *_accounts(accounts, new, now)), now, around)


def _operator(operator: Jwt[Operator], claims: Claims[object], now: int, reason: str) -> Change:
    return changed(claims, operator.issuer, replaces=operator, now=now, reason=reason, address=())


def _accounts(accounts: Mapping[str, Jwt[Account]], new: PublicKey, now: int) -> tuple[Change, ...]:
    return tuple(
        changed(jwt.claims, new, replaces=jwt, now=now, reason="its issuer is replaced", address=(name,))
        for name, jwt in accounts.items()
    )
