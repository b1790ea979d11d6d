"""The key files that nsc and `nats auth` look for, and creds, which are made of jwt and seed."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from seedless.creds import parse_creds

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    Cli = Any  # the fixture in tests/conftest.py


@pytest.fixture
def system(cli: Cli) -> Cli:
    """A home with ACME, SYS, ORDERS and its user app."""
    cli.found_system()
    return cli


def key_file(cli: Cli, key: str) -> Path:
    path: Path = cli.store / f"keys/keys/{key[0]}/{key[1:3]}/{key}.nk"
    return path


def subject(cli: Cli, *words: str) -> str:
    key: str = cli.ok(*words, "--json").data["subject"]
    return key


def creds_file(cli: Cli) -> Path:
    path: Path = cli.store / "keys/creds/ACME/ORDERS/app.creds"
    return path


def test_a_user_has_its_seed_where_nsc_looks_for_it(system: Cli) -> None:
    path = key_file(system, subject(system, "user", "show", "-a", "ORDERS", "app"))
    assert path.read_text() == parse_creds(creds_file(system).read_text()).key.reveal()
    assert path.stat().st_mode & 0o777 == 0o600


def test_keys_on_a_token_have_files_with_the_public_key_alone(system: Cli) -> None:
    system.ok("account", "edit", "ORDERS", "--sk", "generate")
    own = subject(system, "user", "add", "-a", "ORDERS", "bridge", "--on-token")
    account = system.ok("account", "show", "ORDERS", "--json").data
    keys = [
        subject(system, "operator", "show"),
        account["subject"],
        account["claims"]["nats"]["signing_keys"][0],
        own,
    ]
    assert [key_file(system, key).read_text() for key in keys] == keys


def test_a_key_file_that_is_there_stays_as_it_is(system: Cli) -> None:
    key = subject(system, "user", "show", "-a", "ORDERS", "app")
    key_file(system, key).write_text(key)
    system.ok("user", "edit", "app", "-a", "ORDERS", "--tag", "x")
    assert key_file(system, key).read_text() == key
    assert parse_creds(creds_file(system).read_text()).jwt.claims.body.tags == ("x",)


@pytest.mark.parametrize("left", ["key file", "creds"])
def test_creds_are_made_of_the_jwt_and_the_seed_wherever_that_is(system: Cli, left: str) -> None:
    key = subject(system, "user", "show", "-a", "ORDERS", "app")
    before = creds_file(system).read_text()
    (creds_file(system) if left == "key file" else key_file(system, key)).unlink()
    done = system.ok("user", "creds", "app", "-a", "ORDERS")
    assert (done.out, done.err) == (before, "")


def test_seeds_are_read_from_creds_with_an_empty_line_and_from_a_seed_alone(system: Cli) -> None:
    key = subject(system, "user", "show", "-a", "ORDERS", "app")
    key_file(system, key).unlink()
    whole = creds_file(system).read_text()
    jwt = parse_creds(whole).jwt.text
    for text in (whole.replace(jwt, jwt + "\n"), whole[whole.index("-----BEGIN USER NKEY") :]):
        creds_file(system).write_text(text)
        assert system.ok("user", "creds", "app", "-a", "ORDERS").out == whole


def test_where_creds_hold_another_jwt_that_of_the_store_counts_and_lint_reports_it(system: Cli) -> None:
    system.ok("lint", str(system.store))
    older = creds_file(system).read_text()
    system.ok("user", "edit", "app", "-a", "ORDERS", "--tag", "x")
    creds_file(system).write_text(older)
    stored = subject(system, "user", "show", "-a", "ORDERS", "app")
    creds = parse_creds(system.ok("user", "creds", "app", "-a", "ORDERS").out)
    assert (creds.jwt.claims.sub, creds.jwt.claims.body.tags) == (stored, ("x",))
    done = system.ok("lint", str(system.store), "--json")
    assert [(one["code"], one["about"]) for one in done.data["findings"] if one["code"] == "L008"] == [
        ("L008", "user ORDERS/app")
    ]


def test_a_context_gets_the_creds_that_it_names(system: Cli) -> None:
    creds_file(system).unlink()
    system.ok("user", "context", "app", "-a", "ORDERS", "--url", "nats://x", "-o", f"{system.home}/c.json")
    assert parse_creds(creds_file(system).read_text()).jwt.claims.name == "app"


def test_a_store_of_all_dirs_is_used_where_it_is(system: Cli) -> None:
    flat = system.home / "nsc"
    shutil.move(system.store / "stores", flat)
    shutil.move(system.store / "keys/keys", flat / "keys")
    shutil.move(system.store / "keys/creds", flat / "creds")
    shutil.copy(system.store / "keyring.json", flat / "keyring.json")
    system.ok("user", "add", "-a", "ORDERS", "till", "--store", str(flat))
    assert (flat / "ACME/accounts/ORDERS/users/till.jwt").is_file()
    assert (flat / "creds/ACME/ORDERS/till.creds").is_file()
    key = parse_creds((flat / "creds/ACME/ORDERS/till.creds").read_text()).jwt.claims.sub
    assert (flat / f"keys/U/{key[1:3]}/{key}.nk").is_file()
    assert not (flat / "stores").exists()
    assert (
        system.ok("operator", "list", "--store", str(flat), "--json").data["operators"][0]["name"] == "ACME"
    )
    assert system.ok("lint", str(flat / "ACME")).out.startswith("6 files looked at")
