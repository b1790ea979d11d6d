"""A ceremony as a program holds its online half: prepared, accepted and given up, with stdout closed."""

from __future__ import annotations

import contextlib
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from seedless.app.workspace import Workspace
from seedless.errors import Refused, StoreError, UsageError
from seedless.store import create_store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from seedless.ceremony.request import CeremonyRequest

    Hall = Any  # the fixture in conftest.py

AT = 1_800_000_100
"""When the clock of the workspace stands, Unix seconds: when the plan of a hall was made."""


@pytest.fixture
def workspace(hall: Hall, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workspace]:
    """A machine without tokens, whose store has the operator of *hall* and one account; stdout is closed."""
    (tmp_path / "empty.toml").write_text("")
    monkeypatch.setenv("SEEDLESS_CONFIG", str(tmp_path / "empty.toml"))
    root = tmp_path / "online"
    standing = {(): hall.operator_jwt(), ("ORDERS",): hall.account_jwt(hall.orders, "ORDERS")}
    create_store(root, "ACME").put(standing, {})
    with contextlib.redirect_stdout(None):
        yield Workspace(root, clock=lambda: AT)


def prepared(hall: Hall, workspace: Workspace, tmp_path: Path) -> CeremonyRequest:
    request = workspace.ceremonies.prepare(hall.plan(), reason="two accounts", prepared_by="Grace")
    workspace.ceremonies.write(request, tmp_path / "request.json")
    return request


def test_a_program_prepares_a_request_and_accepts_its_result(
    hall: Hall, workspace: Workspace, tmp_path: Path
) -> None:
    request = prepared(hall, workspace, tmp_path)
    result = hall.sit(hall.review_context(request))
    found = workspace.ceremonies.accept(result)
    assert (len(found.left.changes), found.passed) == (2, 0)
    assert workspace.store.get("BILLING") is None
    assert not (workspace.root / "ledger.json").exists()
    found.record()
    assert workspace.account("BILLING").text == found.signed[1].text
    assert workspace.account("ORDERS").claims.body.tags == ("team:a",)
    assert (workspace.root / "ceremonies" / request.digest / "result.json").read_bytes() == result
    again = workspace.ceremonies.accept(result).record()
    assert (len(again.left.changes), again.passed) == (0, 2)
    assert str(hall.check((tmp_path / "request.json").read_bytes(), result).verdict) == "complete"


def test_a_request_that_was_not_written_here_is_not_accepted(hall: Hall, workspace: Workspace) -> None:
    request = workspace.ceremonies.prepare(hall.plan(), reason="two accounts")
    with pytest.raises(Refused, match="was not prepared here"):
        workspace.ceremonies.accept(hall.sit(hall.review_context(request)))


def test_what_the_store_has_got_since_a_result_was_looked_at_is_not_written_over(
    hall: Hall, workspace: Workspace, tmp_path: Path
) -> None:
    request = prepared(hall, workspace, tmp_path)
    found = workspace.ceremonies.accept(hall.sit(hall.review_context(request)))
    other = hall.account_jwt(hall.orders, "ORDERS", AT + 5, "team:b")
    workspace.store.put({("ORDERS",): other}, {})
    with pytest.raises(StoreError):
        found.record()
    assert workspace.account("ORDERS").text == other.text
    assert workspace.store.get("BILLING") is None
    assert not (workspace.root / "ledger.json").exists()


def test_the_time_of_a_request_is_not_ahead_and_the_sentence_names_no_option(
    hall: Hall, workspace: Workspace
) -> None:
    with pytest.raises(UsageError, match=r"the time of the request is .*, and this clock reads") as caught:
        workspace.ceremonies.prepare(hall.plan(), reason="two accounts", at=AT + 3600)
    assert "--" not in f"{caught.value.message} {caught.value.hint}"


def test_a_preview_is_made_a_request(workspace: Workspace) -> None:
    preview = workspace.accounts.edit("ORDERS", tags=["team:b"])
    request = workspace.ceremonies.prepare(preview, reason="a tag", expires="2d", prepared_by="Grace")
    assert (request.reason, request.prepared_by, request.expires) == ("a tag", "Grace", AT + 2 * 86400)
    assert [one.draft.claims.name for one in request.plan.changes] == ["ORDERS"]
    assert not (workspace.root / "ceremonies").exists()


def interrupted(hall: Hall, request: CeremonyRequest, *, after: int) -> None:
    """Hold the ceremony of *request*, and stop it once *after* more signatures were made."""
    left = [after]

    def stop() -> None:
        if not left[0]:
            raise KeyboardInterrupt
        left[0] -= 1

    with pytest.raises(KeyboardInterrupt):
        hall.sit(hall.review_context(request), keys=replace(hall.keys, on_sign=stop))


def test_a_ceremony_is_given_up_for_good(hall: Hall, workspace: Workspace, tmp_path: Path) -> None:
    hall.folder = workspace.root
    request = prepared(hall, workspace, tmp_path)
    with pytest.raises(UsageError, match="no ceremony of the request"):
        workspace.ceremonies.abandon(request)
    interrupted(hall, request, after=1)
    path = workspace.root / "ledger.json"
    before = path.read_bytes()
    begun = workspace.ceremonies.abandon(request)
    assert begun.signed == 1
    assert path.read_bytes() == before
    begun.record()
    assert json.loads(path.read_bytes())["open"] == {}
    with pytest.raises(UsageError, match="no ceremony of the request"):
        begun.record()


def test_a_ceremony_that_went_on_since_it_was_looked_at_is_not_given_up(
    hall: Hall, workspace: Workspace, tmp_path: Path
) -> None:
    hall.folder = workspace.root
    request = prepared(hall, workspace, tmp_path)
    interrupted(hall, request, after=0)
    begun = workspace.ceremonies.abandon(request)
    interrupted(hall, request, after=1)
    before = (workspace.root / "ledger.json").read_bytes()
    with pytest.raises(StoreError, match="has gone on since it was looked at"):
        begun.record()
    assert (workspace.root / "ledger.json").read_bytes() == before
    assert workspace.ceremonies.abandon(request).signed == 1
