"""`seedless key export`: seeds that are in files, copied into a folder; keys on tokens stay there."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from seedless.cli import consent, printing
from seedless.cli.command import command
from seedless.cli.options import Settings, confirmed_options
from seedless.cli.workspace import CommandWorkspace
from seedless.creds import parse_user_key
from seedless.errors import StoreError, UsageError
from seedless.key_store import stored_seed
from seedless.nkey import PublicKey
from seedless.store import atomic
from seedless.text import shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seedless.jwt import Jwt
    from seedless.seeds import SoftwareKey


@command()
@click.option(
    "--dir", "-d", "folder", required=True, type=click.Path(path_type=Path), metavar="DIR", help="Where to."
)
@click.option("--account", "-a", metavar="NAME", help="Of this account alone.")
@click.option("--user", metavar="NAME", help="Of this user alone; requires --account.")
@click.option("--users/--no-users", default=True, help="Keys of users, which is the default.")
@click.option("--curves/--no-curves", default=True, help="Curve keys of auth callout, which is the default.")
@click.option("--include-jwts", is_flag=True, help="Copy the jwts of the users too.")
@click.option("--force", "-F", is_flag=True, help="Replace files that hold something else.")
@confirmed_options
def export(
    settings: Settings,
    *,
    folder: Path,
    account: str | None,
    user: str | None,
    users: bool,
    curves: bool,
    include_jwts: bool,
    force: bool,
) -> None:
    """Copy the seeds of users and curve keys into a folder.

    One file (0600) for each.
    What is on a token stays there: the keys of operators and accounts have no seed that could be copied.

    \b
    Example:
      seedless key export --account ORDERS --dir /media/safe/users
    """
    if user and not account:
        raise UsageError("a user is one of an account", "name that too, with --account")
    workspace = CommandWorkspace(settings)
    files: dict[Path, str | None] = {}
    keys: list[dict[str, str]] = []
    for jwt, name, key in _found(workspace, account, user):
        if not (curves if str(key.public_key).startswith("X") else users):
            continue
        path = folder / f"{key.public_key}.nk"
        files[path] = key.reveal()
        keys.append({"public_key": str(key.public_key), "name": name, "path": str(path)})
        if include_jwts:
            files[folder / f"{key.public_key}.jwt"] = jwt.text
    _require_free(files, force=force)
    data = {"dry_run": settings.dry_run, "folder": str(folder), "keys": keys}
    told = [(shown(one["name"]), one["public_key"], one["path"]) for one in keys]
    table = printing.table(told, ("NAME", "PUBLIC KEY", "FILE"))
    if files and not settings.dry_run:
        if not settings.yes:
            printing.say(table)
        consent.require(settings, "Write these seeds into files?", done="no file was written")
        atomic.write(files)
    printing.say("each of these files is a secret; keys on a token have none")
    printing.emit(data, table, as_json=settings.as_json)


def _found(
    workspace: CommandWorkspace, account: str | None, user: str | None
) -> Iterator[tuple[Jwt[Any], str, SoftwareKey]]:
    for owner in [workspace.account(account)] if account else workspace.all_accounts():
        body, name = owner.claims.body, owner.claims.name.strip()
        xkey = "" if user else body.authorization.xkey
        curve = stored_seed(workspace.store, PublicKey.parse(xkey)) if xkey else None
        if curve is not None:
            yield owner, name, curve
        for one in [user] if user else workspace.store.children(name):
            jwt = workspace.user(name, one)
            key = _key_of(workspace, jwt, workspace.store.creds_path(name, one), workspace.creds(name, one))
            if key is not None:
                yield jwt, f"{name}/{one}", key


def _key_of(workspace: CommandWorkspace, jwt: Jwt[Any], path: Path, creds: str | None) -> SoftwareKey | None:
    """Return the key of the user of *jwt*; raise `StoreError` when all there is are *creds* with another."""
    held = parse_user_key(creds) if creds else None
    if held is not None and str(held.public_key) == jwt.claims.sub:
        return held
    stored = stored_seed(workspace.store, PublicKey.parse(jwt.claims.sub))
    if held is not None and stored is None:
        raise StoreError(
            f"{shown(path)} holds the seed of {held.public_key}, and its user is {jwt.claims.sub}",
            "restore the creds of that user, or take the file away",
        )
    return stored


def _require_free(files: dict[Path, str | None], *, force: bool) -> None:
    for path, text in files.items():
        there = atomic.read(path)
        if there is not None and not force and there.decode(errors="replace") != text:
            raise UsageError(f"{shown(path)} holds something else", "name an empty folder, or say --force")
