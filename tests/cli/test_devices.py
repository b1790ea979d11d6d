"""`seedless token` and `seedless key`: what is on the table, and what is on the tokens."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pytest

from seedless.nkey import PublicKey, Role
from seedless.seeds import SoftwareKey

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    Cli = Any  # the fixture in tests/conftest.py

TOKEN_KEYS = {
    "label", "serial", "manufacturer", "model", "slot_id", "hardware_version", "firmware_version", "state",
    "uri",
}  # fmt: skip
ENTRY_KEYS = {
    "checked_at", "spares", "public_key", "role", "name", "uri", "made", "at", "attested", "lost_at",
}  # fmt: skip
SEED = bytes(range(32))


@pytest.fixture
def blank(cli: Cli, tmp_path: Path) -> Cli:
    """A home whose module, in a process of its own, shows nothing but a blank token."""
    (tmp_path / "tokens").mkdir()
    configuration = tmp_path / "softhsm2.conf"
    configuration.write_text(f"directories.tokendir = {tmp_path / 'tokens'}\nlog.level = ERROR\n")
    env = cli.env | {"SOFTHSM2_CONF": str(configuration), "SO_PIN": "so-pin-4711"}
    del env["SEEDLESS_TOKEN"]
    return dataclasses.replace(cli, env=env)


def test_a_blank_token_is_initialised_listed_and_used(blank: Cli) -> None:
    assert [t["state"] for t in blank.child("token", "list", "--json").data["tokens"]] == ["blank"]
    words = ("token", "init", "--label", "ACME", "--so-pin-source", "env:SO_PIN", "--json")
    dry = blank.child(*words, "--dry-run").data
    assert (dry["dry_run"], dry["label"], set(dry["token"])) == (True, "ACME", TOKEN_KEYS)
    made = blank.child(*words).data
    assert set(made) == TOKEN_KEYS
    assert (made["label"], made["state"]) == ("ACME", "ready")
    assert blank.child("operator", "add", "ACME", "--token", made["uri"]).code == 0


def test_a_blank_token_is_reported_with_the_command_that_initialises_it(blank: Cli) -> None:
    done = blank.child("operator", "add", "ACME", "--token", "pkcs11:model=SoftHSM%20v2")
    assert (done.code, done.out) == (4, "")
    assert "has to be initialised before it can be used\nhint: seedless token init does it\n" in done.err
    assert blank.files() == {}


def test_the_tokens_of_the_module_are_listed(cli: Cli) -> None:
    data = cli.ok("token", "list", "--json").data
    assert data["module"] == str(cli.token.module)
    (ours,) = [token for token in data["tokens"] if token["serial"] == cli.token.serial]
    assert set(ours) == TOKEN_KEYS
    assert (ours["label"], ours["state"]) == (cli.token.label, "ready")
    lines = cli.ok("token", "list").out.splitlines()
    assert lines[0].split() == ["TOKEN", "SERIAL", "MODEL", "STATE", "URI"]
    assert any(line.split()[:2] == [cli.token.label, cli.token.serial] for line in lines)


def test_a_token_is_shown_without_its_pin(cli: Cli) -> None:
    done = cli.ok("token", "show", "--json", TOKEN_PIN=None)
    assert set(done.data) == TOKEN_KEYS
    assert done.data["serial"] == cli.token.serial
    assert f"serial               {cli.token.serial}\n" in cli.ok("token", "show").out


def test_a_token_with_keys_is_erased_only_when_its_serial_is_given(cli: Cli) -> None:
    cli.token.import_ed25519(SEED, label="account:ORDERS", id=b"\x07")
    words = ("token", "init", "--label", "NEW", "--so-pin-source", "env:SO_PIN", "--json")
    kept = cli.run(*words, SO_PIN=cli.token.so_pin)
    assert kept.code == 2
    assert "all that is on it would be lost:\n  public key account:ORDERS (id 07)\n" in kept.err
    assert "error: not confirmed: run it on a terminal, or add --erase SERIAL\n" in kept.err
    assert cli.token.serial not in kept.err, "it is for a person to bring"
    wrong = cli.run(*words, "--erase", "0000", SO_PIN=cli.token.so_pin)
    assert (wrong.code, wrong.data["error"]["exit_code"]) == (2, 2)
    assert (cli.token.serial in wrong.err, 'its serial is not "0000"' in wrong.err) == (False, True)
    erased = cli.ok(*words, "--erase", cli.token.serial, SO_PIN=cli.token.so_pin).data
    assert erased["label"] == "NEW"
    assert cli.ok("key", "list", "--token", erased["uri"], "--json").data["keys"] == []


def test_the_wrong_so_pin_erases_nothing(cli: Cli) -> None:
    cli.token.import_ed25519(SEED, label="account:ORDERS", id=b"\x07")
    words = ("token", "init", "--label", "NEW", "--so-pin-source", "env:SO_PIN", "--erase", cli.token.serial)
    done = cli.run(*words, SO_PIN="not-this-one")
    assert (done.code, done.out) == (4, "")
    assert "the SO PIN is wrong\nhint: a wrong SO PIN can lock a token for good\n" in done.err
    keys = cli.ok("key", "list", "--token", cli.token.uri, "--json").data["keys"]
    assert [key["name"] for key in keys] == ["ORDERS"]


def test_a_new_key_is_noted_where_it_is(cli: Cli) -> None:
    made = cli.ok("key", "new", "--role", "account", "--name", "ORDERS", "--json").data
    assert set(made) == ENTRY_KEYS
    assert (made["role"], made["name"], made["made"]) == ("account", "ORDERS", "token")
    device = "manufacturer=SoftHSM%20project;model=SoftHSM%20v2"
    assert made["uri"].startswith(f"pkcs11:token={cli.token.label};{device};serial={cli.token.serial};")
    assert "module" not in made["uri"]
    (noted,) = cli.ok("key", "list", "--json").data["keys"]
    assert noted == made | {"state": "registered"}


def test_a_dry_run_makes_no_key(cli: Cli) -> None:
    done = cli.ok(
        "key", "new", "--role", "user", "-n", "app", "--dry-run", "--json", "--module", "/nowhere.so"
    )
    assert done.data == {"dry_run": True, "label": "user:app"}
    assert not cli.store.exists()


def test_the_inventory_is_laid_beside_what_is_on_the_token(cli: Cli) -> None:
    made = cli.ok("key", "new", "--role", "account", "--name", "ORDERS", "--json").data
    cli.token.import_ed25519(SEED, label="user:app", id=b"\x07")
    inventory = cli.store / "keyring.json"
    gone = str(SoftwareKey(Role.ACCOUNT, bytes(range(1, 33))).public_key)
    inventory.write_text(inventory.read_text().replace(made["public_key"], gone))
    keys = cli.ok("key", "list", "--token", cli.token.uri, "--json").data["keys"]
    app = str(SoftwareKey(Role.USER, SEED).public_key)
    assert {(key["public_key"], key["state"]) for key in keys} == {
        (gone, "missing"),
        (made["public_key"], "not registered"),
        (app, "not registered"),
    }


def test_a_key_is_shown_with_what_the_driver_reports_of_it(cli: Cli) -> None:
    made = cli.ok("key", "new", "--role", "operator", "--name", "ACME", "--json").data
    data = cli.ok("key", "show", made["public_key"], "--json").data
    assert (data["public_key"], data["role"], data["name"]) == (made["public_key"], "operator", "ACME")
    says = data["the_driver_says"]
    assert (says["sensitive"], says["extractable"], says["never_extractable"], says["local"]) == (
        True, False, True, True,
    )  # fmt: skip
    lines = [line.split() for line in cli.ok("key", "show", made["public_key"]).out.splitlines()]
    assert ["the", "driver", "reports:"] in lines
    assert ["extractable", "no"] in lines


def test_an_unknown_key_requires_the_name_of_its_token(cli: Cli) -> None:
    unknown = PublicKey(Role.ACCOUNT, bytes(range(1, 33)))
    done = cli.run("key", "show", str(unknown))
    assert (done.code, done.out) == (4, "")
    assert done.err.startswith(f"error: it is not known where the key {unknown} is: ")
    assert done.err.endswith(": seedless key register --all --token URI\n")


def test_a_token_may_have_a_name_in_the_configuration(cli: Cli) -> None:
    folder = cli.home / ".config" / "seedless"
    folder.mkdir(parents=True)
    (folder / "config.toml").write_text(
        f'modules = ["{cli.token.module}"]\npin-source = "env:TOKEN_PIN"\nstore = "{cli.home}/elsewhere"\n'
        f'[uris]\ndaily = "{cli.token.uri}"\n'
    )
    none = dict.fromkeys(("SEEDLESS_MODULE", "SEEDLESS_TOKEN", "SEEDLESS_PIN_SOURCE", "SEEDLESS_STORE"))
    done = cli.ok("operator", "add", "ACME", "--token", "daily", "--json", SEEDLESS_DEBUG="1", **none)
    assert done.data["store"] == f"{cli.home}/elsewhere"
