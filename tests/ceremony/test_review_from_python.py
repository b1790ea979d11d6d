"""Ceremonies as a program uses them: requests reviewed, keys compared, without the command line."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import pytest

from seedless.app.workspace import Workspace
from seedless.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    Hall = Any  # the fixture in conftest.py


@pytest.fixture
def workspace(hall: Hall, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A machine that signs, with the policy of *hall* and nothing else."""
    (tmp_path / "empty.toml").write_text("")
    monkeypatch.setenv("SEEDLESS_CONFIG", str(tmp_path / "empty.toml"))
    (tmp_path / "policy.toml").write_text(hall.policy_text)
    moment = hall.request().plan.prepared_at + 60
    return Workspace(tmp_path / "store", policy=tmp_path / "policy.toml", clock=lambda: moment)


def test_a_program_reviews_a_request(hall: Hall, workspace: Workspace) -> None:
    request = hall.request()
    with contextlib.redirect_stdout(None):
        review = workspace.ceremonies.review(request.data, first_use=["all"])
    assert review.request.digest == request.digest
    assert review.report.findings == ()


def test_a_review_reports_what_the_ledger_does_not_know(hall: Hall, workspace: Workspace) -> None:
    review = workspace.ceremonies.review(hall.request().data)
    assert review.report.findings != ()


def test_a_review_without_a_policy_is_refused(hall: Hall, workspace: Workspace) -> None:
    with pytest.raises(UsageError, match="none is named"):
        Workspace(workspace.root).ceremonies.review(hall.request().data)


def test_keys_are_compared_only_where_a_ceremony_was_held(workspace: Workspace) -> None:
    with pytest.raises(UsageError, match="no ceremony was held here"):
        workspace.ceremonies.inventory(offline=True)


def test_the_keys_of_a_ceremony_are_listed_without_a_token(hall: Hall, workspace: Workspace) -> None:
    request = hall.request()
    _, result = hall.held()
    folder = workspace.root / "ceremonies" / request.digest
    folder.mkdir(parents=True)
    (folder / "result.json").write_bytes(result)
    states = workspace.ceremonies.inventory(offline=True)
    assert [(one.public_key, one.state, one.token) for one in states] == [
        (hall.signing.public_key, "not looked for", "software")
    ]
