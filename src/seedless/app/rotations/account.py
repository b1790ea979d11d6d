"""Rotation of a signing key of an account: two phases, and both at once in an emergency.

The first phase adds the replacement key beside the previous one, and signs again what that has signed: users,
and activations in imports of the store. The second removes the previous key; it is refused while anything
depends on it.

Users that are revoked are left as they are: signed again, they would be let in again. So are those that have
expired. What the key signed for others, and is in no import of this store, is not known here.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import replace

from seedless import jwt as jwts
from seedless import trust
from seedless.app.edits import issuer_of, stored
from seedless.app.pipeline import Notice, Preview
from seedless.app.rotations.replacement import (
    KeyReplacement,
    RotationStep,
    find,
    find_again,
    known_replacement,
    listed_keys,
    require_named,
    step,
    with_new,
    without,
)
from seedless.change import Change
from seedless.claims import Account, Activation, Operator, User
from seedless.errors import Refused, SeedlessError, UsageError
from seedless.jwt import Claims, Jwt
from seedless.nkey import PublicKey
from seedless.plan import changed
from seedless.resolver.connections import AccountConnections, ConnectedClient
from seedless.signing_pipeline import Plan
from seedless.text import brief, printable
from seedless.trust import is_expired

if TYPE_CHECKING:
    from seedless.app.workspace import Workspace

__all__ = [
    "AccountKeyReport", "AccountKeyRotation", "ConnectedUser", "DeliverableCreds", "account_key_rotation",
    "connected_users", "creds_to_deliver",
]  # fmt: skip


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

    def sources(self, *claims: Claims[object]) -> tuple[Jwt[object], ...]:
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


class AccountKeyReport(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a rotation: its keys (None: not known any more), what was signed, and what was seen.

    `stage` is overlap or finished. `moved` depends on the replacement key, `left` on the previous one. `seen`
    is None where no server was asked; `sent` counts accounts.
    """

    around: AccountContext
    old: PublicKey | None
    new: PublicKey | None
    stage: str
    signed: tuple[Jwt[Any], ...]
    moved: SignedByKey
    left: SignedByKey
    seen: AccountConnections | None
    sent: int

    @property
    def still_connected(self) -> tuple[ConnectedUser, ...]:
        """Who is connected by the previous key, as far as servers were asked."""
        clients = self.seen.by(str(self.old)) if self.seen and self.old else ()
        return connected_users(clients, self.around)

    @property
    def next_step(self) -> str:
        """What to do next, with the commands for it."""
        name = self.around.name
        if self.stage == "finished":
            publish = "" if self.seen else f"seedless push {name}; "
            return f"{publish}seedless key delete {self.old or 'PUBKEY'}, when no backup requires it any more"
        steps = [f"seedless push {name}"] if self.seen is None else []
        # An account whose users are elsewhere, or that has none yet, has no creds to deliver.
        waits = ["deliver the creds"] if self.moved.users else []
        waits += ["let the clients connect again"] if self.still_connected else []
        steps += [", ".join(waits)] if waits else []
        finish = f"seedless rotate account-key {name} --finish"
        return "; ".join([*steps, f"then {finish}" if steps else finish])


class DeliverableCreds(msgspec.Struct, frozen=True):
    """A user of the replacement key and where its creds are; None where its seed is not here."""

    user: str
    subject: str
    creds: str | None


def creds_to_deliver(workspace: Workspace, report: AccountKeyReport) -> tuple[DeliverableCreds, ...]:
    """Return the users of the replacement key, whose creds are to be delivered."""
    name, store = report.around.name, workspace.store
    return tuple(
        DeliverableCreds(
            user,
            jwt.claims.sub,
            None if workspace.creds(name, user) is None else str(store.creds_path(name, user)),
        )
        for user, jwt in report.moved.users.items()
    )


class AccountKeyRotation:
    """A rotation as far as it is by the store: `replacement` is None where no key is replaced (any more)."""

    def __init__(
        self,
        workspace: Workspace,
        around: AccountContext,
        replacement: KeyReplacement | None,
        damaged: tuple[str, ...],
        key: str | None = None,
    ) -> None:
        """Take the account, what is around it, what of that cannot be read, and the *key* that is named."""
        self._workspace = workspace
        self._key = key
        self.around = around
        self.replacement = replacement
        self.damaged = damaged

    @property
    def account(self) -> Jwt[Account]:
        """The account."""
        return self.around.account

    @property
    def is_done(self) -> bool:
        """Whether no key is replaced any more."""
        return self.replacement is None

    @property
    def is_of_the_system_account(self) -> bool:
        """Whether whoever logs in to the servers may depend on the key."""
        return self.account.claims.sub == self.around.operator.claims.body.system_account

    @property
    def depending(self) -> SignedByKey:
        """What the previous key has signed and that is still valid."""
        return self._signed_by(self.replacement.old if self.replacement else None)

    def _signed_by(self, key: PublicKey | None) -> SignedByKey:
        return _signed_by(key, self.around, self._workspace.now) if key else SignedByKey({})

    def again(self) -> AccountKeyRotation:
        """Return the same rotation, as the store is now."""
        around, damaged = _read(self._workspace, self.around.name)
        pair = find_again(self._workspace, around.account.claims, known_replacement(self.replacement))
        return AccountKeyRotation(self._workspace, around, pair, damaged, self._key)

    def begin(self, *, activations: bool = True) -> Preview[RotationStep]:
        """Preview the first phase, or what is left of it; the accounts that import follow in a second step.

        Without *activations* those are left out, as for a plan file: the second step holds them signed.
        """
        pair, now = known_replacement(self.replacement), self._workspace.refresh()
        signed, notices = self.depending, self._damage()
        if pair.is_begun and not len(signed):
            return step(self._workspace, (self.around.name,), pair, None, notices=notices)
        # An activation is text inside another account's jwt: the plan of that account can only be made once
        # the activation is signed.
        if signed.activations and not activations:
            signed, left_out = _without_activations(signed, pair)
            notices = (*notices, left_out)
        return step(
            self._workspace,
            (self.around.name,),
            pair,
            lambda new: _plan_begin(self.around, pair.old, new, signed, now),
            notices=notices,
            then=lambda jwts: self._imports(signed, jwts),
        )

    def finish(self, seen: AccountConnections | None = None) -> Preview[RotationStep]:
        """Preview the second phase: the account without the previous key.

        *seen* is who is connected, None where that is not asked. Raise `Refused` while a jwt of the store, a
        client or a leaf node depends on the previous key, or that is not known.
        """
        self.require_moved()
        self.require_disconnected(seen)
        pair, now = known_replacement(self.replacement), self._workspace.refresh()
        # The account alone: that nothing depends on the previous key was looked at before, in the store and
        # on the servers.
        claims = without(self.account.claims, pair.old)
        plan = _plan(self.around, claims, pair.old, SignedByKey({}), now)
        return step(self._workspace, (self.around.name,), pair, lambda _: plan)

    def replace_at_once(self, seen: AccountConnections | None = None) -> Preview[RotationStep]:
        """Preview both phases in one; the notices name whom that locks out, *seen* clients among them.

        Raise `UsageError` unless the key that is replaced was named by its public key.
        """
        require_named(self._key)
        pair, now, signed = known_replacement(self.replacement), self._workspace.refresh(), self.depending
        return step(
            self._workspace,
            (self.around.name,),
            pair,
            lambda new: _plan_replace_at_once(self.around, pair.old, new, signed, now),
            notices=(*self._damage(), *self._locked_out(signed, seen)),
            then=lambda jwts: self._imports(signed, jwts),
        )

    def to_push(self) -> list[Jwt[Account]]:
        """Return the account, and those with activations by its keys."""
        keys = {str(key) for key in (self._keys() if self.replacement else ()) if key}
        # Also importers by the other keys of the account: they were perhaps signed in a run that ended
        # before its push.
        keys |= listed_keys(self.account.claims).keys()
        importers = self.around.importers.values()
        return [self.account, *(jwt for jwt in importers if _has_activation_by(jwt, keys))]

    def report(
        self, stage: str, signed: Sequence[Jwt[object]], seen: AccountConnections | None, sent: int
    ) -> AccountKeyReport:
        """Return what came of it: *signed* jwts, *seen* connections, and how many accounts were *sent*."""
        old, new = self._keys()
        return AccountKeyReport(
            around=self.around,
            old=old,
            new=new,
            stage=stage,
            signed=tuple(signed),
            moved=self._signed_by(new),
            left=self.depending,
            seen=seen,
            sent=sent,
        )

    def _keys(self) -> tuple[PublicKey | None, PublicKey | None]:
        return (self.replacement.old, self.replacement.new) if self.replacement else (None, None)

    def _imports(self, signed: SignedByKey, jwts: Sequence[Jwt[Any]]) -> Preview[RotationStep] | None:
        """Preview the importing accounts with the activations among *jwts* in place of the previous ones."""
        if not signed.activations:
            return None
        workspace, pair = self._workspace, known_replacement(self.replacement)
        around, now = _read(workspace, self.around.name)[0], workspace.refresh()
        made = [jwt for jwt in jwts if isinstance(jwt.claims.body, Activation)]
        activations = list(zip(signed.activations, made, strict=True))
        # One change for each importer, with all of its activations: two in one second would share a `jti`.
        names = sorted({activation.importer for activation in signed.activations})
        before = {name: around.importers[name] for name in names}
        issuers = {name: issuer_of(workspace, jwt, jwt.claims, None) for name, jwt in before.items()}
        plan = _replace_activations(around, activations, issuers, now)
        made_now = find_again(workspace, around.account.claims, pair)
        return step(workspace, (self.around.name,), made_now, lambda _: plan)

    def require_moved(self) -> None:
        """Raise `Refused` while something in the store depends on the previous key, or cannot be read."""
        pair, signed = known_replacement(self.replacement), self.depending
        again = f"seedless rotate account-key {self.around.name}"
        if not pair.is_begun:
            raise Refused(f"no key takes the place of {pair.old} yet", again)
        if len(signed):
            left = [
                *signed.users,
                *(f"an import of {activation.importer}" for activation in signed.activations),
            ]
            names = ", ".join(map(brief, left))
            raise Refused(f"{pair.old} is still needed by {len(left)} jwts: {names}", again)
        if self.damaged:
            raise Refused(
                f"it is not known whether it is still needed: {self.damaged[0]}", "restore it first"
            )

    def require_disconnected(self, seen: AccountConnections | None) -> None:
        """Raise `Refused` while a client or a leaf node may be connected through the previous key."""
        clients = seen.by(str(known_replacement(self.replacement).old)) if seen else ()
        if clients:
            rows = ", ".join(map(str, connected_users(clients, self.around)))
            raise Refused(
                f"{len(clients)} connections still use the old key: {rows}",
                "give them their new creds and let them connect again; --emergency locks them out",
            )
        # `$SYS.REQ.SERVER.PING.LEAFZ` has the account of a leaf node and no issuer of its user's jwt, so
        # that nothing shows by which key it has logged in.
        if seen and seen.leafs:
            raise Refused(
                f"{seen.leafs} leaf nodes are connected, and servers do not report by which key",
                "see that they have new creds, and finish with --without-servers and a push",
            )

    def _damage(self) -> tuple[Notice, ...]:
        return tuple(
            Notice(f"{message}: what it depends on is not known", is_warning=True) for message in self.damaged
        )

    def _locked_out(self, signed: SignedByKey, seen: AccountConnections | None) -> list[Notice]:
        users = ", ".join(map(brief, signed.users)) or "no user that is known"
        clients = seen.by(str(known_replacement(self.replacement).old)) if seen else ()
        rows = [f"this locks out, until they have their new creds: {users}"]
        rows += [f"  connected now: {user}" for user in connected_users(clients, self.around)]
        rows += [
            f"  the import {activation.index} of {brief(activation.importer)} stops until it is pushed"
            for activation in signed.activations
        ]
        return [Notice(printable(row)) for row in rows]


def account_key_rotation(
    workspace: Workspace, name: str, key: str | None, new: PublicKey | None, *, ending: bool
) -> AccountKeyRotation:
    """Return how far the rotation of a key of the account *name* is, see `Rotations.account_key`."""
    around, damaged = _read(workspace, name)
    pair = find(workspace, around.account.claims, key, new, ending=ending)
    return AccountKeyRotation(workspace, around, pair, damaged, key)


class ConnectedUser(msgspec.Struct, frozen=True, kw_only=True):
    """A connection: its number at a server, what the client calls itself, and the user by name and key."""

    server: str
    connection: int
    name: str
    user: str | None
    subject: str
    address: str

    def __str__(self) -> str:
        called, who = f", {self.name}" if self.name else "", brief(self.user or self.subject)
        return f"{who} at {self.server} (connection {self.connection}{called}, {self.address})"


def connected_users(clients: Iterable[ConnectedClient], around: AccountContext) -> tuple[ConnectedUser, ...]:
    """Return *clients* with the names that the store has for their users."""
    names = {jwt.claims.sub: name for name, jwt in around.users.items()}
    return tuple(
        ConnectedUser(
            server=client.server,
            connection=client.number,
            name=client.name,
            user=names.get(client.user),
            subject=client.user,
            address=client.address,
        )
        for client in clients
    )


def _without_activations(signed: SignedByKey, pair: KeyReplacement) -> tuple[SignedByKey, Notice]:
    """Return *signed* without activations: imports hold them signed, so they are in no plan made before."""
    if pair.is_begun and not signed.users:
        raise UsageError(
            "what is left are activations, and the plan of those that import them holds them signed",
            "run it without --plan",
        )
    count = len(signed.activations)
    text = f"{count} activations are not in this plan: run it again without --plan after it"
    return SignedByKey(signed.users, (), signed.revoked, signed.expired), Notice(text)


def _read(workspace: Workspace, name: str) -> tuple[AccountContext, tuple[str, ...]]:
    account: Jwt[Account] = stored(workspace, (name,))
    accounts = {other: jwt for other, jwt in workspace.each() if other != name}
    users = dict(workspace.each(name))
    damaged = [jwt.message for jwt in (*accounts.values(), *users.values()) if isinstance(jwt, SeedlessError)]
    around = AccountContext(
        operator=workspace.operator(),
        account=account,
        issuer=issuer_of(workspace, account, account.claims, None),
        users={user: jwt for user, jwt in users.items() if not isinstance(jwt, SeedlessError)},
        importers={other: jwt for other, jwt in accounts.items() if not isinstance(jwt, SeedlessError)},
    )
    return around, tuple(damaged)


def _signed_by(key: PublicKey, around: AccountContext, now: int) -> SignedByKey:
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


def _has_activation_by(importer: Jwt[Account], keys: Collection[str]) -> bool:
    """Report whether an import of *importer* has an activation that one of *keys* (key texts) has signed."""
    return any(str(activation.activation.issuer) in keys for activation in _activations("", importer))


def _plan_begin(
    around: AccountContext, old: PublicKey, new: PublicKey, signed: SignedByKey, now: int
) -> Plan:
    """Return the plan of the first phase: the account lists *new* too, and *new* signs what *old* has."""
    claims = around.account.claims
    if str(new) not in listed_keys(claims):
        claims = with_new(claims, old, new)
    return _plan(around, claims, new, signed, now)


def _plan_replace_at_once(
    around: AccountContext, old: PublicKey, new: PublicKey, signed: SignedByKey, now: int
) -> Plan:
    """Return the plan of both phases in one, which locks out whoever logs in with what *old* has signed."""
    claims = around.account.claims
    if str(new) not in listed_keys(claims):
        claims = with_new(claims, old, new)
    return _plan(around, without(claims, old), new, signed, now)


def _replace_activations(
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
                imports[activation.index] = replace(imports[activation.index], token=signed.text)
        body = replace(before.claims.body, imports=tuple(imports))
        claims = replace(before.claims, body=body)
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
    return replace(claims, body=replace(claims.body, issuer_account=account))


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
