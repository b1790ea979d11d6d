"""Jwts that are too long for the token: refused before anything is asked."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    Cli = Any  # the fixture in tests/conftest.py

ACCOUNT = "AC6XXO7244ALSMQDZXBHQIJRJTDLTBAA764CN65FESLPETLJKTYKWITG"  # somebody else holds its key
LARGE = tuple(f"a-subject-of-some-length.and-a-number-{number}" for number in range(60))


@pytest.fixture
def on_a_yubikey(cli: Cli) -> Cli:
    """An operator whose key, by what the inventory says, is on a YubiKey."""
    cli.ok("operator", "add", "ACME")
    path = cli.store / "keyring.json"
    inventory: dict[str, Any] = json.loads(path.read_text())
    for entry in inventory["keys"].values():
        entry["uri"] = "pkcs11:manufacturer=Yubico%20%28www.yubico.com%29;model=YubiKey%20YK5;serial=1"
    path.write_text(json.dumps(inventory))
    return cli


def large_account(cli: Cli, **env: str | None) -> tuple[int, str]:
    """Add an account with so many permissions that its jwt passes 3,062 bytes."""
    words = [word for subject in LARGE for word in ("--allow-pub", subject)]
    made = cli.run("account", "add", "BIG", "--public-key", ACCOUNT, *words, **env)
    return made.code, made.err


def test_a_jwt_over_the_ceiling_of_its_token_is_refused_with_both_numbers(on_a_yubikey: Cli) -> None:
    code, err = large_account(on_a_yubikey)
    assert code == 3
    assert "error: G010" in err
    assert "bytes to sign" in err
    assert "takes 3062" in err
    assert "make the claims smaller" in err


def test_no_pin_is_asked_and_no_module_loaded_for_a_jwt_that_is_too_long(on_a_yubikey: Cli) -> None:
    nowhere = {"SEEDLESS_PIN_SOURCE": "env:NOT_SET", "SEEDLESS_MODULE": "/nonexistent.so"}
    code, err = large_account(on_a_yubikey, **nowhere)
    assert (code, "NOT_SET" in err, "nonexistent" in err) == (3, False, False)


def test_the_same_jwt_is_signed_by_a_token_without_a_ceiling(cli: Cli) -> None:
    cli.ok("operator", "add", "ACME")
    assert large_account(cli)[0] == 0


def test_a_clock_behind_the_newest_jwt_of_the_store_is_reported(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    cli.ok("operator", "add", "ACME")
    import time

    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() - 3600)
    done = cli.run("account", "add", "LATE", "--public-key", ACCOUNT)
    assert (done.code, "G006" in done.err) == (3, True)
