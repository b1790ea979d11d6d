"""Migrate from nsc: the seeds of its key store are put on a token; its store serves both tools as it is."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from seedless import migrate as nsc_home
from seedless.app.key_import import put_on_token
from seedless.app.tokens import open_tokens
from seedless.errors import SeedlessError, UsageError
from seedless.inventory import KeyEntry
from seedless.jwt import Jwt
from seedless.migrate import KeyFileContent, NscKey, NscPaths
from seedless.store import atomic, operators
from seedless.text import shown

if TYPE_CHECKING:
    from seedless.app.workspace import Workspace

__all__ = ["MigratedKey", "NscMigration", "SeedReplacement", "on_store_of_nsc"]

W = TypeVar("W", bound="Workspace")


def on_store_of_nsc(workspace: W, paths: NscPaths) -> W:
    """Return *workspace* on the store of nsc in *paths*; raise `UsageError` where there is none."""
    names = operators(paths.root)
    if not names:
        raise UsageError(
            f"there is no store of nsc in {shown(paths.root)}", "name its folder with --data-dir"
        )
    name = workspace.settings.operator or (paths.operator if paths.operator in names else None)
    # A copy, with what was read for the other store left out: the observer, the PIN and the open tokens are
    # the same.
    found = copy.copy(workspace)
    for read in ("root", "store", "inventory_path"):
        vars(found).pop(read, None)
    found.settings = msgspec.structs.replace(workspace.settings, store=str(paths.root), operator=name)
    return found


class MigratedKey(msgspec.Struct, frozen=True):
    """A key of nsc: whether a token has it by the inventory, and what its file holds."""

    public_key: str
    name: str
    on_token: bool
    file: str
    holds: str


class NscMigration:
    """The operator's and accounts' keys of an nsc key store, put on the token of the workspace.

    `workspace` is on the store of nsc; hold its lock around what is read here and what is done with it.
    """

    def __init__(
        self,
        workspace: Workspace,
        *,
        config: Path | None = None,
        data: Path | None = None,
        keystore: Path | None = None,
    ) -> None:
        """Find nsc's folders: *config* has `nsc.json`, *data* the stores, *keystore* the keys."""
        self.paths = nsc_home.nsc_paths(os.environ, config, data, keystore)
        self.workspace = on_store_of_nsc(workspace, self.paths)

    def keys(self) -> tuple[NscKey, ...]:
        """Return the keys that the jwts of the store name, and what their files contain."""
        return tuple(nsc_home.keys_of(self.workspace.store, self.paths.keys))

    def on_tokens(self, keys: Iterable[NscKey]) -> tuple[MigratedKey, ...]:
        """Return which of *keys* are on a token, and what their files hold now."""
        known = self.workspace.known_keys()
        return tuple(
            MigratedKey(
                public_key=str(key.public_key),
                name=key.name,
                on_token=str(key.public_key) in known,
                file=str(key.path),
                holds=str(nsc_home.key_file_content(key.path, key.public_key)),
            )
            for key in keys
        )

    def jwts(self) -> tuple[list[tuple[str, Jwt[Any]]], list[tuple[str, str]]]:
        """Return the jwts of the store with their names, and of those that cannot be read, why not."""
        workspace, operator = self.workspace, self.workspace.operator()
        found: list[tuple[str, Jwt[Any] | SeedlessError]] = [(f"operator {operator.claims.name}", operator)]
        found += [(f"account {name}", jwt) for name, jwt in workspace.each()]
        for account in workspace.store.children():
            found += [(f"user {account}/{name}", jwt) for name, jwt in workspace.each(account)]
        damaged = [(name, jwt.message) for name, jwt in found if isinstance(jwt, SeedlessError)]
        return [(name, jwt) for name, jwt in found if not isinstance(jwt, SeedlessError)], damaged

    def missing(self) -> tuple[NscKey, ...]:
        """Return the keys whose seeds are in files, and that no token has by the inventory.

        Raise `TokenError` where there are some and the token that they are for is not there.
        """
        known = self.workspace.known_keys()
        keys = tuple(
            key for key in self.keys() if key.held is KeyFileContent.SEED and str(key.public_key) not in known
        )
        if keys:  # before a person is asked about each of them
            with open_tokens(self.workspace) as tokens:
                tokens.located(keys[0].public_key)
        return keys

    def import_keys(
        self, keys: Sequence[NscKey], *, report: Callable[[KeyEntry], None] | None = None
    ) -> tuple[KeyEntry, ...]:
        """Put *keys* on the token one after the other, and register each once it has signed a challenge.

        *report* gets each entry as soon as it is registered: what an error leaves is on the token already.
        """
        if not keys:
            return ()
        entries = []
        with open_tokens(self.workspace, writable=True) as tokens:
            for key in keys:
                software = nsc_home.seed_in(key.path)
                if software is None:
                    raise UsageError(f"{shown(key.path)} holds no seed any more", "run it again")
                entries.append(put_on_token(self.workspace, tokens, software, key.name))
                if report is not None:
                    report(entries[-1])
        return tuple(entries)

    def replacement(self, backup: Path) -> SeedReplacement:
        """Return the replacement of the seeds of all keys that are on a token, after a copy into *backup*."""
        # Resolved, since a link into the key store would make nsc find, and people delete, the only copies.
        if backup.resolve().is_relative_to(self.paths.keys.resolve()):
            raise UsageError(f"the backup {shown(backup)} is inside the key store", "name another folder")
        known = self.workspace.known_keys()
        keys = [
            key for key in self.keys() if key.held is KeyFileContent.SEED and str(key.public_key) in known
        ]
        return SeedReplacement(tuple(keys), backup)


class SeedReplacement:
    """Seeds in files that give place to their public keys, which nsc understands; `run` does it."""

    def __init__(self, keys: tuple[NscKey, ...], backup: Path) -> None:
        """Replace the seeds of *keys*, once their copies are in the folder *backup*."""
        self.keys = keys
        self._backup = backup

    @property
    def is_empty(self) -> bool:
        """Whether there is no seed to replace."""
        return not self.keys

    def run(self) -> None:
        """Copy the seeds, read the copies back, and replace them; raise `StoreError`, `UsageError`."""
        copies = nsc_home.back_up(list(self.keys), self._backup)
        atomic.write(copies)
        for path, text in copies.items():
            if (atomic.read(path) or b"").decode() != text:
                raise UsageError(
                    f"the backup {shown(path)} does not hold what was written", "try another disk"
                )
        # Replaced and not removed: a key file with the public key satisfies nsc and `nats auth`, where a
        # missing one ends in errors and a panic (measured).
        atomic.write({key.path: str(key.public_key) for key in self.keys})
