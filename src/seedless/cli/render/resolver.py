"""How pushed, pulled and deleted accounts are printed, and what servers answered."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from seedless.app.key_names import known_titles
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
            {"server": one.server.name, "id": one.server.id or None} | printing.members(one, "ok", "text")
            for one in (answer.answers if answer else ())
        ],
        "missing": [one.name for one in (answer.missing if answer else ())],
    }


def orphan_data(orphan: OrphanedAccount) -> dict[str, object]:
    """Return an account that the store does not have, as --json prints it."""
    return {
        "account": orphan.name,
        "subject": orphan.account,
        "servers": [one.name for one in orphan.servers],
        "returned": orphan.returned.at if orphan.returned else None,
    }


def left_data(left: PulledAccount) -> dict[str, object]:
    """Return an account that is not offered for deletion, as --json prints it."""
    return {"account": left.name, "subject": left.subject, "reason": left.reason}


def show_push(workspace: CommandWorkspace, push: PushPreview) -> None:
    """Show the findings of *push*, and what is not as it should be."""
    show_findings(workspace, push.report)
    for name, reason in push.damaged.items():
        printing.report(printing.printable(f"warning: {shown(name)} is not pushed: {reason}"))
    for name in push.returned:
        printing.report(
            printing.printable(
                f"warning: {name} was deleted and is back: push --all --prune deletes it again"
            )
        )


def push_data(push: PushPreview, sent: Sequence[SentAccount], *, dry_run: bool) -> dict[str, object]:
    """Return a push as --json prints it, with what was *sent* of it."""
    answers = {one.account.claims.sub: one.answer for one in sent}
    return {
        "dry_run": dry_run,
        "target": push.where,
        "accounts": [
            {
                "account": one.account.claims.name,
                "subject": one.account.claims.sub,
                "state": str(one.state),
                "sent": answers.get(one.account.claims.sub) is not None,
                **answer_data(answers.get(one.account.claims.sub)),
            }
            for one in push.compared
        ],
        "others": [orphan_data(one) for one in push.others],
        "left": [left_data(one) for one in push.left],
        "returned": list(push.returned),
        "damaged": [{"name": name, "error": error} for name, error in push.damaged.items()],
        "findings": [one.data() for one in push.report.findings],
        "lifted": [one.data() for one in push.report.waived],
    }


def push_text(push: PushPreview, sent: Sequence[SentAccount], *, lines: bool) -> str:
    """Return what people read: a line for each account, with *lines* also what changes in each."""
    answers = {one.account.claims.sub: one for one in sent}
    rows = []
    for one in push.compared:
        state = _state(one, answers, push.where)
        rows.append(printing.printable(f"{brief(one.account.claims.name)}: {state}"))
        if lines and one.state is not PushStatus.CURRENT:
            rows += [f"  {row}" for row in _differences(push, one)]
    rows += [
        printing.printable(f"{brief(one.name)} ({one.account}): only on {listed(one.servers)}")
        for one in push.others
    ]
    rows += [
        printing.printable(
            f"{brief(one.name)} ({one.subject}): only on servers, and cannot be pulled ({one.reason})"
        )
        for one in push.left
    ]
    return "\n".join(rows) or "there are no accounts"


def _state(one: ComparedAccount, answers: Mapping[str, SentAccount], where: str) -> str:
    sent = answers.get(one.account.claims.sub)
    if sent is None:
        return str(one.state)
    if sent.answer is None:
        return f"{one.state}, not sent"
    return f"{one.state}, on {where}" if sent.ok else f"{one.state}, failed: {sent.answer.failures}"


def _differences(push: PushPreview, one: ComparedAccount) -> list[str]:
    before, after = one.newest, one.account
    titles = known_titles(push.session.workspace, after.claims.sub)
    found = [line(each, is_new=before is None) for each in push.differences(one)]
    if before is not None and before.issuer != after.issuer:
        wording = Wording(titles)
        found.append(f"issuer: {wording.key(str(before.issuer))} -> {wording.key(str(after.issuer))}")
    return found or ["issued again, or not on every server"]


def pull_data(pull: PullPreview) -> list[dict[str, object]]:
    """Return the accounts of a pull as --json prints them."""
    return [
        {
            "account": one.jwt.claims.name if one.jwt else None,
            "subject": one.subject,
            "state": str(one.status),
            "reason": one.reason,
        }
        for one in pull.accounts
    ]


def pull_text(pull: PullPreview) -> str:
    """Return a line for each account of a pull."""
    rows = [
        f"{brief(one.name)}: {one.status}{f' ({one.reason})' if one.reason else ''}" for one in pull.accounts
    ]
    return "\n".join(map(printing.printable, rows)) or "there are no accounts"


def show_delete(workspace: CommandWorkspace, deletion: DeletePreview) -> None:
    """Show which accounts would be deleted and where, which are left alone, and the findings."""
    if deletion.left:
        printing.report(f"left alone on {deletion.where}, since pull could not take them:")
    for one in deletion.left:
        printing.report(printing.printable(f"  {brief(one.name)} ({one.subject}): {one.reason}"))
    if deletion.orphaned:
        printing.report(click.style(f"to be deleted from {deletion.where}:", bold=True))
    for orphan in deletion.orphaned:
        back = f"; was deleted {moment(orphan.returned.at)} and is back" if orphan.returned else ""
        printing.report(
            printing.printable(f"  {brief(orphan.name)} ({orphan.account}) on {listed(orphan.servers)}{back}")
        )
    show_findings(workspace, deletion.report)


def delete_data(deletion: DeletePreview, done: OnServersDeleted) -> dict[str, object]:
    """Return a deletion as --json prints it, with what was *done* of it."""
    return {
        "victims": [orphan_data(one) for one in deletion.orphaned],
        "left": [left_data(one) for one in deletion.left],
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
    names = ", ".join(brief(one.name) for one in deletion.orphaned)
    return f"deleted: {names}{left}" if done.ok else f"deleting {names} failed: {done.answer.failures}"
