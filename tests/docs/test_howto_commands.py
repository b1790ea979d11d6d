"""The commands of how-to pages that need a store and a token run as they are, one after the other."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    Cli = Any  # the fixture in tests/conftest.py

_BLOCK = re.compile(r"^```(?:sh|console)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_CLAIMS = re.compile(r"^```json\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_SERVERS = {"push", "prune", "pull"}  # they are run by the journeys, with servers
CREATED = {
    "share-subjects": (("account", "add", "ORDERS"), ("account", "add", "BILLING")),
    "users-that-expire": (("account", "add", "ORDERS"),),
    "ci": (),
    "bare-nkey-users": (),
}
"""What the commands of a page find: the page says so, or it is of course so."""


def commands(page: Path) -> list[list[str]]:
    """The commands of the program in the blocks of *page*, without those that talk to servers."""
    lines = "\n".join(_BLOCK.findall(page.read_text(encoding="utf-8"))).splitlines()
    words = [
        shlex.split(re.split(r" > | \|\| ", line.removeprefix("$ "))[0], comments=True) for line in lines
    ]
    return [found[1:] for found in words if found[:1] == ["seedless"] and found[1] not in _SERVERS]


@pytest.mark.parametrize("page", CREATED)
def test_the_commands_of_the_page_run(
    root: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch, page: str
) -> None:
    monkeypatch.chdir(cli.home)
    cli.ok("operator", "add", "ACME", "--sys")
    for words in CREATED[page]:
        cli.ok(*words)
    path = root / f"docs/howto/{page}.md"
    for claims in _CLAIMS.findall(path.read_text(encoding="utf-8")):
        (cli.home / "claims").mkdir()
        (cli.home / "claims/ORDERS.json").write_text(claims, encoding="utf-8")
    found = commands(path)
    assert len(found) >= 3
    for words in found:
        cli.ok(*words)


def test_the_configuration_of_bare_users_is_what_the_command_writes(root: Path, cli: Cli) -> None:
    page = root / "docs/howto/bare-nkey-users.md"
    (words,) = [found for found in commands(page) if found[0] == "server"]
    cli.ok(*words[:-1], str(cli.home / "users.conf"))
    shown = re.findall(r"^```text\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert (cli.home / "users.conf").read_text(encoding="utf-8").split() == shown[0].split()
