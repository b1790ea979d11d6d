"""Delete a key from its token, never one that a live jwt needs; or report that a token with keys is lost."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import msgspec

from seedless.app.token_choice import named_uri
from seedless.app.tokens import OpenTokens, open_tokens
from seedless.errors import NoKey, NoToken, Refused, SeedlessError, StoreError, UsageError
from seedless.inventory import Inventory, KeyEntry, KeyPlace
from seedless.jwt import Jwt
from seedless.nkey import PublicKey, Role
from seedless.pkcs11.keys import Key
from seedless.pkcs11.token_info import matches
from seedless.pkcs11.uri import KeyUri
from seedless.store import atomic, open_store, operators, root_lock
from seedless.text import quoted, shown
from seedless.trust import dependents, keys_in

if TYPE_CHECKING:
    from seedless.app.workspace import Workspace
    from seedless.pkcs11.token import Token
    from seedless.store import Store

__all__ = ["DeletedKey", "KeyDeletion", "LostKeys", "LostPlace", "not_in_inventory", "require_unneeded"]

_NAMED = 10
"""Jwts that an error names; of more it gives the number."""


class DeletedKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key that is deleted: its name, and the label of its token, which `where` names in a sentence.

    `left` are its other places, where it stays.
    """

    public_key: PublicKey
    name: str
    token: str
    where: str
    left: tuple[KeyPlace, ...] = ()


class KeyDeletion:
    """A key that is deleted from its token for good.

    Of a key with several places one is deleted, that on the token which is named.
    """

    def __init__(self, workspace: Workspace, public_key: PublicKey) -> None:
        """Delete *public_key*."""
        self._workspace = workspace
        self.public_key = public_key
        self.entry = workspace.inventory().get(public_key)
        self._require_unneeded(self.spares)

    @property
    def spares(self) -> tuple[KeyPlace, ...]:
        """The places that are left, as far as it is known before a token is opened."""
        meant = _meant(self._workspace, self.entry) if self.entry else ()
        return tuple(place for place in self.entry.places if place not in meant) if self.entry else ()

    def _require_unneeded(self, left: Sequence[KeyPlace]) -> None:
        """Raise `Refused` where a jwt needs the key, and no place of it is *left* that is not lost."""
        if all(place.lost_at for place in left):
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
        if self.name and not dry_run:  # else its label contains it, on the open token
            _require_name(self.public_key, name, self.name)
        workspace = self._workspace
        workspace.refresh()
        with root_lock(workspace.root).held(workspace.observer.waits):
            self.entry = workspace.inventory().get(self.public_key)
            self._require_unneeded(self.spares)  # again, with nobody else writing
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

    def _on_token(self, tokens: OpenTokens, name: str | None, *, dry_run: bool) -> DeletedKey:
        token, key = self._find(tokens)
        own = self._name_of(key)
        where = token.info.where
        places = self.entry.places if self.entry else ()
        left = tuple(place for place in places if not matches(token.info, place.token))
        self._require_unneeded(left)
        if not dry_run:
            _require_name(self.public_key, name, own)
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
                lost = "if its token is gone for good, add --lost"
                error.hint = f"{error.hint}; {lost}" if error.hint else lost
            raise

    def _name_of(self, key: Key) -> str:
        """Return the name in the inventory, else that of the label, else the key."""
        name = key.label.partition(":")[2] if key.role else key.label
        entry = self._workspace.inventory().get(self.public_key)
        return (entry.name if entry else "") or name or str(self.public_key)


class LostPlace(msgspec.Struct, frozen=True, kw_only=True):
    """A key of a token that is lost: its name, and the URI of its place there.

    The place `is_needed`, and marked as lost, where it is the last one and a jwt still names the key; else it
    is taken out of the inventory. `left` are the other places of the key that are not lost.
    """

    public_key: PublicKey
    name: str
    uri: str
    is_needed: bool = False
    left: tuple[KeyPlace, ...] = ()

    def data(self) -> dict[str, object]:
        """Return it as --json prints it."""
        return {
            "public_key": str(self.public_key),
            "name": self.name,
            "uri": self.uri,
            "state": "lost" if self.is_needed else "removed",
            "left": [place.uri for place in self.left],
        }


class LostKeys:
    """Keys of a token that is lost: their places there are marked or taken out; no token is opened.

    `name` is what whoever reports the loss calls them: the name of the key, or the label of the token.
    """

    def __init__(self, workspace: Workspace, public_key: PublicKey | None = None) -> None:
        """Report *public_key* as lost, on the token that is named if it is on several; or all of that token.

        Raise `NoKey` where the inventory has no such key, `UsageError` where no token is named.
        """
        self._workspace = workspace
        self._public_key = public_key
        entries = self._entries()
        self.keys = tuple(key for key, _ in self._found(entries))
        self.name = (entries[0].name or str(public_key)) if public_key else self._token().token or ""

    def _token(self) -> KeyUri:
        return named_uri(self._workspace).token_part

    def _entries(self) -> list[KeyEntry]:
        inventory = self._workspace.inventory()
        if self._public_key is not None:
            entry = inventory.get(self._public_key)
            if entry is None:
                raise not_in_inventory(self._public_key)
            return [entry]
        token = self._token()
        entries = [item for item in inventory if any(token.covers(place.token) for place in item.places_left)]
        if not entries:
            raise UsageError(
                f"the inventory has no key on the token {shown(str(token))}"
                if token != KeyUri()
                else "no token is named",
                "name the lost token with --token; seedless key list shows the tokens",
            )
        _require_one_token(
            place for item in entries for place in item.places_left if token.covers(place.token)
        )
        return entries

    def _found(self, entries: Iterable[KeyEntry]) -> Iterator[tuple[LostPlace, KeyEntry | None]]:
        """Yield each of *entries* as it is reported, and the entry that stays, None where none does."""
        now = self._workspace.now
        needed, damaged = _needed(self._workspace, [entry.public_key for entry in entries])
        for entry in entries:
            meant = _meant(self._workspace, entry)
            left = tuple(place for place in entry.places_left if place not in meant)
            # A jwt that cannot be read may need it: it is marked then, which loses nothing.
            is_needed = not left and bool(needed[entry.public_key] or damaged)
            marked = [
                msgspec.structs.replace(place, lost_at=place.lost_at or now) if place in meant else place
                for place in entry.places
            ]
            stays = tuple(place for place in entry.places if place not in meant) if left else marked
            name = entry.name or str(entry.public_key)
            lost = LostPlace(
                public_key=entry.public_key, name=name, uri=meant[0].uri, is_needed=is_needed, left=left
            )
            yield lost, entry.at_places(stays) if left or is_needed else None

    def run(self, *, name: str | None = None, dry_run: bool = False) -> tuple[LostPlace, ...]:
        """Write it into the inventory, and return what was; with *dry_run* only what would be.

        *name* is what whoever agreed calls the key or the token: raise `UsageError` where it is another.
        """
        workspace = self._workspace
        workspace.refresh()
        with root_lock(workspace.root).held(workspace.observer.waits):
            if not dry_run:
                _require_name(self._public_key or self._token(), name, self.name)
            found = list(self._found(self._entries()))
            if not dry_run:
                atomic.sweep(workspace.root)
                lost = {key.public_key for key, _ in found}
                others = [entry for entry in workspace.inventory() if entry.public_key not in lost]
                stays = [entry for _, entry in found if entry is not None]
                Inventory.of(sorted((*others, *stays), key=lambda item: str(item.public_key))).save(
                    workspace.inventory_path
                )
        return tuple(key for key, _ in found)


def _meant(workspace: Workspace, entry: KeyEntry) -> tuple[KeyPlace, ...]:
    """Return the place of *entry* that is meant: the only one, or those on the token that is named."""
    if not entry.spares:
        return entry.places
    named = named_uri(workspace)
    meant = tuple(place for place in entry.places if named.covers(place.token))
    if not meant:
        raise UsageError(
            f"{entry.public_key} is on {len(entry.places)} tokens, and none of them is named",
            "name the one that is meant with --token; seedless key list --json shows where the key is",
        )
    _require_one_token(meant)
    return meant


def _require_one_token(places: Iterable[KeyPlace]) -> None:
    """Raise `UsageError` where *places* are on several tokens: a new one often gets the label of the old."""
    tokens = sorted({str(place.token) for place in places})
    if len(tokens) > 1:
        raise UsageError(
            f"{len(tokens)} tokens are called so: {', '.join(map(shown, tokens))}",
            "name the one that is meant by its serial number, with --token",
        )


def _require_name(what: object, name: str | None, own: str) -> None:
    """Raise `UsageError` when a *name* was given, and the *own* one of *what* is another."""
    if name not in {None, own}:
        raise UsageError(
            f"{what} was not deleted: its name is not {quoted(name or '')}",
            "seedless key list shows which key is which",
        )


def not_in_inventory(public_key: PublicKey) -> NoKey:
    """Return the error about a key that the inventory does not have."""
    return NoKey(f"the inventory does not have {public_key}", "seedless key list shows what it has")


def _on(token: Token, public_key: PublicKey) -> Key:
    key = token.find(public_key)
    if key.role not in {None, public_key.role}:
        raise NoKey(
            f"the key {key.named} is not {public_key}: its label has another role",
            "seedless key list --token shows the public key in its role",
        )
    # A key without a public object was found by a signature, and is on the token without those bytes.
    listed: list[Key] = token.keys()
    found = [candidate for candidate in listed if (candidate.id, candidate.label) == (key.id, key.label)]
    return found[0] if len(found) == 1 else key


def require_unneeded(workspace: Workspace, public_key: PublicKey) -> None:
    """Raise `Refused` while a live jwt of any store needs the key; `StoreError` where one cannot be read."""
    needed, damaged = _needed(workspace, [public_key])
    for where, error in damaged:
        raise StoreError(
            f"{where} cannot be read, and may need the key {public_key}: {error.message}", error.hint
        ) from error
    found = needed[public_key]
    if found:
        more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
        raise Refused(
            f"the key {public_key} is needed: it is in {', '.join(found[:_NAMED])}{more}",
            "sign them with another key, or let them expire; a key that is lost cannot sign again",
        )


def _needed(
    workspace: Workspace, keys: Iterable[PublicKey]
) -> tuple[dict[PublicKey, list[str]], list[tuple[str, SeedlessError]]]:
    """Return the live jwts of any store that need each of *keys*, and why; and those that cannot be read."""
    found: dict[PublicKey, list[str]] = {key: [] for key in keys}
    # The raw key counts, in whichever role a jwt names it.
    by_text = {str(PublicKey(role, key.raw)): key for key in found for role in Role}
    damaged = []
    for operator in operators(workspace.root):
        for where, jwt in _every_jwt(open_store(workspace.root, operator)):
            if isinstance(jwt, SeedlessError):
                damaged.append((where, jwt))
                continue
            for key in {by_text[text] for text in keys_in(jwt) & by_text.keys()}:
                tied = dependents(jwt, key, workspace.now)
                found[key] += [f"{where} ({' and '.join(tied)})"] if tied else []
    return found, damaged


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
