"""`seedless show`: the content of a jwt."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import Any

import click

from seedless import jwt
from seedless.cli.command import command
from seedless.cli.options import Settings, store_options
from seedless.cli.render import describe
from seedless.errors import SeedlessError, UsageError
from seedless.nkey import PublicKey
from seedless.text import quoted, shown
from seedless.units import size

_DASHES = "---"
ENOUGH = 4 * jwt.MAX_SIZE  # bytes: a jwt with what people write around it, and claims as they indent them


def read_input(name: str) -> str:
    """Return the text of the file *name*, or of stdin for `-`; raise `UsageError` for what is not text."""
    try:
        # Not pathlib, which loads urllib: a tenth of the time that is ours.
        with contextlib.nullcontext(sys.stdin.buffer) if name == "-" else open(name, "rb") as file:  # noqa: PTH123 - see above
            data = file.read(ENOUGH + 1)  # a device may have no end
        if len(data) > ENOUGH:
            raise UsageError(f"{shown(name)} is larger than {size(ENOUGH)}", "give a jwt, creds or claims")
        text = data.decode()
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise UsageError(f"cannot read {shown(name)}: {reason}", "name a file that can be read") from error
    except ValueError as error:
        if not isinstance(error, UnicodeDecodeError):  # a NUL, or a character that no file can be named with
            raise UsageError(f"{shown(name)} is no name of a file", "name a file that can be read") from None
        raise UsageError(f"{shown(name)} is not text", "give a jwt, creds or claims") from None
    _refuse_document(name, text)
    return text


def _refuse_document(name: str, text: str) -> None:
    """Raise `WrongFile` for a plan, or a file of a ceremony, which can hold many jwts."""
    if text.startswith("{") and '"format":"seedless ' in text:  # canonical JSON: no blanks, one spelling
        from seedless import file_kind  # few files are of that kind

        file_kind.require(text.encode(), name, file_kind.JWT, file_kind.CLAIMS)


def jwt_in(text: str) -> str:
    """Return the jwt in *text*: bare, or the one of a creds file."""
    if _DASHES in text:
        from seedless.decorated import find_jwt  # only for what is between lines of dashes

        text = find_jwt(text)
    return text.strip()


def read_jwt(name: str) -> jwt.Jwt[object]:
    """Read and verify the jwt in the file *name*; the error names the file."""
    text = read_input(name)
    try:
        return jwt.read(jwt_in(text))
    except SeedlessError as error:
        error.message = f"{'stdin' if name == '-' else shown(name)}: {error.message}"
        raise


@command()
@click.argument("file", default="-", metavar="[FILE|NAME|-]")
@store_options
def show(settings: Settings, *, file: str) -> None:
    """Show the claims of a jwt.

    FILE holds the jwt, bare or in a creds file; - is stdin. Its signature is verified first. A NAME that is
    no file is looked up in the store: an operator, an account, a user as ACCOUNT/USER, or a public key.

    \b
    Example:
      seedless show app.creds
      seedless show ORDERS
      seedless show ORDERS/app
    """
    jwt = read_jwt(file) if file == "-" or os.path.exists(file) else _named(settings, file)  # noqa: PTH110 - pathlib loads urllib
    describe.print_jwt(jwt, as_json=settings.as_json)


def _named(settings: Settings, name: str) -> jwt.Jwt[Any]:
    """Return the jwt that *name* has in the store; raise `UsageError` where it has none."""
    from seedless.cli.workspace import CommandWorkspace  # only where there is no such file

    try:
        store = CommandWorkspace(settings).store
        if name == store.operator:
            found = store.get()
        else:
            found = store.get(*name.split("/")) if name.count("/") < 2 else None  # noqa: PLR2004 - account, user
        if found is None:
            address = store.find(PublicKey.parse(name))
            found = None if address is None else store.get(*address)
    except SeedlessError:
        found = None
    if found is None:
        raise UsageError(
            f"there is neither a file {quoted(name)} nor a jwt of this name in the store",
            "seedless tree shows the names",
        )
    return found
