"""`seedless operator import`: the store of somebody else's operator, or one's own again, placed as it is.

Where its key is somebody else's, the store is a managed one (nsc's word), whose accounts that operator signs.
"""

from __future__ import annotations

import click

from seedless.claims import Operator
from seedless.cli.command import command
from seedless.cli.input_files import read_given
from seedless.cli.options import sign_options
from seedless.cli.render import describe
from seedless.cli.review import sign_preview
from seedless.cli.workspace import CommandWorkspace
from seedless.errors import UsageError
from seedless.text import shown


@command(name="import")
@click.argument("file", metavar="FILE")
@click.option("--force", "-F", is_flag=True, help="Take an older jwt than that of the store too.")
@sign_options
def import_(workspace: CommandWorkspace, *, file: str, force: bool) -> None:
    """Create or update the store of another's operator.

    FILE holds the operator's jwt, signed by itself; - is stdin, and it may be an https: URL. Nothing is
    signed here: the store is a managed one, whose accounts the operator signs. Where the inventory has the
    key of the operator, it is its own store: one that was lost comes back with the jwt that servers have.

    \b
    Example:
      seedless operator import ACME.jwt
    """
    if workspace.options.plan:
        raise UsageError("nothing is signed here, and a plan is for that", "leave out --plan")
    jwt = read_given(file, Operator)
    sign_preview(workspace, workspace.operators.import_jwt(jwt, force=force))
    data = describe.data(jwt) | {"store": str(workspace.root), "managed": workspace.store.managed}
    workspace.emit(data, f"operator {shown(jwt.claims.name.strip())}: {jwt.claims.sub}")
