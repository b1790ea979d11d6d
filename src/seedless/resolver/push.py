"""Push: which accounts differ from what is there, and what became of sending them.

Nothing is remembered between two runs. What differs is asked anew, so a run that was killed is finished by
the same command. The system account goes last: if it locks somebody out, everything else is there already.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from seedless.claims import Account
from seedless.errors import SeedlessError
from seedless.jwt import Jwt, read

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from seedless.resolver.targets import Target, TargetAnswer


class PushStatus(enum.StrEnum):
    """How an account compares with what servers hold of it."""

    CURRENT = "current"
    NEW = "new"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True)
class ComparedAccount:
    """An account of the store, and the different jwts of it that servers hold and that can be read."""

    account: Jwt[Account]
    state: PushStatus
    held: tuple[Jwt[Any], ...] = ()

    @property
    def newest(self) -> Jwt[object] | None:
        """The latest that a server holds."""
        return max(self.held, key=lambda one: one.issued_at, default=None)


@dataclass(frozen=True, slots=True)
class SentAccount:
    """An account, and what servers answered; None when it was not sent because of a silence before it."""

    account: Jwt[Account]
    answer: TargetAnswer | None

    @property
    def ok(self) -> bool:
        """Whether every server has it now."""
        return self.answer is not None and self.answer.ok


def compare(target: Target, accounts: Sequence[Jwt[Account]]) -> tuple[ComparedAccount, ...]:
    """Ask *target* what it holds of *accounts*, and return their status."""
    held = target.held([account.claims.sub for account in accounts])
    return tuple(_compared(account, held[account.claims.sub]) for account in accounts)


def held_jwts(compared: Sequence[ComparedAccount]) -> Mapping[str, tuple[Jwt[object], ...]]:
    """Return what is held, by the public key of the account, for a preflight."""
    return {one.account.claims.sub: one.held for one in compared}


def send(target: Target, accounts: Sequence[Jwt[Account]]) -> tuple[SentAccount, ...]:
    """Send *accounts* and return what became of each, in the order in which they went."""
    # What servers report, and not the store: they may differ while the system account is replaced.
    systems = {report.system_account for report in target.server_reports}
    # We are logged in as a user of the system account: an update of it that revokes or replaces that user's
    # key closes this connection, and what comes after would be lost.
    ordered = sorted(accounts, key=lambda account: account.claims.sub in systems)
    found = target.update(ordered)
    # After a silence it is not known whether the server is gone or slow. What follows is not sent, so
    # that the report has what is certain.
    silence = next((number for number, answer in enumerate(found) if answer.missing), len(found))
    return tuple(
        SentAccount(account, None if number > silence and not answer.answers else answer)
        for number, (account, answer) in enumerate(zip(ordered, found, strict=True))
    )


def readable(text: str) -> Jwt[Account] | None:
    """Return the account jwt that *text* is, None when it is none."""
    try:
        found = read(text)
    except SeedlessError:
        return None
    return found if isinstance(found.claims.body, Account) else None


def _compared(account: Jwt[Account], texts: tuple[str, ...]) -> ComparedAccount:
    # By text: an equal `iat` and even an equal `jti` (which does not cover the body) prove nothing about
    # the contents.
    if all(text == account.text for text in texts):
        return ComparedAccount(account, PushStatus.CURRENT, (account,) if texts else ())
    if not any(texts):
        return ComparedAccount(account, PushStatus.NEW)
    # A server may hold a jwt that cannot be read here, of a newer version; it differs, and that is all
    # that is known of it.
    found = (readable(text) for text in dict.fromkeys(texts) if text)
    return ComparedAccount(account, PushStatus.CHANGED, tuple(jwt for jwt in found if jwt))
