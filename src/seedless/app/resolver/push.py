"""Push and pull: accounts of the store on their way to servers, and back."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from seedless.app.key_names import known_titles
from seedless.app.resolver.delete import deleted_path
from seedless.app.resolver.session import TargetSession
from seedless.claims import Account
from seedless.diff import Difference, diff
from seedless.errors import BadKey, Refused, SeedlessError, ServerError, StoreError, UsageError
from seedless.findings import Report
from seedless.jwt import Jwt
from seedless.nkey import PublicKey, Role
from seedless.resolver import (
    ComparedAccount,
    OrphanedAccount,
    OrphanedAccounts,
    PulledAccount,
    PushStatus,
    SentAccount,
    compare,
    delete,
    held_jwts,
    judge_pulled,
    orphaned_accounts,
    preflight,
    send,
)
from seedless.text import brief, printable, quoted, shown

if TYPE_CHECKING:
    from seedless.app.workspace import Workspace

__all__ = [
    "AccountsToPush",
    "PullPreview",
    "PushPreview",
    "Pushed",
    "choose",
    "preview_pull",
    "preview_push",
    "require_choice",
]

_PREFLIGHT = "R"


class AccountsToPush(msgspec.Struct, frozen=True):
    """The accounts to push, and the files of the store that cannot be read, by name with the reason."""

    accounts: tuple[Jwt[Account], ...]
    damaged: Mapping[str, str] = {}
    everything: bool = False


class Pushed(msgspec.Struct, frozen=True):
    """What became of a push: each account that was sent, with the answers of the servers."""

    accounts: tuple[SentAccount, ...]

    @property
    def ok(self) -> bool:
        """Whether every server has everything."""
        return all(account.ok for account in self.accounts)

    def require_done(self) -> None:
        """Raise `ServerError` with the names of the accounts that not every server has taken."""
        failed = [account.account.claims.name for account in self.accounts if not account.ok]
        if failed:
            raise ServerError(
                f"not every server has taken {', '.join(map(printable, failed))}",
                "run it again when they answer: it goes on from there",
            )


class PushPreview(msgspec.Struct, frozen=True, kw_only=True):
    """What would be sent to `where`: how accounts compare with what is there, and what was found.

    `others` are accounts that only servers have, `left` those of them that could not be pulled, `returned`
    those that were deleted and are back. `damaged` maps names of the store to why they cannot be read.
    """

    session: TargetSession
    where: str
    compared: tuple[ComparedAccount, ...]
    report: Report
    others: tuple[OrphanedAccount, ...] = ()
    left: tuple[PulledAccount, ...] = ()
    returned: tuple[str, ...] = ()
    damaged: Mapping[str, str] = {}

    @property
    def differing(self) -> tuple[ComparedAccount, ...]:
        """The accounts that are to be sent."""
        return tuple(account for account in self.compared if account.state is not PushStatus.CURRENT)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to send."""
        return not self.differing

    def differences(self, compared: ComparedAccount) -> tuple[Difference, ...]:
        """Return what differs between *compared* account and the newest on servers, keys by their names."""
        before, after = compared.newest.claims if compared.newest else None, compared.account.claims
        return tuple(diff(before, after, names=known_titles(self.session.workspace, after.sub)))

    def send(self, *, approve: Callable[[PushPreview], bool] | None = None) -> Pushed:
        """Send what differs; the system account goes last. Nobody is connected while *approve* decides.

        Raise `Refused` for findings that are errors and when *approve* returns false, and `ServerError`
        where no server can be asked. What single servers answer is in the result.
        """
        self.report.require_clean()
        if approve is not None and not self.is_empty:
            self.session.disconnect()
            if not approve(self):
                raise Refused("not confirmed: nothing was sent")
        with self.session as session:
            accounts = [account.account for account in self.differing]
            sent = send(session.target, accounts) if accounts else ()
        _note_alive(self.session.workspace, sent)
        return Pushed(sent)

    async def send_async(self, *, approve: Callable[[PushPreview], bool] | None = None) -> Pushed:
        """Do as `send`, in a thread of its own."""
        return await asyncio.to_thread(self.send, approve=approve)


def choose(workspace: Workspace, names: Sequence[str], *, everything: bool) -> AccountsToPush:
    """Return the accounts of *names*, or all; raise `UsageError` for none of both, or for both."""
    if everything == bool(names):
        raise UsageError(
            "accounts are pushed by name, or all of them", "seedless push NAME, or seedless push --all"
        )
    if not everything:
        return AccountsToPush(tuple(workspace.account(name) for name in dict.fromkeys(names)))
    found = workspace.each()
    damaged = {name: jwt.message for name, jwt in found if isinstance(jwt, SeedlessError)}
    accounts = tuple(jwt for _, jwt in found if not isinstance(jwt, SeedlessError))
    _refuse_twice(accounts)
    return AccountsToPush(accounts, damaged, everything=True)


def preview_push(
    session: TargetSession, chosen: AccountsToPush, *, force: bool = False, waived: Collection[str] = ()
) -> PushPreview:
    """Ask what is held where *session* is, and judge what is to be sent.

    With *force* findings about the claims themselves do not count, and never those with the codes *waived*.
    """
    workspace, target = session.workspace, session.target
    compared = compare(target, chosen.accounts)
    differing = [account.account for account in compared if account.state is not PushStatus.CURRENT]
    known = session.context(held=held_jwts(compared))
    report = preflight(differing, known, workspace.now, workspace.settings.reset_time)
    if force:
        kept = tuple(finding for finding in report.findings if finding.code.startswith(_PREFLIGHT))
        waived_now = (*report.waived, *(finding for finding in report.findings if finding not in kept))
        report = replace(report, findings=kept, waived=waived_now)
    report = replace(
        report, findings=tuple(finding for finding in report.findings if finding.code not in waived)
    )
    subjects = {account.claims.sub for account in chosen.accounts}
    deleted = delete.load(deleted_path(workspace))
    stored = {account.claims.name.strip(): account for account in chosen.accounts}
    apart = OrphanedAccounts((), ())
    if chosen.everything:
        apart = orphaned_accounts(target, stored, workspace.operator(), deleted, workspace.now)
    held: frozenset[str] = frozenset().union(*target.holdings.values())
    back = [f"{brief(deleted[key].name)} ({key})" for key in sorted(held & deleted.keys() - subjects)]
    return PushPreview(
        session=session,
        where=target.name,
        compared=compared,
        report=report,
        others=apart.orphaned,
        left=apart.left,
        returned=tuple(back),
        damaged=chosen.damaged,
    )


def _note_alive(workspace: Workspace, sent: Sequence[SentAccount]) -> None:
    """Forget that accounts were deleted that have been pushed anew."""
    alive = {account.account.claims.sub for account in sent if account.answer is not None}
    path = deleted_path(workspace)
    if alive & delete.load(path).keys():
        with workspace.lock():
            delete.note(path, {}, alive)


def _refuse_twice(accounts: Sequence[Jwt[Account]]) -> None:
    seen: dict[str, str] = {}
    for account in accounts:
        key, name = account.claims.sub, account.claims.name
        if key in seen:
            raise UsageError(
                f"accounts {quoted(seen[key])} and {quoted(name)} of the store have one key, {shown(key)}",
                "keep the one that is meant",
            )
        seen[key] = name


class PullPreview(msgspec.Struct, frozen=True, kw_only=True):
    """What would be taken into the store from `where`, account by account, and why others are not.

    `replaced` are the names of accounts of the store in whose place a pulled one goes.
    """

    session: TargetSession
    where: str
    accounts: tuple[PulledAccount, ...]
    held: Mapping[str, Sequence[str]]
    replaced: tuple[str, ...] = ()
    overwrite_newer: bool = False

    @property
    def is_empty(self) -> bool:
        """Whether nothing is taken."""
        return not any(account.is_written for account in self.accounts)

    def write(self, *, approve: Callable[[PullPreview], bool] | None = None) -> tuple[Jwt[Account], ...]:
        """Write what is pulled into the store, and return it; *approve* decides where jwts are replaced.

        Raise `Refused` when it returns false, and `StoreError` when the store has changed since.
        """
        workspace = self.session.workspace
        with workspace.lock():
            if _judged(workspace, self.held, self.overwrite_newer) != self.accounts:
                raise StoreError("the store has changed since the servers were asked", "pull again")
            if approve is not None and self.replaced and not approve(self):
                raise Refused("not confirmed: the store is as it was")
            jwts = {
                account.name: account.jwt
                for account in self.accounts
                if account.is_written and account.jwt is not None
            }
            if jwts:
                workspace.store.put({(name,): jwt for name, jwt in jwts.items()})
            return tuple(jwts.values())


def require_choice(names: Sequence[str], *, everything: bool) -> None:
    """Raise `UsageError` unless accounts are named, or all of them are pulled, and not both."""
    if everything == bool(names):
        raise UsageError("accounts are pulled by name or key, or all of them", "seedless pull --all")


def preview_pull(
    session: TargetSession, names: Sequence[str], *, everything: bool, overwrite_newer: bool = False
) -> PullPreview:
    """Ask for the accounts *names* (or keys), or all, and judge which of them may go into the store."""
    require_choice(names, everything=everything)
    workspace = session.workspace
    stored = _stored(workspace)
    keys = [_key(name, stored) for name in dict.fromkeys(names)]
    target = session.target
    held = target.held(keys or sorted(frozenset().union(*target.holdings.values())))
    accounts = _judged(workspace, held, overwrite_newer)
    stored = _stored(workspace)
    return PullPreview(
        session=session,
        where=target.name,
        accounts=accounts,
        held=held,
        replaced=tuple(account.name for account in accounts if account.is_written and account.name in stored),
        overwrite_newer=overwrite_newer,
    )


def _judged(
    workspace: Workspace,
    held: Mapping[str, Sequence[str]],
    overwrite_newer: bool,  # noqa: FBT001 - as the operation got it
) -> tuple[PulledAccount, ...]:
    stored, now = _stored(workspace), workspace.now
    return judge_pulled(held, workspace.operator(), stored, now=now, overwrite_newer=overwrite_newer)


def _stored(workspace: Workspace) -> dict[str, Jwt[Account]]:
    return {name: jwt for name, jwt in workspace.each() if not isinstance(jwt, SeedlessError)}


def _key(name: str, stored: Mapping[str, Jwt[Account]]) -> str:
    """Return the key of the account *name* of the store, or the key that *name* is."""
    if name in stored:
        return stored[name].claims.sub
    with contextlib.suppress(BadKey):
        if PublicKey.parse(name).role is Role.ACCOUNT:
            return name
    raise UsageError(
        f"the store has no account {quoted(name)}", "give its key (A…), or --all for whatever servers have"
    )
