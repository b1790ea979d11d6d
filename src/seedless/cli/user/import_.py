"""`seedless user import`: a user's jwt that somebody else made is placed in the store as it is."""

from __future__ import annotations

import click

from seedless.claims import User
from seedless.cli.command import command
from seedless.cli.input_files import checked, named, parsed_jwt, read_input
from seedless.cli.options import sign_options
from seedless.cli.render import describe
from seedless.cli.review import sign_preview
from seedless.cli.workspace import CommandWorkspace
from seedless.creds import parse_user_key
from seedless.text import shown


@command(name="import")
@click.argument("file", metavar="FILE")
@click.option("--overwrite", is_flag=True, help="In the place of an older jwt of the same user.")
@sign_options
def import_(workspace: CommandWorkspace, *, file: str, overwrite: bool) -> None:
    """Import a user's jwt that was created elsewhere.

    FILE holds the jwt, bare or in a creds file; - is stdin. It must be issued by a key of an account of the
    store, and it is not signed again. Of a creds file the seed is kept too.

    \b
    Example:
      seedless user import app.creds
    """
    text = read_input(file)
    user = checked(parsed_jwt(text, file), named(file), User)
    key = parse_user_key(text) if "SEED" in text else None
    with workspace.lock():
        done = sign_preview(workspace, workspace.users.import_jwt(user, key=key, overwrite=overwrite))
    creds = done.creds_path
    data = describe.data(user) | {"account": done.account, "creds": str(creds) if creds else None}
    line = f"user {shown(user.claims.name)}: imported into account {shown(done.account)}"
    workspace.emit(data, line + (f"\ncreds: {creds}" if creds else ""))
