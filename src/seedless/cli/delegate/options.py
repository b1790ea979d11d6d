"""What the commands for delegated keys share: options, and what they print."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from seedless.cli import printing
from seedless.cli.values import MOMENT
from seedless.text import shown
from seedless.units import moment

if TYPE_CHECKING:
    from collections.abc import Callable

    from seedless.app.delegation import DelegatedKey
    from seedless.cli.workspace import CommandWorkspace

span_option: Callable[[Any], Any] = click.option(
    "--for", "expiry", type=MOMENT, required=True, metavar="SPAN", help="How long, as in 12h, or its end."
)
file_option: Callable[[Any], Any] = click.option(
    "--out", "-o", "file", required=True, metavar="FILE", help="A new file for the seed."
)


def print_added(workspace: CommandWorkspace, key: DelegatedKey, sent: int) -> None:
    """Print which *key* was added, and whether its account was *sent* to servers."""
    added = key.delegation
    data = {
        "key": str(key.public_key),
        "account": key.account,
        "role": key.role,
        "until": key.until,
        "file": added.file,
        "pushed": sent,
    }
    if not sent:
        printing.report("servers have not been asked: push the account before the key is used")
    sentence = f"{key.public_key} signs users in the role {shown(key.role)} until {moment(key.until)}"
    printing.emit(data, f"{sentence}\n{shown(added.file)}", as_json=workspace.options.as_json)
