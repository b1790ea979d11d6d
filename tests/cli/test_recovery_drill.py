"""`recovery drill`: what a loss means is reported from a copy, and the tokens that are left can prove it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    import pytest_softhsm

    Desk = Any  # the fixture in tests/conftest.py


@pytest.fixture
def spare(desk: Desk, softhsm: pytest_softhsm.SoftHSM) -> pytest_softhsm.Token:
    """A second token with signing keys of ACME and SYS; ORDERS has its key on the first one alone."""
    token = softhsm.create(pin=desk.token.pin)
    desk.ok("operator", "add", "ACME", "--sys", "--spare-token", token.uri)
    desk.ok("account", "add", "ORDERS")
    return token


def keys(desk: Desk) -> dict[str, str]:
    return {key["name"]: key["public_key"] for key in desk.ok("key", "list", "--json").data["keys"]}


def test_the_loss_of_the_first_token_is_survived_and_costs_a_restart(
    desk: Desk, spare: pytest_softhsm.Token
) -> None:
    named, before = keys(desk), desk.files()
    told = desk.ok("recovery", "drill", desk.token.uri, "--json").data
    assert (told["lost"], told["survived"], told["restarts"]) == (f"token {desk.token.label}", True, 1)
    assert {key["name"]: key["backup"]["kind"] for key in told["keys"]} == {
        "operator ACME": "spare", "operator ACME signing": "spare", "account SYS": "spare",
        "account SYS signing": "spare", "account ORDERS": "none",
    }  # fmt: skip
    steps = {step["what"]: step for step in told["steps"]}
    assert {what: (step["key"], step["token"]) for what, step in steps.items()} == {
        "accounts of operator ACME": (named["ACME spare"], spare.label),
        "users of account ORDERS, once the operator lists another signing key": (
            named["ACME spare"], spare.label,
        ),
        "users of account SYS; deliver their creds before --finish": (named["SYS spare"], spare.label),
        "operator ACME, without the lost keys; then the servers are restarted": (
            named["ACME spare"], spare.label,
        ),
    }  # fmt: skip
    assert told["people"] == [
        f'who has the token "{spare.label}" and its PIN',
        "whoever initialises another token",
        "whoever pushes: with the creds of a system user, from where the token was not",
        "whoever runs the servers",
    ]
    assert [sentence.partition(":")[0] for sentence in told["stolen"]] == [
        "restart the servers at once",
        "look for accounts that nobody here has signed",
        f"account ORDERS is the key {named['ORDERS']}",
        f"account SYS is the key {named['SYS']}",
    ]
    assert told["servers"][0].startswith("the new operator jwt, and a restart")
    assert desk.files() == before


def test_the_tokens_that_are_left_sign_on_the_copy_and_nothing_else_is_written(
    desk: Desk, spare: pytest_softhsm.Token
) -> None:
    before = desk.files()
    told = desk.ok("recovery", "drill", desk.token.label, "--sign", "--json").data
    assert (told["signed"], told["survived"]) == (3, True)  # two accounts, and a user of SYS
    assert "signed on the copy, and verified: 4 jwts" in desk.ok("recovery", "drill", spare.uri, "--sign").out
    wrong = desk.run("recovery", "drill", desk.token.label, "--sign", TOKEN_PIN="wrong-pin-0815")
    assert (wrong.code, spare.label in wrong.err) == (4, True)
    assert desk.files() == before


def test_without_a_spare_the_loss_is_reported_as_such_and_ends_with_3(desk: Desk) -> None:
    desk.found_system()
    done = desk.run("recovery", "drill", desk.token.uri)
    assert done.code == 3
    assert (
        "operator ACME: no key of it is left, and no spare operator is in the folder: NOT POSSIBLE"
        in done.out
    )
    assert done.out.endswith("NOT all of it can be issued again\n")


def test_a_spare_operator_signs_the_accounts_and_no_server_is_restarted(
    desk: Desk, softhsm: pytest_softhsm.SoftHSM
) -> None:
    other = softhsm.create(pin=desk.token.pin)
    desk.found_system()
    desk.ok("operator", "add", "ACME-SPARE", "--token", other.uri)
    told = desk.ok("recovery", "drill", desk.token.uri, "--operator", "ACME", "--json").data
    assert (told["survived"], told["restarts"]) == (True, 0)
    assert told["steps"][0]["commands"] == [
        "seedless operator replace ACME --operator ACME-SPARE",
        "seedless push --all --operator ACME-SPARE",
    ]


def test_an_account_key_that_is_lost_changes_nothing_at_servers(
    desk: Desk, softhsm: pytest_softhsm.SoftHSM
) -> None:
    other = softhsm.create(pin=desk.token.pin)
    desk.found_system()
    desk.ok("account", "signing-key", "add", "-a", "ORDERS", "--token", other.uri)
    told = desk.ok("recovery", "drill", other.uri, "--json").data
    assert (told["restarts"], told["servers"]) == (0, ["nothing; accounts that change are pushed"])
    assert [step["what"] for step in told["steps"]] == [
        "users of account ORDERS; deliver their creds before --finish"
    ]
    assert told["stolen"] == [
        "push account ORDERS at once: until then the lost signing key issues users of it"
    ]


def test_what_a_policy_refuses_after_the_loss_is_reported(desk: Desk, spare: pytest_softhsm.Token) -> None:
    operator = keys(desk)["ACME"]
    (desk.home / "policy.toml").write_text(f'operator = "{operator}"\nspare = "required"\n')
    words = ("recovery", "drill", desk.token.uri, "--policy", str(desk.home / "policy.toml"))
    done = desk.run(*words, "--json")
    assert (done.code, {finding["code"] for finding in done.data["findings"]}) == (3, {"P016"})


def test_the_files_that_can_be_lost_have_their_way_back(desk: Desk, spare: pytest_softhsm.Token) -> None:
    told = desk.ok("recovery", "drill", "inventory", "--json").data
    assert {step["token"] for step in told["steps"]} == {desk.token.label, spare.label}
    assert [step["commands"] for step in told["steps"]] == [
        [f"seedless key register --all --token '{uri}'"] for uri in uris(desk)
    ]
    played = desk.ok("recovery", "drill", "inventory", "--sign", "--json").data
    assert (sorted(played["returned"]), played["missing"]) == (sorted(keys(desk).values()), [])
    store = desk.ok("recovery", "drill", "store", "--json").data
    assert [step["commands"][-1] for step in store["steps"]] == [
        "seedless operator import operator.jwt",
        "seedless pull --all --creds SYSTEM.creds",
        "seedless user import USER.creds",
    ]
    assert "--first-use all" in desk.ok("recovery", "drill", "ledger").out


def test_a_drill_registers_the_keys_again_on_a_copy_and_names_those_that_do_not_come_back(
    desk: Desk, spare: pytest_softhsm.Token
) -> None:
    made = keys(desk)
    text = (desk.store / "keyring.json").read_text().replace(spare.serial, "feedbeeffeedbeef")  # another one
    inventory = json.loads(text)
    inventory["keys"][made["ORDERS"]]["name"] = "orders of old"  # the label on the token has ORDERS
    (desk.store / "keyring.json").write_text(json.dumps(inventory))
    before = desk.files()
    done = desk.run("recovery", "drill", "inventory", "--sign", "--json")
    assert (done.code, done.data["survived"]) == (3, False)
    here = {name for name in made if "spare" not in name} - {"ORDERS"}
    assert set(done.data["returned"]) == {made[name] for name in here}
    absent, *missing = done.data["missing"]
    assert "feedbeeffeedbeef" in absent
    lost = {one.split(",")[0] for one in missing}
    assert lost == {"account SYS spare", "account orders of old", "operator ACME spare"}
    shown = desk.run("recovery", "drill", "inventory", "--sign").out
    assert "missing on the copy: account orders of old" in shown
    after = desk.files()
    assert {path for path in after if before.get(path) != after[path]} == {"store/challenges.jsonl"}


def uris(desk: Desk) -> list[str]:
    rows = desk.ok("key", "list", "--json").data["keys"]
    return sorted({row["uri"].partition(";object=")[0] for row in rows})


def test_a_token_without_a_key_is_told_with_those_that_have_some(
    desk: Desk, spare: pytest_softhsm.Token
) -> None:
    refused = desk.run("recovery", "drill", "NOBODY")
    assert (refused.code, "the inventory has no key on the token NOBODY" in refused.err) == (2, True)
    assert f'it has keys on "{desk.token.label}", "{spare.label}"' in refused.err
