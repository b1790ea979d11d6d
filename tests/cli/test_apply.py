"""`seedless apply` and `export-desired`: the whole walk, from a file in a folder to jwts in the store."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from typing import Any

    Cli = Any  # the fixture in tests/conftest.py

FILE = """
[operator]
name = "ACME"
[accounts.ORDERS]
description = "orders of customers"
signing_keys.clerks.template.pub.allow = ["bill.>"]
[accounts.ORDERS.users.app]
exp = "30d"
[accounts.ORDERS.users.clerk]
issuer = "clerks"
[[accounts.ORDERS.exports]]
subject = "orders.>"
type = "stream"
[[accounts.AUDIT.imports]]
from = "ORDERS"
subject = "orders.>"
type = "stream"
local_subject = "seen.orders.>"
"""


@pytest.fixture
def system(cli: Cli) -> Cli:
    """The operator ACME on the token, pinned by a policy, and nobody at a terminal."""
    cli.ok("operator", "add", "ACME", "--sys")
    operator = cli.ok("operator", "show", "--json").data["subject"]
    (cli.home / "policy.toml").write_text(f'operator = "{operator}"\n')
    cli.env["SEEDLESS_POLICY"] = str(cli.home / "policy.toml")
    return cli


def file(cli: Cli, text: str = FILE, name: str = "tenants.toml") -> str:
    path = cli.home / name
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_a_file_is_applied_whole(system: Cli) -> None:
    done = system.ok("apply", file(system), "--json").data
    assert [jwt["name"] for jwt in done["signed"]] == ["ORDERS", "AUDIT", "app", "clerk"]
    assert system.ok("verify", "--json").data["ok"]
    assert system.ok("lint", "--json").data["findings"] == []
    assert (system.store / "keys/creds/ACME/ORDERS/clerk.creds").exists()


def test_applying_twice_signs_nothing_and_opens_no_token(system: Cli) -> None:
    system.ok("apply", file(system))
    files = system.files()
    done = system.ok("apply", file(system), "--json", SEEDLESS_MODULE="/nowhere/module.so", TOKEN_PIN=None)
    assert done.data == {"changed": False, "signed": [], "removed": []}
    assert system.files() == files


def test_plan_only_shows_what_differs_and_ends_with_5(system: Cli) -> None:
    files = system.files()
    done = system.run("apply", file(system), "--plan-only")
    assert (done.code, done.out) == (5, "to sign: 4\nto remove: 0\n")
    assert "  description: orders of customers\n" in done.err
    assert system.files() == files


def test_plan_only_ends_with_3_when_it_would_be_refused(system: Cli) -> None:
    text = 'accounts.A.exports = [{ subject = "a b", type = "stream" }]'
    done = system.run("apply", file(system, text), "--plan-only", "--json")
    assert (done.code, done.data["error"]["exit_code"]) == (3, 3)


def test_plan_only_ends_with_0_when_nothing_differs(system: Cli) -> None:
    system.ok("apply", file(system))
    assert system.ok("apply", file(system), "--plan-only").out == "nothing differs\n"


def test_a_plan_is_written_and_signed_elsewhere_in_time(system: Cli) -> None:
    system.ok("apply", file(system))
    changed = file(system, FILE.replace("of customers", "of all"))
    plan = system.ok("apply", changed, "--plan", str(system.home / "p.json"), "--json").data
    assert plan["changes"] == 1
    system.ok("sign", "--plan", plan["plan"], "--expect", plan["digest"])
    assert system.ok("apply", changed, "--plan-only").out == "nothing differs\n"


def test_without_a_terminal_it_requires_consent_and_no_policy(system: Cli) -> None:
    for policy in ({}, {"SEEDLESS_POLICY": None}):
        done = system.run("apply", file(system), asks=True, **policy)
        assert done.code == 2
        assert "error: not confirmed: run it on a terminal, or add --yes\n" in done.err
    system.ok("apply", file(system), "--yes", SEEDLESS_POLICY=None)


def test_nobody_is_asked_when_nothing_differs(system: Cli) -> None:
    system.ok("apply", file(system))
    assert system.ok("apply", file(system), asks=True).out == "nothing to change\n"


def test_a_dry_run_signs_nothing(system: Cli) -> None:
    files = system.files()
    assert system.ok("apply", file(system), "--dry-run", "--json").data["dry_run"]
    assert system.files() == files


def test_pruning_removes_users_with_their_creds_and_accounts(system: Cli) -> None:
    system.ok("apply", file(system))
    left = "[accounts.ORDERS]\nusers.app = {}\n"
    done = system.ok("apply", file(system, left), "--prune", "--json").data
    assert done["removed"] == [["ORDERS", "clerk"], ["AUDIT"]]
    assert [jwt["name"] for jwt in done["signed"]] == ["ORDERS"]
    assert not (system.store / "keys/creds/ACME/ORDERS/clerk.creds").exists()
    assert system.ok("account", "list", "--json").data["accounts"][0]["name"] == "ORDERS"
    assert system.ok("apply", file(system, left), "--prune", "--plan-only").out == "nothing differs\n"


def test_what_is_pruned_is_reported_before(system: Cli) -> None:
    system.ok("apply", file(system))
    told = system.run("apply", file(system, "[accounts.ORDERS]"), "--prune", "--plan-only").err
    assert "account AUDIT (removed: tenants.toml does not name it)" in told


@pytest.mark.parametrize("words", [["--plan-only"], ["--dry-run"]], ids=["plan-only", "dry-run"])
def test_creds_that_would_be_removed_are_listed_before(system: Cli, words: list[str]) -> None:
    system.ok("apply", file(system))
    creds = system.store / "keys/creds/ACME/ORDERS/clerk.creds"
    key = system.ok("user", "show", "-a", "ORDERS", "clerk", "--json").data["subject"]
    seed = system.store / f"keys/keys/U/{key[1:3]}/{key}.nk"
    done = system.run(
        "apply", file(system, "[accounts.ORDERS]\nusers.app = {}\n"), "--prune", "--json", *words
    )
    assert f"{creds} (removed)\n" in done.err
    assert done.data["files_removed"] == [str(creds), str(seed)]


def test_an_account_that_imports_from_a_pruned_one_is_reported(system: Cli) -> None:
    system.ok("apply", file(system))
    told = system.run("apply", file(system, "[accounts.AUDIT]"), "--prune", "--plan-only").err
    assert "warning: AUDIT imports from ORDERS, removed by this\n" in told
    mended = "[accounts.AUDIT]\nimports = []\n"
    assert "imports from" not in system.run("apply", file(system, mended), "--prune", "--plan-only").err
    assert "imports from" not in system.run("apply", file(system), "--prune", "--plan-only").err


@pytest.mark.parametrize("kind", ["toml", "json"])
def test_a_store_is_written_as_a_file_that_changes_nothing(system: Cli, kind: str) -> None:
    system.ok("apply", file(system))
    system.ok("user", "add", "-a", "ORDERS", 'odd "name"', "--deny-pub", "a.{{name()}}")
    path = system.home / f"exported.{kind}"
    system.ok("export-desired", "-o", str(path))
    assert system.ok("apply", str(path), "--prune", "--plan-only").out == "nothing differs\n"


def test_the_schema_is_written_for_editors(system: Cli) -> None:
    schema = json.loads(system.ok("export-desired", "--schema").out)
    assert schema["$defs"]["account"]["properties"]["users"]["type"] == "object"


def test_a_file_comes_from_stdin_too(system: Cli) -> None:
    done = system.child("apply", "-", "--plan-only", stdin='{"accounts": {"X": {}}}')
    assert (done.code, done.out) == (5, "to sign: 1\nto remove: 0\n")


WRONG = {
    "no file": (None, 2, "error: there is no file "),
    "a slip": (
        "[account.A]",
        2,
        "error: tenants.toml: account: nothing is known by this name, did you mean accounts?\n",
    ),
    "another operator": ('operator.name = "OTHER"', 2, "error: not confirmed: run it on a terminal"),
    "a subject that is none": (
        'accounts.A.exports = [{ subject = "a b", type = "stream" }]',
        3,
        "error: C",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("text", "code", "sentence"), WRONG.values(), ids=WRONG)
def test_bad_input_is_reported_and_nothing_is_signed(
    system: Cli, text: str | None, code: int, sentence: str
) -> None:
    files = system.files()
    path = str(system.home / "none.toml") if text is None else file(system, text)
    env = {"SEEDLESS_POLICY": None} if "OTHER" in (text or "") else {}
    done = system.run("apply", path, asks=bool(env), **env)
    assert done.code == code, done
    assert sentence in done.err
    assert system.files() == files
