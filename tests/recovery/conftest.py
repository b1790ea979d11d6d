"""Shares that are created on a token."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

from share_holders import Holders

if TYPE_CHECKING:
    from collections.abc import Callable

    Cli = Any  # the fixture in tests/conftest.py

CREATE = ("recovery", "create", "ACME", "--threshold", "2", "--shares", "3", "--key", "operator:ACME")


@pytest.fixture
def holders() -> type[Holders]:
    return Holders


@pytest.fixture
def created(cli: Cli) -> Callable[..., tuple[Path, list[list[str]]]]:
    """Create shares on the token; return the record and the words of each share."""

    def create(*words: str) -> tuple[Path, list[list[str]]]:
        record = cli.home / "record.json"
        people = Holders(cli.terminal_for(*CREATE, *words, "-o", str(record), "--yes"))
        people.write_down_all()
        people.read_back_all()
        assert people.terminal.end() == 0, people.terminal.said
        return record, people.shares

    return create
