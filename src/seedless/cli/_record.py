"""Record: what was signed goes into the store, and creds follow their users; the last step of the walk.

The seed of a user is in the creds file that the user has, at whatever address, or in the key store of nsc.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from seedless.errors import SeedlessError, StoreError
from seedless.nkey import PublicKey
from seedless.seeds import SoftwareKey
from seedless.store import atomic

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from seedless.change import Placement
    from seedless.cli._workspace import Workspace
    from seedless.issue import Signed
    from seedless.jwt import Jwt
    from seedless.store import Store

    Files = Callable[[Sequence[Signed]], Mapping[Path, str | None]]

_USER = 2
"""Parts of the address of a user."""


def no_files(_signed: Sequence[Signed]) -> Mapping[Path, str | None]:
    """Return no files: what most commands write beside the store."""
    return {}


class Recorder:
    """Writes what was signed, at the addresses of the changes."""

    def __init__(self, workspace: Workspace, seeds: Iterable[SoftwareKey], files: Files) -> None:
        """Take the *seeds* of new users, and what *files* are written together with the store."""
        self._workspace = workspace
        self._seeds = {str(key.public_key): key for key in seeds}
        self._files = files

    def __call__(self, signed: Sequence[Signed], placements: Sequence[Placement]) -> None:
        """Write all of it or nothing."""
        jwts: dict[tuple[str, ...], Jwt[Any] | None] = {one.address: one.jwt for one in placements}
        jwts |= {change.address: jwt for change, jwt in signed if change.address is not None}
        files = {**self._creds(jwts), **self._files(signed)}
        if jwts:
            self._workspace.store.put(jwts, files)
        elif files:
            atomic.write(files)

    def _creds(self, jwts: Mapping[tuple[str, ...], Jwt[Any] | None]) -> dict[Path, str | None]:
        """Return the creds files of the users in *jwts*; those of a user that has moved are removed."""
        found: dict[Path, str | None] = {}
        store = self._workspace.store if jwts else None
        users = {where: jwt for where, jwt in jwts.items() if len(where) == _USER}
        left = _left(users, self._workspace)
        for (account, user), jwt in users.items():
            if store is None or jwt is None:
                continue
            before = left.get(jwt.claims.sub, [])
            key = self._seed(jwt, (account, user), *before)
            if key is not None:
                from seedless.creds import format_creds  # noqa: PLC0415 - only users have creds

                found |= {store.creds_path(*address): None for address in before}
                found[store.creds_path(account, user)] = format_creds(jwt, key)
        return found

    def _seed(self, jwt: Jwt[Any], *addresses: tuple[str, ...]) -> SoftwareKey | None:
        """Return the key of the user of *jwt*, where its seed is known."""
        known = self._seeds.get(jwt.claims.sub)
        for account, user in addresses if known is None else ():
            creds = self._workspace.creds(account, user)
            if creds is not None:
                from seedless.creds import parse_user_key  # noqa: PLC0415 - likewise

                held = parse_user_key(creds)
                if str(held.public_key) == jwt.claims.sub:
                    return held
        return known or stored_seed(self._workspace.store, PublicKey.parse(jwt.claims.sub))


def stored_seed(store: Store, public_key: PublicKey) -> SoftwareKey | None:
    """Return the key whose seed lies in the key store of nsc beside the store, or None.

    A file that is damaged, or holds a public key, has no seed.
    """
    data = atomic.read(store.seed_path(public_key))
    try:
        key = SoftwareKey.parse((data or b"").decode().strip())
    except (SeedlessError, UnicodeDecodeError):
        return None
    return key if key.public_key == public_key else None


def _left(
    users: Mapping[tuple[str, ...], Jwt[Any] | None], workspace: Workspace
) -> dict[str, list[tuple[str, ...]]]:
    """Return the addresses that users are leaving, by their subjects: those that lose a jwt.

    A jwt that is damaged tells no subject, and can be removed.
    """
    left: dict[str, list[tuple[str, ...]]] = {}
    for address in (address for address, signed in users.items() if signed is None):
        with contextlib.suppress(StoreError):
            there = workspace.store.get(*address)
            if there is not None:
                left.setdefault(there.claims.sub, []).append(address)
    return left
