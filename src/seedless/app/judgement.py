"""Judgement of a plan: the rules, the policy that is pinned, and the findings that were waived."""

from __future__ import annotations

import contextlib
from types import MappingProxyType
from typing import TYPE_CHECKING

import msgspec

from seedless import delegation
from seedless.change import DelegatedRole, NewestJwt
from seedless.claims import Operator
from seedless.errors import SeedlessError
from seedless.findings import Report
from seedless.pkcs11.families import quirks_of_uri
from seedless.rules import judge as judge_claims
from seedless.rules import scopes
from seedless.waivers import waive

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from seedless.app.workspace import Workspace
    from seedless.change import Change, Context
    from seedless.findings import Finding
    from seedless.jwt import Jwt
    from seedless.signing_pipeline import Plan

__all__ = ["ceilings", "judged"]


def judged(
    workspace: Workspace, plan: Plan, delegations: Mapping[str, DelegatedRole] = MappingProxyType({})
) -> Report:
    """Put *plan* before the rules and the policy, and waive what --allow names.

    The store is read for what the changes are judged by: where nothing changes, it is not. *delegations* are
    those that the plan adds, by their keys (text).
    """
    stored = _stored(workspace) if plan.changes else []
    context = msgspec.structs.replace(
        plan.context,
        now=workspace.now,
        newest=NewestJwt.of(stored, without=workspace.settings.reset_time),  # known to be wrong
        ceilings=ceilings(workspace, plan.changes),
        reset_time=frozenset(workspace.settings.reset_time),
        managed=workspace.has_store and workspace.store.managed,
    )
    # The rules before the policy: a policy may narrow what the rules allow, and its findings are listed
    # first, since nothing waives them.
    report = judge_claims(plan.changes, context)
    mismatches = [
        finding for change in plan.changes for finding in _mismatches(workspace, plan, change, context)
    ]
    if mismatches:
        found = Report.of([*report.findings, *mismatches])
        report = msgspec.structs.replace(report, findings=found.findings)
    if workspace.policy is not None:
        from seedless.app.backups import required_spares  # only where a policy is pinned
        from seedless.policy import judge

        recorded = {
            key: DelegatedRole(item.role, item.until) for key, item in delegation.load(workspace.root).items()
        }
        context = msgspec.structs.replace(
            context,
            jwts=_current(plan, stored),
            unspared=required_spares(workspace, plan),
            delegations=recorded | dict(delegations),
        )
        found = Report.of([*judge(workspace.policy, plan.changes, context), *report.findings])
        report = msgspec.structs.replace(report, findings=found.findings)
    # At the very end, so that what is waived is still shown, and counted, in reviews and in the JSON of a
    # plan.
    return waive(report, workspace.settings.allow)


def _mismatches(workspace: Workspace, plan: Plan, change: Change, context: Context) -> Iterator[Finding]:
    """Yield the findings about users of the store that keep their jwt while *change* changes their scope."""
    keys = scopes.changed_templates(change)
    if not keys or change.replaces is None:
        return
    (account,) = change.address or (change.replaces.claims.name,)
    planned = {change.address for change in plan.changes} | {write.address for write in plan.store_writes}
    users = []
    for name in workspace.store.children(account):
        with contextlib.suppress(SeedlessError):
            jwt = workspace.store.get(account, name) if (account, name) not in planned else None
            if jwt is not None and str(jwt.issuer) in keys:
                users.append(jwt)
    yield from scopes.template_mismatches(change, users, context)


def _stored(workspace: Workspace) -> list[Jwt[object]]:
    """Return the operator and the accounts of the store that can be read; none where there is no operator."""
    with contextlib.suppress(SeedlessError):
        return [workspace.operator(), *workspace.readable_accounts()]
    return []


def ceilings(workspace: Workspace, changes: Iterable[Change]) -> dict[str, int]:
    """Return the longest message, in bytes, of each issuer's token, where the inventory names the device."""
    found: dict[str, int] = {}
    inventory = workspace.inventory()
    for issuer in {change.draft.issuer for change in changes}:
        entry = inventory.get(issuer)
        if entry is not None:
            # Of several tokens the one that takes most: which of them signs is known when it is opened.
            sizes = [quirks_of_uri(place.token).largest_message for place in entry.places_left]
            known = [size for size in sizes if size is not None]
            found |= {str(entry.public_key): max(known)} if known and len(known) == len(sizes) else {}
    return found


def _current(plan: Plan, stored: Iterable[Jwt[object]]) -> Mapping[str, Jwt[object]]:
    """Return the jwts of the operator and of the accounts that *plan* is about, as the store has them."""
    about = plan.context
    found: dict[str, Jwt[object]] = dict(about.jwts)
    for jwt in stored:
        if isinstance(jwt.claims.body, Operator) or jwt.claims.sub in about.claims:
            found.setdefault(jwt.claims.sub, jwt)
    return found
