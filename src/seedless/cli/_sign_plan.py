"""`seedless sign --plan FILE`: sign the plan that was reviewed, and no other."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from seedless import file_kind, plan_file
from seedless.app.judgement import judged
from seedless.app.remaining import Subjects, remaining
from seedless.change import Statement
from seedless.claims import Operator
from seedless.cli import consent, printing
from seedless.cli.render import describe
from seedless.cli.review import sign
from seedless.cli.workspace import CommandWorkspace
from seedless.errors import Refused, UsageError
from seedless.findings import Report, error
from seedless.policy.trust_chain import TrustChain
from seedless.rules import judge_statement
from seedless.signing_pipeline import Intent
from seedless.store import atomic, create_store
from seedless.text import quoted, shown
from seedless.units import moment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seedless.app.workspace import Workspace
    from seedless.cli.options import Settings
    from seedless.findings import Finding
    from seedless.jwt import Jwt
    from seedless.signing_pipeline import Plan


_USER = 2
"""Parts of the address of a user."""


def sign_plan(settings: Settings, expect: str | None) -> None:
    """Sign the plan in the file of --plan into the store; what it has already is passed over.

    Whoever gives the digest to *expect* has reviewed the plan, and is not asked. Raise `Refused` when it is
    that of another plan, and `StoreError` when the store is no longer as the plan found it.
    """
    path = Path(settings.plan or "")
    data = atomic.read(path)
    if data is None:
        raise UsageError(f"there is no file {shown(path)}", "name a plan that --plan FILE wrote")
    file_kind.require(data, path, file_kind.PLAN)
    workspace = CommandWorkspace(msgspec.structs.replace(settings, plan=None))
    if expect is not None and expect.lower() != plan_file.digest(data):
        raise Refused(f"the digest of the plan is not {quoted(expect)}", "this is another plan")
    approve = consent.ask_to_sign if expect is None else consent.given
    plan = plan_file.parse(data)
    choose_store(workspace, plan)
    with workspace.lock():
        left = remaining(workspace, plan)
        is_done = not left.changes and not left.store_writes
        jwts: tuple[Jwt[Any], ...] = ()
        if not is_done:
            intent = Intent(lambda _: left, is_final=True)
            jwts = sign(workspace, intent, judge=judged_with_placements, approve=approve)
        creds = _creds_left(workspace, plan)
    for file in creds:
        printing.say(f"the creds stay: {shown(file)}; its user is removed")
    passed = len(plan.changes) - len(left.changes)
    printing.emit(
        {
            "digest": plan_file.digest(data),
            "signed": [describe.data(jwt) for jwt in jwts],
            "passed": passed,
            "creds_left": [str(file) for file in creds],
        },
        f"signed: {len(jwts)}" + (f"\nin the store already: {passed}" if passed else ""),
        as_json=settings.as_json,
    )


def _creds_left(workspace: CommandWorkspace, plan: Plan) -> list[Path]:
    """Return the creds files of the users that *plan* removes: a plan removes no files."""
    users = [one.address for one in plan.store_writes if one.jwt is None and len(one.address) == _USER]
    gone = [address for address in users if workspace.store.get(*address) is None]
    return [path for address in gone if (path := workspace.store.creds_path(*address)).exists()]


def choose_store(workspace: CommandWorkspace, plan: Plan) -> None:
    """Make a new store for a plan that begins with an operator; else the store that is there is meant."""
    for change in plan.changes:
        if change.address == () and change.replaces is None and not workspace.has_store:
            workspace.store = create_store(workspace.root, change.draft.claims.name.strip())


def judged_with_placements(workspace: Workspace, plan: Plan) -> Report:
    """Judge *plan* as `judged` does, and what it places: whose it is, and that the store has no later one."""
    report = judged(workspace, plan)
    placed = [one for one in plan.store_writes if one.jwt]
    if not placed:
        return report
    trusted = TrustChain.under(workspace.policy, plan.changes, plan.context) if workspace.policy else None
    subjects = Subjects(workspace)
    found = [
        msgspec.structs.replace(finding, about=Statement.of(one.jwt).title)
        for one in placed
        if one.jwt
        for finding in _about_placed(one.jwt, plan, subjects.get(one.jwt.claims, one.address), trusted)
    ]
    whole = Report.of([*found, *report.findings])
    return msgspec.structs.replace(report, findings=whole.findings)


def _about_placed(
    jwt: Jwt[Any], plan: Plan, there: Jwt[Any] | None, trusted: TrustChain | None
) -> Iterator[Finding]:
    said = Statement.of(jwt)
    why = trusted.rejection_reason(said) if trusted else ""
    if why:
        yield error("P001", "iss", why, "verified is not trusted")
    if there is not None and jwt.issued_at < there.issued_at:
        text = f"is {moment(jwt.issued_at)}, and the jwt that it replaces is of {moment(there.issued_at)}"
        yield error("G001", "iat", text, "place the later one")
    if isinstance(jwt.claims.body, Operator):
        operator = plan.context.operator
        if operator is None or not operator.sub == said.claims.sub == said.issuer:
            text = f"is of the operator {said.claims.sub}, by {said.issuer}, and not of the store's"
            yield error("T001", "iss", text, "seedless operator import takes it into a store of its own")
        return
    yield from (one for one in judge_statement(said, plan.context) if one.code in _TRUST)


_TRUST = frozenset({"T001", "T002"})
