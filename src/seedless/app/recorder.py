"""Record: what was signed goes into the store, key files and creds with it. The last step.

The seed of a user is in the key store, or in the creds file that the user has, at whatever address.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seedless.change import StoreWrite
from seedless.errors import StoreError
from seedless.jwt import Jwt
from seedless.key_store import key_files, user_key
from seedless.seeds import SoftwareKey
from seedless.signing_pipeline import Signed
from seedless.store import Store, atomic

if TYPE_CHECKING:
    from seedless.app.workspace import Workspace

__all__ = ["Files", "Recorder", "no_files"]

Files = Callable[[Sequence[Signed]], Mapping[Path, str | None]]
"""Which files are written, or removed (None), together with what was signed."""

_USER = 2
"""Parts of the address of a user."""


def no_files(_signed: Sequence[Signed]) -> Mapping[Path, str | None]:
    """Return no files: what most operations write beside the store."""
    return {}


class Recorder:
    """Writes what was signed, at the addresses of the changes."""

    def __init__(self, workspace: Workspace, seeds: Iterable[SoftwareKey], files: Files) -> None:
        """Take the *seeds* of new users, and what *files* are written together with the store."""
        self._workspace = workspace
        self._seeds = {str(key.public_key): key for key in seeds}
        self._files = files

    def __call__(self, signed: Sequence[Signed], store_writes: Sequence[StoreWrite]) -> None:
        """Write all of it or nothing."""
        jwts: dict[tuple[str, ...], Jwt[object] | None] = {one.address: one.jwt for one in store_writes}
        jwts |= {change.address: jwt for change, jwt in signed if change.address is not None}
        # The operation's own files come last: a creds file that it writes on purpose wins over the one that
        # follows from the seed.
        files = {**self._keys(jwts), **self._files(signed)}
        # One call for jwts, keys and creds: `put` writes all of them as one batch, so that a kill never
        # leaves a user whose jwt is signed and whose seed is lost.
        if jwts:
            self._workspace.store.put(jwts, files)
        elif files:
            atomic.write(files)

    def _keys(self, jwts: Mapping[tuple[str, ...], Jwt[Any] | None]) -> dict[Path, str | None]:
        """Return the key files and the creds of *jwts*; creds of a user that has moved are removed."""
        found: dict[Path, str | None] = {}
        store = self._workspace.store if jwts else None
        left = _left({where: jwt for where, jwt in jwts.items() if len(where) == _USER}, self._workspace)
        for address, jwt in jwts.items():
            if store is None or jwt is None:
                continue
            before = left.get(jwt.claims.sub, [])
            key = self._seed(store, jwt, address, *before) if len(address) == _USER else None
            found |= key_files(store, jwt, key)
            if key is not None:
                from seedless.creds import format_creds  # only users have creds

                # The old path goes in the same write: creds that stay at the address a user has left would
                # be taken for those of the next user of that name.
                found |= {store.creds_path(*there): None for there in before}
                found[store.creds_path(*address)] = format_creds(jwt, key)
        return found

    def _seed(self, store: Store, jwt: Jwt[object], *addresses: tuple[str, ...]) -> SoftwareKey | None:
        """Return the key of the user of *jwt*, where its seed is known."""
        known = self._seeds.get(jwt.claims.sub)
        return known or user_key(store, jwt.claims.sub, *addresses)


def _left(
    users: Mapping[tuple[str, ...], Jwt[object] | None], workspace: Workspace
) -> dict[str, list[tuple[str, ...]]]:
    """Return the addresses that users are leaving, by their subjects: those that lose a jwt.

    A jwt that is damaged has no subject, and can be removed.
    """
    left: dict[str, list[tuple[str, ...]]] = {}
    for address in (address for address, signed in users.items() if signed is None):
        with contextlib.suppress(StoreError):
            there = workspace.store.get(*address)
            if there is not None:
                left.setdefault(there.claims.sub, []).append(address)
    return left
