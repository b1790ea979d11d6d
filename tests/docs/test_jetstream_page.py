"""The page on JetStream permissions: its commands run, and show and give what it says."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING, Any

import pytest

from seedless.claims import JetStreamPermissions

if TYPE_CHECKING:
    from pathlib import Path

    Cli = Any  # the fixture in tests/conftest.py


def blocks(page: str, kind: str) -> list[str]:
    return re.findall(rf"```{kind}\n(.*?)```", page, re.DOTALL)


@pytest.fixture
def page(root: Path) -> str:
    return (root / "docs/howto/jetstream-permissions.md").read_text(encoding="utf-8")


def test_the_commands_of_the_page_run_and_the_review_is_the_one_that_it_shows(page: str, cli: Cli) -> None:
    cli.ok("operator", "add", "ACME")
    cli.ok("account", "add", "ORDERS", "--js-enable", "0")
    commands = re.findall(r"^\$ seedless (.+)$", page, re.MULTILINE)
    assert len(commands) == 9
    reviews = [cli.ok(*shlex.split(command)).err for command in commands]
    shown, _ = blocks(page, "text")  # the other one is of a client: tests/journeys
    assert any(shown in review for review in reviews)
    assert cli.ok("lint", "--json").data["findings"] == []


def test_the_file_of_the_page_can_be_applied(page: str, cli: Cli) -> None:
    cli.ok("operator", "add", "ACME")
    (desired,) = blocks(page, "toml")
    path = cli.home / "state.toml"
    path.write_text(f'[operator]\nname = "ACME"\n{desired}', encoding="utf-8")
    review = cli.ok("apply", str(path)).err
    assert "may publish orders.> to the stream ORDERS" in review
    assert 'may use the consumer "{{name()}}" of the stream ORDERS' in review
    members = JetStreamPermissions.__struct_fields__
    assert f"Members are `{'`, `'.join(members[:-1])}` and `{members[-1]}`." in page
