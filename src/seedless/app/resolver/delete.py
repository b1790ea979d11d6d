"""Delete accounts where they are held: those that the store does not have, or those that are named.

Servers delete by a delete request, a jwt that a key of the operator signs. Rule G004 refuses such jwts
everywhere; it is waived here alone, for the one draft that is shown as one.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
from msgspec.structs import replace

from seedless import jwt as jwts
from seedless.app.judgement import judged
from seedless.app.pipeline import Notice, Preview, preview
from seedless.app.resolver.session import TargetSession
from seedless.claims import Account, Generic
from seedless.errors import BadKey, Refused, SeedlessError, ServerError, UsageError
from seedless.findings import Report
from seedless.jwt import Jwt
from seedless.nkey import PublicKey, Role
from seedless.plan import changed, issuing_key
from seedless.resolver import (
    OrphanedAccount,
    PulledAccount,
    ServerReport,
    TargetAnswer,
    delete,
    delete_request,
    delete_request_issuer,
    listed,
    named,
    orphaned_accounts,
    preflight_delete,
)
from seedless.resolver import require_store as require
from seedless.signing_pipeline import Plan
from seedless.store import atomic, stores_of
from seedless.store.files import existing_file
from seedless.store.names import name_of
from seedless.text import quoted, shown

if TYPE_CHECKING:
    from seedless.app.workspace import Workspace

__all__ = [
    "DeletePreview",
    "OnServersDeleted",
    "deleted_path",
    "preview_delete",
    "preview_prune",
    "preview_requested",
    "read_request",
    "request_file",
    "require_store",
]

R = TypeVar("R")

_FOR_EVER = (
    "What is signed for this is a delete request. It never expires, and it works again after an account is "
    "created again: whoever has it can delete these accounts at any time. So it is sent at once and not "
    "stored.\n"
    "A server that is down now brings the accounts back when it returns; push --prune finds them then."
)
_IN_A_FILE = (
    "What is signed is a delete request. It never expires, and it works again after an account is created "
    "again: whoever has this file can delete these accounts at any time. Keep it as a key; destroy it when "
    "it is sent."
)
_DELETE_REQUEST = "G004"
_ANOTHER_OPERATOR = "R004"
_AGAIN = "run it again when they answer: what is done stays done"


class OnServersDeleted(msgspec.Struct, frozen=True):
    """The accounts that were to be deleted, and what servers answered; None where nothing was sent."""

    orphaned: tuple[OrphanedAccount, ...]
    answer: TargetAnswer | None = None

    @property
    def ok(self) -> bool:
        """Whether nothing is left to be done."""
        return self.answer is None or self.answer.ok

    def require_done(self, what: str) -> None:
        """Raise `ServerError` with the names of the servers that have not done *what*."""
        if self.answer is not None and not self.answer.ok:
            raise ServerError(f"not every server did {what}: {self.answer.failures}", _AGAIN)


class DeletePreview(msgspec.Struct, frozen=True, kw_only=True):
    """The accounts that would be deleted at `where`, who holds them, and what was found.

    `left` are accounts that only servers have and that could not be pulled: they stay. `obeying` are the
    servers that require a delete request; there are none where `request` was signed before.
    """

    session: TargetSession
    where: str
    orphaned: tuple[OrphanedAccount, ...]
    report: Report
    left: tuple[PulledAccount, ...] = ()
    obeying: tuple[ServerReport, ...] = ()
    request: Jwt[Any] | None = None

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to delete."""
        return not self.orphaned

    @property
    def issuer(self) -> PublicKey | None:
        """The key that signs the delete request, None where none is needed; raise `Refused` for none."""
        if self.is_empty or not self.obeying:
            return None
        workspace = self.session.workspace
        return delete_request_issuer(workspace.operator(), workspace.known_keys(), self.obeying)

    @property
    def notices(self) -> tuple[Notice, ...]:
        """What a person should read before the deletion."""
        return (Notice(_FOR_EVER),) if self.issuer is not None else ()

    def send(self, *, approve: Callable[[DeletePreview], bool] | None = None) -> OnServersDeleted:
        """Delete the accounts; nobody is connected while *approve* decides.

        What is deleted is noted in the store first: a server that was down brings it back, and is then
        known. Raise `Refused` for findings that are errors and when *approve* returns false, and
        `ServerError` unless every known server is there. What each answers is in the result.
        """
        self.report.require_clean()
        if self.is_empty:
            return OnServersDeleted(())
        session, issuer = self.session, self.issuer
        session.disconnect()
        if approve is not None and not approve(self):
            raise Refused("not confirmed: nothing was deleted")
        accounts = [orphan.account for orphan in self.orphaned]
        text = self.request.text if self.request else ""
        if issuer is not None:
            # Who agreed to the deletion has agreed to the request that does it.
            needed = _preview_request(session.workspace, accounts, issuer, lambda jwt: jwt.text)
            text = session.sign(needed, is_agreed=True)
        _note_deleted(session.workspace, self.orphaned)
        with session:
            return OnServersDeleted(self.orphaned, session.target.delete(accounts, text))


def deleted_path(workspace: Workspace) -> Path:
    """Return where it is noted which accounts of this operator were deleted on servers."""
    return workspace.root / "resolver" / f"{workspace.store.operator}.json"


def preview_prune(session: TargetSession) -> DeletePreview:
    """Preview the deletion of what the store does not have; raise `Refused` unless the store is whole."""
    workspace = session.workspace
    wanted = require_store(workspace)
    deleted = delete.load(deleted_path(workspace))
    apart = orphaned_accounts(session.target, wanted, workspace.operator(), deleted, workspace.now)
    return _previewed(session, apart.orphaned, left=apart.left)


def preview_delete(session: TargetSession, account: Jwt[Account]) -> DeletePreview:
    """Preview the deletion of one *account* of the store wherever it is held."""
    key = account.claims.sub
    return _previewed(session, named(session.target, [key], {}, {key: account.claims.name}))


def preview_requested(session: TargetSession, request: Jwt[object], accounts: Sequence[str]) -> DeletePreview:
    """Preview the deletion of *accounts* (keys) by a delete *request* that was signed before."""
    deleted = delete.load(deleted_path(session.workspace))
    return _previewed(session, named(session.target, accounts, deleted), request=request)


def _previewed(
    session: TargetSession,
    orphaned: tuple[OrphanedAccount, ...],
    *,
    left: tuple[PulledAccount, ...] = (),
    request: Jwt[object] | None = None,
) -> DeletePreview:
    target = session.target
    is_request_needed = target.requires_delete_request and request is None
    return DeletePreview(
        session=session,
        where=target.name,
        orphaned=orphaned,
        report=_report(session, orphaned),
        left=left,
        obeying=target.server_reports if is_request_needed else (),
        request=request,
    )


def _report(session: TargetSession, orphaned: Sequence[OrphanedAccount]) -> Report:
    if not orphaned:  # there may be some that are not offered: is this the right operator?
        found = preflight_delete((), session.context(refusing=())).findings
        return Report(tuple(finding for finding in found if finding.code == _ANOTHER_OPERATOR))
    answer = session.target.who_deletes()
    if answer.missing:
        raise ServerError(f"{listed(answer.missing)} did not report whether it deletes accounts", _AGAIN)
    refusing = tuple(reply.server for reply in answer.answers if not reply.ok)
    return preflight_delete([orphan.account for orphan in orphaned], session.context(refusing=refusing))


def _preview_request(
    workspace: Workspace,
    accounts: Sequence[str],
    issuer: PublicKey,
    finish: Callable[[Jwt[object]], R],
    notices: tuple[Notice, ...] = (),
) -> Preview[R]:
    """Preview the delete request for *accounts* (keys) that *issuer* signs, of which *finish* is made."""
    now = workspace.refresh()  # not when the command began: a person has been asked since
    what = "one account" if len(accounts) == 1 else f"{len(accounts)} accounts"
    reason = f"to delete {what} on servers, now and whenever it is sent again"
    change = changed(delete_request(accounts, issuer), issuer, replaces=None, now=now, reason=reason)
    plan = Plan((change,), now, (workspace.operator(),))

    def judge(space: Workspace, judged_plan: Plan) -> Report:
        # That it deletes is what is intended here, and for this draft alone.
        report = judged(space, judged_plan)
        findings = report.findings
        kept = [
            finding
            for finding in findings
            if (finding.code, finding.about) != (_DELETE_REQUEST, change.title)
        ]
        return replace(report, findings=tuple(kept))

    return preview(workspace, plan, lambda signed: finish(signed[0]), judge=judge, notices=notices)


def _note_deleted(workspace: Workspace, orphaned: Sequence[OrphanedAccount]) -> None:
    now = workspace.refresh()
    noted = {account.account: delete.DeletedAccount(name=account.name, at=now) for account in orphaned}
    with workspace.lock():
        delete.note(deleted_path(workspace), noted)


def require_store(workspace: Workspace) -> dict[str, Jwt[Account]]:
    """Return the accounts that are to stay, by name; raise `Refused` unless that is certain."""
    found = workspace.each()
    damaged = {name for name, jwt in found if isinstance(jwt, SeedlessError)} | _without_jwt(workspace)
    accounts = {name: jwt for name, jwt in found if not isinstance(jwt, SeedlessError)}
    require({shown(name) for name in damaged}, accounts)
    workspace.operator()
    return accounts


def _without_jwt(workspace: Workspace) -> set[str]:
    """Return the names of accounts that have a folder in the store and no jwt in it."""
    stores = stores_of(workspace.root)
    folder = stores / existing_file(os.fspath(stores), workspace.store.operator) / "accounts"
    return set(map(name_of, atomic.names(folder))) - set(workspace.store.children())


def request_file(workspace: Workspace, names: Sequence[str], path: Path) -> Preview[list[str]]:
    """Preview a delete request for the accounts *names* (or keys), to be written to the file *path*, 0600.

    The result are the keys of the accounts. Raise `Refused` for the system account.
    """
    operator = workspace.operator()
    accounts = [_key(workspace, name) for name in dict.fromkeys(names)]
    if operator.claims.body.system_account in accounts:
        raise Refused("nothing is signed: the system account is not deleted", "leave it out")
    issuer = issuing_key(operator.claims, workspace.known_keys())

    def written(request: Jwt[object]) -> list[str]:
        atomic.write({path: request.text})
        return accounts

    return _preview_request(workspace, accounts, issuer, written, (Notice(_IN_A_FILE),))


def read_request(workspace: Workspace, path: Path) -> tuple[Jwt[object], list[str]]:
    """Return the delete request in the file *path*, by a key of the store's operator, and what it deletes."""
    data = atomic.read(path)
    if data is None:
        raise UsageError(f"there is no file {shown(path)}", "prune --write-order FILE writes one")
    found = jwts.read(data.decode("ascii", "replace").strip())
    body, operator = found.claims.body, workspace.operator().claims
    accounts = (body.data or {}).get("accounts") if isinstance(body, Generic) else None
    if not isinstance(accounts, list) or found.claims.sub != str(found.issuer):
        raise Refused(f"{shown(path)} is not a delete request", "prune --write-order FILE writes one")
    if str(found.issuer) not in {operator.sub, *operator.body.signing_keys}:
        raise Refused(
            f"the delete request in {shown(path)} is by {found.issuer}, no key of {shown(operator.name)}"
        )
    return found, [str(account) for account in accounts]


def _key(workspace: Workspace, name: str) -> str:
    try:
        if PublicKey.parse(name).role is Role.ACCOUNT:
            return name
    except BadKey:
        pass
    found = workspace.store.get(name)
    if found is None:
        raise UsageError(f"the store has no account {quoted(name)}", "give its key, A…")
    return found.claims.sub
