"""`rotate operator-key` over a store, with no server to ask."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    Desk = Any  # the fixture in tests/conftest.py

ROTATE = ("rotate", "operator-key")
ALONE = "--without-servers"


def listed(desk: Desk) -> list[str]:
    """The signing keys that the operator lists."""
    found: list[str] = desk.ok("operator", "show", "--json").data["claims"]["nats"]["signing_keys"]
    return found


def issuers(desk: Desk) -> dict[str, str]:
    """Who has issued each account."""
    accounts = desk.ok("account", "list", "--json").data["accounts"]
    return {one["name"]: one["issuer"] for one in accounts}


@pytest.fixture
def old(desk: Desk) -> str:
    """The one signing key of ACME, by which the accounts SYS and ORDERS are."""
    desk.ok("operator", "add", "ACME", "--sys", "--generate-signing-key")
    desk.ok("account", "add", "ORDERS")
    (key,) = listed(desk)
    assert issuers(desk) == {"SYS": key, "ORDERS": key}
    return key


def test_the_first_step_lists_both_keys_and_signs_no_account(desk: Desk, old: str) -> None:
    done = desk.ok(*ROTATE, "--json").data
    new = done["new"]
    assert (done["stage"], done["old"], listed(desk)) == ("spread", old, [old, new])
    assert [one["kind"] for one in done["signed"]] == ["operator"]
    assert set(issuers(desk).values()) == {old}


def test_the_second_step_wants_servers_that_trust_the_new_key_or_somebody_who_vouches(
    desk: Desk, old: str
) -> None:
    new = desk.ok(*ROTATE, "--json").data["new"]
    done = desk.run(*ROTATE)
    assert (done.code, done.out, set(issuers(desk).values())) == (2, "", {old})
    assert "have to prove that they trust the new key" in done.err
    done = desk.ok(*ROTATE, ALONE, "--json").data
    assert (done["stage"], done["servers"], issuers(desk)) == ("remove", None, {"SYS": new, "ORDERS": new})
    files = desk.files()
    again = desk.ok(*ROTATE, ALONE, "--json", SEEDLESS_MODULE="/no/module").data
    assert (again["stage"], again["signed"], desk.files()) == ("remove", [], files)


def test_the_old_key_goes_at_last_and_again_nothing_is_signed(desk: Desk, old: str) -> None:
    new = desk.ok(*ROTATE, "--json").data["new"]
    desk.ok(*ROTATE, ALONE)
    done = desk.ok(*ROTATE, "--finish", ALONE, "--json").data
    assert (done["stage"], done["old"], done["new"], listed(desk)) == ("forget", old, new, [new])
    again = desk.ok(*ROTATE, "--finish", ALONE, "--json", SEEDLESS_MODULE="/no/module").data
    assert (again["stage"], again["signed"]) == ("forget", [])


def test_the_old_key_stays_while_an_account_is_by_it(desk: Desk, old: str) -> None:
    desk.ok(*ROTATE)
    done = desk.run(*ROTATE, "--finish", ALONE)
    assert (done.code, len(listed(desk))) == (3, 2)
    assert f"({old}) is still the issuer of ORDERS, SYS" in done.err
    desk.ok(*ROTATE, ALONE)
    desk.ok("account", "add", "LATE", "--issuer", old)
    done = desk.run(*ROTATE, "--finish", ALONE)
    assert (done.code, f"({old}) is still the issuer of LATE" in done.err) == (3, True)


def test_the_old_key_stays_while_an_account_cannot_be_read(desk: Desk, old: str) -> None:
    desk.ok(*ROTATE)
    desk.ok(*ROTATE, ALONE)
    (desk.store / "stores/ACME/accounts/ORDERS/ORDERS.jwt").write_text("damaged")
    done = desk.run(*ROTATE, "--finish", ALONE)
    assert (done.code, len(listed(desk))) == (3, 2)
    assert "it is not known whether it is still needed" in done.err


def test_what_a_person_reads_are_lines_with_the_stage_and_what_is_next(desk: Desk, old: str) -> None:
    lines = desk.ok(*ROTATE).out.splitlines()
    new = next(key for key in listed(desk) if key != old)
    assert lines[:5] == [
        f"operator ACME: {old} is replaced by {new}",
        "signed: 1 operator",
        "proven: nothing, no server was asked",
        "still by the old key: ORDERS, SYS",
        "stage: spread",
    ]
    assert [line.partition(":")[0] for line in lines[5:]] == ["next"]


def test_the_end_before_the_beginning_is_refused(desk: Desk, old: str) -> None:
    done = desk.run(*ROTATE, "--finish", ALONE, "--key", old)
    assert (done.code, f"no key takes the place of operator ACME signing ({old}) yet" in done.err) == (
        3,
        True,
    )


def test_an_operator_that_signs_with_its_identity_is_sent_to_reissue(desk: Desk) -> None:
    desk.found_system()
    done = desk.run(*ROTATE)
    assert (done.code, done.out) == (2, "")
    assert "operator ACME has no signing key: it signs with its identity" in done.err
    assert "hint: seedless operator reissue --convert-to-signing-key\n" in done.err


def test_a_dry_run_of_each_step_shows_it_and_signs_nothing(desk: Desk, old: str) -> None:
    files = desk.files()
    assert [one["kind"] for one in desk.ok(*ROTATE, "--dry-run", "--json").data["changes"]] == ["operator"]
    assert desk.files() == files
    desk.ok(*ROTATE)
    files = desk.files()
    done = desk.ok(*ROTATE, ALONE, "--dry-run", "--json").data
    assert [one["name"] for one in done["changes"]] == ["ORDERS", "SYS"]
    assert desk.files() == files
    desk.ok(*ROTATE, ALONE)
    done = desk.ok(*ROTATE, "--finish", ALONE, "--dry-run", "--json").data
    (change,) = done["changes"]
    assert [one["effect"] for one in change["differences"]] == ["narrows"]
    assert len(listed(desk)) == 2


def test_an_emergency_signs_all_of_it_at_once(desk: Desk, old: str) -> None:
    done = desk.ok(*ROTATE, "--emergency", "--key", old, "--json")
    assert "until a server starts anew with the new operator jwt, it may refuse: ORDERS, SYS" in done.err
    new = done.data["new"]
    assert (done.data["stage"], done.data["old"]) == ("forget", old)
    assert (listed(desk), issuers(desk)) == ([new], {"SYS": new, "ORDERS": new})
    assert desk.ok("verify", "--json", *store_files(desk)).code == 0
    again = desk.ok(*ROTATE, "--emergency", "--key", old, "--json", SEEDLESS_MODULE="/no/module").data
    assert (again["stage"], again["signed"], listed(desk)) == ("forget", [], [new])


def store_files(desk: Desk) -> list[str]:
    return [str(path) for path in (desk.store / "stores").rglob("*.jwt")]
