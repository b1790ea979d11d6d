"""How pushed, pulled and deleted accounts are printed, and what servers answered."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from seedless.app.key_names import known_titles, titled
from seedless.cli import printing
from seedless.cli.review import line, show_findings
from seedless.diff import Wording
from seedless.resolver import PushStatus, listed
from seedless.text import brief, shown
from seedless.units import moment

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from seedless.app.resolver.delete import DeletePreview, OnServersDeleted
    from seedless.app.resolver.push import PullPreview, PushPreview
    from seedless.cli.workspace import CommandWorkspace
    from seedless.resolver import (
        ComparedAccount,
        OrphanedAccount,
        PulledAccount,
        SentAccount,
        TargetAnswer,
    )


def answer_data(answer: TargetAnswer | None) -> dict[str, object]:
    """Return what servers answered, as --json prints it."""
    return {
        "answers": [
            {"server": item.server.name, "id": item.server.id or None} | printing.members(item, "ok", "text")
            for item in (answer.answers if answer else ())
        ],
        "missing": [server.name for server in (answer.missing if answer else ())],
    }


def orphan_data(orphan: OrphanedAccount) -> dict[str, object]:
    """Return an account that the store does not have, as --json prints it."""
    return {
        "account": orphan.name,
        "subject": orphan.account,
        "servers": [server.name for server in orphan.servers],
        "returned": orphan.returned.at if orphan.returned else None,
    }


def left_data(left: PulledAccount) -> dict[str, object]:
    """Return an account that is not offered for deletion, as --json prints it."""
    return {"account": left.name, "subject": left.subject, "reason": left.reason}


def show_push(workspace: CommandWorkspace, push: PushPreview) -> None:
    """Show the findings of *push*, and what is not as it should be."""
    show_findings(workspace, push.report)
    for name, reason in push.damaged.items():
        printing.report_safe(f"warning: {shown(name)} is not pushed: {reason}")
    for name in push.returned:
        printing.report_safe(f"warning: {name} was deleted and is back: push --all --prune deletes it again")


def push_data(push: PushPreview, sent: Sequence[SentAccount], *, dry_run: bool) -> dict[str, object]:
    """Return a push as --json prints it, with what was *sent* of it."""
    answers = {account.account.claims.sub: account.answer for account in sent}
    return {
        "dry_run": dry_run,
        "target": push.where,
        "accounts": [
            {
                "account": account.account.claims.name,
                "subject": account.account.claims.sub,
                "state": str(account.state),
                "sent": answers.get(account.account.claims.sub) is not None,
                **answer_data(answers.get(account.account.claims.sub)),
            }
            for account in push.compared
        ],
        "others": [orphan_data(other) for other in push.others],
        "left": [left_data(account) for account in push.left],
        "returned": list(push.returned),
        "damaged": [{"name": name, "error": error} for name, error in push.damaged.items()],
        "findings": [finding.data() for finding in push.report.findings],
        "lifted": [item.data() for item in push.report.waived],
    }


def push_text(push: PushPreview, sent: Sequence[SentAccount], *, lines: bool) -> str:
    """Return what people read: a line for each account, with *lines* also what changes in each."""
    answers = {account.account.claims.sub: account for account in sent}
    rows = []
    for account in push.compared:
        state = _state(account, answers, push.where)
        rows.append(printing.printable(f"{brief(account.account.claims.name)}: {state}"))
        if lines and account.state is not PushStatus.CURRENT:
            rows += [f"  {row}" for row in _differences(push, account)]
    rows += [
        printing.printable(f"{brief(other.name)} ({other.account}): only on {listed(other.servers)}")
        for other in push.others
    ]
    rows += [
        printing.printable(
            f"{brief(account.name)} ({account.subject}): only on servers, and cannot be pulled "
            f"({titled(push.session.workspace, account.reason)})"
        )
        for account in push.left
    ]
    return "\n".join(rows) or "there are no accounts"


def _state(account: ComparedAccount, answers: Mapping[str, SentAccount], where: str) -> str:
    sent = answers.get(account.account.claims.sub)
    if sent is None:
        return str(account.state)
    if sent.answer is None:
        return f"{account.state}, not sent"
    return f"{account.state}, on {where}" if sent.ok else f"{account.state}, failed: {sent.answer.failures}"


def _differences(push: PushPreview, account: ComparedAccount) -> list[str]:
    before, after = account.newest, account.account
    titles = known_titles(push.session.workspace, after.claims.sub)
    found = [line(each, is_new=before is None) for each in push.differences(account)]
    if before is not None and before.issuer != after.issuer:
        wording = Wording(titles)
        found.append(f"issuer: {wording.key(str(before.issuer))} -> {wording.key(str(after.issuer))}")
    return found or ["issued again, or not on every server"]


def pull_data(pull: PullPreview) -> list[dict[str, object]]:
    """Return the accounts of a pull as --json prints them."""
    return [
        {
            "account": account.jwt.claims.name if account.jwt else None,
            "subject": account.subject,
            "state": str(account.status),
            "reason": account.reason,
        }
        for account in pull.accounts
    ]


def pull_text(pull: PullPreview) -> str:
    """Return a line for each account of a pull."""
    rows = [
        f"{brief(account.name)}: {account.status}{f' ({account.reason})' if account.reason else ''}"
        for account in pull.accounts
    ]
    return "\n".join(map(printing.printable, rows)) or "there are no accounts"


def show_delete(workspace: CommandWorkspace, deletion: DeletePreview) -> None:
    """Show which accounts would be deleted and where, which are left alone, and the findings."""
    if deletion.left:
        printing.report(f"left alone on {deletion.where}, since pull could not take them:")
    for account in deletion.left:
        reason = titled(workspace, account.reason)
        printing.report_safe(f"  {brief(account.name)} ({account.subject}): {reason}")
    if deletion.orphaned:
        printing.report(click.style(f"to be deleted from {deletion.where}:", bold=True))
    for orphan in deletion.orphaned:
        back = f"; was deleted {moment(orphan.returned.at)} and is back" if orphan.returned else ""
        printing.report_safe(f"  {brief(orphan.name)} ({orphan.account}) on {listed(orphan.servers)}{back}")
    show_findings(workspace, deletion.report)


def delete_data(deletion: DeletePreview, done: OnServersDeleted) -> dict[str, object]:
    """Return a deletion as --json prints it, with what was *done* of it."""
    return {
        "victims": [orphan_data(account) for account in deletion.orphaned],
        "left": [left_data(account) for account in deletion.left],
        "sent": done.answer is not None,
        **answer_data(done.answer),
    }


def delete_text(deletion: DeletePreview, done: OnServersDeleted) -> str:
    """Return what people read of a deletion."""
    left = f"; left alone: {len(deletion.left)}" if deletion.left else ""
    if not deletion.orphaned:
        return f"nothing to prune{left}"
    if done.answer is None:
        return f"would be deleted: {len(deletion.orphaned)}{left}"
    names = ", ".join(brief(account.name) for account in deletion.orphaned)
    return f"deleted: {names}{left}" if done.ok else f"deleting {names} failed: {done.answer.failures}"
