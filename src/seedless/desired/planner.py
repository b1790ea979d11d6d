"""From a desired state to a plan: what differs is signed, the operator first, then accounts, then users.

What is as it should be is not touched, so that nothing is signed where nothing differs. What pruning removes
is placed, not signed; a removed user whose jwt still holds is revoked in its account. Never pruned are the
system account, revocations, and signing keys that jwts depend on which the file does not name.
"""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from seedless.change import StoreWrite
from seedless.claims import signing_key
from seedless.desired.claims import Writer, is_same, latest
from seedless.desired.current_state import CurrentState, key_references, require_same
from seedless.desired.read import Desired
from seedless.errors import UsageError
from seedless.nkey import PublicKey
from seedless.plan import changed, issuing_key, revocations, scope_of
from seedless.seeds import SoftwareKey
from seedless.signing_pipeline import Intent, NewKey, Plan
from seedless.text import quoted
from seedless.trust import is_expired, may_issue

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from seedless.change import Change
    from seedless.jwt import Claims, Jwt


class PlannedChanges(msgspec.Struct, frozen=True):
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


def plan_desired(
    desired: Desired, current: CurrentState, *, now: int, seed: Callable[[], SoftwareKey], prune: bool = False
) -> PlannedChanges:
    """Plan what makes *current* as *desired*; *seed* makes the key of a new user that brings none.

    Raise `UsageError` for what cannot be: unknown names, another key for an existing name.
    """
    seeds: list[SoftwareKey] = []
    users: dict[tuple[str, str], str] = {}
    for account, table in desired.accounts.items():
        # Users get software keys here and not in the plan: their seeds are written together with the jwts,
        # and a plan can be made more than once.
        for name, members in table.get("users", {}).items():
            existing = current.users.get((account, name))
            require_same("user", name, members.get("public_key"), existing, desired.file)
            key = existing.claims.sub if existing else members.get("public_key")
            if key is None:
                seeds.append(seed())
                key = str(seeds[-1].public_key)
            users[account, name] = key
    _require_seen(desired, current)
    keys = key_references(desired, current)
    removed = tuple(_removed(desired, current, prune=prune))
    new_keys = tuple(dict.fromkeys(key for key in keys.values() if isinstance(key, NewKey)))

    def plan(made: Mapping[NewKey, PublicKey]) -> Plan:
        resolved = {slot: made[key] if isinstance(key, NewKey) else key for slot, key in keys.items()}
        # Keys that this run creates count as known: they sign accounts and users of the same plan.
        known = {**current.known, **{str(key): "" for key in made.values()}}
        return _Planner(desired, current, Writer(resolved, users, now, prune), removed, known).plan()

    intent = Intent(plan if new_keys else _once(plan), new_keys)
    return PlannedChanges(intent, tuple(seeds), removed)


def _require_seen(desired: Desired, current: CurrentState) -> None:
    """Raise `UsageError` for a new name with a character that cannot be seen; existing names stay."""
    users = (
        (account, user) for account, table in desired.accounts.items() for user in table.get("users", {})
    )
    new = [name for name in desired.accounts if name not in current.accounts]
    new += [user for account, user in users if (account, user) not in current.users]
    for name in new:
        # Only new names: one that exists has to stay editable, or nothing could ever repair it.
        if not name.isprintable():
            raise UsageError(
                f"{desired.file}: the name {quoted(name)} holds a character that cannot be seen",
                "choose another, such as orders or node-7",
            )


def _once(plan: Callable[[Mapping[NewKey, PublicKey]], Plan]) -> Callable[[Mapping[NewKey, PublicKey]], Plan]:
    """Return *plan* made only once: no key has yet to be made."""
    # The plan of a thousand tenants takes a while to make, and it is needed for the review and for the
    # signature.
    only = functools.cache(lambda: plan({}))
    return lambda _: only()


def _removed(desired: Desired, current: CurrentState, *, prune: bool) -> Iterator[tuple[str, ...]]:
    """Yield the addresses that pruning removes, users before their accounts."""
    if not prune:
        return
    # Never the system account: without it nobody could push what follows.
    system = current.operator.claims.body.system_account if current.operator else ""
    gone = {
        name
        for name, jwt in current.accounts.items()
        if desired.lists_accounts and name not in desired.accounts and jwt.claims.sub != system
    }
    for account, user in current.users:
        members = desired.accounts.get(account, {})
        if account in gone or ("users" in members and user not in members["users"]):
            yield account, user
    yield from ((name,) for name in current.accounts if name in gone)


class _Planner(msgspec.Struct, frozen=True):
    """Makes the changes of one plan, with all keys there; `known` are those that can sign."""

    desired: Desired
    current: CurrentState
    writer: Writer
    removed: tuple[tuple[str, ...], ...]
    known: Mapping[str, str]

    def plan(self) -> Plan:
        operator = self.writer.operator(self.desired.operator, self.current.operator)
        gone: dict[str, list[Jwt[object]]] = defaultdict(list)
        for account, *users in self.removed:
            gone[account] += [self.current.users[account, user] for user in users]
        accounts = {name: self._account(name, operator, gone.get(name, ())) for name in self.desired.accounts}
        self._require_no_orphans(operator, accounts)
        # From the top down: a run that is killed leaves jwts whose issuers are recorded already, and the
        # next run makes the rest.
        changes = [self._operator(operator)]
        changes += [self._placed(self._issuer_of_account(name, claims, operator), (name,), claims)
                    for name, claims in accounts.items()]  # fmt: skip
        changes += [
            self._user((account, name), members, accounts[account])
            for account, table in self.desired.accounts.items()
            for name, members in table.get("users", {}).items()
        ]
        made = tuple(change for change in changes if change)
        return Plan(made, self.writer.now, self._around(made), tuple(self._store_writes()))

    def _operator(self, claims: Claims[object]) -> Change | None:
        return self._placed(PublicKey.parse(claims.sub), (), claims)

    def _account(self, name: str, operator: Claims[Any], gone: Iterable[Jwt[Any]]) -> Claims[Any]:
        """Return the claims of an account, which revokes the users that are *gone*."""
        members, existing = self.desired.accounts[name], self.current.accounts.get(name)
        is_system = operator.body.system_account == str(self.writer.keys[name,])
        claims = self.writer.account(
            name, members, existing, where=self.desired.where[name], is_system=is_system
        )
        holding: dict[str, int] = {}
        for jwt in gone:
            # What has expired needs no revocation, which would stay in the account's jwt for good.
            if not is_expired(jwt, self.writer.now):
                holding |= revocations(jwt.claims.sub, (jwt,), self.writer.now)
        if not holding:
            return claims
        body = msgspec.structs.replace(claims.body, revocations=latest(claims.body.revocations, holding))
        return msgspec.structs.replace(claims, body=body)

    def _issuer_of_account(self, name: str, claims: Claims[object], operator: Claims[object]) -> PublicKey:
        existing = self.current.accounts.get(name)
        wanted = self.desired.accounts[name].get("issuer")
        return self._issuer(operator, claims, existing, wanted, "", self.desired.where.get(name, ""))

    def _issuer(
        self,
        parent: Claims[object],
        claims: Claims[object],
        existing: Jwt[object] | None,
        wanted: str | None,
        owner: str,
        where: str,
    ) -> PublicKey:
        """Return the key of *parent* that signs: as *wanted*, else the one that did, where it still may."""
        if wanted is not None:
            named = self.writer.keys.get((owner, wanted))
            try:
                return named or issuing_key(parent, self.known, wanted)
            except UsageError as error:
                raise UsageError(f"{where}.issuer: {error.message}", error.hint) from error
        if existing is not None and may_issue(parent, str(existing.issuer), claims):
            return existing.issuer
        return issuing_key(parent, self.known)

    def _user(
        self, address: tuple[str, str], members: Mapping[str, Any], account: Claims[Any]
    ) -> Change | None:
        existing = self.current.users.get(address)
        before = existing.claims if existing else account
        where = f"{self.desired.where[address[0]]}.users.{address[1]}"
        issuer = self._issuer(account, before, existing, members.get("issuer"), address[0], where)
        current = self.current.accounts.get(address[0])
        was_scoped = bool(existing and current and scope_of(current.claims, existing.issuer))
        claims = self.writer.user(
            address,
            members,
            existing,
            account=account,
            issuer=issuer,
            was_scoped=was_scoped,
            where=where,
        )
        return self._placed(issuer, address, claims)

    def _placed(self, issuer: PublicKey, address: tuple[str, ...], claims: Claims[object]) -> Change | None:
        """Return the change that puts *claims* at *address*, None where they are there already."""
        match address:
            case ():
                existing: Jwt[object] | None = self.current.operator
            case (name,):
                existing = self.current.accounts.get(name)
            case (account, user):
                existing = self.current.users.get((account, user))
            case _:
                raise AssertionError(address)
        # The issuer counts too: a file that names another signing key has the same claims signed again by
        # that.
        if existing is not None and existing.issuer == issuer and is_same(claims, existing.claims):
            return None
        reason = f"as {self.desired.file} describes"
        return changed(claims, issuer, replaces=existing, now=self.writer.now, reason=reason, address=address)

    def _store_writes(self) -> Iterator[StoreWrite]:
        for address in self.removed:
            existing: Any = (
                self.current.users[address] if len(address) > 1 else self.current.accounts[address[0]]  # type: ignore[index]  # of a user
            )
            yield StoreWrite(address, None, existing, f"{self.desired.file} does not name it")

    def _around(self, changes: tuple[Change, ...]) -> tuple[Jwt[object], ...]:
        """Return the jwts that the changes are about: the operator, accounts of users, exporters."""
        wanted: set[str] = set()
        for change in changes:
            body = change.draft.claims.body
            if change.address is not None and len(change.address) > 1:
                wanted.add(str(self.writer.keys[change.address[0],]))
            wanted |= {item.account for item in getattr(body, "imports", ())}
            wanted.add(getattr(body, "system_account", ""))
        operator = (self.current.operator,) if self.current.operator else ()
        # An account that is removed by the same plan is not what the rules judge the others by.
        gone = {address[0] for address in self.removed if len(address) == 1}
        accounts = (jwt for name, jwt in self.current.accounts.items() if name not in gone)
        return (*operator, *(jwt for jwt in accounts if jwt.claims.sub in wanted))

    def _require_no_orphans(self, operator: Claims[object], accounts: Mapping[str, Claims[object]]) -> None:
        """Raise `UsageError` when a signing key would go that jwts depend on which the file does not name."""
        removed = set(self.removed)
        # Only what the file does not name is looked at: what it names is signed again by another key in
        # this plan.
        lost = _lost(self.current.operator, operator)
        for name, jwt in self.current.accounts.items():
            if name not in accounts and (name,) not in removed and str(jwt.issuer) in lost:
                raise _orphaned("account", name, jwt, "the operator")
        lost_by = {name: _lost(self.current.accounts.get(name), claims) for name, claims in accounts.items()}
        for (account, user), held in self.current.users.items():
            is_named = (account, user) in self.writer.users or (account, user) in removed
            if not is_named and str(held.issuer) in lost_by.get(account, ()):
                raise _orphaned("user", user, held, f"account {account}")


def _lost(before: Jwt[Any] | None, after: Claims[Any]) -> set[str]:
    """Return the signing keys (key text) that are in *before*, and not in *after*."""
    if before is None or before.claims.body.signing_keys == after.body.signing_keys:
        return set()
    keys = [{signing_key(entry) for entry in claims.body.signing_keys} for claims in (before.claims, after)]
    return keys[0] - keys[1]


def _orphaned(kind: str, name: str, jwt: Jwt[object], owner: str) -> UsageError:
    return UsageError(
        f"{kind} {quoted(name)} was signed by {jwt.issuer}, which {owner} would lose",
        f"name {kind} {name} in the file, which signs it again, or keep that signing key",
    )
