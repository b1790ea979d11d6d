"""`seedless show`: the content of a jwt."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from seedless.cli.command import command
from seedless.cli.input_files import read_jwt
from seedless.cli.options import Settings, store_options
from seedless.cli.render import describe

if TYPE_CHECKING:
    from collections.abc import Mapping

    from seedless.jwt import Jwt


@command()
@click.argument("file", default="-", metavar="[FILE|NAME|-]")
@store_options
def show(settings: Settings, *, file: str) -> None:
    """Show the claims of a jwt.

    FILE holds the jwt, bare or in a creds file; - is stdin. Its signature is verified first. A NAME that is
    no file is looked up in the store: an operator, an account, a user (ACCOUNT/USER where several
    accounts have one of this name), or a public key.

    \b
    Example:
      seedless show app.creds
      seedless show ORDERS
      seedless show ORDERS/app
    """
    titles: Mapping[str, str] = {}
    if file == "-" or os.path.exists(file):  # noqa: PTH110 - pathlib loads urllib
        jwt = read_jwt(file)
    else:
        jwt = _stored(settings, file)
        titles = describe.titles_beside(jwt, settings)
    settings.emit(lambda: describe.data(jwt), "" if settings.as_json else describe.text(jwt, titles))


def _stored(settings: Settings, name: str) -> Jwt[object]:
    from seedless.app.inspection import stored_jwt  # only where there is no such file
    from seedless.cli.workspace import CommandWorkspace

    return stored_jwt(CommandWorkspace(settings), name)
