"""The servers of a rotation: what they prove, who is connected, and accounts on their way to them."""

from __future__ import annotations

import dataclasses
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from seedless.cli import _io
from seedless.cli._remote import addresses, login
from seedless.cli._review import show_findings
from seedless.cli._system_user import log_in
from seedless.cli._workspace import Workspace
from seedless.errors import ServerError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence
    from typing import Any

    from seedless.claims import Account
    from seedless.cli._remote import Remote
    from seedless.creds import Creds
    from seedless.jwt import Jwt
    from seedless.resolver import Cluster
    from seedless.resolver.connection import Connection
    from seedless.rotate.connections import Connected

UNTRUSTED = "R001"
LOCKS_US_OUT = "R005"
"""Findings of the preflight that an emergency lifts: it knows, and says, whom it locks out."""

without_servers_option: Callable[[Any], Any] = click.option(
    "--without-servers", is_flag=True, help="Ask no servers: you vouch for what they would have to prove."
)


@dataclass(frozen=True, slots=True)
class Servers:
    """All servers of the system, through one login."""

    workspace: Workspace
    connection: Connection
    cluster: Cluster
    user: Creds

    def publish(self, accounts: Sequence[Jwt[Account]], *, lifted: Collection[str] = ()) -> int:
        """Send those of *accounts* that differ, after the preflight of `push`; return how many went.

        Findings with the codes *lifted* do not count. Raise `Refused` for the others, and `ServerError`
        unless every server has taken every one.
        """
        from seedless.cli import _push  # noqa: PLC0415 - only where there are servers
        from seedless.resolver import send  # noqa: PLC0415 - likewise

        chosen = _push.Chosen(tuple(accounts), {}, everything=False)
        found = _push.look(self.workspace, self.cluster, self.user, chosen, force=False)
        report = found.report
        kept = tuple(one for one in report.findings if one.code not in lifted)
        report = dataclasses.replace(report, findings=kept)
        show_findings(report)
        report.require_clean()
        sent = send(self.cluster, [one.account for one in found.differing])
        failed = [one.account.claims.name for one in sent if not one.ok]
        if failed:
            raise ServerError(
                f"not every server has taken {', '.join(map(_io.printable, failed))}",
                "run it again when they answer: it goes on from there",
            )
        return len(sent)

    def held(self) -> list[Jwt[Account]]:
        """Return every account jwt that a server holds and that can be read."""
        from seedless.resolver.push import readable  # noqa: PLC0415 - only where there are servers

        accounts = sorted(frozenset().union(*self.cluster.holdings.values()))
        texts = {text for found in self.cluster.held(accounts).values() for text in found if text}
        return [jwt for jwt in map(readable, sorted(texts)) if jwt]

    def connected(self, account: str) -> Connected:
        """Return who is connected to *account* (key text)."""
        from seedless.rotate.connections import connected  # noqa: PLC0415 - only where there are servers

        return connected(self.connection.ask, tuple(self.cluster.holdings), account)


def are_asked(workspace: Workspace, remote: Remote, *, without: bool) -> bool:
    """Tell whether somebody has said where the servers are, and not that they are to be left alone.

    Raise `UsageError` for a folder or a file, which prove nothing about servers that run.
    """
    if remote.is_local:
        raise UsageError(
            "a folder or a configuration proves nothing about servers that run",
            "rotate with --url or --without-servers, and push to it",
        )
    if without:
        return False
    body = workspace.operator().claims.body
    return bool(remote.urls or body.account_server_url or body.operator_service_urls)


def require_asked(workspace: Workspace, remote: Remote, *, without: bool) -> bool:
    """Tell whether servers are asked; raise `UsageError` when nobody has said where they are."""
    if without:
        return False
    addresses(workspace, remote)
    return True


def visitor(workspace: Workspace, remote: Remote) -> Creds:
    """Return who logs in to ask and to push, signed for two minutes where there are no creds."""
    from seedless.resolver import UPDATE  # noqa: PLC0415 - only where there are servers
    from seedless.rotate import connections  # noqa: PLC0415 - likewise

    # With --plan it is the rotation that goes into the file, and not who logs in to ask.
    asking = workspace
    if workspace.settings.plan:
        asking = Workspace(dataclasses.replace(workspace.settings, plan=None))
    user = log_in(asking, remote, UPDATE, *connections.ASKED)
    if user is None:
        raise UsageError("nobody logs in to a folder", "give --url")
    return user


@contextmanager
def open_servers(workspace: Workspace, remote: Remote, user: Creds) -> Iterator[Servers]:
    """Log *user* in; raise `ServerError` unless every known server answers."""
    from seedless.resolver.cluster import survey  # noqa: PLC0415 - only where there are servers
    from seedless.resolver.connection import connected  # noqa: PLC0415 - likewise

    with connected(login(workspace, remote, user)) as connection:
        yield Servers(workspace, connection, survey(connection, remote.servers), user)
