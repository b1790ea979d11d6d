"""The commands on the page about edits run, one after the other."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    Cli = Any  # the fixture in tests/conftest.py

_COMMAND = re.compile(r"^\$ seedless (.+)$", re.MULTILINE)


def test_the_commands_of_the_page_run(root: Path, cli: Cli) -> None:
    commands = _COMMAND.findall((root / "docs/howto/accounts.md").read_text(encoding="utf-8"))
    assert len(commands) > 20
    cli.ok("operator", "add", "ACME", "--sys")
    for command in commands:
        cli.ok(*shlex.split(command))
