"""The option that names output of the programs of a device's maker, and how it is read."""

from __future__ import annotations

from pathlib import Path

import click

from seedless.cli.values import PATH
from seedless.errors import UsageError
from seedless.store import atomic
from seedless.text import shown

_HELP = "The output of ykman piv info, or of yubihsm-shell -a get-device-info."
device_info_option = click.option("--device-info", multiple=True, type=PATH, metavar="FILE", help=_HELP)
from_option = click.option("--from", "device_info", multiple=True, type=PATH, metavar="FILE", help=_HELP)


def read_device_info(paths: tuple[Path, ...]) -> tuple[tuple[str, bytes], ...]:
    """Return the names and contents of *paths*; raise `UsageError` for one that is not there."""
    found = []
    for path in paths:
        data = atomic.read(path)
        if data is None:
            raise UsageError(f"there is no file {shown(path)}", f"ykman piv info > {shown(path)}")
        found.append((str(path), data))
    return tuple(found)
