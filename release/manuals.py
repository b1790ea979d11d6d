"""Write a manual page for each command: `python release/manuals.py`. The wheel carries them to share/man.

Their date is SOURCE_DATE_EPOCH.
"""

from __future__ import annotations

import shutil
import tomllib
from pathlib import Path

import click
from click_man.core import write_man_pages

from seedless.cli.main import seedless

_ROOT = Path(__file__).resolve().parents[1]
_WHOLE = 1000  # characters of a first sentence


def write_manuals(root: Path) -> None:
    """Write the pages into release/man of the project in *root*, where pyproject.toml looks for them."""
    folder = root / "release/man"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    _load_commands(seedless, click.Context(seedless, info_name="seedless"))
    write_man_pages("seedless", seedless, version=project["version"], target_dir=folder)


def _load_commands(group: click.Group, context: click.Context) -> None:
    """Put the commands of *group*, which are loaded by name, where click-man looks for them."""
    group.short_help = group.get_short_help_str(_WHOLE)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if command is not None:
            group.commands[name] = command
            command.short_help = command.get_short_help_str(_WHOLE)  # click cuts one that it takes itself
        if isinstance(command, click.Group):
            _load_commands(command, click.Context(command, info_name=name, parent=context))


if __name__ == "__main__":
    write_manuals(_ROOT)
