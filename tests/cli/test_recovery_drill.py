"""`recovery drill`: what a loss means is reported from a copy, and the tokens that are left can prove it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    import pytest_softhsm

    Cli = Any  # the fixture in tests/conftest.py


@pytest.fixture
def spare(cli: Cli, softhsm: pytest_softhsm.SoftHSM) -> pytest_softhsm.Token:
    """A second token with signing keys of ACME and SYS; ORDERS has its key on the first one alone."""
    token = softhsm.create(pin=cli.token.pin)
    cli.ok("operator", "add", "ACME", "--sys", "--spare-token", token.uri)
    cli.ok("account", "add", "ORDERS")
    return token


def keys(cli: Cli) -> dict[str, str]:
    return {key["name"]: key["public_key"] for key in cli.ok("key", "list", "--json").data["keys"]}


def test_the_loss_of_the_first_token_is_survived_and_costs_a_restart(
    cli: Cli, spare: pytest_softhsm.Token
) -> None:
    named, before = keys(cli), cli.files()
    told = cli.ok("recovery", "drill", cli.token.uri, "--json").data
    assert (told["lost"], told["survived"], told["restarts"]) == (f"token {cli.token.label}", True, 1)
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
        "whoever pushes: with the creds of a system user, kept apart from the token",
        "whoever runs the servers",
    ]
    assert [sentence.partition(":")[0] for sentence in told["stolen"]] == [
        "restart the servers at once",
        "look for accounts that none of you signed",
        f"account ORDERS is the key {named['ORDERS']}",
        f"account SYS is the key {named['SYS']}",
    ]
    assert told["servers"][0].startswith("the new operator jwt, and a restart")
    assert cli.files() == before


def test_the_tokens_that_are_left_sign_on_the_copy_and_their_journal_alone_is_written(
    cli: Cli, spare: pytest_softhsm.Token
) -> None:
    before = cli.files()
    told = cli.ok("recovery", "drill", cli.token.label, "--sign", "--json").data
    assert (told["signed"], told["survived"]) == (3, True)  # two accounts, and a user of SYS
    shown, named = cli.ok("recovery", "drill", spare.uri, "--sign").out, keys(cli)
    assert "signed on the copy, and verified: 4 jwts" in shown
    assert f"  operator ACME spare ({named['ACME spare']}): spare, checked " in shown
    assert f", by operator ACME signing ({named['ACME signing']}) on token {cli.token.label}\n" in shown
    wrong = cli.run("recovery", "drill", cli.token.label, "--sign", TOKEN_PIN="wrong-pin-0815")
    assert (wrong.code, spare.label in wrong.err) == (4, True)
    after = cli.files()
    assert {path for path in after if before.get(path) != after[path]} == {"store/challenges.jsonl"}


def test_without_a_spare_the_loss_is_reported_as_such_and_ends_with_3(cli: Cli) -> None:
    cli.found_system()
    done = cli.run("recovery", "drill", cli.token.uri)
    assert done.code == 3
    assert (
        "operator ACME: no key of it is left, and no spare operator is in the folder: NOT POSSIBLE"
        in done.out
    )
    assert done.out.endswith("NOT all of it can be issued again\n")


def test_a_spare_operator_signs_the_accounts_and_no_server_is_restarted(
    cli: Cli, softhsm: pytest_softhsm.SoftHSM
) -> None:
    other = softhsm.create(pin=cli.token.pin)
    cli.found_system()
    cli.ok("operator", "add", "ACME-SPARE", "--token", other.uri)
    told = cli.ok("recovery", "drill", cli.token.uri, "--operator", "ACME", "--json").data
    assert (told["survived"], told["restarts"]) == (True, 0)
    assert told["steps"][0]["commands"] == [
        "seedless operator replace ACME --operator ACME-SPARE",
        "seedless push --all --operator ACME-SPARE",
    ]


def test_an_account_key_that_is_lost_changes_nothing_at_servers(
    cli: Cli, softhsm: pytest_softhsm.SoftHSM
) -> None:
    other = softhsm.create(pin=cli.token.pin)
    cli.found_system()
    cli.ok("account", "signing-key", "add", "-a", "ORDERS", "--token", other.uri)
    told = cli.ok("recovery", "drill", other.uri, "--json").data
    assert (told["restarts"], told["servers"]) == (0, ["nothing; accounts that change are pushed"])
    assert [step["what"] for step in told["steps"]] == [
        "users of account ORDERS; deliver their creds before --finish"
    ]
    assert told["stolen"] == [
        "push account ORDERS at once: until then the lost signing key issues users of it"
    ]


def test_what_a_policy_refuses_after_the_loss_is_reported(cli: Cli, spare: pytest_softhsm.Token) -> None:
    operator = keys(cli)["ACME"]
    (cli.home / "policy.toml").write_text(f'operator = "{operator}"\nspare = "required"\n')
    words = ("recovery", "drill", cli.token.uri, "--policy", str(cli.home / "policy.toml"))
    done = cli.run(*words, "--json")
    assert (done.code, {finding["code"] for finding in done.data["findings"]}) == (3, {"P016"})


def test_the_files_that_can_be_lost_have_their_way_back(cli: Cli, spare: pytest_softhsm.Token) -> None:
    told = cli.ok("recovery", "drill", "inventory", "--json").data
    assert {step["token"] for step in told["steps"]} == {cli.token.label, spare.label}
    assert [step["commands"] for step in told["steps"]] == [
        [f"seedless key register --all --token '{uri}'"] for uri in uris(cli)
    ]
    played = cli.ok("recovery", "drill", "inventory", "--sign", "--json").data
    assert (sorted(played["returned"]), played["missing"]) == (sorted(keys(cli).values()), [])
    store = cli.ok("recovery", "drill", "store", "--json").data
    assert [step["commands"][-1] for step in store["steps"]] == [
        "seedless operator import operator.jwt",
        "seedless pull --all --creds SYSTEM.creds",
        "seedless user import USER.creds",
    ]
    refused = cli.run("recovery", "drill", "ledger")
    assert (refused.code, "there is no ledger in" in refused.err) == (2, True)


def test_a_drill_registers_the_keys_again_on_a_copy_and_names_those_that_do_not_come_back(
    cli: Cli, spare: pytest_softhsm.Token
) -> None:
    made = keys(cli)
    text = (cli.store / "keyring.json").read_text().replace(spare.serial, "feedbeeffeedbeef")  # another one
    inventory = json.loads(text)
    inventory["keys"][made["ORDERS"]]["name"] = "orders of old"  # the label on the token has ORDERS
    (cli.store / "keyring.json").write_text(json.dumps(inventory))
    before = cli.files()
    done = cli.run("recovery", "drill", "inventory", "--sign", "--json")
    assert (done.code, done.data["survived"]) == (3, False)
    here = {name for name in made if "spare" not in name} - {"ORDERS"}
    assert set(done.data["returned"]) == {made[name] for name in here}
    absent, *missing = done.data["missing"]
    assert "feedbeeffeedbeef" in absent
    lost = {one.split(",")[0] for one in missing}
    assert lost == {"account SYS spare", "account orders of old", "operator ACME spare"}
    shown = cli.run("recovery", "drill", "inventory", "--sign").out
    assert "missing on the copy: account orders of old" in shown
    after = cli.files()
    assert {path for path in after if before.get(path) != after[path]} == {"store/challenges.jsonl"}


def uris(cli: Cli) -> list[str]:
    rows = cli.ok("key", "list", "--json").data["keys"]
    return sorted({row["uri"].partition(";object=")[0] for row in rows})


def test_a_token_without_a_key_is_reported_with_those_that_have_some(
    cli: Cli, spare: pytest_softhsm.Token
) -> None:
    refused = cli.run("recovery", "drill", "NOBODY")
    assert (refused.code, "the inventory has no key on the token NOBODY" in refused.err) == (2, True)
    assert f'it has keys on "{cli.token.label}", "{spare.label}"' in refused.err
