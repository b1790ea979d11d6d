"""`operator reissue`: the operator gets a new identity key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    Desk = Any  # the fixture in tests/conftest.py

REISSUE = ("operator", "reissue")
KEEP = "--convert-to-signing-key"


def operator(desk: Desk) -> Any:  # noqa: ANN401 - what JSON holds
    return desk.ok("operator", "show", "--json").data


def issuers(desk: Desk) -> dict[str, str]:
    """Who has issued each account."""
    accounts = desk.ok("account", "list", "--json").data["accounts"]
    return {one["name"]: one["issuer"] for one in accounts}


@pytest.fixture
def old(desk: Desk) -> str:
    """The identity of ACME, by which SYS and ORDERS are."""
    desk.found_system()
    key: str = operator(desk)["subject"]
    assert issuers(desk) == {"SYS": key, "ORDERS": key}
    return key


def verified(desk: Desk) -> bool:
    """Whether every jwt of the store is by whom the store trusts."""
    files = [str(path) for path in (desk.store / "stores").rglob("*.jwt")]
    return desk.run("verify", *files).code == 0  # type: ignore[no-any-return]  # a Done of tests/conftest.py


def test_the_old_key_becomes_a_signing_key_and_nothing_else_is_signed_again(desk: Desk, old: str) -> None:
    done = desk.ok(*REISSUE, KEEP, "--json").data
    new = done["subject"]
    assert (done["old"], done["converted"], done["reissued"], operator(desk)["jwt"]) == (
        old, True, [], done["jwt"],
    )  # fmt: skip
    assert (operator(desk)["issuer"], operator(desk)["claims"]["nats"]["signing_keys"]) == (new, [old])
    assert set(issuers(desk).values()) == {old}
    assert verified(desk)
    assert done["servers_must"][-1].endswith(f"seedless rotate operator-key --key {old}")


def test_the_old_identity_gives_way_afterwards_as_a_signing_key(desk: Desk, old: str) -> None:
    new = desk.ok(*REISSUE, KEEP, "--json").data["subject"]
    key = desk.ok("rotate", "operator-key", "--json").data["new"]
    assert key not in {old, new}
    desk.ok("rotate", "operator-key", "--without-servers")
    desk.ok("rotate", "operator-key", "--finish", "--without-servers")
    assert operator(desk)["claims"]["nats"]["signing_keys"] == [key]
    assert set(issuers(desk).values()) == {key}


def test_without_it_the_accounts_of_the_old_key_are_signed_by_the_new_one(desk: Desk, old: str) -> None:
    done = desk.ok(*REISSUE, "--json")
    new = done.data["subject"]
    assert "this locks out, from the restart of a server to the push: ORDERS, SYS" in done.err
    assert done.data["reissued"] == ["ORDERS", "SYS"]
    assert (issuers(desk), "signing_keys" in operator(desk)["claims"]["nats"]) == (
        {"SYS": new, "ORDERS": new}, False,
    )  # fmt: skip
    assert verified(desk)
    assert old not in {entry for entry in operator(desk)["claims"]["nats"].values() if isinstance(entry, str)}


def test_it_is_later_than_before_and_says_the_rest_as_before(desk: Desk, old: str) -> None:
    before = operator(desk)
    after = desk.ok(*REISSUE, KEEP, "--json").data
    assert after["issued_at"] > before["issued_at"]
    for name in ("system_account", "tags", "version"):
        assert after["claims"]["nats"].get(name) == before["claims"]["nats"].get(name)
    assert (after["name"], after["subject"] == old) == ("ACME", False)


def test_a_second_time_there_is_a_third_key(desk: Desk, old: str) -> None:
    second = desk.ok(*REISSUE, KEEP, "--json").data["subject"]
    third = desk.ok(*REISSUE, KEEP, "--json").data["subject"]
    assert len({old, second, third}) == 3
    assert operator(desk)["claims"]["nats"]["signing_keys"] == [old, second]


def test_a_key_that_was_made_and_not_used_yet_is_taken_up(desk: Desk, old: str) -> None:
    name = f"ACME identity after {old[:12]}"
    made = desk.ok("key", "new", "--role", "operator", "--name", name, "--json").data["public_key"]
    assert desk.ok(*REISSUE, KEEP, "--json").data["subject"] == made


def test_the_key_that_stands_is_no_new_one(desk: Desk, old: str) -> None:
    files = desk.files()
    done = desk.run(*REISSUE, "--public-key", old)
    assert (done.code, f"operator ACME ({old}) is a key of the operator already" in done.err) == (2, True)
    assert desk.files() == files


def test_it_goes_through_a_plan_file_and_twice_signs_nothing(desk: Desk, old: str) -> None:
    name = f"ACME identity after {old[:12]}"
    new = desk.ok("key", "new", "--role", "operator", "--name", name, "--json").data["public_key"]
    path = str(desk.home / "reissue.plan")
    files = desk.files()
    digest = desk.ok(*REISSUE, KEEP, "--plan", path, "--json").data["digest"]
    assert desk.files() == files
    (desk.home / "policy.toml").write_text(f'operator = "{new}"\n')
    words = ("sign", "--plan", path, "--expect", digest, "--policy", str(desk.home / "policy.toml"), "--json")
    assert [one["subject"] for one in desk.ok(*words).data["signed"]] == [new]
    assert operator(desk)["subject"] == new
    again = desk.ok(*words).data
    assert (again["signed"], again["passed"]) == ([], 1)


def test_what_a_person_reads_is_what_must_change_a_line_each(desk: Desk, old: str) -> None:
    done = desk.ok(*REISSUE)
    lines = done.out.splitlines()
    assert lines[0] == f"operator ACME: {old} is replaced by {operator(desk)['subject']}"
    assert lines[1] == "what must change:"
    assert lines[-1] == "then the accounts that were signed again are pushed: seedless push ORDERS SYS"
    assert (len(lines), "warning" in done.err) == (5, False)


def test_a_dry_run_signs_nothing(desk: Desk, old: str) -> None:
    files = desk.files()
    done = desk.ok(*REISSUE, "--dry-run", "--json").data
    assert [one["name"] for one in done["changes"]] == ["ACME", "ORDERS", "SYS"]
    assert desk.files() == files
