"""The pages on sharing subjects and on users that expire: every command in them runs, in its order."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    Cli = Any  # the fixture in tests/conftest.py

FOUND = {"seedless expirations --within 30d": 3}
"""Exit codes other than 0: a user for 5 days expires soon."""


@pytest.mark.parametrize("page", ["share-subjects", "users-that-expire"])
def test_every_command_of_the_page_runs(
    cli: Cli, root: Path, page: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(cli.home)
    cli.ok("operator", "add", "ACME")
    for account in ("ORDERS", "BILLING"):
        cli.ok("account", "add", account)
        cli.ok("user", "add", "-a", account, "soon", "--expiry", "5d")
    text = (root / f"docs/howto/{page}.md").read_text(encoding="utf-8")
    lines = [line for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL) for line in block.splitlines()]
    assert len(lines) >= 5
    for line in lines:
        program, *words = shlex.split(line)
        assert program == "seedless"
        assert (line, cli.run(*words).code) == (line, FOUND.get(line, 0))
