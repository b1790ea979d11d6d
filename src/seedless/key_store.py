"""The key store beside a store, in the layout of nsc: `keys/U/AB/UAB….nk`, one file for each key.

A file holds the seed of a software key, or the public key alone where the seed is elsewhere: on a token, or
with the user. nsc and `nats auth` look for a user's key there, and take a public key for one whose seed is
not here; without the file `nats auth` ends with a panic, and `nsc push` finds no system user (measured).
A creds file is a copy, made of the jwt of the store and of the seed.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from seedless.claims import Account, Operator, signing_key
from seedless.errors import SeedlessError, StoreError, UsageError
from seedless.nkey import PublicKey
from seedless.seeds import SoftwareKey
from seedless.store import atomic
from seedless.text import shown

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from seedless.jwt import Jwt
    from seedless.store import Store


def stored_seed(store: Store, public_key: PublicKey) -> SoftwareKey | None:
    """Return the key whose seed lies in the key store of *store*, or None.

    A file that is damaged, or holds a public key, has no seed.
    """
    data = atomic.read(store.seed_path(public_key))
    try:
        key = SoftwareKey.parse((data or b"").decode().strip())
    except (SeedlessError, UnicodeDecodeError):
        return None
    return key if key.public_key == public_key else None


def read_seed(path: Path) -> SoftwareKey:
    """Return the key whose seed is in the file *path*; raise `UsageError`, `WrongFile` for another file."""
    from seedless import file_kind  # few files of seeds are given

    data = atomic.read(path)
    if data is None:
        raise UsageError(f"there is no file {shown(path)}", "name a file with a seed, S…")
    file_kind.require(data, path, file_kind.SEED)
    try:
        return SoftwareKey.parse(data.decode("ascii", "replace").strip())
    except SeedlessError as error:
        raise UsageError(f"{shown(path)} holds no seed: {error.message}", error.hint) from error


def is_open_to_others(path: Path) -> bool:
    """Return whether others on this machine can read the file *path*."""
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return False
    return stat.S_ISREG(mode) and bool(mode & (stat.S_IRGRP | stat.S_IROTH))


def creds_text(store: Store, account: str, user: str) -> str | None:
    """Return the text of the creds file of *user*, None if there is none; raise `StoreError`."""
    data = store.creds(account, user)
    try:
        return None if data is None else data.decode()
    except UnicodeDecodeError as error:
        path = store.creds_path(account, user)
        raise StoreError(f"{shown(path)} is damaged: it is not text", "restore it from a backup") from error


def user_key(store: Store, subject: str, *addresses: tuple[str, ...]) -> SoftwareKey | None:
    """Return the key of the user *subject*: from the key store, else from the creds at one of *addresses*.

    Raise `StoreError` or `BadKey` for creds that cannot be read, where the key store has no seed.
    """
    found = stored_seed(store, PublicKey.parse(subject))
    for account, user in addresses if found is None else ():
        text = creds_text(store, account, user)
        if text is not None:
            from seedless.creds import parse_user_key  # only users have creds

            pair = parse_user_key(text)
            if str(pair.public_key) == subject:
                return pair
    return found


def key_files(store: Store, jwt: Jwt[object], seed: SoftwareKey | None) -> Mapping[Path, str | None]:
    """Return the files of the key store that are missing for *jwt*: the *seed*, or public keys alone.

    What is there stays, whatever it holds: a public key in the place of a seed was somebody's decision.
    """
    body = jwt.claims.body
    texts = {jwt.claims.sub: jwt.claims.sub if seed is None else seed.reveal()}
    if isinstance(body, Operator | Account):
        texts |= {key: key for key in map(signing_key, body.signing_keys)}
    paths = {store.seed_path(PublicKey.parse(key)): text for key, text in texts.items()}
    return {path: text for path, text in paths.items() if not os.path.lexists(path)}
