"""Plans in files: what somebody has reviewed is signed later, byte for byte, and nothing else."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from seedless import file_kind, plan_file
from seedless.app.judgement import judged
from seedless.app.pipeline import Preview, nothing_to_do, preview
from seedless.app.remaining import Subjects, remaining
from seedless.change import Statement
from seedless.claims import Operator
from seedless.errors import Refused, UsageError
from seedless.findings import Finding, Report, error
from seedless.jwt import Jwt
from seedless.policy.judge import TrustChain
from seedless.rules import judge_statement
from seedless.signing_pipeline import Intent, Plan
from seedless.store import atomic, create_store
from seedless.text import quoted, shown
from seedless.units import moment

if TYPE_CHECKING:
    from seedless.app.workspace import Workspace

__all__ = ["PlanSigned", "Plans", "judged_with_store_writes", "read_file", "with_store_of"]

W = TypeVar("W", bound="Workspace")

_USER = 2
"""Parts of the address of a user."""
_TRUST = frozenset({"T001", "T002"})


class PlanSigned(msgspec.Struct, frozen=True, kw_only=True):
    """What a signed plan changed: its digest, the jwts, and how many of its changes the store had already.

    `creds_left` are the creds files of users whom it removes: a plan removes no files.
    """

    digest: str
    jwts: tuple[Jwt[Any], ...] = ()
    passed: int = 0
    creds_left: tuple[Path, ...] = ()


class Plans:
    """Plans in files; `Workspace.plans`."""

    def __init__(self, workspace: Workspace) -> None:
        """Work on the store of *workspace*."""
        self._workspace = workspace

    def preview(self, path: str | Path, *, expect: str | None = None) -> Preview[PlanSigned]:
        """Return what is left to sign of the plan in the file *path*; what the store has is skipped.

        *expect* is the digest of the plan that somebody has reviewed. Raise `UsageError` for no file,
        `Refused` for the digest of another plan, and `StoreError` where the store has changed since.
        """
        plan, digest = read_file(path, expect=expect)
        workspace = with_store_of(self._workspace, plan)
        left = remaining(workspace, plan)
        passed = len(plan.changes) - len(left.changes)

        def finish(jwts: tuple[Jwt[object], ...]) -> PlanSigned:
            self._workspace.store = workspace.store
            creds = tuple(_creds_left(workspace, plan))
            return PlanSigned(digest=digest, jwts=jwts, passed=passed, creds_left=creds)

        if not left.changes and not left.store_writes:
            return nothing_to_do(workspace, finish(()))
        return preview(
            workspace, Intent(lambda _: left, is_final=True), finish, judge=judged_with_store_writes
        )


def read_file(path: str | Path, *, expect: str | None = None) -> tuple[Plan, str]:
    """Return the plan in the file *path*, and its digest, which is *expect* where that is given.

    Raise `UsageError` for no file, `Refused` for the digest of another plan.
    """
    data = atomic.read(Path(path))
    if data is None:
        raise UsageError(f"there is no file {shown(path)}", "name a plan that --plan FILE wrote")
    file_kind.require(data, Path(path), file_kind.PLAN)
    digest = plan_file.digest(data)
    if expect is not None and expect.lower() != digest:
        raise Refused(f"the digest of the plan is not {quoted(expect)}", "this is another plan")
    try:
        return plan_file.parse(data), digest
    except UsageError as error:
        raise UsageError(f"{shown(path)}: {error.message}", error.hint) from error


def with_store_of(workspace: W, plan: Plan) -> W:
    """Return *workspace*, with a new store where *plan* begins with an operator and there is none."""
    for change in plan.changes:
        is_new = change.address == () and change.replaces is None and not workspace.has_store
        if is_new and "store" not in vars(workspace):
            workspace = copy.copy(workspace)
            workspace.store = create_store(workspace.root, change.draft.claims.name.strip())
    return workspace


def _creds_left(workspace: Workspace, plan: Plan) -> list[Path]:
    users = [
        write.address for write in plan.store_writes if write.jwt is None and len(write.address) == _USER
    ]
    removed = [address for address in users if workspace.store.get(*address) is None]
    return [path for address in removed if (path := workspace.store.creds_path(*address)).exists()]


def judged_with_store_writes(workspace: Workspace, plan: Plan) -> Report:
    """Judge *plan* as `judged` does, and the jwts that it places: who issued them, and which are older."""
    report = judged(workspace, plan)
    placed = [write for write in plan.store_writes if write.jwt]
    if not placed:
        return report
    trusted = TrustChain.under(workspace.policy, plan.changes, plan.context) if workspace.policy else None
    subjects = Subjects(workspace)
    found = [
        msgspec.structs.replace(finding, about=Statement.of(write.jwt).title)
        for write in placed
        if write.jwt
        for finding in _about_placed(write.jwt, plan, subjects.get(write.jwt.claims, write.address), trusted)
    ]
    whole = Report.of([*found, *report.findings])
    return msgspec.structs.replace(report, findings=whole.findings)


def _about_placed(
    jwt: Jwt[object], plan: Plan, current: Jwt[object] | None, trusted: TrustChain | None
) -> Iterator[Finding]:
    statement = Statement.of(jwt)
    why = trusted.rejection_reason(statement) if trusted else ""
    if why:
        yield error("P001", "iss", why, "verified is not trusted")
    if current is not None and jwt.issued_at < current.issued_at:
        text = f"is {moment(jwt.issued_at)}, and the jwt that it replaces is of {moment(current.issued_at)}"
        yield error("G001", "iat", text, "place the later one")
    if isinstance(jwt.claims.body, Operator):
        operator = plan.context.operator
        if operator is None or not operator.sub == statement.claims.sub == statement.issuer:
            text = f"is of the operator {statement.claims.sub}, by {statement.issuer}, and not of the store's"
            yield error("T001", "iss", text, "seedless operator import takes it into a store of its own")
        return
    yield from (finding for finding in judge_statement(statement, plan.context) if finding.code in _TRUST)
