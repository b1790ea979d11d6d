"""What `push`, `pull`, `prune` and `account delete --remote` share: what servers said, and deleting there."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import click

from seedless.cli import consent, printing
from seedless.cli._order import FOR_EVER, sign_order
from seedless.cli._remote import open_target
from seedless.cli._system_user import is_temporary, log_in, temporary
from seedless.cli.review import show_findings
from seedless.creds import Creds
from seedless.errors import Refused, ServerError
from seedless.findings import Report
from seedless.resolver import (
    DELETE,
    OrphanedAccount,
    ServerContext,
    delete_request_issuer,
    listed,
    named,
    preflight_delete,
)
from seedless.resolver import delete as deleted
from seedless.text import brief, quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from seedless.cli._remote import Remote
    from seedless.cli.consent import Consent
    from seedless.cli.options import Settings
    from seedless.cli.workspace import CommandWorkspace
    from seedless.jwt import Jwt
    from seedless.nkey import PublicKey
    from seedless.resolver import PulledAccount, Target, TargetAnswer


def deleted_path(workspace: CommandWorkspace) -> Path:
    """Return where it is noted which accounts of this operator were deleted on servers."""
    return workspace.root / "resolver" / f"{workspace.store.operator}.json"


def there(workspace: CommandWorkspace, target: Target, user: Creds | None, **held: Any) -> ServerContext:  # noqa: ANN401 - of There
    """Return what a preflight wants to know."""
    return ServerContext(
        operator=workspace.operator(),
        server_reports=target.server_reports,
        user=user.jwt if user else None,
        **held,
    )


def said_data(said: TargetAnswer | None) -> dict[str, Any]:
    """Return what servers said, as --json prints it."""
    return {
        "answers": [
            {"server": one.server.name, "id": one.server.id or None, "ok": one.ok, "text": one.text}
            for one in (said.answers if said else ())
        ],
        "missing": [one.name for one in (said.missing if said else ())],
    }


def victim_data(orphan: OrphanedAccount) -> dict[str, Any]:
    """Return an account that the store does not have, as --json prints it."""
    return {
        "account": orphan.name,
        "subject": orphan.account,
        "servers": [one.name for one in orphan.servers],
        "returned": orphan.returned.at if orphan.returned else None,
    }


def left_data(one: PulledAccount) -> dict[str, Any]:
    """Return an account that is not offered for deletion, as --json prints it."""
    return {"account": one.name, "subject": one.subject, "reason": one.reason}


def show_left(left: Sequence[PulledAccount], where: str) -> None:
    """Report which accounts are left alone, since `pull` could not take them."""
    if left:
        printing.say(f"left alone on {where}, since pull could not take them:")
    for one in left:
        printing.say(printing.printable(f"  {brief(one.name)} ({one.subject}): {one.reason}"))


def said_text(said: TargetAnswer) -> str:
    """Return what went wrong, by server; empty when nothing did."""
    failed = [f"{one.server}: {one.text}" for one in said.answers if not one.ok]
    silent = [f"{one}: no answer" for one in said.missing]
    return "; ".join([*failed, *silent])


def delete_on_servers(
    workspace: CommandWorkspace,
    remote: Remote,
    victims_of: Callable[[Target], Sequence[OrphanedAccount]],
    *,
    agree: Callable[[Sequence[OrphanedAccount]], None],
    given: Jwt[Any] | None = None,
    approve: Consent = consent.ask_to_sign,
) -> tuple[tuple[OrphanedAccount, ...], TargetAnswer | None]:
    """Delete accounts wherever *remote* says: looked up, shown, consented to, ordered by a signed jwt.

    *victims_of* chooses them of what is there; *agree* raises `Refused` unless a person agrees; the order is
    signed, or *given*. *approve* is asked about the user who logs in. Return the victims and what servers
    said; nothing was said where there are none, and with --dry-run. Raise `Refused` for what stands against
    it, and `ServerError` unless every known server is there.
    """
    user = log_in(workspace, remote, DELETE, approve=approve)
    with open_target(workspace, remote, user) as target:
        orphaned = tuple(victims_of(target))
        show_victims(orphaned, target.name)
        report = _looked_at(workspace, target, user, orphaned)
        server_reports = target.server_reports if target.requires_delete_request and given is None else None
    show_findings(report)
    report.require_clean()
    if not orphaned or workspace.options.dry_run:
        return orphaned, None
    issuer = None
    if server_reports is not None:
        issuer = delete_request_issuer(workspace.operator(), workspace.known_keys(), server_reports)
        printing.say(FOR_EVER)
    agree(orphaned)
    accounts = [orphan.account for orphan in orphaned]
    text, again = _ordered(workspace, remote, accounts, issuer, user)
    _note(workspace, orphaned)
    with open_target(workspace, remote, again) as target:
        said = target.delete(accounts, given.text if given else text)
    return orphaned, said


def delete_remote(workspace: CommandWorkspace, remote: Remote, account: Jwt[Any]) -> TargetAnswer | None:
    """Delete one *account* wherever *remote* says, as `account delete --remote` does; ask on a terminal.

    Return what servers said; None with --dry-run, or where no server has it. Raise as `delete_on_servers`,
    and `ServerError` where a server has not done it.
    """
    key = account.claims.sub

    _, said = delete_on_servers(
        workspace,
        remote,
        lambda target: named(target, [key], {}, {key: account.claims.name}),
        agree=lambda _: consent.require(workspace.options, "Delete it there?", done="nothing was deleted"),
    )
    if said is not None:
        require_done(said, f"delete {brief(account.claims.name)}")
    return said


def require_done(said: TargetAnswer, what: str) -> None:
    """Raise `ServerError` with the names of the servers that have not done *what*."""
    if not said.ok:
        raise ServerError(f"not every server did {what}: {said_text(said)}", _AGAIN)


def show_victims(orphaned: Sequence[OrphanedAccount], where: str) -> None:
    """Say which accounts are to go, and where they are."""
    if orphaned:
        printing.say(click.style(f"to be deleted from {where}:", bold=True))
    for one in orphaned:
        back = f"; was deleted {printing.moment(one.returned.at)} and is back" if one.returned else ""
        printing.say(
            printing.printable(f"  {brief(one.name)} ({one.account}) on {listed(one.servers)}{back}")
        )


def require_number(settings: Settings, orphaned: Sequence[OrphanedAccount], expected: int | None) -> None:
    """Return when *expected* is the number of *orphaned*, *settings* have --yes, or a person types it.

    Raise `Refused` for another number, and `UsageError` where nobody can be asked.
    """
    count = str(len(orphaned))
    if expected is None and settings.yes:
        return
    typed = str(expected)
    if expected is None:
        question = "How many accounts are deleted? Type their number: "
        typed = consent.answer(question)
    if typed != count:
        raise Refused(f"nothing was deleted: the number of accounts to delete is not {quoted(typed)}")


def _looked_at(
    workspace: CommandWorkspace, target: Target, user: Creds | None, orphaned: Sequence[OrphanedAccount]
) -> Report:
    if not orphaned:  # there may be some that are not offered: is this the right operator?
        found = preflight_delete((), there(workspace, target, user, refusing=())).findings
        return Report(tuple(one for one in found if one.code == _ANOTHER_OPERATOR))
    said = target.who_deletes()
    if said.missing:
        raise ServerError(f"{listed(said.missing)} did not say whether it deletes accounts", _AGAIN)
    refusing = tuple(answer.server for answer in said.answers if not answer.ok)
    known = there(workspace, target, user, refusing=refusing)
    return preflight_delete([orphan.account for orphan in orphaned], known)


def _ordered(
    workspace: CommandWorkspace,
    remote: Remote,
    accounts: Sequence[str],
    issuer: PublicKey | None,
    user: Creds | None,
) -> tuple[str, Creds | None]:
    """Walk the order to delete *accounts*, with a new temporary user where there was one; return both.

    Without *issuer* there is an order already, and only the user is signed; its text is then empty.
    """
    visitor = temporary(workspace, remote, DELETE) if is_temporary(user) else None
    if issuer is None and visitor is None:
        return "", user
    # Who agreed to the deletion has agreed to the order that does it.
    signed = sign_order(workspace, accounts, issuer, visitor, approve=consent.given)
    again = Creds(signed[-1], visitor.key) if visitor else user
    return signed[0].text if issuer else "", again


def _note(workspace: CommandWorkspace, orphaned: Sequence[OrphanedAccount]) -> None:
    now = int(time.time())
    noted = {one.account: deleted.DeletedAccount(name=one.name, at=now) for one in orphaned}
    with workspace.lock():
        deleted.note(deleted_path(workspace), noted)


_ANOTHER_OPERATOR = "R004"
_AGAIN = "run it again when they answer: what is done stays done"
