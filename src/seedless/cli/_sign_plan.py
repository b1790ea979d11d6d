"""`seedless sign --plan FILE`: sign the plan that was reviewed, and no other."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from seedless import file_kind, plan_file
from seedless.change import Statement
from seedless.claims import Account, Operator, User
from seedless.cli import consent, printing
from seedless.cli._judge import judged
from seedless.cli._review import sign
from seedless.cli._workspace import Workspace
from seedless.cli.render import describe
from seedless.errors import Refused, SeedlessError, StoreError, UsageError
from seedless.findings import Report, error
from seedless.nkey import PublicKey
from seedless.policy.trust_chain import TrustChain
from seedless.rules import judge_statement
from seedless.signing_pipeline import Intent
from seedless.store import atomic, create_store
from seedless.text import quoted, shown
from seedless.units import moment

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from seedless.change import Change, StoreWrite
    from seedless.cli.options import Settings
    from seedless.findings import Finding
    from seedless.jwt import Claims, Jwt
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
    workspace = Workspace(msgspec.structs.replace(settings, plan=None))
    if expect is not None and expect.lower() != plan_file.digest(data):
        raise Refused(f"the digest of the plan is not {quoted(expect)}", "this is another plan")
    approve = consent.ask_to_sign if expect is None else consent.given
    plan = plan_file.parse(data)
    choose_store(workspace, plan)
    with workspace.lock():
        left = left_to_do(workspace, plan)
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


def _creds_left(workspace: Workspace, plan: Plan) -> list[Path]:
    """Return the creds files of the users that *plan* removes: a plan removes no files."""
    users = [one.address for one in plan.store_writes if one.jwt is None and len(one.address) == _USER]
    gone = [address for address in users if workspace.store.get(*address) is None]
    return [path for address in gone if (path := workspace.store.creds_path(*address)).exists()]


def choose_store(workspace: Workspace, plan: Plan) -> None:
    """Make a new store for a plan that begins with an operator; else the store that is there is meant."""
    for change in plan.changes:
        if change.address == () and change.replaces is None and not workspace.has_store:
            workspace.store = create_store(workspace.root, change.draft.claims.name.strip())


def left_to_do(workspace: Workspace, plan: Plan) -> Plan:
    """Return *plan* without what the store has already; raise `StoreError` where it has something else.

    The operator of the store, where there is one, stands around it.
    """
    operator = workspace.store.get()
    _require_around(workspace, plan, operator)
    if operator is not None and operator not in plan.around:
        plan = msgspec.structs.replace(plan, around=(operator, *plan.around))
    # What a placement takes away can be in the place of what is signed: an operator with another key.
    away = {one.address: one.replaces for one in plan.store_writes if one.jwt is None}
    subjects = Subjects(workspace)
    changes = tuple(one for one in plan.changes if not _is_done(workspace, one, away, subjects))
    done = {change.address for change in plan.changes} - {change.address for change in changes}
    store_writes = tuple(
        one for one in plan.store_writes if one.address not in done and not _is_placed(workspace, one)
    )
    return msgspec.structs.replace(plan, changes=changes, store_writes=store_writes)


class Subjects:
    """The jwts of the store by the keys that they are about, read when they are asked for."""

    def __init__(self, workspace: Workspace) -> None:
        """Take the store of *workspace*."""
        self._workspace = workspace
        self._read: dict[tuple[str, ...], dict[str, Jwt[Any]]] = {}

    def get(self, said: Claims[Any], address: tuple[str, ...] | None) -> Jwt[Any] | None:
        """Return what the store has about the subject of *said*; a user is looked for where *address* is."""
        match said.body:
            case Operator():
                found = self._workspace.store.get()
                return found if found and found.claims.sub == said.sub else None
            case Account():
                return self._in().get(said.sub)
            case User() if address is not None:
                return self._in(address[0]).get(said.sub)
            case User():
                place = self._workspace.store.find(PublicKey.parse(said.sub))
                return None if place is None else self._workspace.store.get(*place)
        return None

    def _in(self, *address: str) -> dict[str, Jwt[Any]]:
        if address not in self._read:
            held = (jwt for _, jwt in self._workspace.each(*address) if not isinstance(jwt, SeedlessError))
            self._read[address] = {jwt.claims.sub: jwt for jwt in held}
        return self._read[address]


def _require_around(workspace: Workspace, plan: Plan, operator: Jwt[Any] | None) -> None:
    """Raise `StoreError` unless what the plan was judged against still stands, or is replaced by it."""
    made = {change.draft.claims.sub for change in plan.changes}
    gone = [one.replaces for one in plan.store_writes if one.address == () and one.jwt is None]
    around = [jwt for jwt in plan.around if jwt.claims.sub not in made and jwt not in gone]
    jwts: list[Jwt[Any]] = [operator] if operator and around else []
    jwts += workspace.readable_accounts() if around else []
    standing = {jwt.claims.sub: jwt for jwt in jwts}
    for jwt in around:
        there = standing.get(jwt.claims.sub)
        if there is None or there.text != jwt.text:
            raise StoreError(f"the store has another jwt of {shown(jwt.claims.name)} than the plan", _AGAIN)


def _is_done(
    workspace: Workspace,
    change: Change,
    away: Mapping[tuple[str, ...], Jwt[Any] | None],
    subjects: Subjects,
) -> bool:
    """Tell whether the store has what *change* makes; raise `StoreError` when it has neither that nor before.

    Before is what *change* replaces, wherever that lies, or what goes *away* from its address.
    """
    there = None if change.address is None else workspace.store.get(*change.address)
    if there is not None and there.text.startswith(f"{change.draft.signing_input.decode()}."):
        return True
    before = change.replaces
    if there is None or before is None or there.text != before.text:
        same = subjects.get(change.draft.claims, change.address)
        gone = away.get(change.address or ())
        is_free = there is None or (gone is not None and gone.text == there.text)
        if not is_free or (same is not None and (before is None or same.text != before.text)):
            raise StoreError(f"the store has another jwt of {shown(change.title)} than the plan", _AGAIN)
    return False


def _is_placed(workspace: Workspace, one: StoreWrite) -> bool:
    there = workspace.store.get(*one.address)
    text = there.text if there else None
    if text == (one.jwt.text if one.jwt else None):
        return True
    if text != (one.replaces.text if one.replaces else None):
        where = "/".join(one.address) or "the operator"
        raise StoreError(f"the store has another jwt at {shown(where)} than the plan", _AGAIN)
    return False


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
_AGAIN = "it has changed since; make the plan again"
