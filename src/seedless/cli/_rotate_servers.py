"""The servers of a rotation: what they prove, who is connected, and accounts on their way to them."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click
import msgspec

from seedless.cli import consent, printing
from seedless.cli._remote import addresses, login, require_tls
from seedless.cli._system_user import log_in
from seedless.cli.review import show_findings
from seedless.cli.workspace import CommandWorkspace
from seedless.errors import ServerError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence
    from typing import Any

    from seedless.claims import Account
    from seedless.cli._push import Look
    from seedless.cli._remote import Remote
    from seedless.cli.consent import Consent
    from seedless.creds import Creds
    from seedless.jwt import Jwt
    from seedless.resolver import Cluster
    from seedless.resolver.cluster import Connection
    from seedless.rotate.connections import AccountConnections

_ENOUGH_SECONDS = 30
UNTRUSTED = "R001"
LOCKS_US_OUT = "R005"
"""Findings of the preflight that an emergency lifts: it knows, and says, whom it locks out."""

without_servers_option: Callable[[Any], Any] = click.option(
    "--without-servers", is_flag=True, help="Ask no servers: you vouch for what they would have to prove."
)


@dataclass(frozen=True, slots=True)
class Servers:
    """All servers of the system, through one login."""

    workspace: CommandWorkspace
    connection: Connection
    cluster: Cluster
    user: Creds

    def look(self, accounts: Sequence[Jwt[Account]], *, waived: Collection[str] = ()) -> Look:
        """Return how *accounts* differ here, after the preflight of `push`; `Refused` for its findings.

        Those with the codes *waived* do not count.
        """
        from seedless.cli import _push  # noqa: PLC0415 - only where there are servers

        chosen = _push.Chosen(tuple(accounts), {}, everything=False)
        found = _push.look(self.workspace, self.cluster, self.user, chosen, force=False)
        report = found.report
        kept = tuple(one for one in report.findings if one.code not in waived)
        report = msgspec.structs.replace(report, findings=kept)
        show_findings(report)
        report.require_clean()
        return found

    def send(self, found: Look) -> int:
        """Send what differs in *found*; return how many went, `ServerError` unless every server has all."""
        from seedless.resolver import send  # noqa: PLC0415 - only where there are servers

        sent = send(self.cluster, [one.account for one in found.differing])
        failed = [one.account.claims.name for one in sent if not one.ok]
        if failed:
            raise ServerError(
                f"not every server has taken {', '.join(map(printing.printable, failed))}",
                "run it again when they answer: it goes on from there",
            )
        return len(sent)

    def held(self) -> list[Jwt[Account]]:
        """Return every account jwt that a server holds and that can be read."""
        from seedless.resolver.push import readable  # noqa: PLC0415 - only where there are servers

        accounts = sorted(frozenset().union(*self.cluster.holdings.values()))
        texts = {text for found in self.cluster.held(accounts).values() for text in found if text}
        return [jwt for jwt in map(readable, sorted(texts)) if jwt]

    def connected(self, account: str) -> AccountConnections:
        """Return who is connected to *account* (key text)."""
        from seedless.rotate.connections import connected  # noqa: PLC0415 - only where there are servers

        return connected(self.connection.ask, tuple(self.cluster.holdings), account)


class Visits:
    """Logins to the servers, one after another: between two of them somebody may look, and a token sign."""

    def __init__(self, workspace: CommandWorkspace, remote: Remote) -> None:
        """Take where the servers are; nobody logs in yet."""
        self._workspace = workspace
        self._remote = remote
        self._user: Creds | None = None

    def prepare(self) -> Creds:
        """Return who logs in, as long as it holds: creds, or a user signed for two minutes."""
        if self._user is None or not _holds(self._user):
            # Who agreed to the first login of this command has agreed to those that it takes later.
            approve = consent.ask_to_sign if self._user is None else consent.given
            self._user = _visitor(self._workspace, self._remote, approve)
        return self._user

    @contextmanager
    def open(self) -> Iterator[Servers]:
        """Log in; raise `ServerError` unless every known server answers."""
        from seedless.resolver.cluster import connected, find_servers  # noqa: PLC0415 - only where there are servers

        user = self.prepare()
        with connected(login(self._workspace, self._remote, user)) as connection:
            yield Servers(self._workspace, connection, find_servers(connection, self._remote.servers), user)

    @contextmanager
    def publish(
        self, accounts: Sequence[Jwt[Account]], *, waived: Collection[str] = ()
    ) -> Iterator[tuple[Servers, int]]:
        """Send those of *accounts* that differ, with consent; yield the servers, and how many went.

        With --dry-run and --plan nothing is sent. Nobody is connected while a person is asked: servers end
        logins that are silent, or too old.
        """
        from seedless.cli import _push  # noqa: PLC0415 - only where there are servers

        settings = self._workspace.options
        with self.open() as there:
            found = there.look(accounts, waived=waived)
            is_rehearsed = settings.dry_run or settings.plan is not None
            if is_rehearsed or settings.yes or not found.differing:
                yield there, 0 if is_rehearsed else there.send(found)
                return
        _push.require_sending(self._workspace, found)
        with self.open() as there:
            yield there, there.send(found)


def visits(
    workspace: CommandWorkspace, remote: Remote, *, without: bool, required: bool = False
) -> Visits | None:
    """Return how the servers are asked; None when they are to be left alone, or nobody said where they are.

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
    require_tls(workspace, remote)
    return Visits(workspace, remote)


def _holds(user: Creds) -> bool:
    """Tell whether *user* is let in for long enough to ask."""
    expiry = user.jwt.claims.exp
    return expiry <= 0 or expiry > time.time() + _ENOUGH_SECONDS


def _visitor(workspace: CommandWorkspace, remote: Remote, approve: Consent) -> Creds:
    from seedless.resolver import UPDATE  # noqa: PLC0415 - only where there are servers
    from seedless.rotate import connections  # noqa: PLC0415 - likewise

    # With --plan it is the rotation that goes into the file, and not who logs in to ask.
    asking = workspace
    if workspace.options.plan:
        asking = CommandWorkspace(msgspec.structs.replace(workspace.options, plan=None))
    user = log_in(asking, remote, UPDATE, *connections.ASKED, approve=approve)
    if user is None:
        raise UsageError("nobody logs in to a folder", "give --url")
    return user
