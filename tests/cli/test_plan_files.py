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

    Cli = Any  # the fixture in tests/conftest.py


@pytest.fixture
def plan(cli: Cli) -> dict[str, Any]:
    """A plan for the user `late` of ORDERS, and the policy under which nobody has to look."""
    cli.found_system()
    operator = cli.ok("operator", "show", "--json").data["subject"]
    (cli.home / "policy.toml").write_text(f'operator = "{operator}"\n')
    cli.env["SEEDLESS_POLICY"] = str(cli.home / "policy.toml")
    path = cli.home / "late.plan"
    made: dict[str, Any] = cli.ok("user", "add", "-a", "ORDERS", "late", "--plan", str(path), "--json").data
    return made


def test_a_plan_is_written_and_nothing_is_signed(cli: Cli, plan: dict[str, Any]) -> None:
    text = (cli.home / "late.plan").read_text()
    assert json.loads(text)["format"] == "seedless plan 1"
    assert len(plan["digest"]) == 64
    assert cli.run("user", "show", "-a", "ORDERS", "late").code == 2


def test_the_digest_of_a_plan_is_that_of_its_file(cli: Cli, plan: dict[str, Any]) -> None:
    said = subprocess.run(["sha256sum", plan["plan"]], capture_output=True, check=True, timeout=30).stdout
    assert plan["digest"] == said.decode().split()[0]
    cli.ok("sign", "--plan", plan["plan"], "--expect", plan["digest"])


def test_a_plan_without_its_line_end_is_refused(cli: Cli, plan: dict[str, Any]) -> None:
    data = Path(plan["plan"]).read_bytes()
    Path(plan["plan"]).write_bytes(data[:-1])
    cut = hashlib.sha256(data[:-1]).hexdigest()
    done = cli.run("sign", "--plan", plan["plan"], "--expect", cut)
    assert (done.code, done.out) == (2, "")
    assert "does not end with the end of a line" in done.err


def test_the_plan_that_was_reviewed_is_signed_byte_for_byte(cli: Cli, plan: dict[str, Any]) -> None:
    (change,) = json.loads((cli.home / "late.plan").read_text())["changes"]
    done = cli.ok("sign", "--plan", plan["plan"], "--expect", plan["digest"], "--json").data
    (signed,) = done["signed"]
    assert signed["jwt"].rpartition(".")[0] == change["draft"]
    assert cli.ok("user", "show", "-a", "ORDERS", "late", "--json").data["jwt"] == signed["jwt"]


def test_the_seed_of_a_planned_user_waits_in_the_key_store_until_its_creds_are_made(
    cli: Cli, plan: dict[str, Any]
) -> None:
    cli.ok("sign", "--plan", plan["plan"], "--expect", plan["digest"])
    jwt = read(cli.ok("user", "show", "-a", "ORDERS", "late", "--json").data["jwt"])
    creds = (cli.store / "keys/creds/ACME/ORDERS/late.creds").read_text()
    assert str(parse_user_key(creds).public_key) == jwt.claims.sub


def test_a_plan_that_is_signed_twice_signs_nothing_the_second_time(cli: Cli, plan: dict[str, Any]) -> None:
    words = ("sign", "--plan", plan["plan"], "--expect", plan["digest"], "--json")
    cli.ok(*words)
    files = cli.files()
    assert (cli.ok(*words).data["signed"], cli.ok(*words).data["passed"]) == ([], 1)
    assert cli.files() == files


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        pytest.param(["--expect", "00"], 3, 'the digest of the plan is not "00"', id="another digest"),
        pytest.param(["--expect", "00", "--yes"], 3, "the digest of the plan is not", id="with --yes too"),
        pytest.param([], 2, "not confirmed: run it on a terminal, or add --yes", id="nobody to ask"),
    ],
)
def test_a_plan_is_signed_only_where_its_digest_is_given(
    cli: Cli, plan: dict[str, Any], words: list[str], code: int, sentence: str
) -> None:
    done = cli.run("sign", "--plan", plan["plan"], *words, asks=True)
    assert (done.code, done.out) == (code, "")
    assert sentence in done.err
    assert plan["digest"] not in done.err, "it is for a person to bring"


@pytest.mark.parametrize("how", ["--expect", "--yes"])
def test_a_plan_is_signed_without_a_policy(cli: Cli, plan: dict[str, Any], how: str) -> None:
    words = [how, plan["digest"]] if how == "--expect" else [how]
    done = cli.ok("sign", "--plan", plan["plan"], *words, asks=True, SEEDLESS_POLICY=None)
    assert done.out == "signed: 1\n"


def test_a_plan_is_refused_where_the_store_has_changed_since(cli: Cli, plan: dict[str, Any]) -> None:
    account = cli.ok("account", "show", "ORDERS", "--json").data["jwt"]
    cli.ok("sign", "-", "--record", stdin=account)
    files = cli.files()
    done = cli.run("sign", "--plan", plan["plan"], "--expect", plan["digest"])
    assert done.code == 1
    assert "the store has another jwt of ORDERS than the plan" in done.err
    assert cli.files() == files


@pytest.mark.parametrize("words", [("show",), ("diff",), ("sign",)], ids=" ".join)
def test_a_plan_shown_as_a_jwt_names_the_command_that_shows_it(
    cli: Cli, plan: dict[str, Any], words: tuple[str, ...]
) -> None:
    done = cli.run(*words, plan["plan"])
    assert (done.code, done.out) == (2, "")
    assert "is a plan" in done.err
    assert f"seedless sign --plan {plan['plan']} --dry-run" in done.err


def test_a_plan_with_a_missing_key_reports_how_to_create_it(cli: Cli) -> None:
    cli.found_system()
    done = cli.run("account", "add", "NEW", "--plan", str(cli.home / "new.plan"))
    assert done.code == 2
    assert "seedless key new --role account --name NEW" in done.err
    cli.ok("key", "new", "--role", "account", "--name", "NEW")
    cli.ok("account", "add", "NEW", "--plan", str(cli.home / "new.plan"))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param('"reason":', '"reason": ', id="a space"),
        pytest.param('"reason"', '"re\\u0061son"', id="an escaped name"),
        pytest.param("new user", "old user", id="another reason"),
    ],
)
def test_a_plan_with_a_byte_changed_is_refused(cli: Cli, plan: dict[str, Any], old: str, new: str) -> None:
    path = cli.home / "late.plan"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    done = cli.run("sign", "--plan", str(path), "--expect", plan["digest"])
    assert done.code == 3
    assert "the digest of the plan is" in done.err


@pytest.mark.parametrize(
    "new", [pytest.param('"reason": ', id="a space"), pytest.param('"re\\u0061son":', id="an escaped name")]
)
def test_a_plan_in_another_spelling_is_refused_under_its_own_digest(
    cli: Cli, plan: dict[str, Any], new: str
) -> None:
    data = Path(plan["plan"]).read_text().replace('"reason":', new, 1).encode()
    Path(plan["plan"]).write_bytes(data)
    done = cli.run("sign", "--plan", plan["plan"], "--expect", hashlib.sha256(data).hexdigest())
    assert done.code == 2
    assert f"error: {plan['plan']}: not canonical JSON" in done.err
