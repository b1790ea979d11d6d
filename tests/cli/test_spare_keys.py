"""One key on two tokens: the inventory has both places, and the one that is connected signs."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from seedless.nkey import Role
from seedless.seeds import SoftwareKey

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pytest_softhsm

    Cli = Any  # the fixture in tests/conftest.py

OPERATOR = SoftwareKey(Role.OPERATOR, bytes(range(32)))
KEY = str(OPERATOR.public_key)


@pytest.fixture
def spare(cli: Cli, softhsm: pytest_softhsm.SoftHSM) -> pytest_softhsm.Token:
    """A second token, on which the operator's key lies as it does on the first; ACME is its operator."""
    token = softhsm.create(pin=cli.token.pin)
    for uri in (cli.token.uri, token.uri):
        words = ("key", "import", "--role", "operator", "--name", "ACME", "--token", uri)
        cli.ok(*words, stdin=OPERATOR.reveal())
    cli.ok("operator", "add", "ACME", "--public-key", KEY)
    return token


def without(token: pytest_softhsm.Token, softhsm: pytest_softhsm.SoftHSM, folder: Path) -> dict[str, str]:
    """The environment of a machine on which all tokens are connected but *token*."""
    return machine(softhsm, folder, lambda serial: serial != token.serial)


def machine(
    softhsm: pytest_softhsm.SoftHSM, folder: Path, is_connected: Callable[[str], bool]
) -> dict[str, str]:
    """The environment of a machine with copies of the tokens whose serial *is_connected*; none is named."""
    tokens = folder / "connected"
    tokens.mkdir()
    for path in softhsm.token_dir.iterdir():
        if is_connected(path.name.replace("-", "")[-16:]):
            shutil.copytree(path, tokens / path.name)
    conf = folder / "connected.conf"
    conf.write_text(f"directories.tokendir = {tokens}\n")
    return {"SOFTHSM2_CONF": str(conf), "SEEDLESS_TOKEN": None}  # type: ignore[dict-item]  # takes it away


def test_the_inventory_has_both_places_of_a_key(cli: Cli, spare: pytest_softhsm.Token) -> None:
    (row,) = cli.ok("key", "list", "--json").data["keys"]
    assert [cli.token.serial in row["uri"], spare.serial in row["spares"][0]["uri"]] == [True, True]
    assert (row["made"], row["spares"][0]["made"]) == ("import", "import")
    for token in (cli.token, spare):
        (row,) = cli.ok("key", "list", "--token", token.uri, "--json").data["keys"]
        assert (row["public_key"], row["state"]) == (KEY, "present")
    assert f"{cli.token.label}, {spare.label}" in cli.ok("key", "list").out


def test_the_spare_signs_when_the_first_token_is_not_connected(
    cli: Cli, spare: pytest_softhsm.Token, softhsm: pytest_softhsm.SoftHSM, tmp_path: Path
) -> None:
    lost = without(cli.token, softhsm, tmp_path)
    new = ("account", "add", "ORDERS", "--public-key", str(SoftwareKey(Role.ACCOUNT, bytes(32)).public_key))
    done = cli.child(*new, **lost)
    assert done.code == 0, done
    assert cli.ok("verify").code == 0
    shutil.rmtree(tmp_path / "connected")
    (tmp_path / "connected").mkdir()
    done = cli.child("account", "edit", "ORDERS", "--conns", "5", **lost)
    assert done.code == 4
    assert f"operator ACME ({KEY}) is on 2 tokens, and none can be used: token" in done.err
    assert done.err.count("is not connected") == 2
    assert spare.label in done.err


def test_a_key_whose_tokens_are_not_connected_is_shown_as_the_inventory_has_it(
    cli: Cli, spare: pytest_softhsm.Token, softhsm: pytest_softhsm.SoftHSM, tmp_path: Path
) -> None:
    connected = cli.ok("key", "show", "ACME", "--json").data
    assert connected["not_connected"] is None
    gone = without(cli.token, softhsm, tmp_path)
    shutil.rmtree(tmp_path / "connected")
    (tmp_path / "connected").mkdir()
    done = cli.child("key", "show", "ACME", **gone)
    assert (done.code, done.err) == (0, "")
    lines = done.out.splitlines()
    assert lines[0].split() == ["public", "key", KEY]
    places = [line.split()[-1] for line in lines if line.startswith("uri")]
    assert (places[0], spare.serial in places[1], len(places)) == (connected["uri"], True, 2)
    assert lines[-1].startswith("the driver reports nothing: ")
    for token in (cli.token, spare):
        assert f'token "{token.label}" (serial {token.serial}) is not connected' in lines[-1]
    data = json.loads(cli.child("key", "show", "ACME", "--json", **gone).out)
    assert (data["the_driver_says"], data["not_connected"]) == (None, lines[-1].partition(": ")[2])
    same = ("public_key", "fingerprint", "uri", "role", "name")
    assert [data[name] for name in same] == [connected[name] for name in same]
    assert data["spares"][0]["uri"] == places[1]


def test_a_list_without_an_inventory_names_the_command_that_rebuilds_it(cli: Cli) -> None:
    cli.ok("operator", "add", "ACME")
    assert "register" not in cli.ok("key", "list").err
    before = cli.ok("key", "list", "--json").data["keys"]
    (cli.store / "keyring.json").unlink()
    done = cli.ok("key", "list", SEEDLESS_TOKEN=None)
    command = "seedless key register --all"
    assert done.err == f"the inventory has no keys; those that are on a token are registered by: {command}\n"
    done = cli.ok("key", "list", "--token", cli.token.label)
    assert "ACME" in done.out
    assert done.err.endswith(f"registered by: {command} --token {cli.token.label}\n")
    cli.ok(*done.err.rpartition(": seedless ")[2].split())
    assert [key["public_key"] for key in cli.ok("key", "list", "--json").data["keys"]] == [
        key["public_key"] for key in before
    ]


def test_the_token_that_is_named_signs_before_the_other(cli: Cli, spare: pytest_softhsm.Token) -> None:
    new = str(SoftwareKey(Role.ACCOUNT, bytes(32)).public_key)
    wrong = cli.run("account", "add", "A", "--public-key", new, TOKEN_PIN="wrong-pin-0815")
    assert (wrong.code, cli.token.label in wrong.err, spare.label in wrong.err) == (4, True, False)
    words = ("account", "add", "A", "--public-key", new, "--token", spare.uri)
    wrong = cli.run(*words, TOKEN_PIN="wrong-pin-0815")
    assert (wrong.code, cli.token.label in wrong.err, spare.label in wrong.err) == (4, False, True)


def test_a_key_that_is_needed_is_deleted_from_one_token_while_another_has_it(
    cli: Cli, spare: pytest_softhsm.Token
) -> None:
    told = cli.ok("key", "delete", KEY, "--name", "ACME", "--token", spare.uri, "--json").data
    assert [cli.token.serial in uri for uri in told["left"]] == [True]
    (row,) = cli.ok("key", "list", "--json").data["keys"]
    assert (cli.token.serial in row["uri"], row["spares"]) == (True, [])
    last = cli.run("key", "delete", KEY, "--name", "ACME")
    assert (last.code, f"the key {KEY} is needed" in last.err) == (3, True)


def test_the_place_on_a_lost_token_is_taken_out_by_its_name(cli: Cli, spare: pytest_softhsm.Token) -> None:
    words = ("key", "delete", KEY, "--lost", "--name", "ACME")
    for given in (words, words[:3]):
        unnamed = cli.run(*given, SEEDLESS_TOKEN=None)
        assert (unnamed.code, "is on 2 tokens, and none of them is named" in unnamed.err) == (2, True)
    told = cli.ok(*words, "--token", cli.token.uri, "--json").data["lost"]
    assert [(cli.token.serial in lost["uri"], lost["state"]) for lost in told] == [(True, "removed")]
    (row,) = cli.ok("key", "list", "--json").data["keys"]
    assert (spare.serial in row["uri"], row["spares"]) == (True, [])


def test_a_key_that_is_lost_on_one_token_is_lost_when_the_other_one_is(
    cli: Cli, spare: pytest_softhsm.Token
) -> None:
    path = cli.store / "keyring.json"
    inventory = json.loads(path.read_text())
    inventory["keys"][KEY]["lost_at"] = 900
    path.write_text(json.dumps(inventory))
    words = ("key", "delete", KEY, "--lost", "--name", "ACME", "--token", spare.uri)
    [lost] = cli.ok(*words, "--json").data["lost"]
    assert (lost["state"], lost["left"]) == ("lost", [])
    entry = json.loads(path.read_text())["keys"][KEY]
    assert (entry["lost_at"], entry["spares"][0]["lost_at"] > 900) == (900, True)


def test_the_keys_of_a_lost_token_are_marked_and_everything_follows(
    cli: Cli, softhsm: pytest_softhsm.SoftHSM
) -> None:
    other = softhsm.create(pin=cli.token.pin)
    cli.ok("operator", "add", "ACME", "--sys", "--spare-token", other.uri)
    cli.ok("account", "add", "ORDERS")
    cli.ok("account", "signing-key", "add", "-a", "ORDERS", "--token", other.uri)
    cli.ok("key", "new", "--role", "account", "--name", "UNUSED")
    keys = {row["name"]: row["public_key"] for row in cli.ok("key", "list", "--json").data["keys"]}
    words = ("key", "delete", "--lost", "--token", cli.token.uri)
    assert "not confirmed" in cli.run(*words, asks=True).err
    assert f'is not "{other.label}"' in cli.run(*words, "--name", other.label).err
    assert cli.run("key", "delete", "--lost", SEEDLESS_TOKEN=None).code == 2
    lost = {one["name"]: one["state"] for one in cli.ok(*words, "--json").data["lost"]}
    assert lost == {
        "ACME": "lost", "ACME signing": "lost", "SYS": "lost", "SYS signing": "lost", "ORDERS": "lost",
        "UNUSED": "removed",
    }  # fmt: skip
    again = cli.run(*words)
    assert (again.code, "the inventory has no key on the token" in again.err) == (2, True)

    rows = {row["name"]: row for row in cli.ok("key", "list", "--backup", "--json").data["keys"]}
    kinds = {name: row["backup"]["kind"] for name, row in rows.items()}
    assert kinds == dict.fromkeys(lost.keys() - {"UNUSED"}, "lost") | {
        "ACME spare": "none", "SYS spare": "none", "ORDERS signing": "none",
    }  # fmt: skip
    assert f"{cli.token.label} (lost)" in cli.ok("key", "list").out
    assert cli.ok("tree", "--detail").out.count("  on a lost token") == 5
    jwts = {jwt["what"]: jwt["backup"] for jwt in cli.ok("verify", "--json").data["jwts"]}
    assert jwts == {
        "operator ACME": "lost", "account ORDERS": "none", "account SYS": "lost", "user SYS/sys": None,
    }  # fmt: skip
    assert "keys on lost tokens: 2 of these jwts list some" in cli.ok("verify").err
    drill = cli.ok("recovery", "drill", "inventory", "--json").data
    assert [step["token"] for step in drill["steps"]] == [other.label]
    (line,) = (
        line for line in cli.ok("token", "doctor", "--no-key", "--token", other.uri, "--json").data["lines"]
        if line["what"] == "spare"
    )  # fmt: skip
    assert set(line["found"].removeprefix("none for ").split(", ")) == {
        "account ORDERS signing", "operator ACME spare", "account SYS spare",
    }  # fmt: skip

    # The token is connected, and signs nothing: whoever had it may have another one in its place.
    cli.ok("account", "edit", "ORDERS", "--conns", "5")
    assert cli.ok("account", "show", "ORDERS", "--json").data["issuer"] == keys["ACME spare"]
    refused = cli.run("account", "edit", "ORDERS", "--conns", "6", "--issuer", keys["ACME signing"])
    assert (refused.code, "was reported as lost on 20" in refused.err) == (4, True), refused
    assert f"if it is lost: sign with --issuer {keys['ACME spare']}" in refused.err
    cli.ok("key", "register", "--all")
    assert {row["state"] for row in cli.ok("key", "list", "--json").data["keys"]} == {"registered"}
    cli.ok("account", "edit", "ORDERS", "--conns", "7", "--issuer", keys["ACME signing"])


def test_of_two_tokens_with_one_label_the_lost_one_is_named_by_its_serial_number(
    cli: Cli, spare: pytest_softhsm.Token
) -> None:
    path = cli.store / "keyring.json"
    path.write_text(path.read_text().replace(f"token={spare.label}", f"token={cli.token.label}"))
    for words in (("key", "delete", "--lost"), ("key", "delete", KEY, "--lost")):
        refused = cli.run(*words, "--token", cli.token.label)
        assert (refused.code, "2 tokens are called so: pkcs11:token=" in refused.err) == (2, True), refused


def test_an_inventory_is_rebuilt_with_all_places_and_registering_again_checks_them(
    cli: Cli, spare: pytest_softhsm.Token
) -> None:
    (cli.store / "keyring.json").unlink()
    for token in (cli.token, spare):
        (row,) = cli.ok("key", "register", "--all", "--token", token.uri, "--json").data["keys"]
        assert token.serial in row["uri"]
    (row,) = cli.ok("key", "list", "--json").data["keys"]
    assert (row["checked_at"], row["spares"][0]["checked_at"]) == (None, None)
    again = cli.ok("key", "register", "--all", "--token", spare.uri, "--json").data
    assert again == {"keys": [], "checked": [KEY]}


def test_one_command_rebuilds_an_inventory_from_all_tokens_each_with_its_pin(
    cli: Cli, spare: pytest_softhsm.Token, softhsm: pytest_softhsm.SoftHSM, tmp_path: Path
) -> None:
    other = softhsm.create(pin="another-pin")
    cli.ok("key", "new", "--role", "account", "--name", "AUDIT", "--token", other.uri, TOKEN_PIN=other.pin)
    before = places(cli)
    (cli.store / "keyring.json").unlink()
    pins = {token.label: token.pin for token in (cli.token, spare, other)}
    serials = {token.serial for token in (cli.token, spare, other)}
    env = cli.env_with(**machine(softhsm, tmp_path, serials.__contains__))
    terminal = dataclasses.replace(cli, env=env).terminal_for(
        "key", "register", "--all", "--pin-source", "prompt"
    )
    terminal.wait_for("Sign a challenge with every key on ")
    terminal.wait_for("[y/N]: ")
    terminal.type("y\n")
    for _ in pins:
        terminal.wait_for('PIN for token "')
        terminal.wait_for("): ")
        label = re.findall('PIN for token "(.*?)" ', terminal.said)[-1]
        terminal.type(f"{pins[label]}\n")
    assert terminal.end() == 0, terminal.said
    assert places(cli) == before
    assert sorted(map(len, before.values())) == [1, 2]


@pytest.mark.usefixtures("spare")
def test_the_pin_of_one_token_is_not_sent_to_the_others_that_are_connected(cli: Cli) -> None:
    before = cli.files()
    done = cli.run("key", "register", "--all", SEEDLESS_TOKEN=None)
    assert (done.code, done.out, cli.files()) == (2, "", before)
    assert " tokens are connected, and the PIN of one is not sent to others: token " in done.err
    assert "hint: name one with --token, or type the PIN of each: --pin-source prompt" in done.err


def places(cli: Cli) -> dict[str, set[str]]:
    """Return the URIs of each key of the inventory."""
    rows = json.loads((cli.store / "keyring.json").read_text())["keys"].items()
    return {key: {row["uri"], *(spare["uri"] for spare in row.get("spares", ()))} for key, row in rows}


def test_a_policy_that_requires_spares_lets_the_jwt_that_lists_one_be_signed(
    cli: Cli, softhsm: pytest_softhsm.SoftHSM, tmp_path: Path
) -> None:
    other = softhsm.create(pin=cli.token.pin)
    cli.found_system()
    operator = cli.ok("operator", "show", "--json").data["subject"]
    (tmp_path / "policy.toml").write_text(f'operator = "{operator}"\nspare = "required"\n')
    pinned = {"SEEDLESS_POLICY": str(tmp_path / "policy.toml")}
    refused = cli.run("account", "edit", "ORDERS", "--conns", "5", **pinned)
    assert (
        refused.code,
        "P016" in refused.err and f"operator ACME ({operator}) has no spare" in refused.err,
    ) == (3, True), refused
    cli.ok("operator", "signing-key", "add", "--token", other.uri)
    cli.ok("account", "edit", "ORDERS", "--conns", "5", "--issuer", operator, **pinned)
    refused = cli.run("user", "add", "-a", "ORDERS", "later", **pinned)
    assert (refused.code, "P016" in refused.err) == (3, True), refused
    linted = cli.run("lint", "--json", **pinned)
    found = {f["about"] for f in linted.data["findings"] if f["code"] == "P016"}
    assert (linted.code, found) == (3, {"user ORDERS/app", "user SYS/sys"})
    rows = {row["name"]: row["backup"] for row in cli.ok("key", "list", "--backup", "--json").data["keys"]}
    assert [rows[name]["kind"] for name in ("ACME", "ACME signing", "ORDERS")] == ["spare", "spare", "none"]
    assert cli.ok("key", "list", "--backup").out.splitlines()[0].split() == [
        "ROLE", "NAME", "KEY", "BACKUP", "TOKEN",
    ]  # fmt: skip


def test_an_operator_with_a_spare_token_has_signing_keys_on_both_and_signs_with_the_first(
    cli: Cli, softhsm: pytest_softhsm.SoftHSM, tmp_path: Path
) -> None:
    other = softhsm.create(pin=cli.token.pin)
    words = ("operator", "add", "ACME", "--sys", "--spare-token", cli.token.uri)
    same = cli.run(*words, TOKEN_PIN="no PIN is sent for it")
    assert (same.code, "which has the other keys" in same.err) == (2, True), same
    cli.ok("operator", "add", "ACME", "--sys", "--spare-token", other.uri)
    rows = {row["name"]: row for row in cli.ok("key", "list", "--backup", "--json").data["keys"]}
    assert {name for name, row in rows.items() if other.serial in row["uri"]} == {"ACME spare", "SYS spare"}
    assert {name for name, row in rows.items() if cli.token.serial in row["uri"]} == {
        "ACME", "ACME signing", "SYS", "SYS signing",
    }  # fmt: skip
    assert {row["backup"]["kind"] for row in rows.values()} == {"spare"}
    keys = {name: row["public_key"] for name, row in rows.items()}
    operator = cli.ok("operator", "show", "--json").data["claims"]["nats"]
    assert operator["signing_keys"] == [keys["ACME signing"], keys["ACME spare"]]
    system = cli.ok("account", "show", "SYS", "--json").data
    assert set(system["claims"]["nats"]["signing_keys"]) == {keys["SYS signing"], keys["SYS spare"]}
    assert system["issuer"] == keys["ACME signing"]
    cli.ok("account", "add", "ORDERS")
    (issuer,) = {cli.ok("user", "add", "-a", "SYS", name, "--json").data["issuer"] for name in ("a", "b")}
    assert issuer == keys["SYS signing"]

    lost = without(cli.token, softhsm, tmp_path)
    words = ("account", "edit", "ORDERS", "--conns", "5")
    refused = cli.child(*words, **lost)
    assert refused.code == 4
    way = f'sign with --issuer {keys["ACME spare"]}, which is on token "{other.label}"'
    assert f"hint: connect it; if it is lost: {way}\n" in refused.err
    assert cli.child(*words, "--issuer", keys["ACME spare"], **lost).code == 0
    assert cli.child("user", "add", "-a", "SYS", "later", "--issuer", keys["SYS spare"], **lost).code == 0
    refused = cli.child("user", "add", "-a", "ORDERS", "app", **lost)
    assert "seedless account signing-key add -a ORDERS --token OTHER lists another key" in refused.err
    words = ("account", "signing-key", "add", "-a", "ORDERS", "--issuer", keys["ACME spare"])
    done = cli.child(*words, "--token", other.uri, **lost)
    assert done.code == 0, done
    assert cli.child("user", "add", "-a", "ORDERS", "app", **lost).code == 0


def test_the_pin_of_the_spare_token_can_come_from_its_uri(
    cli: Cli, softhsm: pytest_softhsm.SoftHSM, tmp_path: Path
) -> None:
    other = softhsm.create(pin="another-pin-99")
    (tmp_path / "pin").write_text("another-pin-99\n")
    (tmp_path / "pin").chmod(0o600)
    uri = f"{other.uri}?pin-source=file:{tmp_path / 'pin'}"
    cli.ok("operator", "add", "ACME", "--spare-token", uri)
    assert "pin-source" not in (cli.store / "keyring.json").read_text()


def test_an_operator_is_replaced_by_another_one_of_the_folder(cli: Cli) -> None:
    cli.found_system()
    for name in ("ACME", "NOBODY"):
        refused = cli.run("operator", "replace", name)
        assert (refused.code, "is not another operator of this folder" in refused.err) == (2, True)


def test_a_spare_with_another_system_account_is_refused(cli: Cli) -> None:
    cli.found_system()
    cli.ok("operator", "add", "OTHER", "--sys")
    words = ("server", "config", "--mem-resolver", "--spare-operator", "OTHER", "--operator", "ACME")
    refused = cli.run(*words)
    assert (refused.code, "has another system account" in refused.err) == (2, True)


def test_tree_verify_and_doctor_report_what_has_a_spare(cli: Cli, softhsm: pytest_softhsm.SoftHSM) -> None:
    other = softhsm.create(pin=cli.token.pin)
    cli.ok("operator", "add", "ACME", "--spare-token", other.uri)
    cli.ok("account", "add", "ORDERS")
    drawn = cli.ok("tree", "--detail").out.splitlines()
    assert [line.rpartition("…)")[2] for line in drawn] == [
        "  on a token, spare", "  on a token, spare", "  on a token, spare", "  on a token, no spare",
    ]  # fmt: skip
    tree = cli.ok("tree", "--json").data
    assert (tree["backup"], tree["children"][0]["backup"]) == ("spare", "none")
    verified = cli.ok("verify")
    assert verified.err == "keys without a spare: in 1 of these jwts; see seedless key list --backup\n"
    assert [jwt["backup"] for jwt in cli.ok("verify", "--json").data["jwts"]] == ["spare", "none"]
    lines = {line["what"]: line for line in cli.ok("token", "doctor", "--no-key", "--json").data["lines"]}
    assert (lines["spare"]["verdict"], lines["spare"]["found"]) == ("note", "none for account ORDERS")
    cli.ok("account", "signing-key", "add", "-a", "ORDERS", "--token", other.uri)
    assert cli.ok("verify").err == ""
    lines = {line["what"]: line for line in cli.ok("token", "doctor", "--no-key", "--json").data["lines"]}
    assert (lines["spare"]["verdict"], lines["spare"]["found"]) == ("ok", "each of 3 keys has one, or shares")


def test_an_account_that_a_spare_operator_signs_is_later_than_the_one_on_servers(cli: Cli) -> None:
    cli.ok("operator", "add", "ACME-SPARE")
    cli.ok("operator", "add", "ACME")
    cli.ok("account", "add", "ORDERS", "--operator", "ACME")
    before = cli.ok("account", "show", "ORDERS", "--json", "--operator", "ACME").data
    cli.ok("operator", "replace", "ACME", "--operator", "ACME-SPARE")
    after = cli.ok("account", "show", "ORDERS", "--json", "--operator", "ACME-SPARE").data
    assert after["claims"]["iat"] > before["claims"]["iat"]
    assert after["claims"]["sub"] == before["claims"]["sub"]
