"""Delete a key from its token, or the entry of a lost one; never one that a live jwt needs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import msgspec

from seedless.app.tokens import OpenTokens, named_uri, open_tokens
from seedless.errors import NoKey, NoToken, Refused, SeedlessError, StoreError, UsageError
from seedless.inventory import KeyPlace
from seedless.jwt import Jwt
from seedless.nkey import PublicKey
from seedless.pkcs11.keys import Key
from seedless.pkcs11.token_info import matches
from seedless.store import atomic, open_store, operators, root_lock
from seedless.text import quoted, shown
from seedless.trust import dependents

if TYPE_CHECKING:
    from seedless.app.workspace import Workspace
    from seedless.pkcs11.token import Token
    from seedless.store import Store

__all__ = ["DeletedKey", "KeyDeletion", "require_unneeded"]

_NAMED = 10
"""Jwts that an error names; of more it gives the number."""


class DeletedKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key that is deleted, or taken out of the inventory: its name, and the URI of its entry.

    `token` is the label of its token, `where` names that in a sentence; empty where none was opened. `left`
    are its other places, where it stays.
    """

    public_key: PublicKey
    name: str
    token: str = ""
    where: str = ""
    uri: str = ""
    left: tuple[KeyPlace, ...] = ()


class KeyDeletion:
    """A key that is deleted from its token for good, or a lost one that is taken out of the inventory.

    Of a key with several places one is deleted, that on the token which is named.
    """

    def __init__(self, workspace: Workspace, public_key: PublicKey, *, is_lost: bool) -> None:
        """Delete *public_key*; of one that *is_lost* only the entry, or its place on the named token."""
        self._workspace = workspace
        self.public_key = public_key
        self.is_lost = is_lost
        self.entry = workspace.inventory().get(public_key)
        if is_lost and self.entry is None:
            raise _not_in_inventory(public_key)
        self._require_unneeded(self.spares)

    @property
    def spares(self) -> tuple[KeyPlace, ...]:
        """The places that are left, as far as it is known before a token is opened."""
        if self.entry is None or not self.entry.spares:
            return ()
        named = named_uri(self._workspace)
        left = tuple(place for place in self.entry.places if not named.covers(place.token))
        if len(left) == len(self.entry.places):
            raise UsageError(
                f"{self.public_key} is on {len(left)} tokens, and none of them is named",
                "name the one that is meant with --token; seedless key list --json shows where the key is",
            )
        return left

    def _require_unneeded(self, left: Sequence[KeyPlace]) -> None:
        """Raise `Refused` where a jwt needs the key, and no place of it is *left*."""
        if not left:
            require_unneeded(self._workspace, self.public_key)

    @property
    def name(self) -> str:
        """The name in the inventory; empty where it has none, and the label of the key contains it."""
        return self.entry.name if self.entry else ""

    def run(self, *, name: str | None = None, dry_run: bool = False) -> DeletedKey:
        """Delete it, and return what was deleted; with *dry_run* only look whether and where it exists.

        *name* is what whoever agreed calls the key: raise `UsageError` where it has another name. Raise
        `Refused` where a jwt needs the key meanwhile, `NoKey`, `NoToken`, `TokenError` and `PinError`.
        """
        if self.name and not dry_run and not self.is_lost:  # else its label contains it, on the open token
            self._require_name(name, self.name)
        workspace = self._workspace
        workspace.refresh()
        with root_lock(workspace.root).held(workspace.observer.waits):
            self.entry = workspace.inventory().get(self.public_key)
            self._require_unneeded(self.spares)  # again, with nobody else writing
            if self.is_lost:
                deleted = self._lost(None if dry_run else name)
            else:
                with open_tokens(workspace, writable=not dry_run) as tokens:
                    deleted = self._on_token(tokens, name, dry_run=dry_run)
            if not dry_run:
                self._remove(deleted.left)
        return deleted

    def _remove(self, left: Sequence[KeyPlace]) -> None:
        """Write the inventory without the key, or with the places of it that are *left*."""
        atomic.sweep(self._workspace.root)
        inventory = self._workspace.inventory().without(self.public_key)
        if self.entry is not None and left:
            inventory = inventory.with_entry(self.entry.at_places(left))
        inventory.save(self._workspace.inventory_path)

    def _lost(self, name: str | None) -> DeletedKey:
        entry = self._workspace.inventory().get(self.public_key)
        if entry is None:
            raise _not_in_inventory(self.public_key)
        own = entry.name or str(self.public_key)
        self._require_name(name, own)
        left = self.spares
        uri = next(place.uri for place in entry.places if place not in left)
        return DeletedKey(public_key=self.public_key, name=own, uri=uri, left=left)

    def _on_token(self, tokens: OpenTokens, name: str | None, *, dry_run: bool) -> DeletedKey:
        token, key = self._find(tokens)
        own = self._name_of(key)
        where = token.info.where
        places = self.entry.places if self.entry else ()
        left = tuple(place for place in places if not matches(token.info, place.token))
        self._require_unneeded(left)
        if not dry_run:
            self._require_name(name, own)
            token.destroy(key)
            keys: list[Key] = token.keys()
            if any(other.raw == self.public_key.raw for other in keys):
                raise NoKey(
                    f"{where} reports {self.public_key} as deleted, and still has it",
                    "delete it with the program of the token's maker",
                )
        return DeletedKey(
            public_key=self.public_key, name=own, token=token.info.label, where=where, left=left
        )

    def _find(self, tokens: OpenTokens) -> tuple[Token, Key]:
        try:
            token = tokens.holding(self.public_key)
            return token, _on(token, self.public_key)
        except (NoToken, NoKey) as error:
            if self._workspace.inventory().get(self.public_key) is not None:
                lost = "if it is gone for good, --lost takes it out of the inventory"
                error.hint = f"{error.hint}; {lost}" if error.hint else lost
            raise

    def _name_of(self, key: Key) -> str:
        """Return the name in the inventory, else that of the label, else the key."""
        name = key.label.partition(":")[2] if key.role else key.label
        entry = self._workspace.inventory().get(self.public_key)
        return (entry.name if entry else "") or name or str(self.public_key)

    def _require_name(self, name: str | None, own: str) -> None:
        """Raise `UsageError` when a *name* was given, and the key's *own* is another."""
        if name not in {None, own}:
            raise UsageError(
                f"{self.public_key} was not deleted: its name is not {quoted(name or '')}",
                "seedless key list shows which key is which",
            )


def _not_in_inventory(public_key: PublicKey) -> NoKey:
    return NoKey(f"the inventory does not have {public_key}", "seedless key list shows what it has")


def _on(token: Token, public_key: PublicKey) -> Key:
    key = token.find(public_key.raw)
    if key.role not in {None, public_key.role}:
        raise NoKey(
            f"the key {key.named} is not {public_key}: its label has another role",
            "seedless key list --token shows the public key in its role",
        )
    # A key without a public object was found by a signature, and is on the token without those bytes.
    listed: list[Key] = token.keys()
    found = [one for one in listed if (one.id, one.label) == (key.id, key.label)]
    return found[0] if len(found) == 1 else key


def require_unneeded(workspace: Workspace, public_key: PublicKey) -> None:
    """Raise `Refused` while a live jwt of any store needs the key; `StoreError` where one cannot be read."""
    found = []
    for operator in operators(workspace.root):
        for where, jwt in _every_jwt(open_store(workspace.root, operator)):
            if isinstance(jwt, SeedlessError):
                raise StoreError(
                    f"{where} cannot be read, and may need the key {public_key}: {jwt.message}", jwt.hint
                )
            tied = dependents(jwt, public_key, workspace.now)
            found += [f"{where} ({' and '.join(tied)})"] if tied else []
    if found:
        more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
        raise Refused(
            f"the key {public_key} is needed: it is in {', '.join(found[:_NAMED])}{more}",
            "sign them with another key, or let them expire; a key that is lost cannot sign again",
        )


def _every_jwt(store: Store) -> Iterator[tuple[str, Jwt[object] | SeedlessError]]:
    yield _read(store)
    for account in store.children():
        yield _read(store, account)
        for user in store.children(account):
            yield _read(store, account, user)


def _read(store: Store, *address: str) -> tuple[str, Jwt[object] | SeedlessError]:
    kind = ("operator", "account", "user")[len(address)]
    where = f"{kind} {shown('/'.join(address) or store.operator)}"
    if address:
        where += f" of {shown(store.operator)}"
    try:
        return where, store.get(*address) or StoreError("it is not there", "import it again")
    except SeedlessError as error:
        return where, error
