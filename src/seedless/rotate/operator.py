"""Replace a signing key of the operator, past barriers that the servers' own words prove.

A server learns another operator jwt only when it starts anew. So the new key is added and spread first, by a
rolling restart; when every server trusts it, the accounts are signed again and pushed; when no server holds
an account by the old key any more, that is removed; and a second rolling restart makes the servers forget it.
How far it is follows from the store and from what the servers report. Refused: a step before its barrier.

The operator gets a new identity key: what is signed again, and what servers must change.

Everything that names the old key changes: the operator's jwt, the accounts that the old key signed, unless
it stays as a signing key, and every configuration that holds the operator's jwt.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from seedless.change import Change, StoreWrite
from seedless.jwt import draft
from seedless.plan import changed
from seedless.rotate.replacement import listed_keys, with_new, without
from seedless.rules.guards import is_from_the_future
from seedless.signing_pipeline import Plan
from seedless.trust import is_expired

if TYPE_CHECKING:
    from collections.abc import Mapping

    from seedless.claims import Account, Operator
    from seedless.jwt import Claims, Jwt
    from seedless.nkey import PublicKey
    from seedless.resolver import AccountServer, ServerReport
    from seedless.rotate.replacement import KeyReplacement


class RotationStage(enum.StrEnum):
    """What has to be done next."""

    ADD = "add"
    SPREAD = "spread"
    REISSUE = "reissue"
    PUSH = "push"
    REMOVE = "remove"
    FORGET = "forget"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class ServerTrust:
    """A server and the keys (key texts) whose accounts it trusts, by its operator jwts."""

    server: AccountServer
    keys: frozenset[str]

    @classmethod
    def of(cls, report: ServerReport) -> ServerTrust:
        """Return what *report* of a server contains."""
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
        ours = {operator.sub, *listed_keys(operator)}
        found = {trust.server: tuple(sorted(trust.keys - ours)) for trust in self.trusts}
        return {server: keys for server, keys in found.items() if keys}


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


def accounts_by(key: PublicKey, accounts: Mapping[str, Jwt[Account]], now: int) -> dict[str, Jwt[Account]]:
    """Return those of *accounts* (by name) that *key* has signed and that have not expired at *now*."""
    return {name: jwt for name, jwt in accounts.items() if jwt.issuer == key and not is_expired(jwt, now)}


def add(
    operator: Jwt[Operator], old: PublicKey, new: PublicKey, now: int, *, around: tuple[Jwt[Any], ...] = ()
) -> Plan:
    """Return the plan by which the operator lists *new* beside *old*; its system account is *around* it."""
    claims = with_new(operator.claims, old, new)
    return Plan((_operator(operator, claims, now, "a signing key is to be replaced"),), now, around)


def reissue(
    accounts: Mapping[str, Jwt[Account]], new: PublicKey, around: tuple[Jwt[Any], ...], now: int
) -> Plan:
    """Return the plan by which *new* signs *accounts*, *around* which are the operator and their sources."""
    return Plan(_accounts(accounts, new, now), now, around)


def remove(operator: Jwt[Operator], old: PublicKey, now: int, *, around: tuple[Jwt[Any], ...] = ()) -> Plan:
    """Return the plan by which the operator lists *old* no more; its system account is *around* it."""
    claims = without(operator.claims, old)
    return Plan((_operator(operator, claims, now, "a signing key was replaced"),), now, around)


def replace_at_once(
    operator: Jwt[Operator],
    accounts: Mapping[str, Jwt[Account]],
    keys: tuple[PublicKey, PublicKey],
    around: tuple[Jwt[Any], ...],
    now: int,
) -> Plan:
    """Return the plan of all steps in one; *keys* are the old one and the new one."""
    old, new = keys
    claims = operator.claims
    if str(new) not in listed_keys(claims):
        claims = with_new(claims, old, new)
    first = _operator(operator, without(claims, old), now, "a signing key is replaced at once")
    return Plan((first, *_accounts(accounts, new, now)), now, around)


def _operator(operator: Jwt[Operator], claims: Claims[Any], now: int, reason: str) -> Change:
    return changed(claims, operator.issuer, replaces=operator, now=now, reason=reason, address=())


def _accounts(accounts: Mapping[str, Jwt[Account]], new: PublicKey, now: int) -> tuple[Change, ...]:
    return tuple(
        changed(jwt.claims, new, replaces=jwt, now=now, reason="its issuer is replaced", address=(name,))
        for name, jwt in accounts.items()
    )


def new_identity(
    operator: Jwt[Operator],
    accounts: Mapping[str, Jwt[Account]],
    new: PublicKey,
    now: int,
    *,
    keep_old: bool,
    around: tuple[Jwt[Any], ...] = (),
) -> Plan:
    """Return the plan by which *new* is the operator's identity, and signs *accounts* (by name).

    With *keep_old* the old identity becomes a signing key, which may go on signing. The operator's times and
    limits stay as they are; *around* are the accounts that those import from.
    """
    body = operator.claims.body
    keys = tuple(key for key in body.signing_keys if key != str(new))
    if keep_old:
        keys = (*keys, operator.claims.sub)
    claims = msgspec.structs.replace(
        operator.claims, sub=str(new), body=msgspec.structs.replace(body, signing_keys=keys)
    )
    # Another subject: it has no predecessor, and so need not follow one whose clock was fast.
    # One second later where it can be, so that whoever sorts both jwts by time finds the new identity
    # last.
    at = now if is_from_the_future(operator.issued_at, now) else max(now, operator.issued_at + 1)
    first = Change(draft(claims, new, at), reason="a new identity key", address=())
    moved = tuple(
        changed(jwt.claims, new, replaces=jwt, now=now, reason="the operator has a new key", address=(name,))
        for name, jwt in accounts.items()
    )
    # The store has one operator jwt: the previous one goes when everything that names it has been signed
    # again.
    gone = StoreWrite((), None, operator, "another identity takes its place")
    return Plan((first, *moved), now, around, (gone,))
