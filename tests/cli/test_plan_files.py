"""`--plan FILE` and `sign --plan FILE --expect DIGEST`: what was reviewed is what is signed."""

from __future__ import annotations

import hashlib
import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from seedless.creds import parse_user_key
from seedless.jwt import read

if TYPE_CHECKING:
    from typing import Any

    Desk = Any  # the fixture in tests/conftest.py


@pytest.fixture
def plan(desk: Desk) -> dict[str, Any]:
    """A plan for the user `late` of ORDERS, and the policy under which nobody has to look."""
    desk.found_system()
    operator = desk.ok("operator", "show", "--json").data["subject"]
    (desk.home / "policy.toml").write_text(f'operator = "{operator}"\n')
    desk.env["SEEDLESS_POLICY"] = str(desk.home / "policy.toml")
    path = desk.home / "late.plan"
    made: dict[str, Any] = desk.ok("user", "add", "-a", "ORDERS", "late", "--plan", str(path), "--json").data
    return made


def test_a_plan_is_written_and_nothing_is_signed(desk: Desk, plan: dict[str, Any]) -> None:
    text = (desk.home / "late.plan").read_text()
    assert json.loads(text)["format"] == "seedless plan 1"
    assert len(plan["digest"]) == 64
    assert desk.run("user", "show", "-a", "ORDERS", "late").code == 2


def test_the_digest_of_a_plan_is_that_of_its_file(desk: Desk, plan: dict[str, Any]) -> None:
    said = subprocess.run(["sha256sum", plan["plan"]], capture_output=True, check=True, timeout=30).stdout
    assert plan["digest"] == said.decode().split()[0]
    desk.ok("sign", "--plan", plan["plan"], "--expect", plan["digest"])


def test_a_plan_without_its_line_end_is_refused(desk: Desk, plan: dict[str, Any]) -> None:
    data = Path(plan["plan"]).read_bytes()
    Path(plan["plan"]).write_bytes(data[:-1])
    cut = hashlib.sha256(data[:-1]).hexdigest()
    done = desk.run("sign", "--plan", plan["plan"], "--expect", cut)
    assert (done.code, done.out) == (2, "")
    assert "does not end with the end of a line" in done.err


def test_the_plan_that_was_reviewed_is_signed_byte_for_byte(desk: Desk, plan: dict[str, Any]) -> None:
    (change,) = json.loads((desk.home / "late.plan").read_text())["changes"]
    done = desk.ok("sign", "--plan", plan["plan"], "--expect", plan["digest"], "--json").data
    (signed,) = done["signed"]
    assert signed["jwt"].rpartition(".")[0] == change["draft"]
    assert desk.ok("user", "show", "-a", "ORDERS", "late", "--json").data["jwt"] == signed["jwt"]


def test_the_seed_of_a_planned_user_waits_in_the_key_store_until_its_creds_are_made(
    desk: Desk, plan: dict[str, Any]
) -> None:
    desk.ok("sign", "--plan", plan["plan"], "--expect", plan["digest"])
    jwt = read(desk.ok("user", "show", "-a", "ORDERS", "late", "--json").data["jwt"])
    creds = (desk.store / "keys/creds/ACME/ORDERS/late.creds").read_text()
    assert str(parse_user_key(creds).public_key) == jwt.claims.sub


def test_a_plan_that_is_signed_twice_signs_nothing_the_second_time(desk: Desk, plan: dict[str, Any]) -> None:
    words = ("sign", "--plan", plan["plan"], "--expect", plan["digest"], "--json")
    desk.ok(*words)
    files = desk.files()
    assert (desk.ok(*words).data["signed"], desk.ok(*words).data["passed"]) == ([], 1)
    assert desk.files() == files


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        pytest.param(["--expect", "00"], 3, 'the digest of the plan is not "00"', id="another digest"),
        pytest.param(["--expect", "00", "--yes"], 3, "the digest of the plan is not", id="with --yes too"),
        pytest.param([], 2, "not confirmed: run it on a terminal, or add --yes", id="nobody to ask"),
    ],
)
def test_a_plan_is_signed_only_where_its_digest_is_said(
    desk: Desk, plan: dict[str, Any], words: list[str], code: int, sentence: str
) -> None:
    done = desk.run("sign", "--plan", plan["plan"], *words, asks=True)
    assert (done.code, done.out) == (code, "")
    assert sentence in done.err
    assert plan["digest"] not in done.err, "it is for a person to bring"


@pytest.mark.parametrize("how", ["--expect", "--yes"])
def test_a_plan_is_signed_without_a_policy(desk: Desk, plan: dict[str, Any], how: str) -> None:
    words = [how, plan["digest"]] if how == "--expect" else [how]
    done = desk.ok("sign", "--plan", plan["plan"], *words, asks=True, SEEDLESS_POLICY=None)
    assert done.out == "signed: 1\n"


def test_a_plan_is_refused_where_the_store_has_changed_since(desk: Desk, plan: dict[str, Any]) -> None:
    account = desk.ok("account", "show", "ORDERS", "--json").data["jwt"]
    desk.ok("sign", "-", "--record", stdin=account)
    files = desk.files()
    done = desk.run("sign", "--plan", plan["plan"], "--expect", plan["digest"])
    assert done.code == 1
    assert "the store has another jwt of ORDERS than the plan" in done.err
    assert desk.files() == files


@pytest.mark.parametrize("words", [("show",), ("diff",), ("sign",)], ids=" ".join)
def test_who_shows_a_plan_as_a_jwt_is_told_what_shows_it(
    desk: Desk, plan: dict[str, Any], words: tuple[str, ...]
) -> None:
    done = desk.run(*words, plan["plan"])
    assert (done.code, done.out) == (2, "")
    assert "is a plan" in done.err
    assert f"seedless sign --plan {plan['plan']} --dry-run" in done.err


def test_a_plan_whose_key_nobody_has_made_says_how_to_make_it(desk: Desk) -> None:
    desk.found_system()
    done = desk.run("account", "add", "NEW", "--plan", str(desk.home / "new.plan"))
    assert done.code == 2
    assert "seedless key new --role account --name NEW" in done.err
    desk.ok("key", "new", "--role", "account", "--name", "NEW")
    desk.ok("account", "add", "NEW", "--plan", str(desk.home / "new.plan"))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param('"reason":', '"reason": ', id="a space"),
        pytest.param('"reason"', '"re\\u0061son"', id="an escaped name"),
        pytest.param("new user", "old user", id="another reason"),
    ],
)
def test_a_plan_with_a_byte_changed_is_refused(desk: Desk, plan: dict[str, Any], old: str, new: str) -> None:
    path = desk.home / "late.plan"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    done = desk.run("sign", "--plan", str(path), "--expect", plan["digest"])
    assert done.code == 3
    assert "the digest of the plan is" in done.err


@pytest.mark.parametrize(
    "new", [pytest.param('"reason": ', id="a space"), pytest.param('"re\\u0061son":', id="an escaped name")]
)
def test_a_plan_in_another_spelling_is_refused_under_its_own_digest(
    desk: Desk, plan: dict[str, Any], new: str
) -> None:
    data = Path(plan["plan"]).read_text().replace('"reason":', new, 1).encode()
    Path(plan["plan"]).write_bytes(data)
    done = desk.run("sign", "--plan", plan["plan"], "--expect", hashlib.sha256(data).hexdigest())
    assert done.code == 2
    assert "this is not canonical JSON" in done.err
