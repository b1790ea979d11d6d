"""What a policy has against delegated keys (P017): software keys that sign users of an account for a while.

A policy that has no `[delegations]` forbids them: whoever pins a policy decides where keys are.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

import msgspec

from seedless import units
from seedless.claims import Account, signing_key
from seedless.findings import Finding, error
from seedless.policy import format as form
from seedless.policy.format import Description, Reading, Texts, many, one, table
from seedless.text import shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seedless.change import Change, Context, DelegatedRole

_CODE = "P017"
_HINT = "have the policy changed by those who keep it: [delegations]"
_MEMBERS = {"accounts": many(form.account_or_any), "roles": many(form.text), "longest": one(form.longest)}


class DelegationPins(msgspec.Struct, frozen=True, kw_only=True):
    """Accounts (key text, or `*`) whose roles, by patterns, may be delegated, for *longest* seconds."""

    accounts: Texts
    roles: Texts
    longest: int


def read(reading: Reading, place: str, value: object) -> DelegationPins | None:
    """Return the table *value*; reports a member that is missing: none of them has a default."""
    entries = reading.table(place, value, tuple(_MEMBERS))
    members = table(_MEMBERS)(reading, place, entries)
    missing = [name for name in _MEMBERS if name not in entries]
    if missing:
        reading.errors.append(f"{place} has accounts, roles and longest: {' and '.join(missing)} is missing")
    if len(members) < len(_MEMBERS):
        return None
    return DelegationPins(**members)


def describe(allowed: DelegationPins) -> Description:
    """Yield the sentences of *allowed*."""
    accounts = " or ".join(sorted(set(allowed.accounts))).replace("*", "any account")
    yield ".accounts", f"Keys in software may sign users of {accounts}."
    roles = " or ".join(sorted(set(allowed.roles)))
    yield ".roles", f"Such a key signs in a role like {roles}."
    yield ".longest", f"Such a key signs for {units.span(allowed.longest)} at most."


def judge(allowed: DelegationPins | None, change: Change, context: Context) -> Iterator[Finding]:
    """Yield what is against the delegations that *change* adds to an account."""
    body = change.draft.claims.body
    if not isinstance(body, Account):
        return
    before = change.replaces.claims.body.signing_keys if change.replaces else ()
    known = {signing_key(entry) for entry in before}
    for index, entry in enumerate(body.signing_keys):
        key = signing_key(entry)
        delegated = None if key in known else context.delegations.get(key)
        for text in () if delegated is None else _against(allowed, delegated, change):
            yield error(_CODE, f"nats.signing_keys[{index}]", text, _HINT)


def _against(allowed: DelegationPins | None, delegated: DelegatedRole, change: Change) -> Iterator[str]:
    if allowed is None:
        yield "delegates to a key in software, and the policy does not allow that"
        return
    if "*" not in allowed.accounts and change.draft.claims.sub not in allowed.accounts:
        yield "delegates to a key in software, and the policy does not allow that for this account"
    if not any(fnmatchcase(delegated.role, pattern) for pattern in allowed.roles):
        yield f"delegates the role {shown(delegated.role)}, which is not like {' or '.join(allowed.roles)}"
    seconds = delegated.until - change.draft.issued_at
    if seconds > allowed.longest:
        most = units.span(allowed.longest)
        yield f"delegates for {units.span(seconds)}, and the policy allows {most} at most"
