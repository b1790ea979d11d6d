"""From nsc: where its things are, which operator and account keys its store names, what holds their seeds.

Facts: nsc 2.13 `home/home.go`, `cmd/contextconfig.go`, `cmd/store/keys.go`. Its stores are ours as they are;
what moves are seeds, from key files onto tokens. Users and curve keys are left alone: their seeds are
software here too. Stores lie in a folder called `stores`, or right in the folder that `nsc --all-dirs` names.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from seedless.claims import Account, Operator, Scope, signing_key
from seedless.errors import BadKey, StoreError
from seedless.nkey import PublicKey, Role
from seedless.seeds import SoftwareKey
from seedless.store import addresses, atomic, home, keys_beside
from seedless.store.files import STORES
from seedless.text import shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from seedless.jwt import Jwt
    from seedless.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class NscPaths:
    """Where nsc keeps its things: `root` has `stores`, `keys` is the key store, `operator` is in use."""

    root: Path
    keys: Path
    operator: str | None = None


class KeyFileContent(StrEnum):
    """What a file of the key store holds."""

    SEED = "seed"
    PUBLIC = "public key"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True, kw_only=True)
class NscKey:
    """A key of the operator or of an account, under the name that it is to have, and what its file holds."""

    public_key: PublicKey
    name: str
    path: Path
    held: KeyFileContent


def nsc_paths(
    environment: Mapping[str, str],
    config: Path | None = None,
    data: Path | None = None,
    keys: Path | None = None,
) -> NscPaths:
    """Return where nsc keeps its things, as its flags, its variables and its configuration state.

    *config*, *data* and *keys* are the folders of `--config-dir`, `--data-dir` (that of the stores) and
    `--keystore-dir`. Raise `StoreError` for a configuration that cannot be read.
    """
    mine = home(environment)
    settings = _configuration(config or _xdg(environment, "XDG_CONFIG_HOME", mine / ".config") / "nats/nsc")
    default = _xdg(environment, "XDG_DATA_HOME", mine / ".local/share") / "nats/nsc"
    stores = data or (Path(settings["store_root"]) if settings.get("store_root") else default / "stores")
    root = stores.parent if stores.name == STORES else stores
    named = keys or (Path(environment["NKEYS_PATH"]) if environment.get("NKEYS_PATH") else None)
    return NscPaths(root=root, keys=named or keys_beside(root), operator=settings.get("operator") or None)


def keys_of(store: Store, keys: Path) -> Iterator[NscKey]:
    """Yield the operator's and the accounts' keys that the jwts of *store* name, identities first.

    *keys* is the key store. Raise `StoreError` for a damaged jwt.
    """
    for address in addresses(store, Role.OPERATOR, Role.ACCOUNT):
        jwt = store.get(*address)
        if jwt is not None:
            for text, name in _named(jwt):
                public_key = PublicKey.parse(text)
                path = keys / "keys" / text[0] / text[1:3] / f"{text}.nk"
                yield NscKey(
                    public_key=public_key, name=name, path=path, held=key_file_content(path, public_key)
                )


def key_file_content(path: Path, public_key: PublicKey) -> KeyFileContent:
    """Return what the key file at *path* holds for *public_key*; raise `StoreError` for anything else."""
    text = _text(path)
    if text is None:
        return KeyFileContent.NOTHING
    # What a migration leaves in place of a seed, see `SeedReplacement`.
    if text == str(public_key):
        return KeyFileContent.PUBLIC
    if seed_in(path) is None:
        raise StoreError(
            f"{shown(path)} does not hold the key that it is named after", "restore it from a backup"
        )
    return KeyFileContent.SEED


def seed_in(path: Path) -> SoftwareKey | None:
    """Return the key whose seed is in the file at *path*, None unless it is the one it is named after."""
    try:
        key = SoftwareKey.parse(_text(path) or "")
    except BadKey:
        return None
    # A seed in a file with another key's name would be put on the token under that name, and sign for
    # somebody else.
    return key if str(key.public_key) == path.stem else None


def back_up(keys: list[NscKey], folder: Path) -> dict[Path, str]:
    """Return the files of a backup of *keys* in *folder*, in the layout of a key store; nothing is written.

    Raise `StoreError` when a file in the folder holds something else.
    """
    files = {}
    for key in keys:
        text = str(key.public_key)
        copy, seed = folder / "keys" / text[0] / text[1:3] / key.path.name, _text(key.path) or ""
        existing = _text(copy)
        if existing not in {None, seed}:
            raise StoreError(
                f"{shown(copy)} holds something else than {shown(key.path)}", "name an empty folder"
            )
        files[copy] = seed
    return files


def _named(jwt: Jwt[object]) -> Iterator[tuple[str, str]]:
    """Yield the keys of *jwt*, as text, with the names that they are to have on a token."""
    name, body = jwt.claims.name, jwt.claims.body
    yield jwt.claims.sub, name
    if not isinstance(body, Operator | Account):
        return
    seen: set[str] = set()
    for entry in body.signing_keys:
        key = signing_key(entry)
        title = f"{name} {entry.role}" if isinstance(entry, Scope) and entry.role else f"{name} signing"
        if PublicKey.parse(key).role in {Role.OPERATOR, Role.ACCOUNT}:
            # Two plain signing keys have the same title; labels on a token may repeat, but people choose by
            # them.
            yield key, title if title not in seen else f"{title} {key[1:7]}"
            seen.add(title)


def _xdg(environment: Mapping[str, str], name: str, default: Path) -> Path:
    folder = Path(environment.get(name, ""))
    # The XDG base directory specification has relative paths ignored.
    return folder if folder.is_absolute() else default


def _configuration(folder: Path) -> dict[str, str]:
    """Return what `nsc.json` in *folder* states; nothing where there is none."""
    path = folder / "nsc.json"
    text = _text(path)
    if text is None:
        return {}
    try:
        settings = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise StoreError(
            f"{shown(path)} is not JSON", "name the folder of the stores with --data-dir"
        ) from error
    return (
        {name: value for name, value in settings.items() if isinstance(value, str)}
        if isinstance(settings, dict)
        else {}
    )


def _text(path: Path) -> str | None:
    data = atomic.read(path)
    try:
        return None if data is None else data.decode("ascii").strip()
    except UnicodeDecodeError as error:
        raise StoreError(f"{shown(path)} is damaged: it is not text", "restore it from a backup") from error
