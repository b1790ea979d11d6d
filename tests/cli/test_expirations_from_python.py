"""A program asks what expires, with its streams closed."""

from __future__ import annotations

import io
import sys
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from seedless import Workspace
from seedless.app.renewal import ExpiryState, expirations

if TYPE_CHECKING:
    import pytest

    Cli = Any  # the fixture in tests/conftest.py

DAY = 86_400


def test_what_expires_first_comes_first_and_reports_whether_it_is_urgent(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOKEN_PIN", cli.token.pin)
    monkeypatch.setenv("SEEDLESS_CONFIG", "")
    for name in ("stdin", "stdout"):
        closed = io.StringIO()
        closed.close()
        monkeypatch.setattr(sys, name, closed)
    workspace = Workspace(
        cli.store, module=cli.token.module, token=cli.token.label, pin_source="env:TOKEN_PIN"
    )
    workspace.operators.add("ACME").sign()
    workspace.accounts.add("ORDERS", expiry=timedelta(days=20)).sign()
    report = expirations(workspace)
    assert [(one.address, one.state) for one in report.entries] == [
        (("ORDERS",), ExpiryState.LATER),
        ((), ExpiryState.NEVER),
    ]
    assert not report.is_urgent
    assert [one.address for one in expirations(workspace, never=False).entries] == [("ORDERS",)]
    assert expirations(workspace, 5 * DAY).entries == ()
    soon = expirations(workspace, 30 * DAY)
    assert ([one.state for one in soon.entries], soon.is_urgent) == ([ExpiryState.SOON], True)
