"""`seedless import`: accounts and users that others made.

An account that a key of the operator has signed is placed as it is. One that signed itself is a request:
it is shown, judged and signed here, and its limits are set by the operator.
"""

from __future__ import annotations

import copy

import click

from seedless.claims import Account
from seedless.cli.claims_options import ClaimsOptions, account_edits
from seedless.cli.command import group
from seedless.cli.input_files import read_given
from seedless.cli.key_options import issuer_option
from seedless.cli.options import sign_options
from seedless.cli.render import describe
from seedless.cli.review import sign_preview
from seedless.cli.user.import_ import import_ as import_user
from seedless.cli.workspace import CommandWorkspace
from seedless.text import shown


@group(name="import")
def import_() -> None:
    """Import accounts and users that others created."""


def _also_here(command: click.Command, before: str, name: str) -> click.Command:
    """Return *command* under another name; its help has *before* in front."""
    found = copy.copy(command)
    found.name = name
    found.help = (command.help or "").replace(before, f"seedless import {name}")
    return found


import_.add_command(_also_here(import_user, "seedless user import", "user"))


@import_.command()
@click.argument("file", metavar="FILE")
@click.option("--name", "-n", metavar="NAME", help="Its name here [default: the one in it].")
@click.option("--overwrite", is_flag=True, help="In the place of an older jwt of the same account.")
@click.option("--force", "-F", is_flag=True, help="Sign here what another operator signed.")
@click.option("--take-limits", is_flag=True, help="Grant the limits that the request asks for.")
@issuer_option
@account_edits
@sign_options
def account(
    workspace: CommandWorkspace,
    *,
    file: str,
    name: str | None,
    overwrite: bool,
    force: bool,
    take_limits: bool,
    issuer: str | None,
    options: ClaimsOptions,
) -> None:
    """Take in an account that somebody else made.

    FILE holds its jwt; - is stdin, and it may be an https: URL. Where a key of the operator signed it, it is
    placed as it is. An account that signed itself is a request: it is signed here, with the limits that the
    options set, else with those that it has in the store, else without limits and without JetStream.

    \b
    Example:
      seedless import account ORDERS.jwt --conns 100
    """
    given = read_given(file, Account)
    change = options.change(workspace) if options.are_given else None
    with workspace.lock():
        made = workspace.accounts.import_jwt(
            given,
            change,
            name=name,
            issuer=issuer,
            overwrite=overwrite,
            force=force,
            take_limits=take_limits,
        )
        done = sign_preview(workspace, made)
    what = "signed" if done.is_signed else "placed as it is"
    data = describe.data(done.jwt) | {"signed": done.is_signed}
    workspace.emit(data, f"account {shown(done.jwt.claims.name)}: {what}")
