"""`seedless key challenges`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from seedless.cli import printing
from seedless.cli.command import command
from seedless.cli.options import store_options
from seedless.cli.values import MOMENT, Moment
from seedless.cli.workspace import CommandWorkspace
from seedless.pkcs11.uri import KeyUri
from seedless.text import shown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from seedless.challenges import ChallengeCount
    from seedless.inventory import KeyEntry


@command()
@click.option("--since", type=MOMENT, default="0", metavar="TIME", help="Those signed from then on.")
@store_options
def challenges(workspace: CommandWorkspace, *, since: Moment) -> None:
    """Count the challenges that keys have signed.

    Test signatures are made when a key is created, imported, restored, registered or audited, and by token
    doctor; the jwts of recovery drill --sign, which nobody keeps, are counted with them. This machine records
    each before the token signs, so that the log of a device is reconciled: it has no more signatures of a key
    than its transcripts and jwts have, and these. Those of ceremony keygen are in its transcript as well, and
    have a column of their own. No token is opened.

    \b
    Example:
      seedless key challenges --since 2026-11-01
    """
    start = since.at(workspace.now)
    found = workspace.keys.challenges(start)
    entries = {entry.public_key.raw.hex(): entry for entry in workspace.inventory()}
    data = {
        "since": start,
        "count": sum(count.count for count in found),
        "keys": [_data(count, entries) for count in found],
    }
    header = ("CHALLENGES", "IN TRANSCRIPTS", "KEY", "ID", "TOKEN")
    rows = [_row(count, entries) for count in found]
    workspace.emit(data, printing.table(rows, header))


def _data(count: ChallengeCount, entries: Mapping[str, KeyEntry]) -> dict[str, object]:
    entry = entries.get(count.key)
    return {
        "token": count.token,
        "id": count.id,
        "raw": count.key or None,
        "public_key": str(entry.public_key) if entry else None,
        "name": entry.name if entry else None,
        "count": count.count,
        "in_transcripts": count.in_transcripts,
        "commands": count.by_command,
    }


def _row(count: ChallengeCount, entries: Mapping[str, KeyEntry]) -> tuple[str, ...]:
    entry, token = entries.get(count.key), KeyUri.parse(count.token)
    name = f"{entry.role.name.lower()} {shown(entry.name)}" if entry else "not in the inventory"
    where = f"{shown(token.token or '-')} ({shown(token.serial or '-')})"
    return str(count.count), str(count.in_transcripts or "-"), name, count.id, where
