"""What a program does on servers: `Workspace.resolver`.

    pushed = workspace.resolver.push("ORDERS", remote="nats://localhost:4222").send()

Whoever is not given creds logs in as a user of the system account whose creds are in the store, or as a
temporary one that its key signs. The servers are asked by an event loop of its own, so these functions wait;
where a loop is running already they raise `UsageError`, and those whose names end with `_async` are awaited.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from seedless.app.pipeline import Preview
from seedless.app.resolver import delete, push
from seedless.app.resolver.delete import DeletePreview
from seedless.app.resolver.push import PullPreview, PushPreview
from seedless.app.resolver.remote import Remote, check, remote_of
from seedless.app.resolver.session import SignNeeded, TargetSession, log_in, sign_at_once
from seedless.creds import Creds
from seedless.jwt import Jwt
from seedless.resolver import DELETE, UPDATE

if TYPE_CHECKING:
    from seedless.app.workspace import Workspace

__all__ = ["Remote", "Resolver"]


class Resolver:
    """The servers that hold the accounts of the operator, a resolver's folder, or a configuration."""

    def __init__(self, workspace: Workspace) -> None:
        """Take whose accounts they hold."""
        self._workspace = workspace

    def open(
        self,
        remote: Remote | str | None = None,
        *subjects: str,
        sign: SignNeeded = sign_at_once,
        check_tls: bool = True,
    ) -> TargetSession:
        """Return a session for several operations on *remote*, connected when it is used.

        A temporary user may send to *subjects* only, beside asking. *sign* signs what is needed on the way.
        Raise `UsageError` where *remote* contradicts itself, or no address is known.
        """
        target = remote_of(remote)
        check(self._workspace, target)
        return TargetSession(self._workspace, target, subjects, sign=sign, check_tls=check_tls)

    def login(self, remote: Remote | str | None = None, *subjects: str) -> Preview[Creds | None]:
        """Preview who logs in; empty unless a temporary user is signed, who may send to *subjects* only.

        The result is None for a folder or a file, where nobody logs in.
        """
        return log_in(self._workspace, remote_of(remote), *subjects)

    def push(
        self,
        *names: str,
        everything: bool = False,
        force: bool = False,
        remote: Remote | str | None = None,
    ) -> PushPreview:
        """Preview what is sent of the accounts *names*, or of all with *everything*: what differs there.

        With *force* findings about the claims themselves do not count. Raise `UsageError`, `ServerError`
        unless every known server answers, and what signing raises where a temporary user is signed.
        """
        chosen = push.choose(self._workspace, names, everything=everything)
        with self.open(remote, UPDATE) as session:
            return push.preview_push(session, chosen, force=force)

    def pull(
        self,
        *names: str,
        everything: bool = False,
        overwrite_newer: bool = False,
        remote: Remote | str | None = None,
    ) -> PullPreview:
        """Preview what the store takes of the accounts *names* (or keys), or of all with *everything*.

        The latest that a server has is taken where it is later than the store's, with *overwrite_newer* also
        where it is older. Raise as `push`.
        """
        push.require_choice(names, everything=everything)
        with self.open(remote) as session:
            return push.preview_pull(session, names, everything=everything, overwrite_newer=overwrite_newer)

    def prune(self, remote: Remote | str | None = None) -> DeletePreview:
        """Preview the deletion of the accounts that servers have and the store does not.

        Raise as `push`, and `Refused` when a file of the store cannot be read, or it has no account.
        """
        with self.open(remote, DELETE) as session:
            return delete.preview_prune(session)

    def delete(self, name: str, *, remote: Remote | str | None = None) -> DeletePreview:
        """Preview the deletion of the account *name* from servers; the store keeps it. Raise as `push`."""
        with self.open(remote, DELETE) as session:
            return delete.preview_delete(session, self._workspace.account(name))

    def delete_request(self, names: Sequence[str], path: str | Path) -> Preview[list[str]]:
        """Preview a delete request for the accounts *names* (or keys), written to *path* when it is signed.

        It never expires: whoever has the file can delete these accounts. The result are their keys.
        """
        return delete.request_file(self._workspace, names, Path(path))

    def send_delete_request(self, path: str | Path, *, remote: Remote | str | None = None) -> DeletePreview:
        """Preview the deletion by the delete request in the file *path*. Raise as `push`."""
        request, accounts = self.read_delete_request(path)
        with self.open(remote, DELETE) as session:
            return delete.preview_requested(session, request, accounts)

    def read_delete_request(self, path: str | Path) -> tuple[Jwt[object], list[str]]:
        """Return the delete request in the file *path*, and the accounts (keys) that it deletes."""
        return delete.read_request(self._workspace, Path(path))

    async def login_async(self, remote: Remote | str | None = None, *subjects: str) -> Preview[Creds | None]:
        """Do as `login`, in a thread of its own."""
        return await asyncio.to_thread(self.login, remote, *subjects)

    async def push_async(
        self,
        *names: str,
        everything: bool = False,
        force: bool = False,
        remote: Remote | str | None = None,
    ) -> PushPreview:
        """Do as `push`, in a thread of its own."""
        return await asyncio.to_thread(self.push, *names, everything=everything, force=force, remote=remote)

    async def pull_async(
        self,
        *names: str,
        everything: bool = False,
        overwrite_newer: bool = False,
        remote: Remote | str | None = None,
    ) -> PullPreview:
        """Do as `pull`, in a thread of its own."""
        return await asyncio.to_thread(
            self.pull, *names, everything=everything, overwrite_newer=overwrite_newer, remote=remote
        )
