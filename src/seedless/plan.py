"""From an intent to a plan: new operators, accounts and users, and jwts that are signed again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from seedless.change import Change
from seedless.claims import Account, Export, Operator, Scope, User, signing_key
from seedless.errors import UsageError
from seedless.jwt import Claims, draft
from seedless.nkey import PublicKey, Role
from seedless.rules.guards import is_from_the_future
from seedless.signing_pipeline import Intent, NewKey, Plan
from seedless.text import quoted, shown
from seedless.trust import EVERYONE

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from seedless.jwt import Jwt

SYSTEM_ACCOUNT = "SYS"
SYSTEM_USER = "sys"
_SERVICES = "Request account specific monitoring services for: SUBSZ, CONNZ, LEAFZ, JSZ and INFO"
_DOCUMENTATION = "https://docs.nats.io/nats-server/configuration/sys_accounts"


def system_account() -> Account:
    """Return the body of a system account with the exports that `nsc` gives it (nsc 2.13, addoperator.go)."""
    return msgspec.structs.replace(
        Account.new(),
        exports=(
            Export(
                name="account-monitoring-services",
                subject="$SYS.REQ.ACCOUNT.*.*",
                type="service",
                response_type="Stream",
                account_token_position=4,
                description=_SERVICES,
                info_url=_DOCUMENTATION,
            ),
            Export(
                name="account-monitoring-streams",
                subject="$SYS.ACCOUNT.*.>",
                type="stream",
                account_token_position=3,
                description="Account specific monitoring stream",
                info_url=_DOCUMENTATION,
            ),
        ),
    )


class PlanSubject(msgspec.Struct, frozen=True, kw_only=True):
    """Who claims are about: a name, and the public key, or None when it is to be created on a token.

    *token* is that of a new key as a person names it, empty for the one that is chosen.
    """

    role: Role
    name: str
    public_key: PublicKey | None = None
    token: str = ""

    @property
    def new_key(self) -> NewKey:
        """The key to be made."""
        return NewKey(self.role, self.name, self.token)

    @property
    def wanted(self) -> tuple[NewKey, ...]:
        """The keys to be made for this subject: one, or none."""
        return () if self.public_key else (self.new_key,)

    def resolve(self, made: Mapping[NewKey, PublicKey]) -> PublicKey:
        """Return the public key, given or *made*."""
        return self.public_key or made[self.new_key]


class SystemAccount(msgspec.Struct, frozen=True, kw_only=True):
    """The system account and its user, made together with an operator.

    A *signing* key of the account signs the user: under a strict operator the identity may not. Another one,
    its *spare*, is only listed.
    """

    account: PlanSubject
    user: PublicKey
    signing: PlanSubject | None = None
    spare: PlanSubject | None = None

    @property
    def subjects(self) -> tuple[PlanSubject, ...]:
        """The account and its signing keys."""
        return tuple(part for part in (self.account, self.signing, self.spare) if part)

    def changes(self, signer: PublicKey, made: Mapping[NewKey, PublicKey], now: int) -> list[Change]:
        """Return the account, issued by *signer*, and its user; *made* are the keys that were made."""
        account, body = self.account.resolve(made), system_account()
        issuer, user = account, User.new()
        if self.signing:
            issuer = self.signing.resolve(made)
            user = msgspec.structs.replace(user, issuer_account=str(account))
        keys = tuple(str(part.resolve(made)) for part in (self.signing, self.spare) if part)
        body = msgspec.structs.replace(body, signing_keys=keys)
        claims = Claims(sub=str(account), name=self.account.name, body=body)
        login = Claims(sub=str(self.user), name=SYSTEM_USER, body=user)
        address = (SYSTEM_ACCOUNT, SYSTEM_USER)
        return [
            Change(draft(claims, signer, now), reason="system account", address=address[:1]),
            Change(draft(login, issuer, now), reason="system user", address=address),
        ]


def new_operator(
    subject: PlanSubject,
    claims: Claims[Operator],
    *,
    now: int,
    signing: PlanSubject | None = None,
    spare: PlanSubject | None = None,
    system: SystemAccount | None = None,
) -> Intent:
    """Plan an operator with these *claims*, self-signed; with a *signing* key, and the *system* account.

    The subject of the claims is that of *subject*, also in the other plans here.

    A *spare* signing key is listed behind the signing key, and signs nothing yet. The system account has its
    user with it.
    """
    body = claims.body

    def plan(made: Mapping[NewKey, PublicKey]) -> Plan:
        identity = subject.resolve(made)
        signer = signing.resolve(made) if signing else identity
        # Behind those that were given: their order is that of the person who wrote them, and it is in the
        # bytes. The spare is the last: whoever picks a key to sign with takes the first one.
        keys = [str(part.resolve(made)) for part in (signing, spare) if part]
        changed = msgspec.structs.replace(body, signing_keys=(*body.signing_keys, *keys))
        accounts: list[Change] = []
        if system:
            changed = msgspec.structs.replace(changed, system_account=str(system.account.resolve(made)))
            accounts = system.changes(signer, made, now)
        whole = msgspec.structs.replace(claims, sub=str(identity), body=changed)
        operator = Change(draft(whole, identity, now), reason="new operator", address=())
        return Plan((operator, *accounts), now)

    others = [part for part in (signing, spare, *(system.subjects if system else ())) if part]
    return Intent(plan, tuple(key for part in (subject, *others) for key in part.wanted))


def new_account(
    subject: PlanSubject,
    claims: Claims[Account],
    *,
    operator: Jwt[Operator],
    issuer: PublicKey | None,
    now: int,
) -> Intent:
    """Plan an account with these *claims*, issued by *issuer*, a key of the *operator*.

    Without one it is issued by itself, as a request.
    """

    def plan(made: Mapping[NewKey, PublicKey]) -> Plan:
        key = subject.resolve(made)
        whole = msgspec.structs.replace(claims, sub=str(key))
        change = Change(draft(whole, issuer or key, now), reason="new account", address=(claims.name,))
        return Plan((change,), now, (operator,))

    return Intent(plan, subject.wanted)


def new_user(
    subject: PlanSubject,
    claims: Claims[User],
    *,
    account: Jwt[Account],
    issuer: PublicKey,
    around: tuple[Jwt[object], ...],
    now: int,
) -> Intent:
    """Plan a user of *account* with these *claims*, issued by *issuer*, which is one of its keys."""
    # Only with a signing key: an `issuer_account` that names the issuer itself would be another spelling
    # of the same.
    body = claims.body
    if str(issuer) != account.claims.sub:
        body = msgspec.structs.replace(body, issuer_account=account.claims.sub)

    def plan(made: Mapping[NewKey, PublicKey]) -> Plan:
        whole = msgspec.structs.replace(claims, sub=str(subject.resolve(made)), body=body)
        address = (account.claims.name.strip(), claims.name)
        change = Change(draft(whole, issuer, now), reason="new user", address=address)
        return Plan((change,), now, (*around, account))

    return Intent(plan, subject.wanted)


def changed(
    claims: Claims[object],
    issuer: PublicKey,
    *,
    replaces: Jwt[object] | None,
    now: int,
    reason: str,
    address: tuple[str, ...] | None = None,
) -> Change:
    """Return *claims* drafted in place of *replaces*, issued by *issuer*; always later than that.

    An account is never dated before a revocation in it that is due: it would speak of the future.
    """
    times = [now]
    if replaces is not None:
        # Never the same second: both would have one `jti`, and servers would take the second for nothing
        # new.
        times.append(replaces.issued_at + 1)
    if isinstance(claims.body, Account):
        times += [time for time in _revocation_times(claims.body) if not is_from_the_future(time, now)]
    return Change(draft(claims, issuer, max(times)), replaces, reason, address)


def _revocation_times(account: Account) -> list[int]:
    lists = (account.revocations, *(export.revocations for export in account.exports))
    return [time for revocations in lists for time in revocations.values()]


def revocations(key: str, jwts: Iterable[Jwt[object]], now: int) -> dict[str, int]:
    """Return what revokes *key* (key text, or `*` for everyone) now: expiry (Unix seconds), by key.

    It applies to every one of *jwts*, those that are known, of its subject. One from the future is
    revoked by its own key: everyone until then would lock out whoever is issued in the meantime.
    """
    found = {key: now}
    for jwt in jwts:
        sub, at = jwt.claims.sub, jwt.issued_at
        if key in {sub, EVERYONE}:
            whom = sub if is_from_the_future(at, now) else key
            found[whom] = max(at, found.get(whom, 0))
    return found


def revoked(
    existing: Mapping[str, int], added: Mapping[str, int], now: int, *, is_reset: bool
) -> dict[str, int]:
    """Return the *existing* revocations with those *added*; as in the official library the later one stays.

    Where the time of the account *is_reset*, one from the future does not: the clock that was fast wrote it,
    and whoever is issued until then would be locked out.
    """
    kept = {key: 0 if is_reset and is_from_the_future(time, now) else time for key, time in existing.items()}
    return {**existing, **{key: max(time, kept.get(key, 0)) for key, time in added.items()}}


def resigned(change: Change, around: tuple[Jwt[object], ...], now: int) -> Intent:
    """Plan one *change* beside the jwts *around* it."""
    return Plan((change,), now, around).intent


def issuing_key(
    parent: Claims[Any], known: Collection[str], wanted: str | PublicKey | None = None
) -> PublicKey:
    """Return the key of *parent* that is to issue: the one *wanted* (key or role), else a *known* one.

    A signing key is preferred to the identity, and a plain one to a scope. Of several, one on the token of
    the identity comes first where *known* maps keys to their tokens: another may be a spare, and far away.
    Raise `UsageError` when *wanted* is not a key of *parent*.
    """
    body = parent.body
    entries = body.signing_keys if isinstance(body, Account | Operator) else ()
    if wanted is not None:
        wanted = str(wanted)
        for entry in entries:
            if wanted in {signing_key(entry), entry.role if isinstance(entry, Scope) else None}:
                return PublicKey.parse(signing_key(entry))
        if wanted != parent.sub:
            raise UsageError(
                f"{quoted(wanted)} is not a key or role of {parent.body.kind} {shown(parent.name)}",
                "name its identity key, one of its signing keys, or a role; seedless key list shows the keys",
            )
        return PublicKey.parse(wanted)
    plain = [entry for entry in entries if isinstance(entry, str) and entry in known]
    if isinstance(known, Mapping) and parent.sub in known:
        # Servers and nsc sort the signing keys of an account, so their order has no meaning there.
        plain.sort(key=lambda entry: known[entry] != known[parent.sub])
    return PublicKey.parse(plain[0] if plain else parent.sub)


def scope_of(account: Claims[Account], issuer: PublicKey) -> Scope | None:
    """Return the scope that *issuer* signs with in *account*, or None."""
    entries = (entry for entry in account.body.signing_keys if isinstance(entry, Scope))
    return next((entry for entry in entries if entry.key == str(issuer)), None)
