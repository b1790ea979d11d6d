"""The servers of a rotation: a session with them, and accounts on their way to them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from seedless.app.resolver.push import AccountsToPush, preview_push
from seedless.app.resolver.remote import address, addresses
from seedless.app.rotations.steps import RotationStep, sign_all
from seedless.cli.push import consent_to_send
from seedless.cli.remote import open_session
from seedless.cli.review import show_findings, show_notices, sign_preview
from seedless.errors import UsageError
from seedless.resolver import UPDATE
from seedless.rotate import connections

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from seedless.app.pipeline import Preview
    from seedless.app.resolver.remote import Remote
    from seedless.app.resolver.session import TargetSession
    from seedless.claims import Account
    from seedless.cli.workspace import CommandWorkspace
    from seedless.jwt import Jwt


def open_servers(
    workspace: CommandWorkspace, remote: Remote, *, without: bool, required: bool = False
) -> TargetSession | None:
    """Return a session with the servers; None when they are left alone, or where they are is not known.

    Raise `UsageError` for a folder or a file, which prove nothing about servers that run, and when it is
    *required* to know where the servers are; `NoTls` for those that offer no TLS where it was asked for.
    """
    if remote.is_local:
        raise UsageError(
            "a folder or a configuration proves nothing about servers that run",
            "rotate with --url or --without-servers, and push to it",
        )
    body = workspace.operator().claims.body
    known = remote.urls or body.account_server_url or body.operator_service_urls
    if without or not (known or required):
        return None
    addresses(workspace, remote)
    if not is_only_shown(workspace):
        address(workspace, remote).require_tls()
    return open_session(workspace, remote, UPDATE, *connections.ASKED)


def is_only_shown(workspace: CommandWorkspace) -> bool:
    """Report whether nothing is signed or sent: --dry-run, --plan."""
    return workspace.options.dry_run or workspace.options.plan is not None


def publish(
    workspace: CommandWorkspace,
    session: TargetSession,
    accounts: Sequence[Jwt[Account]],
    *,
    waived: Collection[str] = (),
) -> int:
    """Send those of *accounts* that differ, with consent; return how many went.

    With --dry-run and --plan nothing is sent. Raise `Refused` for findings but those *waived*, `ServerError`
    unless every server takes all.
    """
    found = preview_push(session, AccountsToPush(tuple(accounts)), waived=waived)
    show_findings(found.report)
    found.report.require_clean()
    if is_only_shown(workspace):
        return 0
    pushed = found.send(approve=consent_to_send(workspace))
    pushed.require_done()
    return len(pushed.accounts)


def sign_steps(workspace: CommandWorkspace, first: Preview[RotationStep]) -> tuple[Jwt[Any], ...]:
    """Sign *first* and the steps that follow, each shown, with consent; return what was signed."""
    if first.is_empty and is_only_shown(workspace):
        show_notices(first)
        return ()
    return sign_all(first, lambda step: sign_preview(workspace, step))
