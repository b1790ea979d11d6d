"""What `push` looks at before it sends, and how it is told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from seedless.app.key_names import keys_in, names_of
from seedless.cli import consent, printing
from seedless.cli._remote import open_target
from seedless.cli._resolver import deleted_path, left_data, said_data, said_text, there, victim_data
from seedless.cli._system_user import is_temporary, log_in
from seedless.cli.render.findings import findings_data
from seedless.cli.review import line
from seedless.diff import diff
from seedless.errors import SeedlessError, UsageError
from seedless.resolver import (
    UPDATE,
    OrphanedAccounts,
    PushStatus,
    compare,
    delete,
    held_jwts,
    listed,
    orphaned_accounts,
    preflight,
    send,
)
from seedless.text import brief, quoted, shown

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from seedless.claims import Account
    from seedless.cli._remote import Remote
    from seedless.cli.workspace import CommandWorkspace
    from seedless.creds import Creds
    from seedless.findings import Report
    from seedless.jwt import Jwt
    from seedless.resolver import ComparedAccount, OrphanedAccount, PulledAccount, SentAccount, Target

_PREFLIGHT = "R"


@dataclass(frozen=True, slots=True)
class Chosen:
    """The accounts to push, and the files of the store that cannot be read, by name with the reason."""

    accounts: tuple[Jwt[Account], ...]
    damaged: Mapping[str, str]
    everything: bool


@dataclass(frozen=True, slots=True)
class Look:
    """What was found at a target: how accounts stand, what else is there, and what stands against sending."""

    where: str
    compared: tuple[ComparedAccount, ...]
    others: tuple[OrphanedAccount, ...]
    returned: tuple[str, ...]
    report: Report
    left: tuple[PulledAccount, ...] = ()

    @property
    def differing(self) -> tuple[ComparedAccount, ...]:
        """The accounts that are to be sent."""
        return tuple(one for one in self.compared if one.state is not PushStatus.CURRENT)


def choose(workspace: CommandWorkspace, names: Sequence[str], *, everything: bool) -> Chosen:
    """Return the accounts of *names*, or all; raise `UsageError` for none of both, or for both."""
    if everything == bool(names):
        raise UsageError(
            "accounts are pushed by name, or all of them", "seedless push NAME, or seedless push --all"
        )
    if not everything:
        return Chosen(tuple(workspace.account(name) for name in dict.fromkeys(names)), {}, everything=False)
    found = workspace.each()
    damaged = {name: jwt.message for name, jwt in found if isinstance(jwt, SeedlessError)}
    accounts = tuple(jwt for _, jwt in found if not isinstance(jwt, SeedlessError))
    _refuse_twice(accounts)
    return Chosen(accounts, damaged, everything=True)


def look(
    workspace: CommandWorkspace, target: Target, user: Creds | None, chosen: Chosen, *, force: bool
) -> Look:
    """Ask *target* what it holds, and judge what is to be sent; with *force* only by the preflight."""
    compared = compare(target, chosen.accounts)
    differing = [one.account for one in compared if one.state is not PushStatus.CURRENT]
    report = preflight(
        differing,
        there(workspace, target, user, held=held_jwts(compared)),
        workspace.now,
        workspace.options.reset_time,
    )
    if force:
        kept = tuple(one for one in report.findings if one.code.startswith(_PREFLIGHT))
        waived = (*report.waived, *(one for one in report.findings if one not in kept))
        report = msgspec.structs.replace(report, findings=kept, waived=waived)
    wanted = {account.claims.sub for account in chosen.accounts}
    known = delete.load(deleted_path(workspace))
    stored = {account.claims.name.strip(): account for account in chosen.accounts}
    apart = OrphanedAccounts((), ())
    if chosen.everything:
        apart = orphaned_accounts(target, stored, workspace.operator(), known, workspace.now)
    held: frozenset[str] = frozenset().union(*target.holdings.values())
    back = [f"{brief(known[key].name)} ({key})" for key in sorted(held & known.keys() - wanted)]
    return Look(target.name, compared, apart.orphaned, tuple(back), report, apart.left)


def require_sending(workspace: CommandWorkspace, found: Look) -> None:
    """Show what differs in *found*, and return when a person agrees that it is sent."""
    printing.say(text(workspace, found, (), lines=True))
    count = len(found.differing)
    what = "this account" if count == 1 else f"these {count} accounts"
    consent.require(
        workspace.options, f"Send {what} to {printing.printable(found.where)}?", done="nothing was sent"
    )


def send_later(
    workspace: CommandWorkspace, remote: Remote, user: Creds | None, found: Look
) -> tuple[SentAccount, ...]:
    """Send what differs in *found* through another login: nobody was connected while a person was asked.

    Servers end logins that are silent, and those of a user who was signed for two minutes.
    """
    if is_temporary(user):
        user = log_in(workspace, remote, UPDATE, approve=consent.given)
    with open_target(workspace, remote, user) as target:
        return send(target, [one.account for one in found.differing])


def data(found: Look, sent: Sequence[SentAccount], chosen: Chosen, *, dry_run: bool) -> dict[str, Any]:
    """Return what --json prints."""
    answers = {one.account.claims.sub: one.answer for one in sent}
    return {
        "dry_run": dry_run,
        "target": found.where,
        "accounts": [
            {
                "account": one.account.claims.name,
                "subject": one.account.claims.sub,
                "state": str(one.state),
                "sent": answers.get(one.account.claims.sub) is not None,
                **said_data(answers.get(one.account.claims.sub)),
            }
            for one in found.compared
        ],
        "others": [victim_data(one) for one in found.others],
        "left": [left_data(one) for one in found.left],
        "returned": list(found.returned),
        "damaged": [{"name": name, "error": error} for name, error in chosen.damaged.items()],
        "findings": findings_data(found.report.findings),
        "lifted": findings_data(found.report.waived),
    }


def text(workspace: CommandWorkspace, found: Look, sent: Sequence[SentAccount], *, lines: bool) -> str:
    """Return what people read: a line for each account, with *lines* also what changes in each."""
    answers = {one.account.claims.sub: one for one in sent}
    rows = []
    for one in found.compared:
        state = _state(one, answers, found.where)
        rows.append(printing.printable(f"{brief(one.account.claims.name)}: {state}"))
        if lines and one.state is not PushStatus.CURRENT:
            rows += [f"  {row}" for row in _differences(workspace, one)]
    rows += [
        printing.printable(f"{brief(one.name)} ({one.account}): only on {listed(one.servers)}")
        for one in found.others
    ]
    rows += [
        printing.printable(
            f"{brief(one.name)} ({one.subject}): only on servers, and cannot be pulled ({one.reason})"
        )
        for one in found.left
    ]
    return "\n".join(rows) or "there are no accounts"


def _state(one: ComparedAccount, answers: Mapping[str, SentAccount], where: str) -> str:
    sent = answers.get(one.account.claims.sub)
    if sent is None:
        return str(one.state)
    if sent.answer is None:
        return f"{one.state}, not sent"
    return f"{one.state}, on {where}" if sent.ok else f"{one.state}, failed: {said_text(sent.answer)}"


def _differences(workspace: CommandWorkspace, one: ComparedAccount) -> list[str]:
    before, after = one.newest, one.account
    bare = diff(before.claims if before else None, after.claims)
    names = names_of(workspace, keys_in(each.line for each in bare) - {after.claims.sub})
    rows = diff(before.claims if before else None, after.claims, names=names)
    found = [line(each, is_new=before is None) for each in rows]
    if before is not None and before.issuer != after.issuer:
        found.append(f"issuer: {before.issuer} -> {after.issuer}")
    return found or ["issued again, or not on every server"]


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
