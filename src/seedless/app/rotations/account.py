"""Rotation of a signing key of an account: two phases, and both at once in an emergency.

The first phase adds the replacement key beside the previous one, and signs again what that has signed: users,
and activations in imports of the store. The second removes the previous key; it is refused while anything
depends on it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from seedless.app.edits import issuer_of, stored
from seedless.app.pipeline import Notice, Preview
from seedless.app.rotations.steps import RotationStep, find, find_again, known_replacement, step
from seedless.claims import Account, Activation
from seedless.errors import Refused, SeedlessError, UsageError
from seedless.jwt import Jwt
from seedless.nkey import PublicKey
from seedless.rotate import KeyReplacement, listed_keys
from seedless.rotate import account as rotation
from seedless.rotate.account import AccountContext, SignedByKey
from seedless.rotate.connections import AccountConnections, ConnectedClient
from seedless.rotate.replacement import require_named
from seedless.text import brief, printable

if TYPE_CHECKING:
    from seedless.app.workspace import Workspace

__all__ = ["AccountKeyReport", "AccountKeyRotation", "account_key_rotation", "described"]

SYSTEM_ACCOUNT_LOCKS_OUT = "R005"
"""The preflight finding that an emergency waives: it states whom it locks out."""


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
        return rotation.signed_by(key, self.around, self._workspace.now) if key else SignedByKey({})

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
        if signed.activations and not activations:
            signed, left_out = _without_activations(signed, pair)
            notices = (*notices, left_out)
        return step(
            self._workspace,
            (self.around.name,),
            pair,
            lambda new: rotation.begin(self.around, pair.old, new, signed, now),
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
        plan = rotation.finish(self.around, pair.old, now)
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
            lambda new: rotation.replace_at_once(self.around, pair.old, new, signed, now),
            notices=(*self._damage(), *self._locked_out(signed, seen)),
            then=lambda jwts: self._imports(signed, jwts),
        )

    def to_push(self) -> list[Jwt[Account]]:
        """Return the account, and those with activations by its keys."""
        keys = {str(key) for key in (self._keys() if self.replacement else ()) if key}
        keys |= listed_keys(self.account.claims).keys()
        importers = self.around.importers.values()
        return [self.account, *(jwt for jwt in importers if rotation.has_activation_by(jwt, keys))]

    def report(
        self, stage: str, signed: Sequence[Jwt[Any]], seen: AccountConnections | None, sent: int
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
        names = sorted({one.importer for one in signed.activations})
        before = {name: around.importers[name] for name in names}
        issuers = {name: issuer_of(workspace, jwt, jwt.claims, None) for name, jwt in before.items()}
        plan = rotation.replace_activations(around, activations, issuers, now)
        made_now = find_again(workspace, around.account.claims, pair)
        return step(workspace, (self.around.name,), made_now, lambda _: plan)

    def require_moved(self) -> None:
        """Raise `Refused` while something in the store depends on the previous key, or cannot be read."""
        pair, signed = known_replacement(self.replacement), self.depending
        again = f"seedless rotate account-key {self.around.name}"
        if not pair.is_begun:
            raise Refused(f"no key takes the place of {pair.old} yet", again)
        if len(signed):
            left = [*signed.users, *(f"an import of {one.importer}" for one in signed.activations)]
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
            rows = ", ".join(described(client, self.around) for client in clients)
            raise Refused(
                f"{len(clients)} connections still use the old key: {rows}",
                "give them their new creds and let them connect again; --emergency locks them out",
            )
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
        rows += [f"  connected now: {described(client, self.around)}" for client in clients]
        rows += [
            f"  the import {one.index} of {brief(one.importer)} stops until it is pushed"
            for one in signed.activations
        ]
        return [Notice(printable(row)) for row in rows]


def account_key_rotation(
    workspace: Workspace, name: str, key: str | None, new: PublicKey | None, *, ending: bool
) -> AccountKeyRotation:
    """Return how far the rotation of a key of the account *name* is, see `Rotations.account_key`."""
    around, damaged = _read(workspace, name)
    pair = find(workspace, around.account.claims, key, new, ending=ending)
    return AccountKeyRotation(workspace, around, pair, damaged, key)


def described(client: ConnectedClient, around: AccountContext) -> str:
    """Return who a client is, in a few words."""
    names = {jwt.claims.sub: name for name, jwt in around.users.items()}
    called = f", {client.name}" if client.name else ""
    who = brief(names.get(client.user, client.user))
    return f"{who} at {client.server} (connection {client.number}{called}, {client.address})"


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
