"""A program lists, examines and initialises tokens, with its streams closed."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING, Any

import pytest

from seedless import Workspace
from seedless.errors import UsageError
from seedless.readiness import CheckStatus

if TYPE_CHECKING:
    Cli = Any  # the fixture in tests/conftest.py


@pytest.fixture
def workspace(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A workspace on the store and the token of a command line, while stdin and stdout are closed."""
    monkeypatch.setenv("TOKEN_PIN", cli.token.pin)
    monkeypatch.setenv("SEEDLESS_CONFIG", "")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(cli.home))
    for name in ("stdin", "stdout"):
        closed = io.StringIO()
        closed.close()
        monkeypatch.setattr(sys, name, closed)
    return Workspace(cli.store, module=cli.token.module, token=cli.token.label, pin_source="env:TOKEN_PIN")


def test_tokens_are_listed_and_shown(workspace: Workspace, cli: Cli) -> None:
    assert cli.token.label in [token.label for token in workspace.tokens.list()]
    assert workspace.tokens.show().label == cli.token.label
    assert workspace.tokens.module() == cli.token.module


def test_a_token_is_examined_and_keeps_no_key(workspace: Workspace) -> None:
    results = workspace.tokens.examine()
    assert [one.what for one in results if one.verdict is CheckStatus.PROBLEM] == []
    assert "login" in [one.what for one in results]
    assert workspace.keys.on_token() == ()


def test_a_token_with_keys_is_initialised_only_by_its_serial(workspace: Workspace) -> None:
    workspace.keys.create("account", "ORDERS")
    initialisation = workspace.tokens.initialise("NEW")
    assert not initialisation.is_blank
    assert [item.label for item in initialisation.contents()] == ["account:ORDERS"]
    for erase in (None, "", "0000"):
        with pytest.raises(UsageError, match="was left as it is: its serial is not"):
            initialisation.run(so_pin="so-pin-9182", pin="user-pin-1", erase=erase)
    assert [key.label for key in workspace.keys.on_token()] == ["account:ORDERS"]
