"""A spare operator takes the place of another one, whose accounts it signs; servers trust both already.

Servers that list two operators accept accounts of either, so after the loss of all keys of the first one
nothing is restarted: the accounts are signed again and pushed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import replace

from seedless.app.pipeline import Preview, nothing_to_do, preview
from seedless.change import Change, StoreWrite
from seedless.claims import Account, Operator
from seedless.errors import StoreError, UsageError
from seedless.jwt import Jwt
from seedless.nkey import PublicKey
from seedless.plan import changed, issuing_key
from seedless.signing_pipeline import Plan
from seedless.store import open_store, operators
from seedless.text import quoted, shown
from seedless.trust import did_sign

if TYPE_CHECKING:
    from seedless.app.workspace import Workspace
    from seedless.store import Store

__all__ = ["OperatorReplaced", "replace_operator"]


class OperatorReplaced(msgspec.Struct, frozen=True, kw_only=True):
    """The operator that signs now, and the names of the accounts that were signed again."""

    jwt: Jwt[Operator]
    accounts: tuple[str, ...]


def replace_operator(workspace: Workspace, previous: str) -> Preview[OperatorReplaced]:
    """Preview the accounts of *previous* signed by the operator of *workspace*, see `Operators.replace`."""
    workspace.refresh()
    operator = workspace.operator()
    if previous == workspace.store.operator or previous not in operators(workspace.root):
        others = ", ".join(name for name in operators(workspace.root) if name != workspace.store.operator)
        raise UsageError(
            f"operator {quoted(previous)} is no other one of this folder",
            f"there are: {others or 'no others'}; --operator names the one that signs from now on",
        )
    source = open_store(workspace.root, previous)
    accounts = [
        change for name in source.children() for change in _account(workspace, operator, source, name)
    ]
    users = [write for name in source.children() for write in _users(workspace, source, name)]
    own = [*_with_system_account(workspace, operator, source)]
    names = tuple(change.draft.claims.name for change in accounts)
    if not (own or accounts or users):
        return nothing_to_do(workspace, OperatorReplaced(jwt=operator, accounts=()))
    plan = Plan((*own, *accounts), workspace.now, (operator,), tuple(users))

    def finish(jwts: tuple[Jwt[Any], ...]) -> OperatorReplaced:
        return OperatorReplaced(jwt=jwts[0] if own else operator, accounts=names)

    return preview(workspace, plan, finish)


def _account(workspace: Workspace, operator: Jwt[Operator], source: Store, name: str) -> Iterator[Change]:
    """Yield the account *name* of *source*, signed by *operator*, unless that has been done."""
    jwt: Jwt[Account] | None = source.get(name)
    if jwt is None:
        raise StoreError(f"account {quoted(name)} of {shown(source.operator)} has just gone", "try again")
    before = workspace.store.get(name)
    if before is not None and before.claims.sub != jwt.claims.sub:
        mine = shown(workspace.store.operator)
        raise UsageError(
            f"account {quoted(name)} of {mine} has another key, {before.claims.sub}", "rename that one first"
        )
    if before is not None and did_sign(operator, before) and before.issued_at > jwt.issued_at:
        return
    key = issuing_key(operator.claims, workspace.known_keys())
    # Later than both: servers hold that of the previous operator.
    now = max(workspace.now, jwt.issued_at + 1)
    reason = f"signed in place of operator {source.operator}"
    yield changed(jwt.claims, key, replaces=before, now=now, reason=reason, address=(name,))


def _users(workspace: Workspace, source: Store, account: str) -> Iterator[StoreWrite]:
    """Yield the users of *account* that the store does not have as they are; their account signed them."""
    for name in source.children(account):
        jwt, before = source.get(account, name), workspace.store.get(account, name)
        if jwt is not None and (before is None or before.issued_at < jwt.issued_at):
            yield StoreWrite((account, name), jwt, before, f"from operator {source.operator}")


def _with_system_account(workspace: Workspace, operator: Jwt[Operator], source: Store) -> Iterator[Change]:
    """Yield *operator* with the system account of that of *source*, where it names none."""
    previous: Jwt[Operator] | None = source.get()
    if operator.claims.body.system_account or previous is None:
        return
    body = replace(operator.claims.body, system_account=previous.claims.body.system_account)
    if body != operator.claims.body:
        identity = PublicKey.parse(operator.claims.sub)
        claims = replace(operator.claims, body=body)
        yield changed(
            claims, identity, replaces=operator, now=workspace.now, reason="system account", address=()
        )
