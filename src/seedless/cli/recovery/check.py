"""`seedless recovery check`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from seedless.app import recovery
from seedless.cli import printing
from seedless.cli.command import command
from seedless.cli.options import Settings, json_options
from seedless.cli.recovery.options import record_argument, warn_of_recorders, ways_option
from seedless.recovery import journeys
from seedless.text import shown

if TYPE_CHECKING:
    from pathlib import Path


@command()
@record_argument
@click.option("--one-share", is_flag=True, help="Check one share alone: the secret is not restored.")
@ways_option
@json_options
def check(settings: Settings, *, record: Path, one_share: bool, allowed: tuple[str, ...]) -> None:
    """Check shares against a record.

    Nothing is imported, and no token is needed. As many shares are typed as restore the secret, and the
    public keys below it are compared with the record. A holder alone checks one with --one-share: by its
    digest in the record.

    \b
    Example:
      seedless recovery check record.json --one-share
    """
    known = recovery.read_record(record)
    warn_of_recorders()
    shares = journeys.check(known, is_one_share=one_share, allowed=allowed)
    data = {
        "record": known.digest,
        "shares": [{"number": share.number, "holder": share.holder} for share in shares],
        "keys": [] if one_share else [str(entry.public_key) for entry in known.keys],
    }
    lines = [f"share {share.number} of {shown(share.holder)} is that of the record" for share in shares]
    if not one_share:
        lines.append(f"the shares restore the {len(known.keys)} keys of the record; nothing was imported")
    printing.emit(data, "\n".join(lines), as_json=settings.as_json)
