"""What a person names with -o is never replaced, and that is said before anybody types or signs anything."""

from __future__ import annotations

import dataclasses
import time
from typing import TYPE_CHECKING, Any

import pytest

from seedless.change import Change
from seedless.errors import UsageError
from seedless.signing_pipeline import Plan

if TYPE_CHECKING:
    from pathlib import Path

    Hall = Any  # of conftest.py
    Cli = Any  # the fixture in tests/conftest.py

MINE = "mine"


@pytest.fixture
def places(hall: Hall, cli: Cli) -> dict[str, str]:
    """The files that the commands below read, and `out`, where a file of somebody lies."""
    now = int(time.time())
    new = Change(hall.account_draft(hall.billing, "BILLING", now - 50), None, "new account", ("BILLING",))
    operator = hall.operator_jwt(at=now - 100)
    request = hall.request(Plan((new,), now - 50, ()), at=now - 50, operator=operator)
    policy = hall.policy(hall.witnessed_policy_text)
    review_context = hall.review_context(request, now=now - 10, policy=policy)
    result = hall.sit(
        review_context, *(hall.statement(review_context, key, now - 20) for key in (hall.ada, hall.bob))
    )
    cli.found_system()
    cli.ok("account", "edit", "ORDERS", "--conns", "5", "--plan", str(cli.home / "PLAN"))
    files = {
        "REQUEST": request.data.decode(), "RESULT": result.decode(), "POLICY": hall.witnessed_policy_text,
        "SEED": hall.ada.reveal(), "out": MINE, "dir/request.json": MINE,
    }  # fmt: skip
    for name, text in files.items():
        (cli.home / name).parent.mkdir(exist_ok=True)
        (cli.home / name).write_text(text)
    words = {name: str(cli.home / name) for name in (*files, "PLAN", "new", "dir")}
    return words | {"KEY": str(hall.operator.public_key), "DIGEST": request.digest}


COMMANDS: dict[str, str] = {
    "prepare": "ceremony prepare PLAN --reason r -o out",
    "witness": "ceremony witness REQUEST --policy POLICY --key-file SEED --first-use all --expect DIGEST "
    "--clock-checked -o out",
    "keygen": "ceremony keygen ACME --holder Ada -o out",
    "keygen, the policy": "ceremony keygen ACME --holder Ada -o new --policy-out out",
    "sign": "ceremony sign REQUEST --policy POLICY --first-use all --expect DIGEST --clock-checked -o out",
    "report": "ceremony report REQUEST RESULT --operator-key KEY -o out",
    "review": "ceremony review REQUEST --policy POLICY --first-use all --checklist out",
    "rehearse": "ceremony rehearse REQUEST --policy POLICY --first-use all -o dir",
    "user creds": "user creds -a ORDERS app -o out",
    "account show": "account show ORDERS -o out",
    "user show": "user show -a ORDERS app --raw -o out",
    "export-desired": "export-desired -o out",
    "its schema": "export-desired --schema -o out",
    "tree": "tree --format mermaid -o out",
}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_file_that_exists_is_not_replaced(cli: Cli, places: dict[str, str], name: str) -> None:
    keys = cli.ok("key", "list", "--json").data["keys"]
    done = cli.run(*(places.get(word, word) for word in COMMANDS[name].split()))
    there = cli.home / ("dir/request.json" if name == "rehearse" else "out")
    assert (done.code, done.out) == (2, ""), done
    assert done.err.splitlines()[-2:] == [
        f"error: {there} exists, and is not replaced", "hint: name another file, or remove that one",
    ]  # fmt: skip
    assert there.read_text() == MINE
    assert not (cli.home / "new").exists()
    assert cli.ok("key", "list", "--json").data["keys"] == keys


def test_a_file_that_holds_the_same_already_stays(cli: Cli) -> None:
    cli.found_system()
    words = ("user", "creds", "-a", "ORDERS", "app", "-o", str(cli.home / "app.creds"))
    cli.ok(*words)
    cli.ok(*words)
    (cli.home / "app.creds").chmod(0o644)
    (cli.home / "app.creds").write_text("x")
    assert cli.run(*words).code == 2


def test_a_link_that_leads_nowhere_is_something_too(cli: Cli) -> None:
    cli.found_system()
    (cli.home / "link").symlink_to(cli.home / "nowhere")
    done = cli.run("user", "creds", "-a", "ORDERS", "app", "-o", str(cli.home / "link"))
    assert (done.code, "exists, and is not replaced" in done.err) == (2, True)
    assert (cli.home / "link").is_symlink()


def test_the_result_that_a_killed_ceremony_has_written_may_lie_there(hall: Hall, tmp_path: Path) -> None:
    run = dataclasses.replace(hall.run(hall.review_context(hall.request())), output=tmp_path / "result.json")
    result = hall.sit(hall.review_context(hall.request()))
    (tmp_path / "result.json").write_bytes(result)
    (hall.folder / "ledger.json").unlink()
    assert hall.sit_at(run) == result
    other = hall.request(reason="another")
    run = dataclasses.replace(
        run, review_context=hall.review_context(other, ledger=hall.review_context(other).ledger)
    )
    with pytest.raises(UsageError, match="exists, and is not replaced"):
        hall.sit_at(run)
    assert (tmp_path / "result.json").read_bytes() == result
