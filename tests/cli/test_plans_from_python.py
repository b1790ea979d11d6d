"""A program applies a desired state and signs a plan that it wrote, without a terminal."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING, Any

import pytest

from seedless import Workspace
from seedless.app.desired import Applied
from seedless.errors import Refused
from seedless.store import open_store

if TYPE_CHECKING:
    from collections.abc import Iterator

    Cli = Any  # the fixture in tests/conftest.py

STATE = """
[operator]
name = "ACME"
[accounts.ORDERS]
[accounts.ORDERS.users.app]
[accounts.PAYROLL]
"""


@pytest.fixture
def workspace(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workspace]:
    """A workspace on the store and the token of a command line, while stdin and stdout are closed."""
    monkeypatch.setenv("TOKEN_PIN", cli.token.pin)
    monkeypatch.setenv("SEEDLESS_CONFIG", "")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(cli.home))
    for name in ("stdin", "stdout"):
        closed = io.StringIO()
        closed.close()
        monkeypatch.setattr(sys, name, closed)
    with Workspace(
        cli.store, module=cli.token.module, token=cli.token.label, pin_source="env:TOKEN_PIN"
    ) as found:
        yield found


def test_a_desired_state_is_previewed_and_applied(workspace: Workspace, cli: Cli) -> None:
    file = cli.home / "tenants.toml"
    file.write_text(STATE)
    made = workspace.desired.preview(file)
    assert [change.draft.claims.name for change in made.plan.changes] == ["ACME", "ORDERS", "PAYROLL", "app"]
    assert not cli.store.exists() or not list(cli.store.rglob("*.jwt"))
    applied = made.sign()
    assert (len(applied.jwts), applied.removed, applied.is_changed) == (4, (), True)
    assert workspace.user("ORDERS", "app").claims.name == "app"
    again = workspace.desired.preview(file)
    assert again.is_empty
    assert again.sign() == Applied()


def test_what_the_file_no_longer_names_is_removed_with_its_creds(workspace: Workspace, cli: Cli) -> None:
    file = cli.home / "tenants.toml"
    file.write_text(STATE)
    workspace.desired.preview(file).sign()
    creds = workspace.store.creds_path("ORDERS", "app")
    assert creds.exists()
    file.write_text(STATE.replace("[accounts.ORDERS.users.app]", "[accounts.ORDERS.users.web]"))
    made = workspace.desired.preview(file, prune=True)
    assert creds in made.removed_files
    assert made.sign().removed == (("ORDERS", "app"),)
    assert not creds.exists()
    assert workspace.store.children("ORDERS") == ["web"]


def test_a_store_exports_what_applies_to_it_without_a_change(workspace: Workspace, cli: Cli) -> None:
    file = cli.home / "tenants.toml"
    file.write_text(STATE)
    workspace.desired.preview(file).sign()
    state = workspace.desired.export()
    assert state["operator"]["name"] == "ACME"
    assert sorted(state["accounts"]) == ["ORDERS", "PAYROLL"]


def test_a_plan_is_written_and_signed_later_by_its_digest(workspace: Workspace, cli: Cli) -> None:
    file = cli.home / "tenants.toml"
    file.write_text(STATE)
    workspace.desired.preview(file).sign()
    plan = cli.home / "limits.plan"
    digest = workspace.accounts.edit("ORDERS", limits={"conn": 5}).write(plan)
    with pytest.raises(Refused, match="the digest of the plan is not"):
        workspace.plans.preview(plan, expect="0" * 64)
    signed = workspace.plans.preview(plan, expect=digest).sign()
    assert (signed.digest, len(signed.jwts), signed.passed) == (digest, 1, 0)
    assert workspace.account("ORDERS").claims.body.limits.conn == 5
    again = workspace.plans.preview(plan)
    assert again.is_empty
    assert again.sign().passed == 1


def test_a_file_about_another_operator_goes_into_the_store_of_that_operator(
    workspace: Workspace, cli: Cli
) -> None:
    first, second = cli.home / "first.toml", cli.home / "second.toml"
    first.write_text('[operator]\nname = "ACME"\n[accounts.ORDERS]\n')
    second.write_text('[operator]\nname = "OTHER"\n[accounts.PAYROLL]\n')
    workspace.desired.preview(first).sign()
    workspace.desired.preview(second).sign()
    first.write_text(first.read_text() + "[accounts.BILLING]\n")
    applied = workspace.desired.preview(first).sign()
    assert [jwt.claims.name for jwt in applied.jwts] == ["BILLING"]
    assert open_store(cli.store, "ACME").children() == ["BILLING", "ORDERS"]
    assert open_store(cli.store, "OTHER").children() == ["PAYROLL"]
