"""Put every change of a plan before every rule."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from seedless.findings import Finding, Report
from seedless.rules import claims, guards, trust

if TYPE_CHECKING:
    from seedless.change import Change, Context

Rule = Callable[["Change", "Context"], Iterator[Finding]]
"""Look at one change and yield what there is to say of it."""

RULES: tuple[Rule, ...] = (
    guards.g001_time_moves_forward,
    guards.g002_time_is_not_ahead,
    guards.g003_already_expired,
    guards.g004_generic_claims_that_servers_obey,
    trust.t001_issuer_is_the_operator,
    trust.t002_issuer_is_the_account,
    trust.t003_scoped_user_carries_nothing,
    trust.t004_system_account_exists,
    claims.c001_name_is_missing,
    claims.c002_limits_of_zero_lock_out,
)


def judge(changes: Sequence[Change], context: Context) -> Report:
    """Return what all rules have to say about all *changes*."""
    return Report.of(finding for change in changes for rule in RULES for finding in rule(change, context))
