"""Push: which accounts differ from what is there, and what became of sending them.

Nothing is remembered between two runs. What differs is asked anew, so a run that was killed is finished by
the same command. The system account goes last: if it locks somebody out, everything else is there already.

Pull: which accounts of the servers may go into the store, and why others may not.

Verified is not trusted: only what a key of the store's operator has signed is taken. The store's own jwt is
replaced by a later one only, unless an older one is asked for by name of the option.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from seedless import trust
from seedless.claims import Account
from seedless.errors import SeedlessError, UsageError
from seedless.jwt import Jwt, read
from seedless.rules.guards import is_from_the_future
from seedless.store.names import require_storable
from seedless.text import brief
from seedless.units import moment

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from seedless.claims import Operator
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
        return max(self.held, key=lambda jwt: jwt.issued_at, default=None)


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
    return {account.account.claims.sub: account.held for account in compared}


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


class PullStatus(enum.StrEnum):
    """What becomes of an account that servers hold."""

    CURRENT = "current"
    NEW = "new"
    NEWER = "newer"
    OLDER = "older"
    AHEAD = "ahead"
    OVERWRITES = "overwrites"
    REFUSED = "refused"


_WRITTEN = frozenset({PullStatus.NEW, PullStatus.NEWER, PullStatus.OVERWRITES})


@dataclass(frozen=True, slots=True)
class PulledAccount:
    """An account by its key, its latest jwt on the servers (None: none can be read), and its status."""

    subject: str
    jwt: Jwt[Account] | None
    status: PullStatus
    reason: str = ""

    @property
    def is_written(self) -> bool:
        """Whether it goes into the store."""
        return self.status in _WRITTEN

    @property
    def name(self) -> str:
        """What it is called, and where it goes in the store; the key where nothing could be read."""
        return self.jwt.claims.name.strip() if self.jwt else self.subject


def judge_pulled(
    held: Mapping[str, Sequence[str]],
    operator: Jwt[Operator],
    stored: Mapping[str, Jwt[Account]],
    *,
    now: int,
    overwrite_newer: bool = False,
) -> tuple[PulledAccount, ...]:
    """Return what becomes of each account that is *held* (its key, and the texts of the servers) at *now*.

    *stored* are the accounts of the store by name. One from the future, of a clock that was fast, does not
    take the place of one whose time has come: that may be the way back, on its way to the servers.
    """
    names = {account.claims.sub: name for name, account in stored.items()}
    takers = {name: account.claims.sub for name, account in stored.items()}
    found = []
    for subject, texts in held.items():
        # Of several servers the latest counts, as between servers themselves: the others are behind.
        jwt = max(filter(None, map(readable, texts)), key=lambda jwt: jwt.issued_at, default=None)
        reason = _objection(subject, jwt, operator, names.get(subject), takers)
        if reason or jwt is None:
            found.append(PulledAccount(subject, jwt, PullStatus.REFUSED, reason))
            continue
        takers[jwt.claims.name.strip()] = subject
        mine = stored[names[subject]] if subject in names else None
        found.append(_pull_status(subject, jwt, mine, now, overwrite_newer=overwrite_newer))
    return tuple(sorted(found, key=lambda account: (account.name, account.subject)))


def _objection(
    subject: str,
    jwt: Jwt[Account] | None,
    operator: Jwt[Operator],
    known_as: str | None,
    takers: Mapping[str, str],
) -> str:
    """Return the problem with taking *jwt*, or nothing."""
    if jwt is None:
        return "no server has a jwt of it that can be read"
    # A folder of a resolver names files by key, and nobody keeps a person from putting another jwt there.
    if jwt.claims.sub != subject:
        return f"its jwt is about {jwt.claims.sub}"
    # A resolver stores what anybody has signed; pulled into the store it would be signed again by us.
    if not trust.did_sign(operator, jwt):
        return f"is issued by {jwt.issuer}, with which {brief(operator.claims.name)} signs no accounts"
    return _misnamed(subject, jwt.claims.name.strip(), known_as, takers)


def _misnamed(subject: str, name: str, known_as: str | None, takers: Mapping[str, str]) -> str:
    try:
        require_storable(name)
    except UsageError as error:
        return error.message
    # A store finds accounts by name: renamed elsewhere, it would lie here twice under one key.
    if known_as is not None and known_as != name:
        return f"is called {brief(known_as)} in the store, and {brief(name)} on the servers"
    if takers.get(name, subject) != subject:
        return f"{brief(name)} is also the name of {takers[name]}"
    return ""


def _pull_status(
    subject: str, jwt: Jwt[Account], mine: Jwt[Account] | None, now: int, *, overwrite_newer: bool
) -> PulledAccount:
    if mine is None:
        return PulledAccount(subject, jwt, PullStatus.NEW)
    if mine.text == jwt.text:
        return PulledAccount(subject, jwt, PullStatus.CURRENT)
    reason = f"the store has one of {moment(mine.issued_at)}, the servers one of {moment(jwt.issued_at)}"
    ahead = [is_from_the_future(text.issued_at, now) for text in (jwt, mine)]
    # Theirs is from a clock that was fast and ours is the way back from it: time alone would bring back
    # the wrong one.
    if ahead == [True, False]:
        reason += f", and this clock reads {moment(now)}: see seedless docs howto/clock"
        return PulledAccount(
            subject, jwt, PullStatus.OVERWRITES if overwrite_newer else PullStatus.AHEAD, reason
        )
    if jwt.issued_at > mine.issued_at:
        return PulledAccount(subject, jwt, PullStatus.NEWER)
    return PulledAccount(subject, jwt, PullStatus.OVERWRITES if overwrite_newer else PullStatus.OLDER, reason)
