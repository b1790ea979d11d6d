"""`seedless operator replace`: a spare operator signs the accounts of the one that is lost."""

from __future__ import annotations

import click

from seedless.cli.command import command
from seedless.cli.options import sign_options
from seedless.cli.render import describe
from seedless.cli.review import sign_preview
from seedless.cli.workspace import CommandWorkspace
from seedless.text import shown


@command()
@click.argument("previous", metavar="PREVIOUS")
@sign_options
def replace(workspace: CommandWorkspace, *, previous: str) -> None:
    """Sign the accounts of PREVIOUS by this operator, its spare.

    Both are in one folder, and servers list both: seedless server config --spare-operator. Then servers take
    the accounts without a restart, once they are pushed, and users stay connected. Users keep their jwts and
    creds, since their accounts signed them.

    \b
    Example:
      seedless operator replace ACME --operator ACME-SPARE
    """
    with workspace.lock():
        done = sign_preview(workspace, workspace.operators.replace(previous))
    data = describe.data(done.jwt) | {"previous": previous, "accounts": list(done.accounts)}
    names = ", ".join(map(shown, done.accounts)) or "no account"
    text = f"operator {shown(done.jwt.claims.name)} signed in place of {shown(previous)}: {names}"
    push = f"seedless push --all --operator {shown(done.jwt.claims.name)}"
    workspace.emit(data, f"{text}\nnow push them: {push}")
