"""One key on two tokens: the inventory has both places, and the one that is connected signs."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import pytest

from seedless.nkey import Role
from seedless.seeds import SoftwareKey

if TYPE_CHECKING:
    from pathlib import Path

    import pytest_softhsm

    Desk = Any  # the fixture in tests/conftest.py

OPERATOR = SoftwareKey(Role.OPERATOR, bytes(range(32)))
KEY = str(OPERATOR.public_key)


@pytest.fixture
def spare(desk: Desk, softhsm: pytest_softhsm.SoftHSM) -> pytest_softhsm.Token:
    """A second token, on which the operator's key lies as it does on the first; ACME is its operator."""
    token = softhsm.create(pin=desk.token.pin)
    for uri in (desk.token.uri, token.uri):
        words = ("key", "import", "--role", "operator", "--name", "ACME", "--token", uri)
        desk.ok(*words, stdin=OPERATOR.reveal())
    desk.ok("operator", "add", "ACME", "--public-key", KEY)
    return token


def without(token: pytest_softhsm.Token, softhsm: pytest_softhsm.SoftHSM, folder: Path) -> dict[str, str]:
    """The environment of a machine on which all tokens are connected but *token*."""
    tokens = folder / "connected"
    tokens.mkdir()
    for path in softhsm.token_dir.iterdir():
        if not path.name.replace("-", "").endswith(token.serial):
            shutil.copytree(path, tokens / path.name)
    conf = folder / "connected.conf"
    conf.write_text(f"directories.tokendir = {tokens}\n")
    return {"SOFTHSM2_CONF": str(conf), "SEEDLESS_TOKEN": None}  # type: ignore[dict-item]  # takes it away


def test_the_inventory_has_both_places_of_a_key(desk: Desk, spare: pytest_softhsm.Token) -> None:
    (row,) = desk.ok("key", "list", "--json").data["keys"]
    assert [desk.token.serial in row["uri"], spare.serial in row["spares"][0]["uri"]] == [True, True]
    assert (row["made"], row["spares"][0]["made"]) == ("import", "import")
    for token in (desk.token, spare):
        (row,) = desk.ok("key", "list", "--token", token.uri, "--json").data["keys"]
        assert (row["public_key"], row["state"]) == (KEY, "present")
    assert f"{desk.token.label}, {spare.label}" in desk.ok("key", "list").out


def test_the_spare_signs_when_the_first_token_is_not_connected(
    desk: Desk, spare: pytest_softhsm.Token, softhsm: pytest_softhsm.SoftHSM, tmp_path: Path
) -> None:
    lost = without(desk.token, softhsm, tmp_path)
    new = ("account", "add", "ORDERS", "--public-key", str(SoftwareKey(Role.ACCOUNT, bytes(32)).public_key))
    done = desk.child(*new, **lost)
    assert done.code == 0, done
    assert desk.ok("verify").code == 0
    shutil.rmtree(tmp_path / "connected")
    (tmp_path / "connected").mkdir()
    done = desk.child("account", "edit", "ORDERS", "--conns", "5", **lost)
    assert done.code == 4
    assert f"operator ACME ({KEY}) is on 2 tokens, and none can be used: token" in done.err
    assert done.err.count("is not connected") == 2
    assert spare.label in done.err


def test_the_token_that_is_named_signs_before_the_other(desk: Desk, spare: pytest_softhsm.Token) -> None:
    new = str(SoftwareKey(Role.ACCOUNT, bytes(32)).public_key)
    wrong = desk.run("account", "add", "A", "--public-key", new, TOKEN_PIN="wrong-pin-0815")
    assert (wrong.code, desk.token.label in wrong.err, spare.label in wrong.err) == (4, True, False)
    words = ("account", "add", "A", "--public-key", new, "--token", spare.uri)
    wrong = desk.run(*words, TOKEN_PIN="wrong-pin-0815")
    assert (wrong.code, desk.token.label in wrong.err, spare.label in wrong.err) == (4, False, True)


def test_a_key_that_is_needed_is_deleted_from_one_token_while_another_has_it(
    desk: Desk, spare: pytest_softhsm.Token
) -> None:
    told = desk.ok("key", "delete", KEY, "--name", "ACME", "--token", spare.uri, "--json").data
    assert [desk.token.serial in uri for uri in told["left"]] == [True]
    (row,) = desk.ok("key", "list", "--json").data["keys"]
    assert (desk.token.serial in row["uri"], row["spares"]) == (True, [])
    last = desk.run("key", "delete", KEY, "--name", "ACME")
    assert (last.code, f"the key {KEY} is needed" in last.err) == (3, True)


def test_the_place_on_a_lost_token_is_taken_out_by_its_name(desk: Desk, spare: pytest_softhsm.Token) -> None:
    words = ("key", "delete", KEY, "--lost", "--name", "ACME")
    for given in (words, words[:3]):
        unnamed = desk.run(*given, SEEDLESS_TOKEN=None)
        assert (unnamed.code, "is on 2 tokens, and none of them is named" in unnamed.err) == (2, True)
    told = desk.ok(*words, "--token", desk.token.uri)
    assert f"it was at {desk.token.uri.partition(';')[0]}" in told.out
    (row,) = desk.ok("key", "list", "--json").data["keys"]
    assert (spare.serial in row["uri"], row["spares"]) == (True, [])


def test_an_inventory_is_rebuilt_with_all_places_and_registering_again_checks_them(
    desk: Desk, spare: pytest_softhsm.Token
) -> None:
    (desk.store / "keyring.json").unlink()
    for token in (desk.token, spare):
        (row,) = desk.ok("key", "register", "--all", "--token", token.uri, "--json").data["keys"]
        assert token.serial in row["uri"]
    (row,) = desk.ok("key", "list", "--json").data["keys"]
    assert (row["checked_at"], row["spares"][0]["checked_at"]) == (None, None)
    again = desk.ok("key", "register", "--all", "--token", spare.uri, "--json").data
    assert again == {"keys": [], "checked": [KEY]}


def test_a_policy_that_requires_spares_lets_the_jwt_that_lists_one_be_signed(
    desk: Desk, softhsm: pytest_softhsm.SoftHSM, tmp_path: Path
) -> None:
    other = softhsm.create(pin=desk.token.pin)
    desk.found_system()
    operator = desk.ok("operator", "show", "--json").data["subject"]
    (tmp_path / "policy.toml").write_text(f'operator = "{operator}"\nspare = "required"\n')
    pinned = {"SEEDLESS_POLICY": str(tmp_path / "policy.toml")}
    refused = desk.run("account", "edit", "ORDERS", "--conns", "5", **pinned)
    assert (
        refused.code,
        "P016" in refused.err and f"operator ACME ({operator}) has no spare" in refused.err,
    ) == (3, True), refused
    desk.ok("operator", "signing-key", "add", "--token", other.uri)
    desk.ok("account", "edit", "ORDERS", "--conns", "5", "--issuer", operator, **pinned)
    refused = desk.run("user", "add", "-a", "ORDERS", "later", **pinned)
    assert (refused.code, "P016" in refused.err) == (3, True), refused
    linted = desk.run("lint", "--json", **pinned)
    found = {f["about"] for f in linted.data["findings"] if f["code"] == "P016"}
    assert (linted.code, found) == (3, {"user ORDERS/app", "user SYS/sys"})
    rows = {row["name"]: row["backup"] for row in desk.ok("key", "list", "--backup", "--json").data["keys"]}
    assert [rows[name]["kind"] for name in ("ACME", "ACME signing", "ORDERS")] == ["spare", "spare", "none"]
    assert desk.ok("key", "list", "--backup").out.splitlines()[0].split() == [
        "ROLE", "NAME", "KEY", "BACKUP", "TOKEN",
    ]  # fmt: skip


def test_an_operator_with_a_spare_token_has_signing_keys_on_both_and_signs_with_the_first(
    desk: Desk, softhsm: pytest_softhsm.SoftHSM, tmp_path: Path
) -> None:
    other = softhsm.create(pin=desk.token.pin)
    words = ("operator", "add", "ACME", "--sys", "--spare-token", desk.token.uri)
    same = desk.run(*words, TOKEN_PIN="no PIN is sent for it")
    assert (same.code, "which has the other keys" in same.err) == (2, True), same
    desk.ok("operator", "add", "ACME", "--sys", "--spare-token", other.uri)
    rows = {row["name"]: row for row in desk.ok("key", "list", "--backup", "--json").data["keys"]}
    assert {name for name, row in rows.items() if other.serial in row["uri"]} == {"ACME spare", "SYS spare"}
    assert {name for name, row in rows.items() if desk.token.serial in row["uri"]} == {
        "ACME", "ACME signing", "SYS", "SYS signing",
    }  # fmt: skip
    assert {row["backup"]["kind"] for row in rows.values()} == {"spare"}
    keys = {name: row["public_key"] for name, row in rows.items()}
    operator = desk.ok("operator", "show", "--json").data["claims"]["nats"]
    assert operator["signing_keys"] == [keys["ACME signing"], keys["ACME spare"]]
    system = desk.ok("account", "show", "SYS", "--json").data
    assert set(system["claims"]["nats"]["signing_keys"]) == {keys["SYS signing"], keys["SYS spare"]}
    assert system["issuer"] == keys["ACME signing"]
    desk.ok("account", "add", "ORDERS")
    (issuer,) = {desk.ok("user", "add", "-a", "SYS", name, "--json").data["issuer"] for name in ("a", "b")}
    assert issuer == keys["SYS signing"]

    lost = without(desk.token, softhsm, tmp_path)
    words = ("account", "edit", "ORDERS", "--conns", "5")
    refused = desk.child(*words, **lost)
    assert refused.code == 4
    way = f'sign with {keys["ACME spare"]}, which is on token "{other.label}": --issuer'
    assert f"hint: connect it; if it is lost: {way}\n" in refused.err
    assert desk.child(*words, "--issuer", keys["ACME spare"], **lost).code == 0
    assert desk.child("user", "add", "-a", "SYS", "later", "--issuer", keys["SYS spare"], **lost).code == 0
    refused = desk.child("user", "add", "-a", "ORDERS", "app", **lost)
    assert "seedless account signing-key add -a ORDERS --token OTHER lists another key" in refused.err
    words = ("account", "signing-key", "add", "-a", "ORDERS", "--issuer", keys["ACME spare"])
    done = desk.child(*words, "--token", other.uri, **lost)
    assert done.code == 0, done
    assert desk.child("user", "add", "-a", "ORDERS", "app", **lost).code == 0


def test_the_pin_of_the_spare_token_can_come_from_its_uri(
    desk: Desk, softhsm: pytest_softhsm.SoftHSM, tmp_path: Path
) -> None:
    other = softhsm.create(pin="another-pin-99")
    (tmp_path / "pin").write_text("another-pin-99\n")
    (tmp_path / "pin").chmod(0o600)
    uri = f"{other.uri}?pin-source=file:{tmp_path / 'pin'}"
    desk.ok("operator", "add", "ACME", "--spare-token", uri)
    assert "pin-source" not in (desk.store / "keyring.json").read_text()


def test_an_operator_is_replaced_by_another_one_of_the_folder(desk: Desk) -> None:
    desk.found_system()
    for name in ("ACME", "NOBODY"):
        refused = desk.run("operator", "replace", name)
        assert (refused.code, "is no other one of this folder" in refused.err) == (2, True)


def test_a_spare_with_another_system_account_is_refused(desk: Desk) -> None:
    desk.found_system()
    desk.ok("operator", "add", "OTHER", "--sys")
    words = ("server", "config", "--mem-resolver", "--spare-operator", "OTHER", "--operator", "ACME")
    refused = desk.run(*words)
    assert (refused.code, "has another system account" in refused.err) == (2, True)


def test_tree_verify_and_doctor_report_what_has_a_spare(desk: Desk, softhsm: pytest_softhsm.SoftHSM) -> None:
    other = softhsm.create(pin=desk.token.pin)
    desk.ok("operator", "add", "ACME", "--spare-token", other.uri)
    desk.ok("account", "add", "ORDERS")
    drawn = desk.ok("tree", "--detail").out.splitlines()
    assert [line.rpartition("…)")[2] for line in drawn] == [
        "  on a token, spare", "  on a token, spare", "  on a token, spare", "  on a token, no spare",
    ]  # fmt: skip
    tree = desk.ok("tree", "--json").data
    assert (tree["backup"], tree["children"][0]["backup"]) == ("spare", "none")
    verified = desk.ok("verify")
    assert verified.err == "keys without a spare: in 1 of these jwts; see seedless key list --backup\n"
    assert [jwt["backup"] for jwt in desk.ok("verify", "--json").data["jwts"]] == ["spare", "none"]
    lines = {line["what"]: line for line in desk.ok("token", "doctor", "--no-key", "--json").data["lines"]}
    assert (lines["spare"]["verdict"], lines["spare"]["found"]) == ("note", "none for account ORDERS")
    desk.ok("account", "signing-key", "add", "-a", "ORDERS", "--token", other.uri)
    assert desk.ok("verify").err == ""
    lines = {line["what"]: line for line in desk.ok("token", "doctor", "--no-key", "--json").data["lines"]}
    assert (lines["spare"]["verdict"], lines["spare"]["found"]) == ("ok", "each of 3 keys has one, or shares")


def test_an_account_that_a_spare_operator_signs_is_later_than_the_one_on_servers(desk: Desk) -> None:
    desk.ok("operator", "add", "ACME-SPARE")
    desk.ok("operator", "add", "ACME")
    desk.ok("account", "add", "ORDERS", "--operator", "ACME")
    before = desk.ok("account", "show", "ORDERS", "--json", "--operator", "ACME").data
    desk.ok("operator", "replace", "ACME", "--operator", "ACME-SPARE")
    after = desk.ok("account", "show", "ORDERS", "--json", "--operator", "ACME-SPARE").data
    assert after["claims"]["iat"] > before["claims"]["iat"]
    assert after["claims"]["sub"] == before["claims"]["sub"]
