"""What the commands that show or take shares have in common."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from seedless.cli import printing
from seedless.inventory import KeyPlace
from seedless.recovery.secret_terminal import recorders
from seedless.text import shown

if TYPE_CHECKING:
    from collections.abc import Callable

    from seedless.pkcs11.uri import KeyUri
    from seedless.recovery.journeys import Outcome
    from seedless.recovery.record import RecoveryRecord

R = TypeVar("R")
PATH = click.Path(path_type=Path)


def ways_option(command: Callable[..., R]) -> Callable[..., R]:
    """Give *command* the options --allow-swap and --allow-core-pipe, as the tuple `allowed`."""
    for name, text in (
        ("core-pipe", "Accept that the kernel hands core files to a program."),
        ("swap", "Accept that this machine has swap."),
    ):
        command = click.option(f"--allow-{name}", "allowed", flag_value=name, multiple=True, help=text)(
            command
        )
    return command


record_argument = click.argument("record", type=PATH, metavar="RECORD")
output_option = click.option(
    "--output", "-o", required=True, type=PATH, metavar="FILE", help="Where the record is written."
)


present_option = click.option(
    "--present", multiple=True, metavar="NAME", help="Who is there, for the transcript; once for each."
)


def warn_of_recorders() -> None:
    """Print what may record the terminal."""
    for warning in recorders():
        printing.report(f"warning: {warning}")


def import_question(what: str, token: KeyUri, *files: Path | str) -> str:
    """Return the question whether to import *what* to *token*, after a report of what will be written."""
    where = KeyPlace(uri=str(token.without_query())).where
    printing.report(
        f"written are: the keys on {where}, their places in the inventory, "
        f"{', '.join(shown(str(file)) for file in files)}"
    )
    return f"{what} {where}?"


def outcome_data(outcome: Outcome, **more: object) -> dict[str, object]:
    """Return *outcome* as --json prints it."""
    record = outcome.record
    if outcome.transcript is not None:
        more = {"transcript": outcome.transcript.digest, **more}
    uris = {key.entry.public_key: key.uri for key in outcome.placed}
    return {
        "record": record.digest,
        **printing.members(record, "identifier", "threshold"),
        "shares": [printing.members(share, "number", "holder", "sha256") for share in record.shares],
        "keys": [
            {
                "role": entry.key.role.name.lower(),
                "name": entry.key.name,
                "index": entry.key.index,
                "path": entry.path,
                "public_key": str(entry.public_key),
                "uri": uris.get(entry.public_key),
            }
            for entry in record.keys
        ],
        **more,
    }


def record_text(record: RecoveryRecord) -> str:
    """Return *record* for people: digest, holders, keys."""
    shares = [f"  share {share.number}  {share.sha256}  {shown(share.holder)}" for share in record.shares]
    keys = [f"  {entry.public_key}  {shown(entry.key.text)}" for entry in record.keys]
    head = f"record sha256 {record.digest}"
    needed = f"{record.threshold} of {len(record.shares)} shares, identifier {record.identifier}"
    return "\n".join([head, needed, *shares, *keys])
