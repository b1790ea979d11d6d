"""Which accounts were deleted on servers, and when: names and keys, never the delete requests.

A server that was down during a delete brings the account back to all others; who remembers knows it again.
The file is JSON: `{"A…": {"name": "ORDERS", "at": 1795309226}}`.

Prune: which accounts servers hold and the store does not, and the delete request that deletes them.

The delete request is a generic jwt by a key that servers trust (nats-server 2.15, `accounts.go`). It never
expires and works again after the account is made anew: whoever has it can delete the account at any time. So
it is sent at once, and kept nowhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from seedless.claims import Generic
from seedless.errors import Refused, StoreError
from seedless.jwt import Claims
from seedless.nkey import PublicKey
from seedless.resolver.push import PullStatus, judge_pulled, readable
from seedless.store import atomic
from seedless.text import shown

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from pathlib import Path

    from seedless.claims import Account, Operator
    from seedless.jwt import Jwt
    from seedless.resolver.protocol import AccountServer, ServerReport
    from seedless.resolver.push import PulledAccount
    from seedless.resolver.targets import Target


class DeletedAccount(msgspec.Struct, frozen=True):
    """The name of an account that was deleted, and when, in Unix seconds."""

    name: str
    at: int


def load(path: Path) -> dict[str, DeletedAccount]:
    """Return what was deleted, by the key of the account; raise `StoreError` when that cannot be read."""
    data = atomic.read(path)
    if data is None:
        return {}
    try:
        # It is not a part of what is signed: without it only the sentence that an account has come back is
        # lost.
        return msgspec.json.decode(data, type=dict[str, DeletedAccount])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise StoreError(
            f"{shown(path)} is damaged: {error}", "move it away: it only helps to name what has come back"
        ) from error


def note(path: Path, deleted: Mapping[str, DeletedAccount], alive: Collection[str] = ()) -> None:
    """Add *deleted* to the file, take out who is *alive* again; call it with the store's lock held."""
    before = load(path)
    after = {key: time for key, time in {**before, **deleted}.items() if key not in alive}
    if after != before:
        text = msgspec.json.format(msgspec.json.encode(after, order="sorted"), indent=2).decode()
        atomic.write({path: text + "\n"})


@dataclass(frozen=True, slots=True)
class OrphanedAccount:
    """An account to be deleted: its key, its name, who holds it, and when it was deleted before."""

    account: str
    name: str
    servers: tuple[AccountServer, ...]
    returned: DeletedAccount | None = None


@dataclass(frozen=True, slots=True)
class OrphanedAccounts:
    """Accounts that servers hold and the store does not: to be deleted, and left alone, with the reason.

    Left alone is what `pull` could not take into the store: it may be wanted, and nobody could have kept it.
    """

    orphaned: tuple[OrphanedAccount, ...]
    left: tuple[PulledAccount, ...]


def orphaned_accounts(
    target: Target,
    stored: Mapping[str, Jwt[Account]],
    operator: Jwt[Operator],
    deleted: Mapping[str, DeletedAccount],
    now: int,
) -> OrphanedAccounts:
    """Return the accounts that *target* holds and *stored* (by name) does not, but for system accounts.

    *deleted* are those that were deleted before; *now* is Unix seconds.
    """
    systems = {report.system_account for report in target.server_reports}
    in_store = {account.claims.sub for account in stored.values()}
    on_servers: frozenset[str] = frozenset().union(*target.holdings.values())
    # Judged as a pull would: what could not be taken into the store may be somebody's only copy.
    found = judge_pulled(target.held(sorted(on_servers - in_store - systems)), operator, stored, now=now)
    names = {account.subject: account.name for account in found if account.status is not PullStatus.REFUSED}
    left = tuple(account for account in found if account.status is PullStatus.REFUSED)
    return OrphanedAccounts(named(target, sorted(names), deleted, names), left)


def named(
    target: Target,
    accounts: Sequence[str],
    deleted: Mapping[str, DeletedAccount],
    names: Mapping[str, str] | None = None,
) -> tuple[OrphanedAccount, ...]:
    """Return those of *accounts* that a server holds, by name: as in *names*, or in what servers hold."""
    holders = {
        account: tuple(server for server, keys in target.holdings.items() if account in keys)
        for account in accounts
    }
    on_servers = [account for account in accounts if holders[account]]
    known = names or {}
    texts = target.held([account for account in on_servers if account not in known])
    found = []
    for account in on_servers:
        jwt = next(filter(None, map(readable, texts.get(account, ()))), None)
        name = known.get(account) or (jwt.claims.name if jwt else "") or account
        found.append(OrphanedAccount(account, name, holders[account], deleted.get(account)))
    return tuple(sorted(found, key=lambda orphan: (orphan.name, orphan.account)))


def require_store(damaged: Collection[str], in_store: Collection[str]) -> None:
    """Raise `Refused` unless the store determines which accounts are to stay."""
    if damaged:
        names = ", ".join(sorted(damaged))
        raise Refused(
            f"nothing is pruned: {len(damaged)} of the store's files cannot be read: {names}",
            "what cannot be read may be wanted; restore it first",
        )
    # An empty store is a wrong path far more often than a wish to delete everything.
    if not in_store:
        raise Refused("nothing is pruned: the store has no accounts, so everything would go", _RIGHT_STORE)


def delete_request_issuer(
    operator: Jwt[Operator], known: Collection[str], server_reports: Sequence[ServerReport]
) -> PublicKey:
    """Return the key whose delete requests every server obeys: a *known* signing key, or the identity.

    Servers of a strict operator do not obey its identity. Raise `Refused` when no key will do.
    """
    claims = operator.claims
    # A signing key before the identity, which may lie in a safe.
    candidates = [*(key for key in claims.body.signing_keys if key in known), claims.sub]
    for key in candidates:
        if all(any(key in _obeyed(item.claims) for item in each.operators) for each in server_reports):
            return PublicKey.parse(key)
    distrusting = [str(each.server) for each in server_reports if not _obeys_any(each, candidates)]
    raise Refused(
        "nothing is deleted: none of the operator's keys that are known here is trusted by "
        f"{', '.join(distrusting) or 'every server'}",
        "seedless key list shows which are; servers require the operator jwt that names them",
    )


def _obeys_any(report: ServerReport, keys: Sequence[str]) -> bool:
    return any(key in _obeyed(operator.claims) for operator in report.operators for key in keys)


def _obeyed(operator: Claims[Operator]) -> tuple[str, ...]:
    body = operator.body
    return body.signing_keys if body.strict_signing_key_usage else (operator.sub, *body.signing_keys)


def delete_request(accounts: Sequence[str], issuer: PublicKey) -> Claims[object]:
    """Return the claims that request servers to delete *accounts*, for *issuer*, an operator's key."""
    # server/accounts.go: the issuer is the subject, and the body lists the accounts. G004 lets no other
    # command sign such claims.
    return Claims(sub=str(issuer), body=Generic(data={"accounts": sorted(accounts)}))


_RIGHT_STORE = "is this the right store? --store and --operator name it"
