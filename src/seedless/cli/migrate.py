"""`seedless migrate nsc`: the seeds of an nsc key store, put on a token; the store stays where it is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from seedless.app.key_import import WORTH
from seedless.app.migration import NscMigration
from seedless.cli import consent, printing
from seedless.cli.command import group
from seedless.cli.options import Settings, change_options
from seedless.cli.render import describe
from seedless.cli.values import PATH
from seedless.cli.workspace import CommandWorkspace
from seedless.errors import UsageError
from seedless.pkcs11.keys import label_for
from seedless.text import quoted, shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from seedless.inventory import KeyEntry
    from seedless.migrate import NscKey

_STATES = {
    "token": "on a token already",
    "seed": "to be put on the token",
    "public key": "a public key: its seed is somewhere else",
    "nothing": "no file: its seed is somewhere else",
}


@group()
def migrate() -> None:
    """Migrate from another tool."""


@migrate.command()
@click.option("--config-dir", type=PATH, metavar="DIR", help="Where nsc.json is.")
@click.option("--data-dir", type=PATH, metavar="DIR", help="Where the stores of nsc are.")
@click.option("--keystore-dir", type=PATH, metavar="DIR", help="Where its keys are [env: NKEYS_PATH].")
@click.option("--backup", type=PATH, metavar="DIR", help="Copy the seeds here before they are replaced.")
@click.option(
    "--replace-seeds", is_flag=True, help="Leave the public key in place of each seed; requires --backup."
)
@change_options
def nsc(
    workspace: CommandWorkspace,
    *,
    config_dir: Path | None,
    data_dir: Path | None,
    keystore_dir: Path | None,
    backup: Path | None,
    replace_seeds: bool,
) -> None:
    """Put the operator's and accounts' seeds of nsc on a token.

    The store of nsc is used as it is, by both tools. One key after the other is imported and tried; users
    and their creds are left alone. With --replace-seeds the files of nsc keep the public keys alone, which
    nsc understands; the seeds are then in the --backup and on the token.

    \b
    Example:
      seedless migrate nsc --dry-run
      seedless migrate nsc --token ACME --replace-seeds --backup /media/safe/nkeys
    """
    if replace_seeds and backup is None:
        raise UsageError("seeds are replaced only after a backup", "name a folder for it with --backup")
    migration = NscMigration(workspace, config=config_dir, data=data_dir, keystore=keystore_dir)
    with migration.workspace.lock():
        keys = migration.keys()
        if not workspace.options.dry_run:
            _import(workspace.options, migration)
            if replace_seeds and backup is not None:
                _replace(workspace.options, migration, backup)
        _render(workspace.options, migration, keys)


def _import(settings: Settings, migration: NscMigration) -> None:
    """Put each missing key on the token, unless the person refuses; all questions come first."""
    agreed = [key for key in migration.missing() if _is_agreed(settings, key)]
    migration.import_keys(agreed, report=_report)


def _is_agreed(settings: Settings, key: NscKey) -> bool:
    label = label_for(key.public_key.role, key.name)
    return consent.agreed(settings, f"Put {key.public_key} on the token as {shown(label)}?")


def _report(entry: KeyEntry) -> None:
    label = label_for(entry.role, entry.name)
    printing.report(f"imported {entry.public_key} as {shown(label)}, and a test signature was verified")


def _replace(settings: Settings, migration: NscMigration, backup: Path) -> None:
    """Copy the seeds of what is on a token into *backup*, and leave the public keys in their places."""
    replacement = migration.replacement(backup)
    if replacement.is_empty:
        return
    count = "one file" if len(replacement.keys) == 1 else f"{len(replacement.keys)} files"
    question = f"Leave the public key in place of the seed in {count}, after a backup in {shown(backup)}?"
    consent.require(settings, question, done="no seed was replaced")
    replacement.run()


def _render(settings: Settings, migration: NscMigration, keys: Sequence[NscKey]) -> None:
    root, found = str(migration.paths.root), migration.on_tokens(keys)
    jwts, damaged = migration.jwts()
    describe.report_unusual(jwts)
    rows = [
        (
            f"{key.public_key[:12]}…",
            shown(key.name),
            _STATES["token" if key.on_token else key.holds],
            key.holds,
        )
        for key in found
    ]
    text = printing.table(rows, ("KEY", "NAME", "STATE", "FILE HOLDS"))
    printing.report("nothing was written: --dry-run" if settings.dry_run else WORTH)
    for name, error in damaged:
        printing.report(f"warning: {name}: {printing.printable(error)}")
    data = {
        "dry_run": settings.dry_run,
        "store": root,
        "operator": migration.workspace.store.operator,
        "keys": msgspec.to_builtins(found),
        "damaged": [{"name": name, "error": error} for name, error in damaged],
    }
    text += f"\n\nto use this store: --store {quoted(root)}, or in config.toml: store = {quoted(root)}"
    settings.emit(data, text)
