"""Put keys whose seeds exist already on a token, from one seed or from the key files of a folder.

Imported keys stay marked: the token reports of them that they were not created there (LOCAL).
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from seedless.app.tokens import OpenTokens, key_uri, open_tokens
from seedless.errors import BadKey, NoKey, UsageError
from seedless.inventory import KeyEntry
from seedless.migrate import keys_of
from seedless.nkey import PublicKey, Role
from seedless.pkcs11.keys import Key, label_for
from seedless.pkcs11.signing import challenge
from seedless.pkcs11.token_info import matches
from seedless.seeds import SoftwareKey
from seedless.store import atomic, keys_beside, root_lock
from seedless.text import shown

if TYPE_CHECKING:
    from seedless.app.workspace import Workspace
    from seedless.pkcs11.token import Token
    from seedless.pkcs11.token_info import TokenInfo

__all__ = ["WORTH", "FolderImport", "KeyImport", "KeyInFile", "put_on_token"]

WORTH = (
    "a seed that was outside a token before may have been copied: whoever has a copy can sign with it. "
    "The token reports that the key was not made there (LOCAL), for as long as it is there"
)
"""What an imported key is worth, for whoever imports one."""

_ON_TOKENS = frozenset({Role.OPERATOR, Role.ACCOUNT})
_ROLES = frozenset({Role.OPERATOR, Role.ACCOUNT, Role.USER})


class KeyImport:
    """A key that is put on the token of the workspace; `run` does it.

    `previous` is its entry in the inventory, where the key is on a token already.
    """

    def __init__(self, workspace: Workspace, key: SoftwareKey, name: str, role: Role | None) -> None:
        """Import *key* as *name*'s; raise `UsageError` for another *role*, or one that the inventory has."""
        self.public_key = key.public_key
        if role not in {None, self.public_key.role} or self.public_key.role not in _ROLES:
            wanted = "one of operator, account and user" if role is None else f"the role {role.name.lower()}"
            raise UsageError(
                f"the seed is of the role {self.public_key.role.name.lower()}, and not of {wanted}",
                "a key has one role, which its seed shows: give that, or another seed",
            )
        self.label = label_for(self.public_key.role, name)
        self.previous = workspace.inventory().get(self.public_key)
        # Raises where the inventory has the raw key under another role, before a token is opened.
        # The same 32 bytes can be an operator's and an account's key by their prefix alone. A signature by
        # one would verify under the other.
        workspace.inventory().with_entry(
            KeyEntry(public_key=self.public_key, uri="pkcs11:", role=self.public_key.role)
        )
        self._workspace = workspace
        self._key = key
        self._name = name

    def run(self) -> KeyEntry:
        """Import it, verify a test signature, and register it; raise `TokenError`, `PinError`."""
        workspace = self._workspace
        workspace.refresh()
        lock = root_lock(workspace.root)
        with lock.held(workspace.observer.waits), open_tokens(workspace, writable=True) as tokens:
            token = tokens.chosen()
            # Under the lock of the workspace: of two imports of one key at once the second would put it on
            # the token twice, and which one signs would be chance.
            imported = token.import_key(self._key, self.label)
            return _register(workspace, token, self.public_key, self._name, imported)


class KeyInFile(msgspec.Struct, frozen=True):
    """A key in a file of a folder; `destination` is `token`, `file`, or `nowhere` and why."""

    public_key: PublicKey
    path: Path
    name: str | None

    @property
    def destination(self) -> str:
        """Where it is imported to."""
        if self.public_key.role not in _ON_TOKENS:
            return "file"
        return "token" if self.name is not None else "nowhere: no jwt names it"


class FolderImport:
    """The keys in the files of a folder, each put where it belongs; call `run` under the same lock.

    `keys` are those in the files, `skipped` those of them that are where they belong already, and why.
    """

    def __init__(self, workspace: Workspace, folder: Path, *, recurse: bool) -> None:
        """Read the key files of *folder*, and with *recurse* of the folders in it.

        Where some belong onto the token, it is looked for, without a PIN: raise `NoToken` where it is not
        there.
        """
        self._workspace = workspace
        self._seeds = dict(_files(folder, _names(workspace), recurse=recurse))
        self.keys = tuple(self._seeds)
        self.skipped = dict(self._present())

    def _present(self) -> Iterator[tuple[KeyInFile, str]]:
        """Yield the keys that are where they belong already, and the reason to skip each."""
        inventory = self._workspace.inventory()
        info = self._token() if any(key.destination == "token" for key in self.keys) else None
        for key in self.keys:
            if key.destination == "file" and self._workspace.store.seed_path(key.public_key).exists():
                yield key, "the key store has it"
            if key.destination == "token" and info is not None:
                entry = inventory.get(key.public_key)
                # On this token, and not on any: a second one gets the same keys.
                places = entry.places if entry is not None else ()
                place = next((place for place in places if matches(info, place.token)), None)
                if place is not None:
                    back = "; it was reported as lost: seedless key register --all takes that back"
                    yield key, f"{info.where} has it{back if place.lost_at else ''}"

    def _token(self) -> TokenInfo:
        with open_tokens(self._workspace) as tokens:
            return tokens.info()

    def _missing(self, destination: str) -> list[KeyInFile]:
        return [key for key in self.keys if key.destination == destination and key not in self.skipped]

    @property
    def is_empty(self) -> bool:
        """Whether all keys are where they belong."""
        return not self._missing("file") and not self._missing("token")

    def run(self) -> tuple[KeyEntry, ...]:
        """Import what is missing: seeds into the key store, and keys onto the token; return those entries."""
        workspace = self._workspace
        # Seeds of users first: they need no token, and stay when no token is there.
        path = workspace.store.seed_path
        atomic.write({path(key.public_key): self._seeds[key].reveal() for key in self._missing("file")})
        missing = self._missing("token")
        if not missing:
            return ()
        with open_tokens(workspace, writable=True) as tokens:
            return tuple(put_on_token(workspace, tokens, self._seeds[key], key.name or "") for key in missing)


def _names(workspace: Workspace) -> dict[str, str]:
    keys: Iterable[tuple[str, str]] = (
        (str(key.public_key), key.name) for key in keys_of(workspace.store, keys_beside(workspace.root))
    )
    return dict(keys)


def _files(folder: Path, names: dict[str, str], *, recurse: bool) -> Iterator[tuple[KeyInFile, SoftwareKey]]:
    """Yield the keys in the files of *folder*; those that contain public keys are skipped."""
    if not folder.is_dir():
        raise UsageError(f"there is no folder {shown(folder)}", "name the one that the .nk files are in")
    for path in sorted(folder.rglob("*.nk") if recurse else folder.glob("*.nk")):
        # A .nk file with a public key alone is what nsc and `nats auth` are content with; it is no slip.
        text = (atomic.read(path) or b"").decode("ascii", errors="replace").strip()
        if not text.startswith("S"):
            continue
        try:
            key = SoftwareKey.parse(text)
        except BadKey as error:
            raise UsageError(
                f"{shown(path)}: {error.message}", "take it out of the folder, or restore it"
            ) from error
        yield KeyInFile(key.public_key, path, names.get(str(key.public_key))), key


def put_on_token(workspace: Workspace, tokens: OpenTokens, software: SoftwareKey, name: str) -> KeyEntry:
    """Put *software* on the token that is meant, under its role and *name*, and register it.

    One that is on it already, from a run that ended before it was registered, is used. Either way a test
    signature was verified.
    """
    token = tokens.chosen()
    try:
        key = token.find(software.public_key.raw)
    except NoKey:
        key = token.import_key(software, label_for(software.public_key.role, name))
    else:
        # The key may be there with attributes that would be refused later. Whether it signs at all is the
        # question here: SoftHSM takes seeds of 31 or 64 bytes and fails at the first signature only.
        signer = token.signer(software.public_key, allow_extractable=True)
        signer.sign(challenge("import a key", secrets.token_bytes(32)))
    return _register(workspace, token, software.public_key, name, key)


def _register(workspace: Workspace, token: Token, public_key: PublicKey, name: str, key: Key) -> KeyEntry:
    """Register in the inventory that *key*, on *token*, is the imported key of *name*."""
    entry = KeyEntry(
        public_key=public_key,
        uri=str(key_uri(token, label_for(public_key.role, name), key.id)),
        role=public_key.role,
        name=name,
        made="import",
        at=workspace.now,
    )
    workspace.note_key(entry)
    return entry
