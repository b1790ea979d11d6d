"""Replace a signing key of an account: which users and activations it signed, and the plans that move them.

Users that are revoked are left as they are: signed again, they would be let in again. So are those that have
expired. What the key signed for others, and is in no import of this store, is not known here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from seedless import jwt as jwts
from seedless import trust
from seedless.claims import Account, Activation
from seedless.errors import SeedlessError
from seedless.plan import changed
from seedless.rotate.replacement import listed_keys, with_new, without
from seedless.signing_pipeline import Plan
from seedless.trust import is_expired

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from seedless.change import Change
    from seedless.claims import Operator, User
    from seedless.jwt import Claims, Jwt
    from seedless.nkey import PublicKey

_MOVED = "its issuer is replaced"


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountContext:
    """An account and what the store has around it, by name; `issuer` is who signs the account.

    `importers` are the other accounts of the store; `sources` those that the account imports from.
    """

    operator: Jwt[Operator]
    account: Jwt[Account]
    issuer: PublicKey
    users: Mapping[str, Jwt[User]]
    importers: Mapping[str, Jwt[Account]]

    @property
    def name(self) -> str:
        """What the account is called in the store."""
        return self.account.claims.name.strip()

    def sources(self, *claims: Claims[Any]) -> tuple[Jwt[Any], ...]:
        """Return the operator, this account, and the accounts that *claims* import from."""
        sources_needed = {item.account for claim in claims for item in getattr(claim.body, "imports", ())}
        sources_needed.add(self.account.claims.sub)
        accounts = (self.account, *self.importers.values())
        return (self.operator, *(account for account in accounts if account.claims.sub in sources_needed))


@dataclass(frozen=True, slots=True)
class ImportedActivation:
    """An activation that is in an import: of which account, at which place."""

    importer: str
    index: int
    activation: Jwt[Activation]


@dataclass(frozen=True, slots=True)
class SignedByKey:
    """What depends on one key: users by name and activations; and the users that are left as they are."""

    users: Mapping[str, Jwt[User]]
    activations: tuple[ImportedActivation, ...] = ()
    revoked: tuple[str, ...] = ()
    expired: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.users) + len(self.activations)


def signed_by(key: PublicKey, around: AccountContext, now: int) -> SignedByKey:
    """Return what *key* has signed, of what is *around*, and still holds at *now* (Unix seconds)."""
    by_key = {name: user for name, user in around.users.items() if user.issuer == key}
    expired = [name for name, user in by_key.items() if is_expired(user, now)]
    revoked = [name for name, user in by_key.items() if trust.is_revoked(around.account, user)]
    # Users that are revoked or have expired stay as they are: signed again, with a later `iat`, a revoked
    # one would be let in.
    users = {name: user for name, user in by_key.items() if name not in {*expired, *revoked}}
    activations = tuple(
        activation
        for name, importer in around.importers.items()
        for activation in _activations(name, importer)
        if activation.activation.issuer == key
        and not is_expired(activation.activation, now)
        # Of the exporting account, which is this one: a revoked activation that is signed again would be
        # good again.
        and not trust.is_revoked(around.account, activation.activation)
    )
    return SignedByKey(users, activations, tuple(revoked), tuple(expired))


def has_activation_by(importer: Jwt[Account], keys: Collection[str]) -> bool:
    """Report whether an import of *importer* has an activation that one of *keys* (key texts) has signed."""
    return any(str(activation.activation.issuer) in keys for activation in _activations("", importer))


def begin(around: AccountContext, old: PublicKey, new: PublicKey, signed: SignedByKey, now: int) -> Plan:
    """Return the plan of the first phase: the account lists *new* too, and *new* signs what *old* has."""
    claims = around.account.claims
    if str(new) not in listed_keys(claims):
        claims = with_new(claims, old, new)
    return _plan(around, claims, new, signed, now)


def finish(around: AccountContext, old: PublicKey, now: int) -> Plan:
    """Return the plan of the second phase: the account lists *old* no more."""
    # The account alone: that nothing depends on the previous key was looked at before, in the store and
    # on the servers.
    return _plan(around, without(around.account.claims, old), old, SignedByKey({}), now)


def replace_at_once(
    around: AccountContext, old: PublicKey, new: PublicKey, signed: SignedByKey, now: int
) -> Plan:
    """Return the plan of both phases in one, which locks out whoever logs in with what *old* has signed."""
    claims = around.account.claims
    if str(new) not in listed_keys(claims):
        claims = with_new(claims, old, new)
    return _plan(around, without(claims, old), new, signed, now)


def replace_activations(
    around: AccountContext,
    activations: Sequence[tuple[ImportedActivation, Jwt[Activation]]],
    issuers: Mapping[str, PublicKey],
    now: int,
) -> Plan:
    """Return the plan by which importing accounts get new activations, beside the previous *activations*.

    *issuers* are the keys that sign the importing accounts, by their names.
    """
    changes: list[Change] = []
    for name in dict.fromkeys(activation.importer for activation, _ in activations):
        before = around.importers[name]
        imports = list(before.claims.body.imports)
        for activation, signed in activations:
            if activation.importer == name:
                imports[activation.index] = msgspec.structs.replace(
                    imports[activation.index], token=signed.text
                )
        body = msgspec.structs.replace(before.claims.body, imports=tuple(imports))
        claims = msgspec.structs.replace(before.claims, body=body)
        changes.append(
            changed(
                claims, issuers[name], replaces=before, now=now,
                reason=f"new activations by {around.name}", address=(name,),
            )
        )  # fmt: skip
    return Plan(tuple(changes), now, around.sources(*(change.draft.claims for change in changes)))


def _plan(
    around: AccountContext, account: Claims[Account], new: PublicKey, signed: SignedByKey, now: int
) -> Plan:
    changes: list[Change] = []
    if account != around.account.claims:
        changes.append(
            changed(
                account, around.issuer, replaces=around.account, now=now,
                reason="a signing key is replaced", address=(around.name,),
            )
        )  # fmt: skip
    for name, user in signed.users.items():
        claims = _of(user.claims, account.sub)
        changes.append(
            changed(claims, new, replaces=user, now=now, reason=_MOVED, address=(around.name, name))
        )
    for activation in signed.activations:
        claims = _of(activation.activation.claims, account.sub)
        changes.append(changed(claims, new, replaces=activation.activation, now=now, reason=_MOVED))
    return Plan(tuple(changes), now, around.sources(account))


def _of(claims: Claims[Any], account: str) -> Claims[Any]:
    """Return *claims* of a user or an activation that name the *account* for which a signing key signs."""
    return msgspec.structs.replace(claims, body=msgspec.structs.replace(claims.body, issuer_account=account))


def _activations(name: str, importer: Jwt[Account]) -> Iterator[ImportedActivation]:
    for index, item in enumerate(importer.claims.body.imports):
        if not item.token:
            continue
        try:
            # Activations live in the importing accounts as text, since no server stores them by
            # themselves.
            found = jwts.read(item.token)
        except SeedlessError:
            continue
        if isinstance(found.claims.body, Activation):
            yield ImportedActivation(name, index, found)
