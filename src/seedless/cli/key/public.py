"""`seedless key public`: the public key of a seed, and a fingerprint to compare keys by."""

from __future__ import annotations

import click

from seedless.cli.command import command
from seedless.cli.key.import_ import read_key
from seedless.cli.options import Settings, json_options


@command()
@click.argument("file", default="-", metavar="[FILE]")
@click.option("--fingerprint", is_flag=True, help="Also print a short fingerprint, to compare keys aloud.")
@json_options
def public(settings: Settings, *, file: str, fingerprint: bool) -> None:
    """Print the public key of a seed.

    FILE is a key file (.nk) or a creds file; without one, or with -, the seed is read from stdin. It is never
    an argument, and nothing of it is printed.

    \b
    Example:
      seedless key public ORDERS.nk
      seedless key public --fingerprint < ORDERS.nk
    """
    key = read_key(file).public_key
    data = {"public_key": str(key), "role": key.role.name.lower(), "fingerprint": key.fingerprint}
    text = f"{key}  {key.fingerprint}" if fingerprint else str(key)
    settings.emit(data, text)
