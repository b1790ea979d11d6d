"""What the commands for delegated keys share: options, and what they print."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from seedless.cli import printing
from seedless.cli.values import MOMENT
from seedless.errors import SeedlessError
from seedless.text import shown
from seedless.units import moment

if TYPE_CHECKING:
    from collections.abc import Callable

    from seedless.app.delegation import DelegatedKey
    from seedless.app.resolver.session import TargetSession
    from seedless.claims import Account
    from seedless.cli.workspace import CommandWorkspace
    from seedless.jwt import Jwt

span_option: Callable[[Any], Any] = click.option(
    "--for", "expiry", type=MOMENT, required=True, metavar="SPAN", help="How long, as in 12h, or its end."
)
file_option: Callable[[Any], Any] = click.option(
    "--out", "-o", "file", required=True, metavar="FILE", help="A new file for the seed."
)


def publish(workspace: CommandWorkspace, servers: TargetSession | None, account: Jwt[Account]) -> int:
    """Send *account*, which is signed and recorded, and return how many went; none without *servers*."""
    from seedless.app.resolver.push import AccountsToPush, preview_push  # not for --help
    from seedless.cli.push import send_with_consent

    if servers is None:
        return 0
    try:
        return send_with_consent(workspace, preview_push(servers, AccountsToPush((account,))))
    except SeedlessError as error:
        # What was asked for is half done: the same command again would add a second key.
        name = printing.printable(account.claims.name)
        done = f"account {name} is signed and in the store: seedless push {name} sends it"
        error.hint = f"{done}; {error.hint}" if error.hint else done
        raise


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
