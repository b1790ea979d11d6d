"""`seedless expirations`: what expires soon, and what has, of all that the store holds.

The activations of imports count too: an import whose activation has expired brings nothing any more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from seedless.app.renewal import ExpiryState
from seedless.app.renewal import expirations as expiring
from seedless.cli import printing
from seedless.cli.command import command
from seedless.cli.options import store_options
from seedless.cli.values import SPAN
from seedless.cli.workspace import CommandWorkspace
from seedless.errors import ExitCode
from seedless.text import shown

if TYPE_CHECKING:
    from seedless.app.renewal import Expiration

_COLOURS = {ExpiryState.EXPIRED: "red", ExpiryState.SOON: "yellow"}


@command()
@click.option(
    "--within", "-e", type=SPAN, metavar="SPAN", help="Only what expires within, as in 30d, or has."
)
@click.option("--skip", is_flag=True, help="Without those that never expire.")
@store_options
def expirations(workspace: CommandWorkspace, *, within: int | None, skip: bool) -> int:
    """List what expires, and what has expired.

    Operator, accounts, users, and the activations that accounts import with; the first to expire comes first.
    The exit code is 3 when something has expired, or expires --within, or cannot be read: a monitor that runs
    this needs no more.

    \b
    Example:
      seedless expirations --within 30d
    """
    report = expiring(workspace, within, never=not skip)
    listed = [_data(entry) for entry in report.entries]
    damaged = [{"address": path.address, "error": path.error} for path in report.damaged]
    data = {"within": within, "expirations": listed, "damaged": damaged}
    workspace.emit(data, _text(listed, damaged))
    return ExitCode.FINDINGS if report.is_urgent else ExitCode.OK


def _data(entry: Expiration) -> dict[str, object]:
    claims = entry.jwt.claims
    return {
        "kind": claims.body.kind,
        "address": entry.address,
        "name": claims.name,
        "subject": claims.sub,
        "expires": entry.expires or None,
        "state": str(entry.state),
    }


def _text(listed: list[dict[str, Any]], damaged: list[dict[str, Any]]) -> str:
    rows = [
        (
            entry["kind"],
            shown("/".join(entry["address"]) or entry["name"])
            + (f" import {shown(entry['name'])}" if entry["kind"] == "activation" else ""),
            printing.until(entry["expires"] or 0),
            click.style(entry["state"], fg=_COLOURS.get(entry["state"])),
        )
        for entry in listed
    ]
    table = printing.table(rows, ("KIND", "WHAT", "EXPIRES", "STATE")) if rows else "nothing expires"
    explained = (f"damaged: {printing.printable(entry['error'])}" for entry in damaged)
    return "\n".join([table, *explained])
