"""Another identity of an operator: a new key of its own, or a spare operator in its place.

Everything that names the previous key changes: the operator's jwt, the accounts that it has signed, unless it
stays as a signing key, and every configuration that holds the operator's jwt.

Servers that list two operators accept accounts of either, so after the loss of all keys of the first one
nothing is restarted: the accounts are signed again and pushed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import replace

from seedless.app import edits
from seedless.app.pipeline import Notice, Preview, nothing_to_do, preview
from seedless.app.rotations.replacement import accounts_by, listed_keys, replacement_key
from seedless.app.signing_keys import reused, subject_for
from seedless.change import Change, StoreWrite
from seedless.claims import Account, Operator
from seedless.errors import SeedlessError, StoreError, UsageError
from seedless.jwt import Jwt, draft
from seedless.nkey import PublicKey, Role
from seedless.plan import changed, issuing_key
from seedless.rules.guards import is_from_the_future
from seedless.signing_pipeline import Intent, NewKey, Plan
from seedless.store import open_store, operators
from seedless.text import brief, printable, quoted, shown
from seedless.trust import did_sign

if TYPE_CHECKING:
    from seedless.app.workspace import Workspace
    from seedless.store import Store

__all__ = ["OperatorReissued", "OperatorReplaced", "new_identity", "reissue_operator", "replace_operator"]


class OperatorReissued(msgspec.Struct, frozen=True, kw_only=True):
    """The operator under its new identity key.

    `accounts` are the names of those that were signed again; `servers_must` is what has to be changed outside
    the store, a sentence each.
    """

    jwt: Jwt[Operator]
    previous_key: PublicKey
    accounts: tuple[str, ...]
    servers_must: tuple[str, ...]


def reissue_operator(
    workspace: Workspace, public_key: PublicKey | str | None, *, keep_previous: bool
) -> Preview[OperatorReissued]:
    """Preview the operator under a new identity key, see `Operators.reissue`."""
    workspace.refresh()
    operator = edits.stored(workspace, ())
    previous = PublicKey.parse(operator.claims.sub)
    accounts = {} if keep_previous else _signed_by_identity(workspace, operator)
    wanted = replacement_key(f"{operator.claims.name.strip()} identity", previous)
    notices: tuple[Notice, ...] = ()
    if public_key is not None:
        new = subject_for(workspace, Role.OPERATOR, wanted.name, public_key)[0].public_key
    else:
        new, notices = _created(workspace, wanted)
    _require_new(operator, new)

    def finish(jwts: tuple[Jwt[Any], ...]) -> OperatorReissued:
        return OperatorReissued(
            jwt=jwts[0],
            previous_key=previous,
            accounts=tuple(sorted(accounts)),
            servers_must=_servers_must(jwts[0], operator, accounts),
        )

    intent = _intent(workspace, operator, accounts, new or wanted, keep_previous=keep_previous)
    return preview(workspace, intent, finish, notices=(*notices, *_locked_out(accounts)))


def _intent(
    workspace: Workspace,
    operator: Jwt[Operator],
    accounts: Mapping[str, Jwt[Account]],
    key: PublicKey | NewKey,
    *,
    keep_previous: bool,
) -> Intent:
    now, system = workspace.now, operator.claims.body.system_account
    sources = workspace.around(*(jwt.claims for jwt in accounts.values()), keys=(system,))
    around = tuple(jwt for jwt in sources if jwt.claims.sub != operator.claims.sub)

    def plan(new: PublicKey) -> Plan:
        return new_identity(operator, accounts, new, now, keep_old=keep_previous, around=around)

    return Intent.of_key(key, plan)


def new_identity(
    operator: Jwt[Operator],
    accounts: Mapping[str, Jwt[Account]],
    new: PublicKey,
    now: int,
    *,
    keep_old: bool,
    around: tuple[Jwt[object], ...] = (),
) -> Plan:
    """Return the plan by which *new* is the operator's identity, and signs *accounts* (by name).

    With *keep_old* the old identity becomes a signing key, which may go on signing. The operator's times and
    limits stay as they are; *around* are the accounts that those import from.
    """
    body = operator.claims.body
    keys = tuple(key for key in body.signing_keys if key != str(new))
    if keep_old:
        keys = (*keys, operator.claims.sub)
    claims = msgspec.structs.replace(
        operator.claims, sub=str(new), body=msgspec.structs.replace(body, signing_keys=keys)
    )
    # Another subject: it has no predecessor, and so need not follow one whose clock was fast.
    # One second later where it can be, so that whoever sorts both jwts by time finds the new identity
    # last.
    at = now if is_from_the_future(operator.issued_at, now) else max(now, operator.issued_at + 1)
    first = Change(draft(claims, new, at), reason="a new identity key", address=())
    moved = tuple(
        changed(jwt.claims, new, replaces=jwt, now=now, reason="the operator has a new key", address=(name,))
        for name, jwt in accounts.items()
    )
    # The store has one operator jwt: the previous one goes when everything that names it has been signed
    # again.
    gone = StoreWrite((), None, operator, "another identity takes its place")
    return Plan((first, *moved), now, around, (gone,))


def _created(workspace: Workspace, wanted: NewKey) -> tuple[PublicKey | None, tuple[Notice, ...]]:
    """Return the key that an earlier run created for this and nothing uses yet, if there is one."""
    for entry in workspace.inventory():
        if (entry.role, entry.name) == (wanted.role, wanted.name):
            return entry.public_key, (reused(entry.public_key, entry.name),)
    return None, ()


def _require_new(operator: Jwt[Operator], new: PublicKey | None) -> None:
    if new is not None and str(new) in {operator.claims.sub, *listed_keys(operator.claims)}:
        raise UsageError(
            f"{new} is a key of the operator already", "an identity key that signs nothing else is better"
        )


def _signed_by_identity(workspace: Workspace, operator: Jwt[Operator]) -> dict[str, Jwt[Account]]:
    each = workspace.each()
    for name, jwt in each:
        if isinstance(jwt, SeedlessError):
            raise StoreError(
                f"cannot read who has signed the account {shown(name)}: {jwt.message}",
                "restore it first, or keep the old key with --convert-to-signing-key",
            )
    found: dict[str, Any] = dict(each)
    return accounts_by(PublicKey.parse(operator.claims.sub), found, workspace.now)


def _locked_out(accounts: Mapping[str, Jwt[Account]]) -> tuple[Notice, ...]:
    if not accounts:
        return ()
    names = ", ".join(map(brief, accounts))
    return (
        Notice(printable(f"this locks out, from the restart of a server to the push: {names}")),
        Notice("--convert-to-signing-key locks nobody out"),
    )


def _servers_must(
    new: Jwt[Operator], old: Jwt[Operator], accounts: Mapping[str, Jwt[Account]]
) -> tuple[str, ...]:
    """Return what has to be changed outside the store, a sentence each."""
    steps = [
        (
            "every configuration holds the new operator jwt (seedless server config), and the servers are "
            "restarted one after another"
        ),
        f"trusted_keys, and policies that pin {old.claims.sub}, name {new.claims.sub}",
    ]
    if accounts:
        steps.append(
            f"then the accounts that were signed again are pushed: seedless push {' '.join(accounts)}"
        )
    if old.claims.sub in listed_keys(new.claims):
        steps.append(f"then replace the previous key: seedless rotate operator-key --key {old.claims.sub}")
    return tuple(steps)


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
            f"operator {quoted(previous)} is not another operator of this folder",
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
        raise StoreError(
            f"account {quoted(name)} of {shown(source.operator)} was removed meanwhile", "try again"
        )
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
