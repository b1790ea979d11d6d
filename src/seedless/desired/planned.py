"""From a desired state to a plan: what differs is signed, the operator first, then accounts, then users.

What is as it should be is not touched, so that nothing is signed where nothing differs. What pruning removes
is placed, not signed; a removed user whose jwt still holds is revoked in its account. Never pruned are the
system account, revocations, and signing keys that jwts depend on which the file does not say.
"""

from __future__ import annotations

import functools
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from seedless.change import StoreWrite
from seedless.claims import signing_key
from seedless.desired.claims import Writer, is_same
from seedless.desired.keys import slots
from seedless.desired.merge import latest
from seedless.desired.standing import require_same
from seedless.errors import UsageError
from seedless.nkey import PublicKey
from seedless.plan import changed, issuing_key, revocations, scope_of
from seedless.signing_pipeline import Intent, NewKey, Plan
from seedless.text import quoted
from seedless.trust import is_expired, may_issue

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from seedless.change import Change
    from seedless.desired.read import Desired
    from seedless.desired.standing import Standing
    from seedless.jwt import Claims, Jwt
    from seedless.seeds import SoftwareKey


@dataclass(frozen=True, slots=True)
class Planned:
    """An intent, the software keys of its new users, and the addresses that it removes."""

    intent: Intent
    seeds: tuple[SoftwareKey, ...]
    removed: tuple[tuple[str, ...], ...]

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to do."""
        if self.intent.new_keys or self.removed:
            return False
        plan = self.intent.rehearsed()
        return not plan.changes and not plan.store_writes


def planned(
    desired: Desired, standing: Standing, *, now: int, seed: Callable[[], SoftwareKey], prune: bool = False
) -> Planned:
    """Plan what makes *standing* as *desired*; *seed* makes the key of a new user that brings none.

    Raise `UsageError` for what cannot be: names that there are not, another key for one that stands.
    """
    seeds: list[SoftwareKey] = []
    users: dict[tuple[str, str], str] = {}
    for account, table in desired.accounts.items():
        for name, said in table.get("users", {}).items():
            there = standing.users.get((account, name))
            require_same("user", name, said.get("public_key"), there, desired.file)
            key = there.claims.sub if there else said.get("public_key")
            if key is None:
                seeds.append(seed())
                key = str(seeds[-1].public_key)
            users[account, name] = key
    _require_seen(desired, standing)
    keys = slots(desired, standing)
    removed = tuple(_removed(desired, standing, prune=prune))
    new_keys = tuple(dict.fromkeys(key for key in keys.values() if isinstance(key, NewKey)))

    def plan(made: Mapping[NewKey, PublicKey]) -> Plan:
        resolved = {slot: made[key] if isinstance(key, NewKey) else key for slot, key in keys.items()}
        known = standing.known | {str(key) for key in made.values()}
        return _Planner(desired, standing, Writer(resolved, users, now, prune), removed, known).plan()

    intent = Intent(plan if new_keys else _once(plan), new_keys)
    return Planned(intent, tuple(seeds), removed)


def _require_seen(desired: Desired, standing: Standing) -> None:
    """Raise `UsageError` for a new name that holds what cannot be seen; what stands stays."""
    users = (
        (account, user) for account, table in desired.accounts.items() for user in table.get("users", {})
    )
    new = [name for name in desired.accounts if name not in standing.accounts]
    new += [user for account, user in users if (account, user) not in standing.users]
    for name in new:
        if not name.isprintable():
            raise UsageError(
                f"{desired.file}: the name {quoted(name)} holds a character that cannot be seen",
                "choose another, such as orders or node-7",
            )


def _once(plan: Callable[[Mapping[NewKey, PublicKey]], Plan]) -> Callable[[Mapping[NewKey, PublicKey]], Plan]:
    """Return *plan* made only once: no key has yet to be made."""
    only = functools.cache(lambda: plan({}))
    return lambda _: only()


def _removed(desired: Desired, standing: Standing, *, prune: bool) -> Iterator[tuple[str, ...]]:
    """Yield the addresses that pruning removes, users before their accounts."""
    if not prune:
        return
    system = standing.operator.claims.body.system_account if standing.operator else ""
    gone = {
        name
        for name, jwt in standing.accounts.items()
        if desired.lists_accounts and name not in desired.accounts and jwt.claims.sub != system
    }
    for account, user in standing.users:
        said = desired.accounts.get(account, {})
        if account in gone or ("users" in said and user not in said["users"]):
            yield account, user
    yield from ((name,) for name in standing.accounts if name in gone)


@dataclass(frozen=True, slots=True)
class _Planner:
    """Makes the changes of one plan, with all keys there; `known` are those that can sign."""

    desired: Desired
    standing: Standing
    writer: Writer
    removed: tuple[tuple[str, ...], ...]
    known: frozenset[str]

    def plan(self) -> Plan:
        operator = self.writer.operator(self.desired.operator, self.standing.operator)
        gone: dict[str, list[Jwt[Any]]] = defaultdict(list)
        for account, *users in self.removed:
            gone[account] += [self.standing.users[account, user] for user in users]
        accounts = {name: self._account(name, operator, gone.get(name, ())) for name in self.desired.accounts}
        self._require_no_orphans(operator, accounts)
        changes = [self._operator(operator)]
        changes += [self._placed(self._issuer_of_account(name, claims, operator), (name,), claims)
                    for name, claims in accounts.items()]  # fmt: skip
        changes += [
            self._user((account, name), said, accounts[account])
            for account, table in self.desired.accounts.items()
            for name, said in table.get("users", {}).items()
        ]
        made = tuple(change for change in changes if change)
        return Plan(made, self.writer.now, self._around(made), tuple(self._store_writes()))

    def _operator(self, claims: Claims[Any]) -> Change | None:
        return self._placed(PublicKey.parse(claims.sub), (), claims)

    def _account(self, name: str, operator: Claims[Any], gone: Iterable[Jwt[Any]]) -> Claims[Any]:
        """Return the claims of an account, which revokes the users that are *gone*."""
        said, there = self.desired.accounts[name], self.standing.accounts.get(name)
        is_system = operator.body.system_account == str(self.writer.keys[name,])
        claims = self.writer.account(name, said, there, where=self.desired.where[name], is_system=is_system)
        holding: dict[str, int] = {}
        for jwt in gone:
            if not is_expired(jwt, self.writer.now):
                holding |= revocations(jwt.claims.sub, (jwt,), self.writer.now)
        if not holding:
            return claims
        body = msgspec.structs.replace(claims.body, revocations=latest(claims.body.revocations, holding))
        return msgspec.structs.replace(claims, body=body)

    def _issuer_of_account(self, name: str, claims: Claims[Any], operator: Claims[Any]) -> PublicKey:
        there = self.standing.accounts.get(name)
        return self._issuer(operator, claims, there, self.desired.accounts[name].get("issuer"), "")

    def _issuer(
        self, parent: Claims[Any], claims: Claims[Any], there: Jwt[Any] | None, wanted: str | None, owner: str
    ) -> PublicKey:
        """Return the key of *parent* that signs: as *wanted*, else the one that did, where it still may."""
        if wanted is not None:
            named = self.writer.keys.get((owner, wanted))
            return named or issuing_key(parent, self.known, wanted)
        if there is not None and may_issue(parent, str(there.issuer), claims):
            return there.issuer
        return issuing_key(parent, self.known)

    def _user(self, address: tuple[str, str], said: Mapping[str, Any], account: Claims[Any]) -> Change | None:
        there = self.standing.users.get(address)
        before = there.claims if there else account
        issuer = self._issuer(account, before, there, said.get("issuer"), address[0])
        standing = self.standing.accounts.get(address[0])
        was_scoped = bool(there and standing and scope_of(standing.claims, there.issuer))
        claims = self.writer.user(
            address,
            said,
            there,
            account=account,
            issuer=issuer,
            was_scoped=was_scoped,
            where=f"{self.desired.where[address[0]]}.users.{address[1]}",
        )
        return self._placed(issuer, address, claims)

    def _placed(self, issuer: PublicKey, address: tuple[str, ...], claims: Claims[Any]) -> Change | None:
        """Return the change that puts *claims* at *address*, None where they are there already."""
        match address:
            case ():
                there: Jwt[Any] | None = self.standing.operator
            case (name,):
                there = self.standing.accounts.get(name)
            case (account, user):
                there = self.standing.users.get((account, user))
            case _:
                raise AssertionError(address)
        if there is not None and there.issuer == issuer and is_same(claims, there.claims):
            return None
        reason = f"as {self.desired.file} says"
        return changed(claims, issuer, replaces=there, now=self.writer.now, reason=reason, address=address)

    def _store_writes(self) -> Iterator[StoreWrite]:
        for address in self.removed:
            there: Any = (
                self.standing.users[address] if len(address) > 1 else self.standing.accounts[address[0]]  # type: ignore[index]  # of a user
            )
            yield StoreWrite(address, None, there, f"{self.desired.file} does not say it")

    def _around(self, changes: tuple[Change, ...]) -> tuple[Jwt[Any], ...]:
        """Return the jwts that the changes are about: the operator, accounts of users, exporters."""
        wanted: set[str] = set()
        for change in changes:
            body = change.draft.claims.body
            if change.address is not None and len(change.address) > 1:
                wanted.add(str(self.writer.keys[change.address[0],]))
            wanted |= {item.account for item in getattr(body, "imports", ())}
            wanted.add(getattr(body, "system_account", ""))
        operator = (self.standing.operator,) if self.standing.operator else ()
        gone = {one[0] for one in self.removed if len(one) == 1}
        accounts = (jwt for name, jwt in self.standing.accounts.items() if name not in gone)
        return (*operator, *(jwt for jwt in accounts if jwt.claims.sub in wanted))

    def _require_no_orphans(self, operator: Claims[Any], accounts: Mapping[str, Claims[Any]]) -> None:
        """Raise `UsageError` when a signing key would go that jwts depend on which the file does not say."""
        removed = set(self.removed)
        for name, jwt in self.standing.accounts.items():
            lost = set(self._keys(self.standing.operator)) - set(operator.body.signing_keys)
            if name not in accounts and (name,) not in removed and str(jwt.issuer) in lost:
                raise _orphaned("account", name, jwt, "the operator")
        for (account, user), held in self.standing.users.items():
            if account not in accounts:
                continue
            said = (account, user) in self.writer.users or (account, user) in removed
            lost = set(self._keys(self.standing.accounts.get(account))) - {
                signing_key(entry) for entry in accounts[account].body.signing_keys
            }
            if not said and str(held.issuer) in lost:
                raise _orphaned("user", user, held, f"account {account}")

    @staticmethod
    def _keys(jwt: Jwt[Any] | None) -> list[str]:
        return [signing_key(entry) for entry in jwt.claims.body.signing_keys] if jwt else []


def _orphaned(kind: str, name: str, jwt: Jwt[Any], owner: str) -> UsageError:
    return UsageError(
        f"{kind} {quoted(name)} was signed by {jwt.issuer}, which {owner} would lose",
        f"say {kind} {name} in the file, which signs it again, or keep that signing key",
    )
