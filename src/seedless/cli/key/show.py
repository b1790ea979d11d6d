"""`seedless key list` and `key show`: the inventory beside a token, and beside what jwts name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
import msgspec
from click.core import ParameterSource

from seedless.app.backups import key_backups
from seedless.app.key_list import list_keys, rebuilding
from seedless.cli import printing
from seedless.cli.command import command
from seedless.cli.key_options import public_key_type
from seedless.cli.options import token_options
from seedless.cli.workspace import CommandWorkspace
from seedless.nkey import PublicKey, Role
from seedless.pkcs11.uri import KeyUri
from seedless.text import cut, shown
from seedless.units import moment

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from seedless.app.key_list import ListedKey
    from seedless.inventory import KeyEntry, KeyPlace
    from seedless.spares import Backup


_NAME, _TOKEN = 20, 20  # columns; with the key, the role, the state and the gaps, 80
_ROLES = {role.name.lower(): role for role in (Role.OPERATOR, Role.ACCOUNT, Role.USER, Role.CURVE)}


@command(name="list")
@click.option("--all", "-A", "everything", is_flag=True, help="Also the keys that only jwts name.")
@click.option("--role", multiple=True, type=click.Choice(list(_ROLES)), help="Keys of this role alone.")
@click.option("--filter", "-f", "part", metavar="TEXT", help="Keys alone whose text or name has this in it.")
@click.option("--backup", "shows_backup", is_flag=True, help="Also what is there when a token is lost.")
@click.option("--not-referenced", is_flag=True, help="Keys alone that no jwt names.")
@click.option(
    "--long", "-l", "is_long", is_flag=True, help="Whole public keys, their fingerprints, and URIs."
)
@token_options
def list_(
    workspace: CommandWorkspace,
    *,
    everything: bool,
    role: tuple[str, ...],
    part: str | None,
    not_referenced: bool,
    shows_backup: bool,
    is_long: bool,
) -> None:
    """List the inventory of keys.

    With --token also what is on that token, which asks for its PIN. With --all also the keys that jwts of the
    store name: of users, whose seeds are in creds, and those whose place is not registered. With --backup
    also whether another token has the key, or one that signs in its place (spare), or shares restore it.

    \b
    Example:
      seedless key list
      seedless key list --token pkcs11:token=ACME
      seedless key list --backup
      seedless key list --role account --not-referenced --long
    """
    listed = list_keys(
        workspace,
        on_token=_is_token_typed(),
        everything=everything,
        not_referenced=not_referenced,
        roles=role,
        text=part,
    )
    found = key_backups(workspace) if shows_backup else None
    rows = [_data(key) | ({} if found is None else {"backup": _backup_data(found, key)}) for key in listed]
    header = (
        "ROLE",
        "NAME",
        *(("PUBLIC KEY", "FINGERPRINT") if is_long else ("KEY",)),
        *(("BACKUP",) if shows_backup else ("STATE",)),
        *(("URI",) if is_long else ("TOKEN",)),
    )
    table = printing.table([_line(row, is_long=is_long) for row in rows], header)
    workspace.emit({"keys": rows}, table)
    if command := rebuilding(workspace):
        printing.report(f"the inventory has no keys; those that are on a token are registered by: {command}")


def _line(row: dict[str, Any], *, is_long: bool) -> tuple[str, ...]:
    """Return the cells of *row*; the short ones fit 80 columns, and a key is found by its beginning."""
    role, name, key = row["role"] or "-", shown(row["name"] or ""), row["public_key"] or "-"
    state = _backup_text(row["backup"]) if "backup" in row else row["state"]
    if is_long:
        fingerprint = PublicKey.parse(key).fingerprint if row["public_key"] else "-"
        return role, name, key, fingerprint, state, row["uri"] or "-"
    tokens = ", ".join(_token(place) for place in (row, *row.get("spares", ())) if place["uri"]) or "-"
    return role, cut(name, _NAME), cut(key), state, cut(tokens, _TOKEN)


def _token(place: Mapping[str, Any]) -> str:
    label = shown(KeyUri.parse(place["uri"]).token or "-")
    return f"{label} (lost)" if place.get("lost_at") else label


def _backup_data(found: Mapping[PublicKey, Backup], key: ListedKey) -> dict[str, object] | None:
    """Return what --json prints of the backup of *key*; None for one that the inventory does not have."""
    backup = found.get(key.public_key) if key.public_key else None
    return {"kind": backup.kind, "checked_at": backup.checked_at or None} if backup else None


def _backup_text(backup: dict[str, Any] | None) -> str:
    if backup is None:
        return "-"
    day = f" {moment(backup['checked_at'])[:10]}" if backup["checked_at"] else ""
    return f"{backup['kind']}{day}"


def entry_data(entry: KeyEntry) -> dict[str, object]:
    """Return an entry of the inventory as --json prints it."""
    return {
        "public_key": str(entry.public_key),
        "role": entry.role.name.lower(),
        "name": entry.name,
        "uri": entry.uri,
        "made": entry.made,
        "at": entry.at,
        "checked_at": entry.checked_at or None,
        "lost_at": entry.lost_at or None,
        "spares": [_place_data(place) for place in entry.spares],
        "attested": msgspec.to_builtins(entry.attested),
    }


def _place_data(place: KeyPlace) -> dict[str, Any]:
    later = {"checked_at": place.checked_at or None, "lost_at": place.lost_at or None}
    return msgspec.structs.asdict(place) | later


def key_data(key: ListedKey) -> dict[str, object]:
    """Return a key that is on a token as --json prints it."""
    role = key.role.name.lower() if key.role else None
    found = printing.members(key, "public_key", "name")
    return found | {"role": role, "type": key.key_type or None, "uri": key.uri}


def _data(key: ListedKey) -> dict[str, object]:
    if key.entry is not None:
        return entry_data(key.entry) | {"state": key.state}
    data = key_data(key) | {"state": key.state}
    if data["type"] is None:
        del data["type"]
    return data


def _is_token_typed() -> bool:
    """Return whether --token was typed: one that the environment names for all commands asks for no list."""
    return click.get_current_context().get_parameter_source("token") is ParameterSource.COMMANDLINE


_LABELS = 20  # characters


@command()
@click.argument("public_key", type=public_key_type(), metavar="KEY")
@token_options
def show(workspace: CommandWorkspace, *, public_key: PublicKey) -> None:
    """Show one key: its place, and its attributes.

    KEY is a public key, or its name in the inventory; with its role where two keys have one name. Of a key
    whose token is not connected it is what the inventory contains.

    \b
    Example:
      seedless key show 'ACME signing'
      seedless key show 'operator ACME'
    """
    shown_key = workspace.keys.show(public_key)
    place, attributes = shown_key.place, shown_key.attributes
    data = key_data(place) | {"public_key": str(public_key), "fingerprint": public_key.fingerprint}
    if place.entry is not None:  # its token is not connected
        data |= entry_data(place.entry)
    lines = printing.labelled(_rows(_inventoried(data)), _LABELS)
    report = None if attributes is None else msgspec.structs.asdict(attributes)
    if report is None:
        lines.append(f"the driver reports nothing: {shown_key.absent}")
    else:
        lines += ["the driver reports:", *printing.labelled(_rows(report.items()), _LABELS, "  ")]
    workspace.emit(
        data | {"the_driver_says": report, "not_connected": shown_key.absent or None}, "\n".join(lines)
    )


def _inventoried(data: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    """Yield what *data* has of a key, for people: a line for each place, and times as they are read."""
    for name, value in data.items():
        if name in {"at", "checked_at", "lost_at"} and value:
            yield name, moment(value)
        elif value and isinstance(value, str):
            yield name, value
    yield from (("uri", spare["uri"]) for spare in data.get("spares", ()))


def _rows(members: Iterable[tuple[str, object]]) -> Iterator[tuple[str, str]]:
    return ((name.replace("_", " "), _word(value)) for name, value in members)


def _word(value: object) -> str:
    return {True: "yes", False: "no", None: "nothing"}.get(value, shown(str(value)))  # type: ignore[call-overload,no-any-return]  # any value may be asked for
