"""`seedless operator import`: the store of somebody else's operator, placed as it is.

Its key is somebody else's, and the store is a managed one (nsc's word), whose accounts that operator signs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from seedless.claims import Operator
from seedless.cli import printing
from seedless.cli.command import command
from seedless.cli.given_jwt import place, read_given
from seedless.cli.options import Settings, sign_options
from seedless.cli.render import describe
from seedless.cli.workspace import CommandWorkspace
from seedless.errors import UsageError
from seedless.store import create_store, open_store, operators
from seedless.text import quoted, shown

if TYPE_CHECKING:
    from seedless.jwt import Jwt


@command(name="import")
@click.argument("file", metavar="FILE")
@click.option("--force", "-F", is_flag=True, help="Take an older jwt than that of the store too.")
@sign_options
def import_(settings: Settings, *, file: str, force: bool) -> None:
    """Create or update the store of another's operator.

    FILE holds the operator's jwt, signed by itself; - is stdin, and it may be an https: URL. Nothing is
    signed here: the store is a managed one, whose accounts the operator signs.

    \b
    Example:
      seedless operator import ACME.jwt
    """
    if settings.plan:
        raise UsageError("nothing is signed here, and a plan is for that", "leave out --plan")
    jwt = read_given(file, Operator)
    if str(jwt.issuer) != jwt.claims.sub:
        raise UsageError(
            f"operator {quoted(jwt.claims.name)} is signed by {jwt.issuer} and not by itself",
            "ask the operator for its jwt",
        )
    workspace = CommandWorkspace(settings)
    name = jwt.claims.name.strip()
    before = _standing_operator(workspace, name, jwt, force=force)
    if before is None:
        workspace.store = create_store(workspace.root, name, managed=True)
    with workspace.lock():
        place(workspace, (), jwt, before, ())
    data = describe.data(jwt) | {"store": str(workspace.root), "managed": workspace.store.managed}
    printing.emit(data, f"operator {shown(name)}: {jwt.claims.sub}", as_json=settings.as_json)


def _standing_operator(
    workspace: CommandWorkspace, name: str, jwt: Jwt[Any], *, force: bool
) -> Jwt[Any] | None:
    """Return the jwt that *jwt* takes the place of; the store of *name* is chosen then."""
    if name not in operators(workspace.root):
        return None
    workspace.store = open_store(workspace.root, name)
    before = workspace.store.get()
    if before is not None and before.claims.sub != jwt.claims.sub:
        raise UsageError(
            f"the store has another operator {quoted(name)}, {before.claims.sub}",
            "take it into another place with --store",
        )
    if before is not None and before.issued_at > jwt.issued_at and not force:
        raise UsageError(
            f"operator {quoted(name)} of the store is newer: issued {printing.moment(before.issued_at)}, and "
            f"the file's {printing.moment(jwt.issued_at)}",
            "say --force if the older one is meant",
        )
    return before
