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
    Desk = Any  # the fixture in tests/conftest.py


@pytest.fixture
def workspace(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A workspace on the store and the token of the desk, while stdin and stdout are closed."""
    monkeypatch.setenv("TOKEN_PIN", desk.token.pin)
    monkeypatch.setenv("SEEDLESS_CONFIG", "")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(desk.home))
    for name in ("stdin", "stdout"):
        closed = io.StringIO()
        closed.close()
        monkeypatch.setattr(sys, name, closed)
    return Workspace(desk.store, module=desk.token.module, token=desk.token.label, pin_source="env:TOKEN_PIN")


def test_tokens_are_listed_and_shown(workspace: Workspace, desk: Desk) -> None:
    assert desk.token.label in [token.label for token in workspace.tokens.list()]
    assert workspace.tokens.show().label == desk.token.label
    assert workspace.tokens.module() == desk.token.module


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
