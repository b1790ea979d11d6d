"""`operator reissue`: the operator gets a new identity key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    Cli = Any  # the fixture in tests/conftest.py

REISSUE = ("operator", "reissue")
KEEP = "--convert-to-signing-key"


def operator(cli: Cli) -> Any:  # noqa: ANN401 - what JSON holds
    return cli.ok("operator", "show", "--json").data


def issuers(cli: Cli) -> dict[str, str]:
    """Who has issued each account."""
    accounts = cli.ok("account", "list", "--json").data["accounts"]
    return {one["name"]: one["issuer"] for one in accounts}


@pytest.fixture
def old(cli: Cli) -> str:
    """The identity of ACME, by which SYS and ORDERS are."""
    cli.found_system()
    key: str = operator(cli)["subject"]
    assert issuers(cli) == {"SYS": key, "ORDERS": key}
    return key


def verified(cli: Cli) -> bool:
    """Whether every jwt of the store is by whom the store trusts."""
    files = [str(path) for path in (cli.store / "stores").rglob("*.jwt")]
    return cli.run("verify", *files).code == 0  # type: ignore[no-any-return]  # a Done of tests/conftest.py


def test_the_old_key_becomes_a_signing_key_and_nothing_else_is_signed_again(cli: Cli, old: str) -> None:
    done = cli.ok(*REISSUE, KEEP, "--json").data
    new = done["subject"]
    assert (done["old"], done["converted"], done["reissued"], operator(cli)["jwt"]) == (
        old, True, [], done["jwt"],
    )  # fmt: skip
    assert (operator(cli)["issuer"], operator(cli)["claims"]["nats"]["signing_keys"]) == (new, [old])
    assert set(issuers(cli).values()) == {old}
    assert verified(cli)
    assert done["servers_must"][-1].endswith(f"seedless rotate operator-key --key {old}")


def test_the_old_identity_can_be_rotated_afterwards_as_a_signing_key(cli: Cli, old: str) -> None:
    new = cli.ok(*REISSUE, KEEP, "--json").data["subject"]
    key = cli.ok("rotate", "operator-key", "--json").data["new"]
    assert key not in {old, new}
    cli.ok("rotate", "operator-key", "--without-servers")
    cli.ok("rotate", "operator-key", "--finish", "--without-servers")
    assert operator(cli)["claims"]["nats"]["signing_keys"] == [key]
    assert set(issuers(cli).values()) == {key}


def test_without_it_the_accounts_of_the_old_key_are_signed_by_the_new_one(cli: Cli, old: str) -> None:
    done = cli.ok(*REISSUE, "--json")
    new = done.data["subject"]
    assert "this locks out, from the restart of a server to the push: ORDERS, SYS" in done.err
    assert done.data["reissued"] == ["ORDERS", "SYS"]
    assert (issuers(cli), "signing_keys" in operator(cli)["claims"]["nats"]) == (
        {"SYS": new, "ORDERS": new}, False,
    )  # fmt: skip
    assert verified(cli)
    assert old not in {entry for entry in operator(cli)["claims"]["nats"].values() if isinstance(entry, str)}


def test_its_time_is_later_and_the_rest_is_unchanged(cli: Cli, old: str) -> None:
    before = operator(cli)
    after = cli.ok(*REISSUE, KEEP, "--json").data
    assert after["issued_at"] > before["issued_at"]
    for name in ("system_account", "tags", "version"):
        assert after["claims"]["nats"].get(name) == before["claims"]["nats"].get(name)
    assert (after["name"], after["subject"] == old) == ("ACME", False)


def test_a_second_time_there_is_a_third_key(cli: Cli, old: str) -> None:
    second = cli.ok(*REISSUE, KEEP, "--json").data["subject"]
    third = cli.ok(*REISSUE, KEEP, "--json").data["subject"]
    assert len({old, second, third}) == 3
    assert operator(cli)["claims"]["nats"]["signing_keys"] == [old, second]


def test_a_key_that_was_created_and_not_used_yet_is_reused(cli: Cli, old: str) -> None:
    name = f"ACME identity after {old[:12]}"
    made = cli.ok("key", "new", "--role", "operator", "--name", name, "--json").data["public_key"]
    assert cli.ok(*REISSUE, KEEP, "--json").data["subject"] == made


def test_the_current_key_is_no_new_one(cli: Cli, old: str) -> None:
    files = cli.files()
    done = cli.run(*REISSUE, "--public-key", old)
    assert (done.code, f"operator ACME ({old}) is a key of the operator already" in done.err) == (2, True)
    assert cli.files() == files


def test_it_goes_through_a_plan_file_and_twice_signs_nothing(cli: Cli, old: str) -> None:
    name = f"ACME identity after {old[:12]}"
    new = cli.ok("key", "new", "--role", "operator", "--name", name, "--json").data["public_key"]
    path = str(cli.home / "reissue.plan")
    files = cli.files()
    digest = cli.ok(*REISSUE, KEEP, "--plan", path, "--json").data["digest"]
    assert cli.files() == files
    (cli.home / "policy.toml").write_text(f'operator = "{new}"\n')
    words = ("sign", "--plan", path, "--expect", digest, "--policy", str(cli.home / "policy.toml"), "--json")
    assert [one["subject"] for one in cli.ok(*words).data["signed"]] == [new]
    assert operator(cli)["subject"] == new
    again = cli.ok(*words).data
    assert (again["signed"], again["passed"]) == ([], 1)


def test_what_a_person_reads_is_what_must_change_a_line_each(cli: Cli, old: str) -> None:
    done = cli.ok(*REISSUE)
    lines = done.out.splitlines()
    new = f"operator ACME identity after {old[:12]} ({operator(cli)['subject']})"
    assert lines[0] == f"operator ACME: {old} is replaced by {new}"
    assert lines[1] == "what must change:"
    assert lines[-1] == "then the accounts that were signed again are pushed: seedless push ORDERS SYS"
    assert (len(lines), "warning" in done.err) == (5, False)


def test_a_dry_run_signs_nothing(cli: Cli, old: str) -> None:
    files = cli.files()
    done = cli.ok(*REISSUE, "--dry-run", "--json").data
    assert [one["name"] for one in done["changes"]] == ["ACME", "ORDERS", "SYS"]
    assert cli.files() == files
