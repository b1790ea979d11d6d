"""`rotate operator-key` over a store, with no server to ask."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    Cli = Any  # the fixture in tests/conftest.py

ROTATE = ("rotate", "operator-key")
ALONE = "--without-servers"


def listed(cli: Cli) -> list[str]:
    """The signing keys that the operator lists."""
    found: list[str] = cli.ok("operator", "show", "--json").data["claims"]["nats"]["signing_keys"]
    return found


def issuers(cli: Cli) -> dict[str, str]:
    """Who has issued each account."""
    accounts = cli.ok("account", "list", "--json").data["accounts"]
    return {one["name"]: one["issuer"] for one in accounts}


@pytest.fixture
def old(cli: Cli) -> str:
    """The one signing key of ACME, by which the accounts SYS and ORDERS are."""
    cli.ok("operator", "add", "ACME", "--sys", "--generate-signing-key")
    cli.ok("account", "add", "ORDERS")
    (key,) = listed(cli)
    assert issuers(cli) == {"SYS": key, "ORDERS": key}
    return key


def test_the_first_step_lists_both_keys_and_signs_no_account(cli: Cli, old: str) -> None:
    done = cli.ok(*ROTATE, "--json").data
    new = done["new"]
    assert (done["stage"], done["old"], listed(cli)) == ("spread", old, [old, new])
    assert [one["kind"] for one in done["signed"]] == ["operator"]
    assert set(issuers(cli).values()) == {old}


def test_the_second_step_requires_servers_that_trust_the_new_key_or_somebody_who_vouches(
    cli: Cli, old: str
) -> None:
    new = cli.ok(*ROTATE, "--json").data["new"]
    done = cli.run(*ROTATE)
    assert (done.code, done.out, set(issuers(cli).values())) == (2, "", {old})
    assert "have to prove that they trust the new key" in done.err
    done = cli.ok(*ROTATE, ALONE, "--json").data
    assert (done["stage"], done["servers"], issuers(cli)) == ("remove", None, {"SYS": new, "ORDERS": new})
    files = cli.files()
    again = cli.ok(*ROTATE, ALONE, "--json", SEEDLESS_MODULE="/no/module").data
    assert (again["stage"], again["signed"], cli.files()) == ("remove", [], files)


def test_the_old_key_goes_at_last_and_again_nothing_is_signed(cli: Cli, old: str) -> None:
    new = cli.ok(*ROTATE, "--json").data["new"]
    cli.ok(*ROTATE, ALONE)
    done = cli.ok(*ROTATE, "--finish", ALONE, "--json").data
    assert (done["stage"], done["old"], done["new"], listed(cli)) == ("forget", old, new, [new])
    again = cli.ok(*ROTATE, "--finish", ALONE, "--json", SEEDLESS_MODULE="/no/module").data
    assert (again["stage"], again["signed"]) == ("forget", [])


def test_the_old_key_stays_while_an_account_is_by_it(cli: Cli, old: str) -> None:
    cli.ok(*ROTATE)
    done = cli.run(*ROTATE, "--finish", ALONE)
    assert (done.code, len(listed(cli))) == (3, 2)
    assert f"({old}) is still the issuer of ORDERS, SYS" in done.err
    cli.ok(*ROTATE, ALONE)
    cli.ok("account", "add", "LATE", "--issuer", old)
    done = cli.run(*ROTATE, "--finish", ALONE)
    assert (done.code, f"({old}) is still the issuer of LATE" in done.err) == (3, True)


def test_the_old_key_stays_while_an_account_cannot_be_read(cli: Cli, old: str) -> None:
    cli.ok(*ROTATE)
    cli.ok(*ROTATE, ALONE)
    (cli.store / "stores/ACME/accounts/ORDERS/ORDERS.jwt").write_text("damaged")
    done = cli.run(*ROTATE, "--finish", ALONE)
    assert (done.code, len(listed(cli))) == (3, 2)
    assert "it is not known whether it is still needed" in done.err


def test_what_a_person_reads_are_lines_with_the_stage_and_what_is_next(cli: Cli, old: str) -> None:
    lines = cli.ok(*ROTATE).out.splitlines()
    new = next(key for key in listed(cli) if key != old)
    before = f"operator ACME signing before {new[:12]} ({old})"
    assert lines[:5] == [
        f"operator ACME: {before} is replaced by operator ACME signing ({new})",
        "signed: 1 operator",
        "proven: nothing, no server was asked",
        "still signed by the previous key: ORDERS, SYS",
        "stage: spread",
    ]
    assert [line.partition(":")[0] for line in lines[5:]] == ["next"]
    assert cli.ok(*ROTATE, ALONE).out.splitlines()[-1] == (
        "next: seedless push --all; then seedless rotate operator-key "
        f"--key {old} --new-key {new} --without-servers --finish"
    )


def test_the_end_before_the_beginning_is_refused(cli: Cli, old: str) -> None:
    done = cli.run(*ROTATE, "--finish", ALONE, "--key", old)
    assert (done.code, f"no key takes the place of operator ACME signing ({old}) yet" in done.err) == (
        3,
        True,
    )


def test_an_operator_that_signs_with_its_identity_is_sent_to_reissue(cli: Cli) -> None:
    cli.found_system()
    done = cli.run(*ROTATE)
    assert (done.code, done.out) == (2, "")
    assert "operator ACME has no signing key: it signs with its identity" in done.err
    assert "hint: seedless operator reissue --convert-to-signing-key\n" in done.err


def test_a_dry_run_of_each_step_shows_it_and_signs_nothing(cli: Cli, old: str) -> None:
    files = cli.files()
    assert [one["kind"] for one in cli.ok(*ROTATE, "--dry-run", "--json").data["changes"]] == ["operator"]
    assert cli.files() == files
    cli.ok(*ROTATE)
    files = cli.files()
    done = cli.ok(*ROTATE, ALONE, "--dry-run", "--json").data
    assert [one["name"] for one in done["changes"]] == ["ORDERS", "SYS"]
    assert cli.files() == files
    cli.ok(*ROTATE, ALONE)
    done = cli.ok(*ROTATE, "--finish", ALONE, "--dry-run", "--json").data
    (change,) = done["changes"]
    assert [one["effect"] for one in change["differences"]] == ["narrows"]
    assert len(listed(cli)) == 2


def test_an_emergency_signs_all_of_it_at_once(cli: Cli, old: str) -> None:
    done = cli.ok(*ROTATE, "--emergency", "--key", old, "--json")
    assert "until a server was restarted with the new operator jwt, it may refuse: ORDERS, SYS" in done.err
    new = done.data["new"]
    assert (done.data["stage"], done.data["old"]) == ("forget", old)
    assert (listed(cli), issuers(cli)) == ([new], {"SYS": new, "ORDERS": new})
    assert cli.ok("verify", "--json", *store_files(cli)).code == 0
    again = cli.ok(*ROTATE, "--emergency", "--key", old, "--json", SEEDLESS_MODULE="/no/module").data
    assert (again["stage"], again["signed"], listed(cli)) == ("forget", [], [new])


def store_files(cli: Cli) -> list[str]:
    return [str(path) for path in (cli.store / "stores").rglob("*.jwt")]
